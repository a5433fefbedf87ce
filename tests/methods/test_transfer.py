"""Training and measuring a network on one data set whose splits share their classes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers import random_genotype
from tests.methods import class_pictures as pictures
from tnas_cli.episodes.labelled_images import labelled_images
from tnas_cli.errors import CheckpointError, SettingsError, TnasError
from tnas_cli.methods import transfer
from tnas_cli.methods.transfer import (
    Transferred,
    measure,
    rate_of,
    shape_of,
    start,
    steps_per_epoch,
    summarise,
    train,
)
from tnas_cli.methods.transfer_state import KIND, restore, to_checkpoint
from tnas_cli.runs import checkpoint
from tnas_cli.runs.events import StepDone, Validated
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.darts_network import DartsShape

CPU = torch.device("cpu")
CELLS = Cells.of(random_genotype(7))
TINY = TransferSettings("toy", layers=3, channels=4, epochs=3, batch=16, cutout=6, padding=2, learning_rate=0.05)


def test_a_class_is_its_name_in_every_split(tmp_path: Path) -> None:
    cache = pictures.cache(tmp_path / "toy.h5")
    for split, count in (("train", 24), ("test", 10), ("train+val", 30)):
        images = labelled_images(cache, split)
        assert images.classes == ("c0", "c1", "c2")
        assert np.bincount(images.labels).tolist() == [count] * 3
        x, y = images.load(np.arange(len(images)), CPU)
        # The green channel falls from class to class.
        green = [float(x[y == label, 1].mean()) for label in range(3)]
        assert green[0] > green[1] + 0.1 > green[2] + 0.2


def test_images_come_in_the_order_they_are_asked_for(tmp_path: Path) -> None:
    images = labelled_images(pictures.cache(tmp_path / "toy.h5"), "train")
    which = np.array([50, 3, 71, 3])
    x, y = images.load(which, CPU)
    assert y.tolist() == images.labels[which].tolist()
    for position, number in enumerate(which):
        expected = images.cache.load(images.indices[number : number + 1])[0].transpose(2, 0, 1) / 255
        np.testing.assert_allclose(x[position].numpy(), expected, atol=1e-6)
    normalised = images.normalise(x)
    torch.testing.assert_close(normalised[:, 1] * 0.25 + 0.4, x[:, 1])


def test_splits_of_different_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="hold different classes"):
        labelled_images(pictures.cache(tmp_path / "toy.h5", shared=False), "train")


def test_training_learns_and_validates_every_epoch(tmp_path: Path) -> None:
    cache = pictures.cache(tmp_path / "toy.h5")
    images, validation, test = (labelled_images(cache, split) for split in ("train", "val", "test"))
    state = start(CELLS, shape_of(TINY, images), TINY, CPU)
    events = list(train(state, images, validation, TINY, CPU))
    steps = [event for event in events if isinstance(event, StepDone)]
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.tasks_done for event in steps] == list(range(1, 16))
    assert [event.tasks_done for event in validated] == [5, 10, 15]
    assert state.best_accuracy == max(event.accuracy for event in validated)
    assert steps[-1].loss < steps[0].loss
    right, bins = measure(state.network, test, CPU)
    assert sum(bins.counts) == 30
    assert sum(bins.right) == float(right[:, 0].sum())
    assert right.shape == (30, 2)
    assert float(right[:, 0].mean()) > 0.6  # chance is a third
    assert right[:, 1].all()  # three classes are among the first five


def test_a_training_that_stopped_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    cache = pictures.cache(tmp_path / "toy.h5")
    images, validation = labelled_images(cache, "train"), labelled_images(cache, "val")
    whole, parts = (start(CELLS, shape_of(TINY, images), TINY, CPU) for _ in range(2))
    list(train(whole, images, validation, TINY, CPU))
    for event in train(parts, images, validation, TINY, CPU):
        if isinstance(event, StepDone) and event.tasks_done == 7:
            break
    assert parts.steps == 7
    list(train(parts, images, validation, TINY, CPU))
    assert parts.history == whole.history
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], tensor, rtol=0, atol=0)


def test_the_first_step_is_sgds_on_the_smoothed_loss_with_the_auxiliary_heads(tmp_path: Path) -> None:
    settings = TINY.replace(cutout=0, padding=0, label_smoothing=0.1, drop_path=0.0, clip=0.5, batch=72, epochs=1)
    images = labelled_images(pictures.cache(tmp_path / "toy.h5"), "train")
    state = start(CELLS, shape_of(settings, images), settings, CPU)
    other = start(CELLS, shape_of(settings, images), settings, CPU)
    list(train(state, images, None, settings, CPU))

    # Written out; flips do not move batch norm's statistics, and the order of images does not move the mean loss.
    x, y = images.load(np.arange(72), CPU)
    flat = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    assert torch.isfinite(flat).all()
    order = torch.randperm(72, generator=torch_generator_of("transfer order", 0)).numpy()
    x, y = images.load(order, CPU)
    flipped = torch.rand(72, generator=torch_generator_of("transfer images", 0)) < 0.5
    x = torch.where(flipped[:, None, None, None], x.flip(3), x)
    logits, second = other.network(images.normalise(x))
    assert second is not None
    targets = torch.full((72, 3), 0.1 / 3)
    targets[torch.arange(72), y] += 0.9
    loss = sum(
        weight * -(targets * found.log_softmax(1)).sum(1).mean() for weight, found in ((1.0, logits), (0.4, second))
    )
    parameters = dict(other.network.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()))  # type: ignore[arg-type]
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    assert norm > 0.5
    for (name, before), gradient in zip(parameters.items(), gradients, strict=True):
        expected = before - 0.05 * (gradient * 0.5 / norm + 3e-4 * before)
        torch.testing.assert_close(dict(state.network.named_parameters())[name], expected, rtol=1e-4, atol=1e-5)


def test_drop_path_rises_linearly_and_every_batch_is_changed_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = labelled_images(pictures.cache(tmp_path / "toy.h5"), "train")
    settings = TINY.replace(drop_path=0.3)
    state = start(CELLS, shape_of(settings, images), settings, CPU)
    draw_keep, prepared = state.network.draw_keep, transfer.prepared
    probabilities: list[float] = []
    seeds: list[int] = []

    def kept(probability: float, count: int, generator: torch.Generator) -> torch.Tensor | None:
        probabilities.append(probability)
        seeds.append(generator.initial_seed())
        return draw_keep(probability, count, generator)

    def changed(*arguments: Any) -> torch.Tensor:
        seeds.append(arguments[-1].initial_seed())
        return prepared(*arguments)

    monkeypatch.setattr(state.network, "draw_keep", kept)
    monkeypatch.setattr(transfer, "prepared", changed)
    list(train(state, images, None, settings, CPU))
    assert probabilities == pytest.approx([0.0] * 5 + [0.1] * 5 + [0.2] * 5)
    assert len(set(seeds)) == 30


def test_measuring_changes_nothing_and_takes_images_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = labelled_images(pictures.cache(tmp_path / "toy.h5"), "train")
    network = start(CELLS, shape_of(TINY, images), TINY, CPU).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    together = measure(network, images, CPU)
    monkeypatch.setattr(transfer, "MEASURED_AT_ONCE", 1)
    again = measure(network, images, CPU)
    assert torch.equal(again[0], together[0])
    assert again[1].error == pytest.approx(together[1].error)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_checkpoint_holds_everything(tmp_path: Path) -> None:
    images = labelled_images(pictures.cache(tmp_path / "toy.h5"), "train")
    whole, cut, resumed = (start(CELLS, shape_of(TINY, images), TINY, CPU) for _ in range(3))
    list(train(whole, images, None, TINY, CPU))
    for event in train(cut, images, None, TINY, CPU):
        if isinstance(event, StepDone) and event.tasks_done == 7:
            break
    checkpoint.save(tmp_path / "last.pt", to_checkpoint(cut, {}))
    restore(checkpoint.load(tmp_path / "last.pt", KIND), resumed)
    list(train(resumed, images, None, TINY, CPU))
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], tensor, rtol=0, atol=0)
    other = start(CELLS, DartsShape(3, 3, 6, 3), TINY, CPU)
    with pytest.raises(CheckpointError, match="a different network"):
        restore(checkpoint.load(tmp_path / "last.pt", KIND), other)


def torch_generator_of(purpose: str, index: int) -> torch.Generator:
    from tnas_cli.runs.seeds import torch_generator

    return torch_generator(0, purpose, index)


def test_a_loss_that_is_no_number_stops_before_the_step(tmp_path: Path) -> None:
    images = labelled_images(pictures.cache(tmp_path / "toy.h5"), "train")
    state = start(CELLS, shape_of(TINY, images), TINY, CPU)
    with torch.no_grad():
        state.network.classifier.weight.fill_(float("inf"))
    with pytest.raises(TnasError, match="loss is nan"):
        next(train(state, images, None, TINY, CPU))


def test_rates() -> None:
    cosine = TINY.replace(epochs=4, learning_rate=0.2)
    assert [round(rate_of(epoch, cosine), 4) for epoch in range(4)] == [0.2, 0.1707, 0.1, 0.0293]
    falling = cosine.replace(decay="exponential")
    assert rate_of(2, falling) == pytest.approx(0.2 * 0.97**2)


def test_an_image_left_over_is_no_batch() -> None:
    assert [steps_per_epoch(n, 16) for n in (16, 17, 18, 32)] == [1, 1, 2, 2]


def test_large_images_take_imagenets_stem(tmp_path: Path) -> None:
    images = labelled_images(
        pictures.cache(tmp_path / "toy.h5", size=128, counts={"train": 1, "val": 1, "test": 1}), "train"
    )
    assert shape_of(TINY, images).stem == "imagenet"
    assert shape_of(TINY.replace(stem="cifar"), images).stem == "cifar"


def test_the_summary_weighs_cells_by_their_counts() -> None:
    one = Transferred("a", 3, 100, 0.5, torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    two = Transferred("b", 1, 200, None, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    found = summarise([one, two])
    assert found.mean == pytest.approx(0.375)
    assert found.top5_mean == pytest.approx(0.875)
    assert found.interval == pytest.approx(1.96 * 0.375)  # images 0.75 and 0: standard error 0.375
    assert found.parameters_mean == pytest.approx(125)
    assert found.images == 2
