"""Records as JSON and back: what is written, what is kept, and what is refused and named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.records.examples import EVERY, a_training, an_adapted
from tnas_cli.errors import DataError, TnasError
from tnas_cli.records import kinds, parts, reading, results, writing
from tnas_cli.records.codec import Part, decode
from tnas_cli.records.kinds import Record, Unknown
from tnas_cli.records.readers import MisfitError


def all_kinds(cls: type[Any]) -> Iterator[type[Any]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from all_kinds(sub)


@pytest.mark.parametrize("record", EVERY, ids=lambda record: type(record).__name__)
def test_what_is_written_is_read_again(record: Record) -> None:
    values = json.loads(writing.line(record))
    assert values["event"] == record.event and values["version"] == 2
    assert reading.parse(values) == record
    assert values == record.to_json() == writing.to_json(record)


def test_every_type_of_every_field_can_be_read() -> None:
    for cls in {*all_kinds(Part)}:
        try:
            decode(cls, {})
        except MisfitError as error:
            assert error.value is None  # a key that is missing


def test_a_field_without_a_default_is_written_as_null_and_one_with_a_default_is_left_out() -> None:
    values = a_training().to_json()
    assert values["network"] is None
    assert not {"max_skips", "seeds", "space", "top5_mean"} & values.keys()
    assert a_training(max_skips=0, space="tiny").to_json().items() >= {"max_skips": 0, "space": "tiny"}.items()


def test_the_environment_and_a_steps_values_are_flat() -> None:
    values = a_training().to_json()
    assert values["device"] == "cpu" and "environment" not in values
    found = reading.parse(values)
    assert isinstance(found, results.TrainResult) and found.environment.threads == 2
    step = kinds.Step(stage="s", tasks=3, values={"loss": 0.5, "tasks/s": 2.0})
    assert step.to_json() == {"event": "step", "version": 2, "stage": "s", "tasks": 3, "loss": 0.5, "tasks/s": 2.0}
    assert (step.done, step.unit) == (3, "tasks")
    assert (kinds.Step(stage="s", batches=4, values={}).unit, kinds.Step(stage="s", batches=4, values={}).done) == (
        "batches",
        4,
    )


def test_results_are_told_apart_by_their_command() -> None:
    values = a_training().to_json()
    assert (values["command"], values["setting"]) == ("train-eval", "few-shot")
    others = {cls.command for cls in all_kinds(results.Result) if cls.command}
    assert {"search", "adapt", "train-eval", "supervised", "transfer", "decode", "report"} <= others


def test_unknown_fields_are_kept_at_every_depth() -> None:
    values = an_adapted().to_json() | {"colour": "red"}
    values["inner"] = {"alpha": 0.1, "beta": 30.0, "steps": 5, "rule": "sgd"}
    found = reading.parse(values)
    assert isinstance(found, kinds.Adapted) and found.inner is not None
    assert found.extra == {"colour": "red"} and found.inner.extra == {"rule": "sgd"}
    assert dataclasses.replace(found, seed=4).to_json() == values | {"seed": 4}


def test_unknown_kinds_are_passed_on() -> None:
    for values in ({"event": "weather", "degrees": 21, "version": 7}, {"normal": [], "reduce": []}):
        found = reading.parse(values)
        assert isinstance(found, Unknown) and found.to_json() == values


WRONG: list[tuple[Record, dict[str, Any], str]] = [
    (a_training(), {"mean": "high"}, "the result's 'mean' is 'high'"),
    (a_training(), {"mean": 98.76}, "'mean' is 98.76"),
    (a_training(), {"mean": float("nan")}, "'mean' is nan"),
    (a_training(), {"mean": None}, "'mean' is None"),
    (a_training(), {"way": True}, "'way' is True"),
    (a_training(), {"way": 1}, "'way' is 1"),
    (a_training(), {"transductive": 1}, "'transductive' is 1"),
    (a_training(), {"budget": 7}, "'budget' is 7"),
    (a_training(), {"budget": {"search": {"amount": "many", "unit": "tasks"}}}, "'budget.search.amount' is 'many'"),
    (a_training(), {"budget": {"search": {"amount": 1, "unit": "miles"}}}, "'budget.search.unit' is 'miles'"),
    (a_training(), {"seeds": [0, "one"]}, "'seeds' is [0, 'one']"),
    (a_training(), {"per_genotype": [{"digest": "x", "count": 0}]}, "'per_genotype.count' is 0"),
    (a_training(), {"version": 3}, "version 3"),
    (a_training(), {"version": True}, "version True"),
    (an_adapted(), {"theta": [[["x"]]]}, "the adapted's 'theta' is [[['x']]]"),
    (an_adapted(), {"shot": 0}, "'shot' is 0"),
    (an_adapted(), {"task": "first"}, "'task' is 'first'"),
    (an_adapted(), {"data": {"dataset": "omniglot"}}, "'data.channels' is None"),
]


@pytest.mark.parametrize(("record", "changes", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_what_does_not_fit_is_named(record: Record, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        reading.parse(record.to_json() | changes, "x.jsonl, line 3")
    assert caught.value.message.startswith("x.jsonl, line 3") and message in caught.value.message
    assert caught.value.exit_code == 3 and caught.value.hint


def test_a_hand_made_record_of_an_adaptation_needs_theta_alone() -> None:
    found = reading.parse({"event": "adapted", "theta": [[[0.5]]]})
    assert isinstance(found, kinds.Adapted)
    assert found.theta == (((0.5,),),) and found.run is None and found.task == parts.TaskName()


def test_a_number_that_is_none_is_not_written() -> None:
    with pytest.raises(TnasError, match="not finite"):
        writing.line(an_adapted(support_losses=(float("nan"),)))
