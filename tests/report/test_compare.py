"""Paired comparisons: computed by hand, and refused if the tasks are not the same."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.kept import a_trained_run, an_adaptation
from tests.report.results import a_result, a_run
from tnas_cli.errors import DataError
from tnas_cli.report.compare import Comparison, compare, compare_own_tasks, summary
from tnas_cli.report.per_task import read_per_task


def compared(a: Path, b: Path) -> Comparison:
    return compare(read_per_task(a), read_per_task(b))


def test_by_hand(tmp_path: Path) -> None:
    a = a_trained_run(tmp_path / "a", (1, [0.9, 0.8, 1.0, 0.6]))
    b = a_trained_run(tmp_path / "b", (1, [0.8, 0.8, 0.8, 0.7]))
    found = compared(a, b)
    # The differences are 0.1, 0, 0.2, -0.1: mean 0.05, sum of squares about it 0.05.
    assert found.difference == pytest.approx(0.05)
    assert found.interval == pytest.approx(1.96 * math.sqrt(0.05 / 3) / 2)
    assert (found.better, found.worse, found.tasks, found.decided) == (2, 1, 4, False)


def test_networks_are_weighted_by_their_counts(tmp_path: Path) -> None:
    a = read_per_task(a_trained_run(tmp_path / "a", (3, [1.0, 0.5]), (1, [0.0, 0.5])))
    assert a.accuracies == pytest.approx((0.75, 0.5))


def test_rounding_makes_no_task_better(tmp_path: Path) -> None:
    a = a_trained_run(tmp_path / "a", (1, [0.8, 0.5]), (2, [0.8, 0.5]))
    b = a_trained_run(tmp_path / "b", (1, [float(np.float32(0.8)), 0.4]))
    assert (compared(a, b).better, compared(a, b).worse) == (1, 0)


def test_pairing_finds_what_two_separate_intervals_hide(tmp_path: Path) -> None:
    hard = np.random.default_rng(0).uniform(0.2, 0.9, 200)
    a = a_trained_run(tmp_path / "a", (1, (hard + 0.01).tolist()))
    b = a_trained_run(tmp_path / "b", (1, hard.tolist()))
    found = compared(a, b)
    assert found.decided and found.difference == pytest.approx(0.01)
    assert found.a.measurement.interval > found.difference
    back = compared(b, a)
    assert (back.difference, back.better, back.worse) == (-found.difference, found.worse, found.better)


def test_an_adaptation_and_a_trained_network(tmp_path: Path) -> None:
    trained = a_trained_run(tmp_path / "run", (1, [0.9, 0.8, 1.0]))
    adapted = an_adaptation(tmp_path / "adapted.jsonl", [0.7, 0.8, 0.7])
    assert compared(trained, adapted).difference == pytest.approx(0.5 / 3)


def supervised(run: Path, *means: float, **changes: Any) -> Path:
    rows = [{"task": task, "mean": mean, "genotypes": []} for task, mean in enumerate(means)]
    numbers = {"mean": sum(means) / len(means), "tasks": len(means)}
    return a_run(run, a_result(setting="supervised", way=10, shot=200, **{**numbers, "per_task": rows, **changes}))


def test_supervised_results_list_their_tasks(tmp_path: Path) -> None:
    a, b = supervised(tmp_path / "a", 0.6, 0.7, method="s1"), supervised(tmp_path / "b", 0.5, 0.65)
    assert compared(a, b).difference == pytest.approx(0.075)
    with pytest.raises(DataError, match="does not list its tasks"):
        read_per_task(supervised(tmp_path / "c", 0.6, per_task=None))
    with pytest.raises(DataError, match="setting 'supervised' and 'few-shot'"):
        compared(a, a_trained_run(tmp_path / "d", (1, [0.6, 0.7]), way=10, shot=200))


def test_a_file_leads_to_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_trained_run(tmp_path / "runs" / "one", (1, [0.9, 0.8]))
    record = json.loads((run / "events.jsonl").read_text()) | {"run": "runs/one"}
    file = tmp_path / "result.jsonl"
    file.write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path / "runs")
    assert read_per_task(file).accuracies == (0.9, 0.8)
    file.write_text(json.dumps(record | {"run": "runs/two"}))
    with pytest.raises(DataError, match="runs/two, which is not here"):
        read_per_task(file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "glyphs"}, "dataset 'omniglot' and 'glyphs'"),
        ({"protocol": "vinyals"}, "protocol 'random' and 'vinyals'"),
        ({"fingerprint": "other"}, "fingerprint '0123abcd' and 'other'"),
        ({"split": "val"}, "split 'test' and 'val'"),
        ({"way": 20}, "way 5 and 20"),
        ({"shot": 5, "query": 5}, "shot 1 and 5; query 15 and 5"),
        ({"fingerprint": None}, "does not say which images"),
    ],
    ids=str,
)
def test_other_tasks_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    a = a_trained_run(tmp_path / "a", (1, [0.9, 0.8]))
    b = a_trained_run(tmp_path / "b", (1, [0.9, 0.8]), **changes)
    with pytest.raises(DataError) as caught:
        compared(a, b)
    assert words in caught.value.message and caught.value.hint and caught.value.exit_code == 3


def test_another_number_of_tasks_and_a_single_task_are_refused(tmp_path: Path) -> None:
    two, three = (a_trained_run(tmp_path / str(n), (1, [0.9] * n)) for n in (2, 3))
    with pytest.raises(DataError, match="tasks 2 and 3"):
        compared(two, three)
    one, other = (a_trained_run(tmp_path / name, (1, [0.9])) for name in "ab")
    with pytest.raises(DataError, match="have only one task"):
        compared(one, other)


def broken(run: Path, text: str) -> Path:
    (run / "network0" / "result.json").write_text(text)
    return run


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot read the accuracies"),
        ("[]", "cannot read the accuracies"),
        ('{"accuracies": []}', "holds no accuracies"),
        ('{"accuracies": [0.9, 1.8]}', "has the accuracy 1.8"),
        ('{"accuracies": [0.9, 0.1]}', "do not match its result"),
        ('{"accuracies": [0.85]}', "do not match its result (1 tasks, the result has 2)"),
    ],
)
def test_kept_accuracies_that_do_not_belong_are_refused(tmp_path: Path, text: str, words: str) -> None:
    run = broken(a_trained_run(tmp_path / "a", (1, [0.9, 0.8])), text)
    with pytest.raises(DataError) as caught:
        read_per_task(run)
    assert words in caught.value.message and caught.value.hint


def test_what_keeps_nothing_per_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no networks"):
        read_per_task(a_run(tmp_path / "old", a_result()))
    with pytest.raises(DataError, match="no tasks to pair"):
        read_per_task(a_run(tmp_path / "transfer", a_result(setting="transfer", dataset="cifar10")))
    two = tmp_path / "two.jsonl"
    two.write_text("".join(json.dumps(a_result(run=run)) + "\n" for run in "ab"))
    with pytest.raises(DataError, match="holds 2 results"):
        read_per_task(two)
    alone = tmp_path / "alone.jsonl"
    alone.write_text(json.dumps(a_result(command="adapt")))
    with pytest.raises(DataError, match="accuracy on each task"):
        read_per_task(alone)


def test_the_summary_says_both_numbers_and_what_the_interval_leaves_out(tmp_path: Path) -> None:
    a = a_trained_run(tmp_path / "a", (1, [0.9, 0.8, 1.0, 0.6]), method="maml", network="4conv-32")
    b = a_trained_run(tmp_path / "b", (1, [0.8, 0.8, 0.8, 0.7]))
    text = "\n".join(summary(compared(a, b)))
    for words in (
        "the same 4 test tasks",
        "A: 82.50 ± 16.74  maml, 4conv-32, weights from-scratch, seed 0",
        "B: 77.50 ± 4.90  t-nas, weights from-scratch, seed 0",
        "A - B: +5.00 ± 12.65 points",
        "better on 2 tasks, worse on 1, equal on 1",
        "contains 0",
        "another training seed",
    ):
        assert words in text


def inherited(folder: Path, rows: list[tuple[str, int, float]], **changes: Any) -> Path:
    """A run with inherited weights: digest, index and accuracy of each genotype's own task."""
    listed = [{"digest": digest, "index": index, "accuracy": value} for digest, index, value in rows]
    values = [value for _, _, value in rows]
    about = {"command": "train-eval", "weights": "inherited", "per_task": listed, "tasks": len(rows)}
    about |= {"mean": sum(values) / len(values), "interval": 0.01, "run": str(folder)}
    return a_run(folder, a_result(**{**about, **changes}))


