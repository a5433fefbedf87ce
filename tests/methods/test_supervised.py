"""Training of decoded networks on the support images of tasks, and Table 5's mean."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
from tests.methods import class_pictures as pictures
from tnas_cli.engines.torch_engine import TorchEngine, task_losses
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch, evaluation_indices, load_batch
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.methods.calibration import Bins
from tnas_cli.methods.supervised import changed, initial, measure, train
from tnas_cli.recipes.supervised_result import summarise
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.preset import preset
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.parameters import Parameters

CPU = torch.device("cpu")
ENGINE = TorchEngine()
NETWORK = DecodedNetwork(AUTO_MAML_5SHOT, 4, 1, 4)
TINY = SupervisedSettings("signs", way=4, shot=8, query=4, epochs=6, batch=16, padding=1, flip=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    return pictures.characters(tmp_path_factory.mktemp("signs") / "signs-drawn-20.h5")


def tasks(cache: ImageCache, numbers: list[int]) -> TaskBatch:
    return load_batch(cache, evaluation_indices(cache, "test", 4, 8, 4, 4)[numbers], 8)


def black(cache: ImageCache) -> Tensor:
    return -torch.tensor(cache.mean) / torch.tensor(cache.std)


def value_of(steps: Generator[Any, None, Parameters]) -> Parameters:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def trained(cache: ImageCache, numbers: list[int], settings: SupervisedSettings) -> tuple[Parameters, Tensor]:
    start = initial(NETWORK, 0, "test", numbers, CPU)
    batch = tasks(cache, numbers)
    found = value_of(train(ENGINE, NETWORK, start, batch, numbers, black(cache), settings, "training"))
    return found, torch.tensor(measure(ENGINE, NETWORK, found, batch).accuracies)


def test_training_is_clearly_above_chance(cache: ImageCache) -> None:
    _, right = trained(cache, [0, 1, 2], TINY)
    assert right.shape == (3,)
    assert float(right.min()) > 0.6  # chance is a quarter
    untrained = measure(ENGINE, NETWORK, initial(NETWORK, 0, "test", [0, 1, 2], CPU), tasks(cache, [0, 1, 2]))
    assert float(right.mean()) > sum(untrained.accuracies) / 3 + 0.2


def test_what_a_task_reaches_does_not_depend_on_those_beside_it(cache: ImageCache) -> None:
    settings = TINY.replace(epochs=1)
    together, _ = trained(cache, [0, 2], settings)
    alone, _ = trained(cache, [2], settings)
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name][1], tensor[0], rtol=1e-3, atol=1e-4)
        assert not torch.equal(together[name][0], together[name][1])


def test_two_steps_are_torch_sgds_on_a_copy(cache: ImageCache) -> None:
    settings = TINY.replace(batch=32, epochs=2, padding=0, clip=1.0)
    found, _ = trained(cache, [1], settings)
    batch = tasks(cache, [1])
    copy = {name: tensor[0].requires_grad_() for name, tensor in initial(NETWORK, 0, "test", [1], CPU).items()}
    optimiser = torch.optim.SGD(list(copy.values()), lr=0.05, momentum=0.9, weight_decay=3e-4)
    for epoch in range(2):
        optimiser.param_groups[0]["lr"] = 0.05 if epoch == 0 else 0.025
        order = torch.randperm(32, generator=torch_generator(0, "supervised order", epoch))
        logits = NETWORK.logits({name: t.unsqueeze(0) for name, t in copy.items()}, batch.support_x[:, order])
        optimiser.zero_grad()
        task_losses(logits, batch.support_y[:, order]).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(copy.values()), 1.0)
        optimiser.step()
    for name, tensor in copy.items():
        torch.testing.assert_close(found[name][0], tensor.detach(), rtol=1e-3, atol=1e-5)


def test_images_move_over_black_and_alike_in_all_tasks() -> None:
    x = torch.rand(2, 5, 1, 6, 6, generator=torch_generator(0, "x"))
    x[1] = x[0]
    shade = torch.tensor([-0.5])
    y = changed(x, shade, TINY.replace(padding=2, flip=True), torch_generator(0, "moves"))
    assert torch.equal(y[0], y[1])
    assert not torch.equal(y, x)
    outside = (y == -0.5).flatten(2).sum(2)
    assert set(y[y != -0.5].tolist()) <= set((x + 0.5 - 0.5).flatten().tolist())
    assert int(outside.max()) > 0 and int(outside.max()) <= 36 - 16


def test_a_loss_that_is_no_number_stops(cache: ImageCache) -> None:
    start = initial(NETWORK, 0, "test", [0], CPU)
    start["classifier.bias"].fill_(float("inf"))
    with pytest.raises(TnasError, match="task 7 diverged: its training loss is nan in step 1"):
        next(train(ENGINE, NETWORK, start, tasks(cache, [0]), [7], black(cache), TINY, "training"))


def test_a_tasks_mean_is_over_its_genotypes_and_the_interval_over_tasks() -> None:
    one, two = AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
    accuracies = {(0, one.digest): 0.5, (0, two.digest): 0.7, (1, one.digest): 0.4}
    logits, labels = torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 0])  # sure by half, always right
    bins = Bins.of(logits.softmax(-1), labels)
    found = summarise([(one, two), (one, one)], accuracies, [bins, bins], {one: 100, two: 300}.__getitem__)
    assert found.ece == pytest.approx(0.5)
    assert summarise([(one, two), (one, one)], accuracies, [bins, None], lambda _: 1).ece is None
    assert found.mean == pytest.approx(0.5)
    assert found.interval == pytest.approx(1.96 * 0.1)  # tasks 0.6 and 0.4: standard error 0.1
    assert (found.tasks, found.genotypes, found.genotypes_trained) == (2, 4, 3)
    assert found.parameters_mean == pytest.approx(150)
    assert [len(row.genotypes) for row in found.per_task] == [2, 2]
    assert found.per_task[1].genotypes[1].to_json() == {"digest": one.digest, "accuracy": 0.4}


def test_presets_hold_the_papers_values(tmp_path: Path) -> None:
    paper = SupervisedSettings.from_dict(preset("supervised", "paper", "mini-imagenet") | {"dataset": "mini-imagenet"})
    assert (paper.tasks, paper.way, paper.shot, paper.query, paper.genotypes) == (10, 10, 200, 50, 5)
    assert (paper.epochs, paper.learning_rate, paper.momentum, paper.order, paper.flip) == (
        200,
        0.05,
        0.9,
        "first",
        True,
    )
    SupervisedSettings.from_dict(preset("supervised", "quick", "glyphs") | {"dataset": "glyphs"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "s3"}, "method"),
        ({"channels": 3}, "channels"),
        ({"method": "s1", "shot": 1}, "shot"),
        ({"order": "third"}, "order"),
        ({"flip": 1}, "flip"),
        ({"way": 1}, "way"),
    ],
)
def test_values_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TINY.replace(**changes)
