"""What a report opens with: the accuracy, what its interval covers, and whether the next best is told apart."""

from __future__ import annotations

from typing import Any

from tests.report.results import a_result, measured
from tnas_cli.report.answer import answers


def opening(*results: dict[str, Any]) -> list[str]:
    return answers(measured(*(a_result(**{"version": 2} | changes) for changes in results)))


def test_one_result_says_how_good_and_what_its_interval_covers() -> None:
    (text,) = opening({"interval_over": ["genotypes", "tasks"]})
    assert text.startswith("98.76 ± 0.34% right: t-nas on omniglot (random split), 5-way 1-shot, 600 test tasks.")
    assert text.endswith("is for other genotypes and tasks; another seed may differ by more: one was run.")


def test_several_seeds_are_covered() -> None:
    (text,) = opening({"seeds": [0, 1, 2], "interval_over": ["seeds", "tasks"]})
    assert text.endswith("The 95% interval is for other seeds and tasks.")


def test_the_best_of_a_question_comes_with_the_next_best() -> None:
    close = opening({"mean": 0.5, "interval": 0.1}, {"mean": 0.65, "interval": 0.05, "method": "maml"})
    assert len(close) == 1 and close[0].startswith("65.00 ± 5.00% right: maml")
    assert "It is the best of 2; the next is t-nas with 50.00 ± 10.00%: their intervals overlap." in close[0]
    far = opening({"mean": 0.5, "interval": 0.09}, {"mean": 0.65, "interval": 0.05})
    assert "their intervals do not overlap." in far[0]


def test_each_question_has_an_answer_of_its_own() -> None:
    assert len(opening({}, {"shot": 5}, {"dataset": "fc100"})) == 3
    assert opening() == []


def test_one_task_has_no_interval() -> None:
    (text,) = opening({"tasks": 1, "interval": 0.0})
    assert "±" not in text and text.endswith("One task has no interval.")