def test_inherited_weights_are_read_by_the_tasks_index(tmp_path: Path) -> None:
    source = inherited(tmp_path / "run", [("b", 1, 0.7), ("a", 0, 0.9), ("a", 2, 0.8)])
    assert read_per_task(source).accuracies == pytest.approx((0.9, 0.7, 0.8))
    adapted = an_adaptation(tmp_path / "adapted.jsonl", [0.8, 0.6, 0.9])
    assert compared(source, adapted).difference == pytest.approx(0.1 / 3)


def test_inherited_weights_on_other_tasks_cannot_be_paired_by_task(tmp_path: Path) -> None:
    source = inherited(tmp_path / "run", [("a", 1, 0.9), ("b", 3, 0.7)])
    with pytest.raises(DataError, match="first tasks"):
        read_per_task(source)


def test_genotypes_on_their_own_tasks_by_hand(tmp_path: Path) -> None:
    """Two of three genotypes are in both results; the third, and the different number of tasks, do not count."""
    a = inherited(tmp_path / "a", [("x", 0, 0.9), ("y", 1, 0.5), ("z", 2, 0.1)])
    rows = [{"digest": "y", "index": 1, "accuracy": 0.6}, {"digest": "x", "index": 0, "accuracy": 0.8}]
    own = {"tasks": 2, "mean": 0.7, "interval": 0.1, "per_task": rows}
    b = a_run(tmp_path / "b", a_result(own_tasks=own, tasks=50, weights="from-scratch"))
    found = compare_own_tasks(a, b)
    # The differences are 0.1 and -0.1.
    assert found.difference == pytest.approx(0)
    assert found.interval == pytest.approx(1.96 * math.sqrt(0.02) / math.sqrt(2))
    assert (found.tasks, found.better, found.worse, found.own_tasks) == (2, 1, 1, True)
    assert (found.a.measurement.mean, found.b.measurement.mean) == pytest.approx((0.7, 0.7))
    record = found.record().to_json()
    assert (record["own_tasks"], record["tasks"]) == (True, 2)
    text = "\n".join(summary(found))
    assert "the same 2 genotypes, each on the test task that decoded to it" in text
    assert "weights inherited" in text and "weights from-scratch" in text


def test_own_tasks_need_two_genotypes_in_common_and_the_same_images(tmp_path: Path) -> None:
    a = inherited(tmp_path / "a", [("x", 0, 0.9), ("y", 1, 0.5)])
    with pytest.raises(DataError, match="0 genotypes and tasks in common"):
        compare_own_tasks(a, inherited(tmp_path / "b", [("x", 1, 0.9), ("w", 0, 0.5)]))
    other = inherited(tmp_path / "c", [("x", 0, 0.9), ("y", 1, 0.5)], fingerprint="another")
    with pytest.raises(DataError, match="fingerprint"):
        compare_own_tasks(a, other)
    with pytest.raises(DataError, match="no genotype on the test task"):
        compare_own_tasks(a, a_trained_run(tmp_path / "d", (1, [0.9, 0.8])))
