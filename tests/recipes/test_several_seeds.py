"""A search with several seeds: its run and what it says of all; the interval of a training with several seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.records.examples import a_training
from tnas_cli.errors import Interrupted
from tnas_cli.intervals import crossed
from tnas_cli.recipes.several_seeds import over_seeds, search_over_seeds
from tnas_cli.records.parts import Accuracy, Environment, TrainedNetwork
from tnas_cli.records.results import SearchResult, TrainResult
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

ACCURACIES = {5: 0.75, 6: 1.0, 7: 0.5, 8: 1.0}


def searched(settings: SearchSettings) -> SearchResult:
    """What a search of these settings might have found."""
    seed = settings.seed
    unknown = dict.fromkeys(
        (
            "fingerprint",
            "hours",
            "validation_tasks",
            "theta_largest_probability",
            "theta_mean_largest_probability",
            "adapted_mean_largest_probability",
            "distinct_genotypes",
            "skip_share",
            "pool_share",
            "warning",
            "engine",
        )
    )
    return SearchResult(
        run=f"runs/{seed}",
        checkpoint=f"runs/{seed}/best.pt",
        method="t-nas",
        dataset="glyphs",
        protocol="drawn",
        way=5,
        shot=1,
        seed=seed,
        validation_accuracy=ACCURACIES[seed],
        tasks=8,
        tasks_this_time=8,
        wall_seconds=2.0,
        resumed=False,
        environment=Environment(),
        **unknown,
    )


def test_a_stop_says_which_seeds_are_left() -> None:
    def stopped(settings: SearchSettings) -> SearchResult:
        if settings.seed < 6:
            return searched(settings)
        raise Interrupted("stopped; saved.", hint="continue with: tnas resume runs/6")

    with pytest.raises(Interrupted, match="stopped; saved") as caught:
        search_over_seeds(stopped, SearchSettings("glyphs", seed=5), 4)
    assert caught.value.hint == (
        "continue with: tnas resume runs/6; then the other seeds by --seed 7 --seeds 2; finished: runs/5"
    )
    with pytest.raises(Interrupted) as caught:
        search_over_seeds(stopped, SearchSettings("glyphs", seed=5), 2)
    assert caught.value.hint == "continue with: tnas resume runs/6; finished: runs/5"


def test_the_run_that_validation_prefers_answers_for_all() -> None:
    found = search_over_seeds(searched, SearchSettings("glyphs", seed=5), 4)
    preferred = searched(SearchSettings("glyphs", seed=6))
    for name in ("run", "checkpoint", "seed", "validation_accuracy", "tasks"):
        assert getattr(found, name) == getattr(preferred, name)
    assert found.seeds == (5, 6, 7, 8)
    assert found.runs == tuple(f"runs/{seed}" for seed in found.seeds)
    assert found.checkpoints == tuple(f"{run}/best.pt" for run in found.runs)
    assert found.validation_accuracies == tuple(ACCURACIES.values())
    assert found.mean_over_seeds == 0.8125
    assert found.spread_over_seeds == pytest.approx((0.171875 / 3) ** 0.5)
    assert (found.tasks_this_time, found.wall_seconds) == (32, 8.0)


def test_one_seed_is_one_search() -> None:
    settings = SearchSettings("glyphs", seed=7)
    assert search_over_seeds(searched, settings, 1) == searched(settings)


@pytest.mark.parametrize(("networks", "over"), [(1, ("seeds", "tasks")), (3, ("genotypes", "seeds", "tasks"))])
def test_the_interval_of_several_seeds_is_for_other_seeds_too(
    tmp_path: Path, networks: int, over: tuple[str, ...]
) -> None:
    """The seeds differ far more than their tasks, so an average of the runs' intervals would be far too narrow."""
    rng = np.random.default_rng(0)
    level = np.array([0.5, 0.7, 0.9])[None, :, None]
    table = level + 0.02 * rng.standard_normal((networks, 3, 40))  # [networks, seeds, tasks]

    def trained(settings: TrainSettings) -> TrainResult:
        run, rows = tmp_path / str(settings.seed), []
        for number, accuracies in enumerate(table[:, settings.seed]):
            folder = run / f"net{number}"
            folder.mkdir(parents=True)
            kept = {"accuracies": accuracies.tolist(), "inductive": (accuracies - 0.1).tolist()}
            (folder / "result.json").write_text(json.dumps(kept))
            unknown = dict.fromkeys(("mean", "interval", "validation", "parameters"))
            rows.append(TrainedNetwork(digest=f"net{number}", count=number + 1, **unknown))
        alone = Accuracy(mean=0.5, interval=0.01)
        return a_training(run=str(run), seed=settings.seed, per_genotype=tuple(rows), inductive=alone)

    found = over_seeds(trained, TrainSettings("glyphs", seed=0), 3)
    wanted = crossed(table, [1, 2, 3]) if networks > 1 else crossed(table[0])
    assert found.interval == pytest.approx(wanted.interval) and found.interval > 0.3
    assert found.inductive is not None and found.inductive.interval == pytest.approx(found.interval)
    assert found.interval_over == over
    assert found.covered == " and ".join((", ".join(over[:-1]), over[-1]))
