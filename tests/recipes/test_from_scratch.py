"""Training decoded networks: which genotypes, with which settings, and resuming after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pipeline
from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
from tests.recipes.calls import resume, train_eval
from tnas_cli.errors import DataError, Interrupted, SettingsError
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.recipes.from_scratch import LONG_ENOUGH, FromScratch
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.recipes.trainable import read_trainables
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.parts import DataFacts
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.settings.meta_learning import UNLIMITED
from tnas_cli.settings.train import TrainSettings

BUDGET = {"tasks": 4, "meta_batch": 2, "validate_every": 2, "validation_tasks": 2, "test_tasks": 3, "inner_steps": 1}


def record(genotype: Any, **context: Any) -> Decoded:
    """A genotype record as `decode` writes it for a task of the pipeline's data set."""
    where = DataFacts(
        dataset="shapes", protocol="classes", channels=1, size=20, mean=(0.0,), std=(1.0,), fingerprint=None
    )
    return decoded(genotype, Origin(**{"data": where, "way": 3, "shot": 1, "channels": 4, "method": "t-nas"} | context))


def settings(records: list[Decoded], **given: Any) -> TrainSettings:
    """Tiny settings for the records."""
    return settings_for(records, "quick", BUDGET | {"query": 2, "test_steps": 1} | given)


@pytest.mark.parametrize("preset", ["quick", "affordable"])
def test_the_recipe_of_a_preset_leaves_alone_what_it_does_not_suit(preset: str) -> None:
    """From a linear layer of zeros Meta-SGD's one step would move that layer alone; some rates were published."""
    records, given = [record(AUTO_MAML_1SHOT)], {"dataset": "shapes"}
    usual = settings_for(records, preset, given)
    assert (usual.head, usual.alpha_outer, usual.cosine_to) == ("zero", 3e-3, 0.01)
    assert settings_for(records, preset, given | {"method": "meta-sgd"}).head == "learned"
    for method in ("meta-lstm", "mtl", "memory-module", "neural-statistician"):
        its = settings_for(read_trainables("4conv"), preset, given | {"method": method})
        assert (its.alpha_outer, its.cosine_to) == (1e-3, 1.0), method
    inheriting = settings_for(records, preset, given, weights="inherited")
    assert (inheriting.alpha_outer, inheriting.cosine_to) == (1e-3, 1.0)
    assert settings_for(records, preset, given | {"alpha_outer": 2e-3}, weights="inherited").alpha_outer == 2e-3


def test_settings_come_from_the_records_and_options_win() -> None:
    own = settings([record(AUTO_MAML_1SHOT)])
    assert (own.dataset, own.protocol, own.way, own.shot, own.channels) == ("shapes", "classes", 3, 1, 4)
    given = settings([record(AUTO_MAML_1SHOT)], dataset="glyphs", way=2)
    assert (given.dataset, given.protocol, given.way, given.shot) == ("glyphs", "", 2, 1)


def test_records_of_different_settings_are_refused_unless_decided() -> None:
    records = [record(AUTO_MAML_1SHOT, shot=1), record(AUTO_MAML_5SHOT, shot=5)]
    with pytest.raises(SettingsError, match="shot is 1, 5"):
        settings(records)
    assert settings(records, shot=5).shot == 5


def test_each_distinct_genotype_is_trained_once_the_most_frequent_first(pipeline: Pipeline, tmp_path: Path) -> None:
    records = [record(AUTO_MAML_5SHOT), record(AUTO_MAML_1SHOT), record(AUTO_MAML_1SHOT)]
    machine = Machine("cpu", 1, pipeline.cache)
    result = train_eval(records, settings(records), runs=tmp_path, machine=machine)
    found = [(row["digest"], row["count"]) for row in result["per_genotype"]]
    assert found == [(AUTO_MAML_1SHOT.digest, 2), (AUTO_MAML_5SHOT.digest, 1)]
    one = train_eval(records, settings(records), limit=1, runs=tmp_path, machine=machine)
    assert [row["digest"] for row in one["per_genotype"]] == [AUTO_MAML_1SHOT.digest]
    # The accuracy of one genotype does not depend on the others.
    assert one["per_genotype"][0] == result["per_genotype"][0]


def test_a_stopped_training_goes_on_to_the_same_numbers(pipeline: Pipeline, tmp_path: Path) -> None:
    records = [record(AUTO_MAML_5SHOT), record(AUTO_MAML_1SHOT)]
    chosen, machine = settings(records), Machine("cpu", 1, pipeline.cache)
    whole = train_eval(records, chosen, runs=tmp_path / "whole", machine=machine)

    def stop_in_the_second(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.done == 4 + 3 + 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="saved in") as stopped:
        train_eval(records, chosen, runs=tmp_path / "cut", machine=machine, listener=stop_in_the_second)
    (run,) = (tmp_path / "cut").iterdir()
    assert stopped.value.hint == f"continue with: tnas resume {run}"
    first = json.loads((run / AUTO_MAML_5SHOT.digest / "result.json").read_text())
    assert len(first["accuracies"]) == 3
    resumed = resume(run)  # with the data, engine and threads that it was started with
    for key in ("mean", "interval", "per_genotype", "genotypes_trained"):
        assert resumed[key] == whole[key]


def test_resuming_on_other_images_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    records, machine = [record(AUTO_MAML_5SHOT)], Machine("cpu", 1, pipeline.cache)
    run = Path(train_eval(records, settings(records), runs=tmp_path, machine=machine)["run"])
    (run / "result.json").unlink()
    kept = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(kept | {"fingerprint": "of other images"}))
    with pytest.raises(DataError, match="does not hold the images"):
        resume(run, machine=machine)


