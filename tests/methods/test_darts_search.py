"""DARTS on single tasks, and adaptation of tasks with many images in parts."""

from __future__ import annotations

import pytest
import torch

from tests.methods import class_pictures as pictures
from tests.methods.test_supervised import black, value_of
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine, task_losses
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch, evaluation_indices, load_batch
from tnas_cli.methods.darts import adapt_in_parts, darts, halves
from tnas_cli.methods.supervised import initial
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.decode import decode
from tnas_cli.spaces.parameters import THETA, draw
from tnas_cli.spaces.search_network import SearchNetwork

NETWORK = SearchNetwork(3, 1, 4, nodes=2)
SETTINGS = SupervisedSettings("signs", method="s1", way=3, shot=5, padding=0, flip=False, search_epochs=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    return pictures.characters(tmp_path_factory.mktemp("signs") / "signs-drawn-20.h5")


def tasks(cache: ImageCache, count: int) -> TaskBatch:
    return load_batch(cache, evaluation_indices(cache, "test", 3, 5, 2, count), 5)


def test_halves_hold_every_support_image_once_and_every_class_alike(cache: ImageCache) -> None:
    batch = tasks(cache, 2)
    (first_x, first_y), (second_x, second_y) = halves(batch)
    assert first_y[0].bincount().tolist() == [2, 2, 2]
    assert second_y[0].bincount().tolist() == [3, 3, 3]
    joined = torch.cat([first_x, second_x], 1)
    for task in range(2):
        found, expected = ({image.numpy().tobytes() for image in images[task]} for images in (joined, batch.support_x))
        assert found == expected and len(found) == 15
    for image, label in zip(first_x[1], first_y[1], strict=True):
        place = [i for i in range(15) if torch.equal(batch.support_x[1, i], image)]
        assert [int(batch.support_y[1, i]) for i in place] == [int(label)]


@pytest.mark.parametrize("order", ["first", "second"])
def test_one_step_moves_theta_by_adam_on_one_half_and_then_w_by_sgd_on_the_other(cache: ImageCache, order: str) -> None:
    settings = SETTINGS.replace(order=order, search_batch=64, theta_rate=0.1, clip=1e6, search_weight_decay=0.0)
    batch = tasks(cache, 2)
    theta = value_of(darts(TorchEngine(), NETWORK, batch, [0, 1], black(cache), settings, "s1"))  # type: ignore[arg-type]

    start = initial(NETWORK, 0, "darts weights of s1", [0, 1], torch.device("cpu"))
    first, second = halves(batch)
    at = {name: tensor.requires_grad_() for name, tensor in start.items()}
    weights = [name for name in at if name != THETA]

    def loss(labelled: tuple[torch.Tensor, torch.Tensor], where: dict[str, torch.Tensor]) -> torch.Tensor:
        return task_losses(NETWORK.logits(where, labelled[0]), labelled[1]).sum()

    moved = at
    if order == "second":
        slopes = torch.autograd.grad(loss(first, at), [at[name] for name in weights], create_graph=True)
        moved = at | {name: at[name] - 0.025 * g for name, g in zip(weights, slopes, strict=True)}
    (gradient,) = torch.autograd.grad(loss(second, moved), at[THETA])
    gradient = gradient + 1e-3 * at[THETA].detach()
    # Adam's first step is the rate times the gradient's sign, where the gradient is much larger than its epsilon.
    clear = gradient.abs() > 1e-5
    expected = at[THETA].detach() - 0.1 * gradient.sign()
    assert clear.float().mean() > 0.9
    torch.testing.assert_close(theta[clear], expected[clear], atol=2e-4, rtol=0)


def test_darts_lowers_the_loss_and_decodes(cache: ImageCache) -> None:
    settings = SETTINGS.replace(search_epochs=12, search_batch=6, search_rate=0.1)
    steps = darts(TorchEngine(), NETWORK, tasks(cache, 2), [0, 1], black(cache), settings, "s1")
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            theta = end.value
            break
    assert [event.done for event in seen] == list(range(1, 13))  # 3 classes x 2 images in one batch
    assert seen[-1].values["loss"] < seen[0].values["loss"]
    assert theta.shape == (2, 2, 5, 8)
    assert decode(theta[0]).nodes == 2


def test_parts_of_adaptation(cache: ImageCache) -> None:
    """With one part it is the engine's own adaptation; with more, the mean of the parts' gradients."""
    batch = tasks(cache, 2)
    parameters = draw(NETWORK.specs(), torch_generator(0, "meta"))
    rule = InnerRule(0.1, 3.0, 2)
    engine = TorchEngine()
    whole = adapt_in_parts(engine, NETWORK, parameters, batch, rule, 15)
    expected = engine.adapt(NETWORK, parameters, (batch.support_x, batch.support_y), rule).parameters
    for name, tensor in expected.items():
        torch.testing.assert_close(whole[name], tensor, rtol=1e-4, atol=1e-5)

    one = InnerRule(0.1, 3.0, 1)
    split = adapt_in_parts(engine, NETWORK, parameters, batch, one, 8)  # 8 and 7 images
    at = {name: tensor.expand(2, *tensor.shape).clone().requires_grad_() for name, tensor in parameters.items()}
    total = torch.zeros(())
    for first, images in ((0, 8), (1, 7)):
        x, y = batch.support_x[:, first::2], batch.support_y[:, first::2]
        assert y.shape[1] == images
        total = total + images / 15 * task_losses(NETWORK.logits(at, x), y).sum()
    (gradient,) = torch.autograd.grad(total, at[THETA])
    torch.testing.assert_close(split[THETA], at[THETA].detach() - 3.0 * gradient, rtol=1e-4, atol=1e-6)
    assert set(split) == set(parameters)
