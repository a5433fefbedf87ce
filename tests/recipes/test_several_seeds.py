"""A search with several seeds: which run it returns, and what it says about all of them."""

from __future__ import annotations

import pytest

from tnas_cli.recipes.several_seeds import search_over_seeds
from tnas_cli.records.parts import Environment
from tnas_cli.records.results import SearchResult
from tnas_cli.settings.search import SearchSettings

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