def test_side_by_side_gives_the_same_numbers(pipeline: Pipeline, tmp_path: Path) -> None:
    records = [record(AUTO_MAML_5SHOT), record(AUTO_MAML_1SHOT)]
    machine = Machine("cpu", 2, pipeline.cache)
    one = train_eval(records, settings(records), runs=tmp_path / "one", machine=machine)
    heard: list[events.Event] = []
    two = train_eval(
        records, settings(records), side_by_side=2, runs=tmp_path / "two", machine=machine, listener=heard.append
    )
    assert (one["side_by_side"], two["side_by_side"]) == (1, 2)
    for key in ("mean", "interval", "per_genotype", "genotypes_trained"):
        assert two[key] == one[key]
    # PyTorch rounds the same weights differently on one thread and on two; no answer changes.
    assert {**two["inductive"], "ece": None} == {**one["inductive"], "ece": None}
    assert two["inductive"]["ece"] == pytest.approx(one["inductive"]["ece"], abs=1e-6)
    bars = [event for event in heard if isinstance(event, events.Progress) and event.stage == "train-eval"]
    assert {event.total for event in bars} == {2 * (4 + 3)}
    assert bars[-1].done == 2 * (4 + 3)
    assert bars[-1].values.keys() == {"networks done", "tasks/s"} and bars[-1].values["networks done"] == 2


def test_hours_decide_how_many_genotypes_are_trained(pipeline: Pipeline, tmp_path: Path) -> None:
    records = [record(AUTO_MAML_5SHOT), record(AUTO_MAML_1SHOT), record(AUTO_MAML_1SHOT)]
    machine = Machine("cpu", 1, pipeline.cache)
    notes: list[str] = []

    def hear(event: events.Event) -> None:
        if isinstance(event, events.Note):
            notes.append(event.text)

    chosen = settings(records, hours=1e-6)
    result = train_eval(records, chosen, runs=tmp_path, machine=machine, listener=hear)
    # The first is trained completely, however little time there is; it is the most frequent one.
    assert [row["digest"] for row in result["per_genotype"]] == [AUTO_MAML_1SHOT.digest]
    assert (result["genotypes"], result["genotypes_distinct"], result["genotypes_trained"]) == (3, 2, 1)
    assert result["hours"] == 1e-6
    assert result["budget"]["training"] == {"amount": 4, "unit": "tasks", "each": "genotype"}
    assert notes[-1] == "trained 1 of 2 genotypes: 1e-06 hours leave no time for another one"
    run = Path(result["run"])
    assert resume(run, machine=machine)["again"]
    more = resume(run, machine=machine, hours=1)
    assert more["genotypes_trained"] == 2
    # The new limit is the run's from now on.
    assert "hours = 1\n" in (run / "settings.toml").read_text()
    assert resume(run, machine=machine)["hours"] == 1
    unlimited = train_eval(records, settings(records), runs=tmp_path, machine=machine)
    assert (more["mean"], more["per_genotype"]) == (unlimited["mean"], unlimited["per_genotype"])
    assert unlimited["hours"] is None


def test_hours_are_the_length_of_a_single_training(pipeline: Pipeline, tmp_path: Path) -> None:
    records = [record(AUTO_MAML_1SHOT)]
    alone = {name: value for name, value in BUDGET.items() if name != "tasks"} | {"query": 2, "test_steps": 1}
    chosen = settings_for(records, "quick", alone | {"hours": 2 / 3600})
    assert chosen.tasks == UNLIMITED
    assert settings_for(records, "quick", alone | {"hours": 1, "tasks": 7}).tasks == 7
    two = [record(AUTO_MAML_1SHOT), record(AUTO_MAML_5SHOT)]
    assert settings_for(two, "quick", alone | {"hours": 1}).tasks < UNLIMITED
    assert settings_for(two, "quick", alone | {"hours": 1}, trainings=1).tasks == UNLIMITED
    result = train_eval(records, chosen, runs=tmp_path, machine=Machine("cpu", 1, pipeline.cache))
    assert result["budget"]["training"]["amount"] == result["per_genotype"][0]["training_tasks"]
    assert 2 <= result["budget"]["training"]["amount"] < UNLIMITED
    # More time trains a finished network further; without a new limit its result is read.
    more = resume(Path(result["run"]), machine=Machine("cpu", 1, pipeline.cache), hours=4 / 3600)
    assert more["per_genotype"][0]["training_tasks"] > result["per_genotype"][0]["training_tasks"]
    again = resume(Path(result["run"]), machine=Machine("cpu", 1, pipeline.cache))
    assert again["per_genotype"] == more["per_genotype"]


def test_as_many_side_by_side_as_are_faster(pipeline: Pipeline) -> None:
    """One thread each, if the fused engine computes and the trainings are long enough."""
    records = [record(AUTO_MAML_5SHOT, channels=8), record(AUTO_MAML_1SHOT, channels=8)]

    def chosen(tasks: int, engine: str, limit: int | None = None) -> int:
        machine = Machine("cpu", 2, pipeline.cache, engine=engine)
        return FromScratch(settings(records, tasks=tasks), records, limit, None).prepare(machine, events.ignore).count

    assert chosen(LONG_ENOUGH, "fused") == 2
    assert chosen(LONG_ENOUGH, "fused", limit=1) == 1
    assert chosen(LONG_ENOUGH - 1, "fused") == 1
    assert chosen(LONG_ENOUGH, "torch") == 1
