"""The memory module: a plain memory, one image at a time; the network, its loss and its slopes; that it learns."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.glyph_tasks import SIDE
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import CPU, trained
from tests.synthetic import check_slope, labelled
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods import memory
from tnas_cli.methods.learner import accuracies, mean_and_interval
from tnas_cli.methods.memory import MemoryModule, in_rounds, losses, walk
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.methods.registry import training_method
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.memory_network import MemoryNetwork
from tnas_cli.spaces.parameters import Parameters, count, draw

NETWORK = MemoryNetwork(3, 1, 20, filters=4)
BATCH = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)
METHOD = training_method("memory-module")


def parameters() -> Parameters:
    """In float64, with biases away from 0."""
    generator = torch.Generator().manual_seed(0)
    found = {name: tensor.double() for name, tensor in draw(NETWORK.specs(), generator).items()}
    for name, tensor in found.items():
        if name.endswith("bias"):
            tensor += 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return found


class PlainMemory:
    """One task's memory as lists."""

    def __init__(self, slots: int, width: int) -> None:
        self.keys = [torch.zeros(width, dtype=torch.float64) for _ in range(slots)]
        self.classes: list[int | None] = [None] * slots
        self.ages = [0] * slots
        self.hits = 0

    def met(self, q: Tensor, label: int) -> float:
        """The loss of an image, which is then written."""
        alike = [float(q @ key) for key in self.keys]
        right = [value for value, k in zip(alike, self.classes, strict=True) if k == label]
        wrong = [value for value, k in zip(alike, self.classes, strict=True) if k != label]
        loss = max(0.0, (max(wrong) if wrong else 0) - (max(right) if right else 0) + 0.1) - 0.1
        slot = alike.index(max(alike))
        if self.classes[slot] == label:
            self.hits += 1
            key = self.keys[slot] + q
            self.keys[slot] = key / math.sqrt(float(key @ key))
        else:
            slot = self.ages.index(max(self.ages))
            self.keys[slot], self.classes[slot] = q, label
        self.ages = [0 if number == slot else age + 1 for number, age in enumerate(self.ages)]
        return loss


@pytest.mark.parametrize("slots", [1, 3, 5, 8192], ids=lambda slots: f"{slots} slots")
def test_a_walk_is_that_of_a_plain_memory(slots: int) -> None:
    """With few slots, old ones are written over."""
    generator = torch.Generator().manual_seed(slots)
    q = F.normalize(torch.randn(3, 20, 3, generator=generator, dtype=torch.float64), dim=-1)
    labels = torch.randint(0, 4, (3, 20), generator=generator)
    found = walk(q, labels, slots)
    loss, hits = losses(q, found), 0
    for task in range(3):
        plain = PlainMemory(found.keys.shape[1], 3)
        expected = [plain.met(one, int(label)) for one, label in zip(q[task], labels[task], strict=True)]
        assert loss[task].tolist() == pytest.approx(expected, abs=1e-12)
        torch.testing.assert_close(found.keys[task], torch.stack(plain.keys), rtol=0, atol=1e-12)
        assert [None if k == memory.FREE else k for k in found.classes[task].tolist()] == plain.classes
        hits += plain.hits
    assert hits > 0, "some image must have changed a key"


def test_every_class_comes_once_before_any_comes_twice() -> None:
    labels = torch.tensor([[0, 0, 0, 1, 1, 2], [2, 1, 1, 0, 2, 2]])
    order = in_rounds(labels, 3)
    assert order.tolist() == [[0, 3, 5, 1, 4, 2], [0, 1, 3, 2, 4, 5]]


def plain_q(w: Parameters, x: Tensor) -> Tensor:
    """Query vectors [N, D] of one task's images [N, C, H, W], without dropout."""
    for layer in range(4):
        x = F.relu(F.conv2d(x, w[f"layer.{layer}.conv"], w[f"layer.{layer}.conv_bias"], padding=1))
        x = F.max_pool2d(x, 2) if layer in (1, 3) else x
    q = (x.flatten(1) @ w["hidden"].T + w["hidden_bias"]) @ w["projection"].T
    return q / q.norm(dim=1, keepdim=True)


def test_the_gradient_is_the_slope_of_the_loss_at_constant_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT", 1.0)
    w, learner = parameters(), MemoryModule(NETWORK, 3)
    x, labels = torch.cat([BATCH.support_x, BATCH.query_x], 1), torch.cat([BATCH.support_y, BATCH.query_y], 1)
    order = in_rounds(labels, 3)
    x, labels = torch.stack([x[t, order[t]] for t in range(2)]), labels.gather(1, order)
    met = [walk(plain_q(w, x[task]).unsqueeze(0), labels[task : task + 1]) for task in range(2)]

    def loss(there: Parameters) -> float:
        return sum(float(losses(plain_q(there, x[task]).unsqueeze(0), met[task]).mean()) for task in range(2))

    found = learner.meta_gradient(w, BATCH, 0.0)
    assert float(found.query_losses.sum()) == pytest.approx(loss(w), rel=1e-9)
    check_slope(found.gradients, loss, w, step=1e-7)  # ReLU and the margin have kinks


