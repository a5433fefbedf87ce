"""`train-eval --until`: the numbers are those of a training of that size; a stop changes none; ends are told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import random_genotype
from tests.recipes.calls import Json, resume, train_eval
from tests.recipes.test_from_scratch import record, settings
from tests.running import class_tree, succeeding, tnas
from tnas_cli.errors import Interrupted
from tnas_cli.recipes import until
from tnas_cli.recipes.until import TrainUntil
from tnas_cli.recipes.until_looks import Look
from tnas_cli.records import writing
from tnas_cli.records.kinds import Decoded
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.until import MOST_TASKS, Costs, Design, Study

WIDTH = 0.14

#: With them the accuracies of so short trainings differ as much as the tests below count on.
RATES: dict[str, Any] = {
    "alpha_inner": 0.03,
    "head": "learned",
    "alpha_outer": 1e-3,
    "reduction": "mean",
    "cosine_to": 1.0,
}
RECORDS = [record(random_genotype(seed)) for seed in range(5)]
SAME = ("mean", "interval", "interval_over", "tasks", "per_genotype", "own_tasks", "selected")


@pytest.fixture(autouse=True, scope="module")
def known_costs() -> Iterator[None]:
    """A busy machine would measure others, and go another way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(until, "_costs", lambda finished: Costs(training=1.0, test=0.05))
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("until")
    for split, numbers in (("train", range(6)), ("val", range(6, 10)), ("test", range(10, 16))):
        class_tree(folder / "shapes" / split, numbers)
    succeeding("prepare-data", "folder", "--source", folder / "shapes", "--size", 20, "--cache-dir", folder / "cache")
    return folder / "cache"


Trained = Callable[..., tuple[Json, list[str]]]


@pytest.fixture(scope="module")
def trained(cache: Path) -> Trained:
    """A training, and what it says."""

    def call(runs: Path, records: Sequence[Decoded] = RECORDS, test_tasks: int = 3, **options: Any) -> Any:
        notes: list[str] = []

        def hear(event: events.Event) -> None:
            if isinstance(event, events.Note):
                notes.append(event.text)

        asked = settings(list(records), tasks=2, test_tasks=test_tasks, **RATES)
        where = {"runs": runs, "machine": Machine("cpu", 1, cache), "listener": hear}
        return train_eval(records, asked, **where | options), notes

    return call


@pytest.fixture(scope="module")
def whole(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, list[str]]:
    """A run that looks more than twice, and adds genotypes and tasks."""
    return trained(tmp_path_factory.mktemp("whole"), until=WIDTH)


def test_it_ends_narrow_enough_with_the_numbers_of_a_training_of_that_size(
    whole: tuple[Json, list[str]], trained: Trained, tmp_path: Path
) -> None:
    found, notes = whole
    assert found["interval"] <= WIDTH and (found["until"]["ended"], found["until"]["asked"]) == ("reached", WIDTH)
    assert found["until"]["looks"] == 3 and found["tasks"] == 11 and found["genotypes_trained"] == 5
    told, _ = trained(tmp_path, test_tasks=11)
    assert {key: found[key] for key in SAME} == {key: told[key] for key in SAME}
    # Tasks come in other batches, which round probabilities differently; no answer changes.
    assert {**found["inductive"], "ece": None} == {**told["inductive"], "ece": None}
    assert found["inductive"]["ece"] == pytest.approx(told["inductive"]["ece"], abs=1e-6)
    assert found["ece"] == pytest.approx(told["ece"], abs=1e-6)
    first = next(number for number, text in enumerate(notes) if text.startswith("first look, 4 genotypes and 3 test"))
    assert notes[first].endswith("a training takes 1 s, a test task 0.05 s")
    assert notes[first + 1] == "± 14.00 points needs about 5 genotypes and 3 test tasks: about 1.15 s more"


