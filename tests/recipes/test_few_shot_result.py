"""Numbers of a result from two genotypes and four test tasks, worked out by hand."""

import pytest
import torch

from tests.synthetic import pattern_tasks
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.intervals import crossed
from tnas_cli.methods.learner import interval
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.recipes.few_shot_result import Trained, summarise

FIRST = Trained("aaaa", 3, 20_000, 0.70, torch.tensor([0.8, 0.6, 1.0, 0.4]))
SECOND = Trained("bbbb", 1, 24_000, 0.75, torch.tensor([0.4, 1.0, 0.6, 0.8]))


def test_the_mean_weighs_genotypes_by_their_tasks() -> None:
    """Per task 3/4 of the first and 1/4 of the second: 0.7, 0.7, 0.9, 0.5, so the mean is 0.7."""
    found = summarise([FIRST, SECOND], {})
    assert found.mean == pytest.approx(0.7)
    table = torch.stack([FIRST.accuracies, SECOND.accuracies]).double()
    assert found.interval == pytest.approx(crossed(table.numpy(), [3, 1]).interval)
    assert (found.interval_over, summarise([FIRST], {}).interval_over) == (("genotypes", "tasks"), ("tasks",))
    assert summarise([FIRST], {}).interval == interval(FIRST.accuracies)
    assert found.tasks == 4
    assert found.parameters_mean == pytest.approx(21_000)
    assert found.own_tasks is None


def test_an_interval_is_a_share() -> None:
    """Two genotypes on two tasks say so little that the formula goes beyond 1."""
    high, low = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0])
    assert crossed(torch.stack([high, low]).numpy(), [1, 1]).interval > 1
    found = summarise([Trained("aaaa", 1, 1, 0.7, high), Trained("bbbb", 1, 1, 0.7, low)], {})
    assert found.interval == 1


def test_the_selected_genotype_is_that_of_the_best_validation() -> None:
    """Not the one with the best test accuracy, which is equal for both here."""
    for order in ([FIRST, SECOND], [SECOND, FIRST]):
        selected = summarise(order, {}).selected
        assert selected == SECOND.row()
    row = SECOND.row().to_json()
    assert row == {
        "digest": "bbbb",
        "count": 1,
        "mean": pytest.approx(0.7),
        "interval": interval(SECOND.accuracies),
        "validation": 0.75,
        "parameters": 24_000,
    }


def test_each_genotype_on_its_own_tasks() -> None:
    """Tasks 0 and 2 decoded to the first, task 1 to the second: 0.8, 1.0 and 1.0."""
    found = summarise([FIRST, SECOND], {"aaaa": [0, 2], "bbbb": [1], "cccc": [3]}).own_tasks
    assert found is not None and found.to_json() == {
        "tasks": 3,
        "mean": pytest.approx(2.8 / 3),
        "interval": pytest.approx(interval(torch.tensor([0.8, 1.0, 1.0], dtype=torch.float64)), rel=1e-6),
        "per_task": [
            {"index": 0, "digest": "aaaa", "accuracy": pytest.approx(0.8)},
            {"index": 2, "digest": "aaaa", "accuracy": pytest.approx(1.0)},
            {"index": 1, "digest": "bbbb", "accuracy": pytest.approx(1.0)},
        ],
    }


def test_tasks_that_were_not_tested_are_left_out() -> None:
    found = summarise([FIRST], {"aaaa": [1, 4, 900]}).own_tasks
    row = {"index": 1, "digest": "aaaa", "accuracy": pytest.approx(0.6)}
    assert found is not None and found.to_json() == {
        "tasks": 1,
        "mean": pytest.approx(0.6),
        "interval": 0.0,
        "per_task": [row],
    }


def test_every_genotype_is_listed() -> None:
    assert summarise([FIRST, SECOND], {}).per_genotype == (FIRST.row(), SECOND.row())


def test_nearest_neighbour_one_image_at_a_time() -> None:
    batches = [pattern_tasks(0, 3, shot=2, query=4), pattern_tasks(3, 1, shot=2, query=4)]
    generator = torch.Generator().manual_seed(0)
    noisy = [
        TaskBatch(
            b.support_x,
            b.support_y,
            b.query_x + 20 * torch.randn(b.query_x.shape, generator=generator),
            b.query_y,
            b.way,
        )
        for b in batches
    ]
    shares = []
    for batch in noisy:
        for task in range(len(batch)):
            right = 0
            for image, label in zip(batch.query_x[task], batch.query_y[task], strict=True):
                distances = [float(((image - other) ** 2).sum()) for other in batch.support_x[task]]
                right += int(batch.support_y[task][distances.index(min(distances))] == label)
            shares.append(right / batch.query_x.shape[1])
    mean, half = nearest_neighbour(noisy)
    assert mean == pytest.approx(sum(shares) / 4)
    assert half == pytest.approx(interval(torch.tensor(shares, dtype=torch.float64)))
    assert 1 / 3 < mean < 1