def test_dropout_depends_on_the_task_and_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    w, learner = parameters(), MemoryModule(NETWORK, 3)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "KEPT", 1.0)
        without_dropout = learner.meta_gradient(w, BATCH, 0.0).query_losses
    together = learner.meta_gradient(w, BATCH, 0.0)
    given = (*BATCH.support, BATCH.query_x, BATCH.query_y)
    single = [TaskBatch(*(tensor[task : task + 1] for tensor in given), 3) for task in range(2)]
    alone = [learner.meta_gradient(w, task, 0.5) for task in single]
    torch.testing.assert_close(together.query_losses, torch.cat([one.query_losses for one in alone]), rtol=1e-9, atol=0)
    sums = {name: alone[0].gradients[name] + alone[1].gradients[name] for name in w}
    for name, gradient in together.gradients.items():
        torch.testing.assert_close(gradient, sums[name], rtol=1e-7, atol=1e-10)
    assert not torch.equal(together.query_losses, without_dropout)
    of_a_run = METHOD.learner(TorchEngine(), FourConv(3, 1, 20, 4), TrainSettings("x", way=3, seed=7))
    assert of_a_run == MemoryModule(MemoryNetwork(3, 1, 20, 4), 3, seed=7)
    other = dataclasses.replace(learner, seed=7)
    assert (other.meta_gradient(w, BATCH, 0.0).query_losses != together.query_losses).all()
    fitted, theirs = learner.fit(w, BATCH.support), other.fit(w, BATCH.support)
    assert torch.equal(fitted.inductive(BATCH.query_x), theirs.inductive(BATCH.query_x))


@pytest.mark.parametrize("shot", [1, 3])
def test_an_answer_is_the_cosine_to_the_nearest_key_of_each_class(shot: int) -> None:
    w, support, query = parameters(), labelled(2, 3, shot, 1, 20, seed=3), labelled(2, 3, 2, 1, 20, seed=4)
    found = MemoryModule(NETWORK, 3).fit(w, support).inductive(query[0]) / (math.log(51.2) / 0.1)
    for task in range(2):
        plain = PlainMemory(99, 16)
        for number in range(shot):
            for k in range(3):
                plain.met(plain_q(w, support[0][task])[k * shot + number], k)
        for q, answer in zip(plain_q(w, query[0][task]), found[task], strict=True):
            for k in range(3):
                of_class = [float(q @ key) for key, c in zip(plain.keys, plain.classes, strict=True) if c == k]
                assert float(answer[k]) == pytest.approx(max(of_class), abs=1e-9)


def test_its_weights_are_those_of_the_publication_and_a_genotype_is_refused() -> None:
    settings = TrainSettings("x", way=5)
    assert count(METHOD.shapes(FourConv(5, 1, 28, filters=64), settings)) == 1_930_432
    with pytest.raises(SettingsError, match="trains no genotype") as caught:
        METHOD.shapes(DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4), settings)
    assert "4conv" in caught.value.hint
    with pytest.raises(SettingsError, match="images of 3 pixels"):
        MemoryNetwork(3, 1, 3)


def test_the_start_and_the_outer_steps_are_those_of_the_authors() -> None:
    settings = TrainSettings("x", way=3, method="memory-module", alpha_outer=0.1)
    start = METHOD.start(FourConv(3, 1, 28, filters=32), settings, torch.device("cpu")).parameters
    assert float(start["projection"].std()) > 0.008 and float(start["projection"].abs().max()) <= 0.02
    assert float(start["hidden"].std()) > 0.08 and float(start["hidden"].abs().max()) <= 0.2
    tensor = torch.zeros(4)
    optimiser = METHOD.optimiser({"w": tensor}, settings)
    tensor.grad = torch.tensor([1e-4, 0.0, 0.0, 0.0])
    optimiser.step()
    assert float(tensor[0]) == pytest.approx(-0.05)  # half of the rate, where a gradient is as small as epsilon
    tensor.grad = torch.full((4,), 30.0)
    optimiser.step()
    assert float(tensor.grad.norm()) == pytest.approx(5.0)


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """Unseen classes, 3-way 1-shot: 5 points above the nearest neighbour in pixels, and 3 above random weights, which
    are a good embedding without batch norm."""
    values = {"query": 2, "meta_batch": 2, "tasks": 1000, "validate_every": 250, "cosine_to": 0.02}
    network = FourConv(3, 1, SIDE, filters=16)
    state, source = trained("memory-module", network, values)
    settings = TrainSettings.from_dict({"dataset": "glyphs", "way": 3, **values, "method": "memory-module"})
    start = METHOD.start(network, settings, CPU, "weights")
    learner = METHOD.learner(TorchEngine(), network, settings)
    random, _ = mean_and_interval(accuracies(learner, start.parameters, source.validate()))
    nearest, _ = nearest_neighbour(source.validate())
    assert state.best_accuracy > nearest + 0.05
    assert state.best_accuracy > random + 0.03
