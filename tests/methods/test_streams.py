"""What methods learn from: labelled batches of all training classes, used in a phase before the meta-learning."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.episodes.small_data import small_cache
from tests.glyph_tasks import SIDE, glyph_tasks
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.labelled_images import Batches
from tnas_cli.episodes.tasks import load_batch
from tnas_cli.methods import maml
from tnas_cli.methods.meta_learn import Plan, Tasks
from tnas_cli.methods.method import Phase
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.methods.streams import LabelledBatches
from tnas_cli.runs.events import Event, Progress, StepDone, Validated
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters

CPU = torch.device("cpu")
SETTINGS = TrainSettings("x", way=3, query=2, inner_steps=1, test_steps=1, tasks=4, meta_batch=2, validate_every=4)
NETWORK = FourConv(3, 1, SIDE, filters=4)


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return small_cache(tmp_path / "small-random-4.h5", {"train": [5, 4, 4], "val": [3], "test": [3]})


def test_every_image_of_the_training_classes_comes_once_in_an_epoch(cache: ImageCache) -> None:
    batches = LabelledBatches(size=5, epochs=2).open(cache, SETTINGS, CPU)
    found = list(batches)
    assert [tuple(y.shape) for _, y in found] == [(1, 5), (1, 5), (1, 3)] * 2
    assert len(batches) == len(found)
    assert all(x.shape == (1, y.shape[1], cache.channels, cache.size, cache.size) for x, y in found)
    for epoch in (found[:3], found[3:]):
        labels = torch.cat([y for _, y in epoch], dim=1)[0]
        assert torch.bincount(labels).tolist() == [5, 4, 4]
    assert not torch.equal(found[0][0], found[3][0])


def test_batches_follow_the_seed_and_hold_the_pixels_that_tasks_hold(cache: ImageCache) -> None:
    first, again = (next(iter(LabelledBatches(size=4).open(cache, SETTINGS, CPU))) for _ in range(2))
    assert torch.equal(first[0], again[0])
    other = next(iter(LabelledBatches(size=4).open(cache, SETTINGS.replace(seed=1), CPU)))
    assert not torch.equal(first[0], other[0])
    offset, ids = cache.class_offset, cache.classes("train")
    for image, label in zip(first[0][0], first[1][0].tolist(), strict=True):
        indices = cache.class_offset[ids[label]] + torch.arange(offset[ids[label] + 1] - offset[ids[label]]).numpy()
        own = load_batch(cache, indices.reshape(1, 1, -1), len(indices)).support_x[0]
        assert any(torch.allclose(image, theirs) for theirs in own)


def test_an_image_that_would_be_alone_is_left_out(cache: ImageCache) -> None:
    """Batch norm over one image is meaningless."""
    batches = LabelledBatches(size=6).open(cache, SETTINGS, CPU)  # 13 images
    assert [y.shape[1] for _, y in batches] == [6, 6]
    assert len(batches) == 2


def shifted(network: Any, settings: TrainSettings, parameters: Parameters, batches: Batches) -> Iterator[Event]:
    """A phase that adds 1 to a bias twice."""
    for number in (1, 2):
        parameters["classifier.bias"] += 1
        yield Progress("before", number, 2, "batches")


def test_a_phase_comes_once_before_the_meta_learning_and_begins_anew_where_it_was_stopped() -> None:
    method = replace(maml.METHOD, before=Phase(LabelledBatches(), shifted))
    tasks = Tasks(glyph_tasks, lambda: iter([glyph_tasks(100, 2)]), labelled=SimpleNamespace())
    learner, plan = method.learner(TorchEngine(), NETWORK, SETTINGS), Plan.of(SETTINGS)
    whole, stopped, resumed = (method.start(NETWORK, SETTINGS, CPU) for _ in range(3))
    kinds = [type(event) for event in method.learn(NETWORK, SETTINGS, learner, whole, tasks, plan)]
    assert kinds == [Progress, Progress, StepDone, StepDone, Validated]

    next(method.learn(NETWORK, SETTINGS, learner, stopped, tasks, plan))
    restore(to_checkpoint("test", stopped, {}), resumed)
    list(method.learn(NETWORK, SETTINGS, learner, resumed, tasks, plan))
    for name, tensor in whole.parameters.items():
        assert torch.equal(resumed.parameters[name], tensor), name

    ended = method.start(NETWORK, SETTINGS, CPU)
    restore(to_checkpoint("test", whole, {}), ended)
    assert list(method.learn(NETWORK, SETTINGS, learner, ended, tasks, plan)) == []
