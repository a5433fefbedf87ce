"""How a crossed design grows: what a step costs and brings, what is said beforehand, and what stopping does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tnas_cli.intervals import crossed, expected
from tnas_cli.until import GROWTH, LEAST, MOST_TASKS, PILOT, Costs, Design, Study

MOST, EIGHT = Design(600, 1, MOST_TASKS), Design(8, 1, 600)


def table(rng: np.random.Generator, design: Design, sd: tuple[float, float, float]) -> np.ndarray:
    """Accuracies around 0 with standard deviations for genotypes, tasks and the rest."""
    g, t = design.genotypes, design.tasks
    levels = sd[0] * rng.standard_normal((g, 1, 1)) + sd[1] * rng.standard_normal((1, 1, t))
    return levels + sd[2] * rng.standard_normal((g, design.seeds, t))


def study(sd: tuple[float, float, float], design: Design = EIGHT, seed: int = 1) -> Study:
    return Study(table(np.random.default_rng(seed), design, sd), [1.0] * MOST.genotypes)


@pytest.mark.parametrize("weights", [None, [3.0, 2.0, 1.0, 1.0, 1.0]])
def test_what_is_expected_of_the_same_size_is_what_was_found(weights: list[float] | None) -> None:
    y = table(np.random.default_rng(0), Design(5, 3, 40), (2, 5, 5))
    found = crossed(y, weights)
    assert expected(found.effects, y.shape, weights or [1.0] * 5) == pytest.approx(found.interval)


def test_more_genotypes_where_they_differ_more_tasks_where_they_do_not() -> None:
    for sd, costs, grows in (
        ((3, 1, 1), Costs(10, 0.01), "genotypes"),
        ((0, 9, 3), Costs(10, 0.01), "tasks"),
    ):
        plan = study(sd).plan(0.5, costs, MOST)
        assert plan.reached and plan.interval <= 0.5
        others = {"genotypes": plan.end.genotypes / 8, "tasks": plan.end.tasks / 600}
        assert max(others, key=others.__getitem__) == grows, (sd, plan)


def test_seeds_are_added_where_several_were_begun_with() -> None:
    rng = np.random.default_rng(3)
    seeds = 2 * rng.standard_normal((1, 3, 1))
    both = Study(table(rng, Design(8, 3, 600), (0.1, 1, 1)) + seeds, [1.0] * 600)
    assert both.plan(1.0, Costs(1, 0.01), Design(600, 1000, MOST_TASKS)).end.seeds > 3
    assert study((2, 5, 5)).plan(0.5, Costs(1, 0.01), Design(600, 1000, MOST_TASKS)).end.seeds == 1


def test_the_end_has_the_width_and_the_seconds_that_are_said() -> None:
    begun, costs = study((2, 5, 5), Design(60, 1, 600)), Costs(40, 0.03)
    plan = begun.plan(0.45, costs, MOST)
    assert plan.seconds == pytest.approx(costs.of(plan.end) - costs.of(begun.design))
    # Tables of the size that was planned have about that width.
    there = [study((2, 5, 5), plan.end, seed).found.interval for seed in range(5)]
    assert np.mean(there) == pytest.approx(0.45, rel=0.1)


def test_between_two_looks_the_costs_grow_by_a_part() -> None:
    begun, costs = study((2, 5, 5)), Costs(40, 0.03)
    plan = begun.plan(0.3, costs, MOST)
    assert begun.design != plan.next != plan.end
    assert costs.of(plan.next) <= (1 + GROWTH) * costs.of(begun.design)
    # Where a single step is more than that, it is made.
    few = study((2, 5, 5), Design(LEAST, 1, 600)).plan(0.3, Costs(40, 1e-9), Design(600, 1, 600), at_a_time=4)
    assert few.next == Design(LEAST + 4, 1, 600)


def test_too_few_genotypes_never_end_it() -> None:
    narrow = study((0.01, 0.1, 0.1), Design(PILOT, 1, 600))
    plan = narrow.plan(5.0, Costs(1, 0.01), MOST)
    assert plan.reached and not plan.done and plan.next == Design(LEAST, 1, 600)
    assert narrow.plan(5.0, Costs(1, 0.01), Design(PILOT, 1, MOST_TASKS)).done


def test_out_of_reach_is_said_with_what_can_be_had() -> None:
    plan = study((3, 5, 5)).plan(0.3, Costs(1, 0.01), Design(10, 1, MOST_TASKS))
    assert not plan.reached and plan.end == Design(10, 1, MOST_TASKS) and 1 < plan.interval < 5


def test_one_network_has_tasks_alone() -> None:
    one = study((0, 5, 5), Design(1, 1, 600))
    values = one.accuracies[0, 0]
    assert one.found.interval == pytest.approx(1.9639 * values.std(ddof=1) / math.sqrt(600), rel=1e-4)
    end = one.plan(0.3, Costs(100, 0.01), Design(1, 1, MOST_TASKS)).end
    assert (end.genotypes, end.seeds) == (1, 1) and end.tasks == pytest.approx(
        600 * (one.found.interval / 0.3) ** 2, rel=0.1
    )


def test_stopping_costs_little_coverage() -> None:
    """80 studies that end when they are narrow enough; benchmarks/interval_coverage.py has 2,000 of each kind."""
    rng, hits, studies = np.random.default_rng(0), 0, 80
    for _ in range(studies):
        whole = table(rng, Design(200, 1, 600), (1.0, 2, 2))
        design = Design(PILOT, 1, 100)
        while True:
            seen = Study(whole[: design.genotypes, :, : design.tasks], [1.0] * 200)
            plan = seen.plan(0.6, Costs(5, 0.03), Design(200, 1, 600))
            if plan.done or not plan.reached:
                break
            design = plan.next
        hits += abs(seen.found.mean) < seen.found.interval
    room = 4 * math.sqrt(0.95 * 0.05 / studies)
    assert hits / studies > 0.93 - room
