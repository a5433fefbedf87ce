"""Tasks of drawn characters for a method's own stream, and how much a method learns from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from tests.glyph_tasks import VALIDATION, GlyphBatches, glyph_tasks
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import Beside, TaskBatch
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.methods.registry import method, training_method
from tnas_cli.methods.streams import BatchesAsTasks, EpisodesBeside, HardEpisodes
from tnas_cli.settings.train import TrainSettings

CPU = torch.device("cpu")
#: Pixels by which drawings are moved at most, where a method is to learn what the nearest neighbour does not know.
SHIFT = 2


def hard(first: int, count: int, among: Sequence[int], way: int = 3, query: int = 2, shift: int = 0) -> TaskBatch:
    """Tasks of these classes alone."""
    return glyph_tasks(first, count, classes=among, way=way, query=query, shift=shift)


def in_halves(first: int, count: int, way: int = 3, query: int = 2, shift: int = 0) -> TaskBatch:
    """Meta-batches alternate between the first and the second half, as in Algorithm 3."""
    return glyph_tasks(first, count, way=way, query=query, half=1 + first // 4 % 2, shift=shift)


def tasks_for(name: str, way: int, query: int = 2, shift: int = 0) -> Tasks:
    """Training tasks in the form that a method's stream gives them, and 48 validation tasks of other classes."""
    labelled = GlyphBatches(shift)

    def episodes(first: int, count: int) -> TaskBatch:
        return in_halves(first, count, way, query, shift)

    def batches(first: int, count: int) -> TaskBatch:
        x, y = map(torch.stack, zip(*map(labelled.batch, range(first, first + count)), strict=True))
        return TaskBatch(x, y, x, y, way)

    def beside(first: int, count: int) -> TaskBatch:
        images = batches(first, count)
        drawn = Beside(images.query_x, images.query_y, torch.zeros(count))
        return dataclasses.replace(episodes(first, count), beside=drawn)

    source = Tasks(episodes, lambda: iter([glyph_tasks(10_000, 48, classes=VALIDATION, way=way, query=5, shift=shift)]))
    if isinstance(method(name).stream, BatchesAsTasks):
        return dataclasses.replace(source, train=batches, labelled=labelled)
    if isinstance(method(name).stream, EpisodesBeside):
        return dataclasses.replace(source, train=beside, labelled=labelled)
    if isinstance(method(name).stream, HardEpisodes):
        source = dataclasses.replace(source, hard=partial(hard, way=way, query=query, shift=shift))
    if method(name).before is not None:
        return dataclasses.replace(source, labelled=labelled)
    return source


def trained(name: str, network: Any, values: dict[str, Any], engine: Engine | None = None) -> tuple[MetaState, Tasks]:
    """A training method's state after all its tasks, and the tasks, with the method's own values where none are given.

    The state's best accuracy is that of validation classes, which the training does not see.
    """
    declared = training_method(name)
    given = {"dataset": "glyphs", "way": network.way, **declared.about.differs, **values, "method": name}
    settings = TrainSettings.from_dict(given)
    source = tasks_for(name, settings.way, settings.query, SHIFT)
    state = declared.start(network, settings, CPU, "weights", source.classes)
    learner = declared.learner(engine or TorchEngine(), network, settings)
    for _ in declared.learn(network, settings, learner, state, source, Plan.of(settings)):
        pass
    return state, source


def above_nearest_neighbour(name: str, network: Any, values: dict[str, Any], engine: Engine | None = None) -> float:
    """What a trained network's validation accuracy is above that of the nearest neighbour in pixels.

    Between machines and seeds it differs by some hundredths: training carries on what rounding begins. Drawings are
    moved a little, so that there is something to learn.
    """
    state, source = trained(name, network, values, engine)
    return state.best_accuracy - nearest_neighbour(source.validate())[0]