def test_a_finished_run_goes_on_to_another_width(whole: tuple[Json, list[str]], cache: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole[0]["run"], tmp_path / "run")
    assert resume(run)["again"]
    more = resume(run, until=0.05)
    assert more["interval"] <= 0.05 and more["tasks"] > 11 and more["until"]["looks"] > 3
    wide = resume(run, until=0.2)
    assert (wide["until"]["ended"], wide["interval"]) == ("reached", more["interval"])


@pytest.mark.parametrize(("stage", "after"), [("train-eval", 4 * (2 + 3) + 1), ("tests", 1)])
def test_a_stopped_run_goes_on_to_the_same_numbers(
    stage: str, after: int, whole: tuple[Json, list[str]], trained: Trained, tmp_path: Path
) -> None:
    """It is stopped while the fifth network is trained, and while all are tested further."""

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.stage == stage and event.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="saved in"):
        trained(tmp_path, until=WIDTH, listener=stop)
    (run,) = tmp_path.iterdir()
    assert json.loads((run / "until.json").read_text())["costs"] is not None
    resumed = resume(run)
    assert {key: resumed[key] for key in (*SAME, "until")} == {key: whole[0][key] for key in (*SAME, "until")}


def test_seeds_are_a_source_too(trained: Trained, tmp_path: Path) -> None:
    found, notes = trained(tmp_path / "until", RECORDS[:2], until=0.9, seeds=2)
    assert notes[-1].startswith("first look, 2 genotypes, 2 seeds and 3 test tasks: ")
    told, _ = trained(tmp_path / "told", RECORDS[:2], seeds=2)
    over = ("seeds", "means", "mean_over_seeds", "spread_over_seeds")
    assert {key: found[key] for key in (*SAME, *over)} == {key: told[key] for key in (*SAME, *over)}
    assert found["interval_over"] == ["genotypes", "seeds", "tasks"] and found["until"]["seeds"] == 2


def test_out_of_reach_ends_with_what_would_reach_it(trained: Trained, tmp_path: Path) -> None:
    found, notes = trained(tmp_path, RECORDS[:2], until=1e-5)
    assert (found["until"]["ended"], found["until"]["looks"], found["genotypes_trained"]) == ("out of reach", 1, 2)
    told, how = notes[-2:]
    assert told.startswith("± 0.00 points is out of reach: about ± ") and " with 2 genotypes and " in told
    assert f"tnas resume {found['run']} --until " in how

    rng = np.random.default_rng(0)
    accuracies = 0.9 + 0.03 * rng.standard_normal((3, 1, 1)) + 0.05 * rng.standard_normal((3, 1, 600))
    study, costs, recipe = Study(accuracies, [1.0] * 3), Costs(1, 0.01), TrainUntil(settings(RECORDS), RECORDS, 0.003)
    for distinct, what in ((3, "adapt to more tasks: tnas adapt --tasks N"), (10_000, "raise --limit")):
        plan = study.plan(recipe.until, costs, most := Design(3, 1, MOST_TASKS))
        _, said, _ = Look(recipe, distinct, most, study, plan, costs).lines(tmp_path, first=False)
        assert said.startswith("± 0.30 points is out of reach: about ± ") and said.endswith(f"would reach it ({what})")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--until", 0), "--until is 0.0."),
        (("--until", 1, "--hours", 1), "--hours and --until exclude each other."),
        (("--until", 1, "--dry-run"), "--until has no effect with --dry-run."),
        (("--until", 1, "--weights", "inherited"), "--until has no effect with --weights inherited."),
    ],
    ids=str,
)
def test_what_makes_no_sense_beside_it_is_refused(
    options: tuple[str | int, ...], words: str, cache: Path, tmp_path: Path
) -> None:
    genotypes = "".join(map(writing.line, RECORDS))
    ran = tnas("train-eval", "-", *options, "--runs", tmp_path, "--cache-dir", cache, stdin=genotypes)
    assert ran.code == 2 and words in ran.stderr and "hint:" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_resume_refuses_it_for_other_runs(trained: Trained, tmp_path: Path) -> None:
    ran = tnas("resume", trained(tmp_path, RECORDS[:1])[0]["run"], "--until", 1)
    assert ran.code == 2 and "--until has no effect on" in ran.stderr
