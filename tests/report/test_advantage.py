"""The advantage of a genotype on its own task: simulated cells with a known one, and what cannot be told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.records.examples import a_training
from tnas_cli.errors import DataError
from tnas_cli.records.parts import TaskAccuracy
from tnas_cli.report.advantage import Advantage, advantage, against, of_pairs


def simulated(rng: np.random.Generator, tasks: int, cross: int, truth: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs round a circle, and their gains from a whole table: levels of genotypes and tasks, noise, and `truth`."""
    y = 0.05 * rng.standard_normal((tasks, 1)) + 0.05 * rng.standard_normal((1, tasks))
    y = y + 0.04 * rng.standard_normal((tasks, tasks)) + truth * np.eye(tasks)
    edges = np.array([(i, (i + step) % tasks) for step in range(1, cross + 1) for i in range(tasks)])
    i, j = edges.T
    return edges, (y[i, i] + y[j, j] - y[i, j] - y[j, i]) / 2


@pytest.mark.parametrize(("tasks", "cross"), [(30, 1), (100, 3), (12, 3)])
def test_a_known_advantage_is_found_without_bias_and_covered(tasks: int, cross: int) -> None:
    rng, studies = np.random.default_rng(0), 400
    found = [of_pairs(*simulated(rng, tasks, cross, 0.02)) for _ in range(studies)]
    error = 0.04 * math.sqrt((1 + 1 / (2 * cross)) / tasks / studies)
    assert float(np.mean([one.mean for one in found])) == pytest.approx(0.02, abs=4 * error)
    hits = sum(abs(one.mean - 0.02) < one.interval for one in found)
    room = 4 * math.sqrt(0.95 * 0.05 / studies)
    assert 0.93 - room < hits / studies < 0.97 + room


def test_the_pigeonhole_bootstrap_of_pairs_is_not_narrower() -> None:
    """Tasks are drawn with replacement; a pair counts as often as both of its tasks together (Owen 2007)."""
    rng = np.random.default_rng(1)
    edges, gains = simulated(rng, 200, 3, 0.0)
    means = []
    for _ in range(1000):
        drawn = np.bincount(rng.integers(200, size=200), minlength=200)
        weights = drawn[edges[:, 0]] * drawn[edges[:, 1]]
        means.append((weights * gains).sum() / weights.sum())
    assert 0.95 < 1.96 * float(np.std(means)) / of_pairs(edges, gains).interval < 1.4


def test_without_an_advantage_small_p_are_rare() -> None:
    rng, studies = np.random.default_rng(2), 200
    small = sum(of_pairs(*simulated(rng, 40, 2, 0.0)).p < 0.1 for _ in range(studies))
    assert small / studies < 0.1 + 4 * math.sqrt(0.09 / studies)
    assert of_pairs(*simulated(rng, 40, 2, 0.2)).p < 0.001


def a_file(folder: Path, home: dict[int, tuple[str, float]], away: dict[tuple[str, int], float]) -> Path:
    rows = tuple(TaskAccuracy(index=index, digest=digest, accuracy=value) for index, (digest, value) in home.items())
    cells = tuple(TaskAccuracy(index=index, digest=digest, accuracy=value) for (digest, index), value in away.items())
    file = folder / "result.jsonl"
    file.write_text(json.dumps(a_training(weights="inherited", per_task=rows, crossed=cells or None).to_json()) + "\n")
    return file


def test_it_is_read_from_a_result_and_pairs_alike_are_left_out(tmp_path: Path) -> None:
    """By hand: (0.9 + 0.8 - 0.6 - 0.7) / 2 = 0.2 and (0.8 + 0.7 - 0.7 - 0.6) / 2 = 0.1; tasks 2 and 5 are alike."""
    home = {0: ("a", 0.9), 1: ("b", 0.8), 2: ("c", 0.7), 5: ("c", 0.9)}
    away = {("a", 1): 0.6, ("b", 0): 0.7, ("b", 2): 0.7, ("c", 1): 0.6, ("c", 5): 0.9, ("c", 2): 0.7, ("a", 5): 0.1}
    found = advantage([a_file(tmp_path, home, away)])
    assert isinstance(found, Advantage)
    assert found.mean == pytest.approx(0.15)
    assert (found.tasks, found.pairs, found.alike) == (3, 2, 1)


def test_others_in_their_place_are_compared_on_the_same_tasks() -> None:
    """A known difference is covered; by hand: gains 0.1, 0.2, 0.3 have a mean of 0.2 and a deviation of 0.1."""
    found = against(np.array([(0.5, 0.4), (0.7, 0.5), (0.9, 0.6)]))
    assert (found.difference, found.tasks) == (pytest.approx(20), 3)
    assert found.interval == pytest.approx(100 * 4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    rng, hits = np.random.default_rng(3), 0
    for _ in range(400):
        level = rng.normal(0, 0.1, 40)
        pairs = np.stack([level + rng.normal(0.02, 0.05, 40), level + rng.normal(0, 0.05, 40)], axis=1)
        one = against(pairs)
        hits += abs(one.difference - 2) < one.interval
    assert 0.95 - 4 * math.sqrt(0.95 * 0.05 / 400) < hits / 400


def test_results_without_such_cells_are_refused(tmp_path: Path) -> None:
    home = {0: ("a", 0.9), 1: ("a", 0.8)}
    with pytest.raises(DataError, match="0 results"):
        advantage([a_file(tmp_path, home, {})])
    with pytest.raises(DataError, match="no two genotypes that differ"):
        advantage([a_file(tmp_path, home, {("a", 0): 0.9, ("a", 1): 0.8})])
