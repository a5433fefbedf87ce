"""The outer loop with an engine that answers what the test says: schedule, gradients' scale, best, loss of reason."""

import math
from collections.abc import Iterator

import pytest
import torch

from tests.synthetic import pattern_tasks
from tnas_cli.compute.interface import InnerRule, MetaGradient
from tnas_cli.errors import TnasError
from tnas_cli.methods import meta_learn as module
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn, validation_due
from tnas_cli.runs.events import Event, StepDone, Validated
from tnas_cli.settings import SearchSettings, TrainSettings
from tnas_cli.update.outer import AdamRule, adam

RULE, TEST_RULE = InnerRule(0.1, 30.0, 2), InnerRule(0.1, 30.0, 3)


class Scripted:
    """Sums a gradient of 1 per task; the losses come from a list, the last one for ever."""

    name = "scripted"

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.second_order: list[bool] = []

    def meta_gradient(self, network, parameters, support, query, rule, *, second_order=False) -> MetaGradient:
        assert rule == RULE
        self.second_order.append(second_order)
        tasks = len(support[0])
        loss = self.losses.pop(0) if len(self.losses) > 1 else self.losses[0]
        gradients = {name: torch.full_like(tensor, float(tasks)) for name, tensor in parameters.items()}
        return MetaGradient(gradients, torch.full((tasks,), loss), torch.full((tasks,), 0.5))


class Source:
    """Remembers which tasks were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def train(self, first: int, count: int):
        self.asked.append((first, count))
        return pattern_tasks(first, count)

    def validate(self) -> Iterator:
        return iter(())

    @property
    def tasks(self) -> Tasks:
        return Tasks(self.train, self.validate)


def fresh() -> MetaState:
    parameters = {"w": torch.zeros(3)}
    return MetaState(parameters, adam(parameters, {}, AdamRule(0.1)))


def plan(**changes) -> Plan:
    values = {"tasks": 10, "meta_batch": 4, "rule": RULE, "test_rule": TEST_RULE, "validate_every": 5}
    return Plan(**{**values, **changes})


def scripted_accuracies(monkeypatch: pytest.MonkeyPatch, means: list[float]) -> list[InnerRule]:
    rules = []

    def accuracies(engine, network, parameters, batches, rule):
        rules.append(rule)
        yield torch.tensor([means[len(rules) - 1]], dtype=torch.float64)

    monkeypatch.setattr(module, "accuracies", accuracies)
    return rules


def run(state: MetaState, plan: Plan, engine: Scripted | None = None, source: Source | None = None) -> list[Event]:
    return list(meta_learn(engine or Scripted([1.0]), None, state, (source or Source()).tasks, plan))


def test_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 4 of 10 tasks; validation after each passed multiple of 5, and at the end only once."""
    rules = scripted_accuracies(monkeypatch, [0.4, 0.6])
    source, state = Source(), fresh()
    events = run(state, plan(), source=source)
    assert source.asked == [(0, 4), (4, 4), (8, 2)]
    done = [(type(event), event.tasks_done) for event in events]
    assert done == [(StepDone, 4), (StepDone, 8), (Validated, 8), (StepDone, 10), (Validated, 10)]
    assert rules == [TEST_RULE, TEST_RULE]
    assert state.tasks_done == 10
    assert [entry["tasks"] for entry in state.history] == [8, 10]


def test_a_finished_state_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_accuracies(monkeypatch, [0.4, 0.6])
    state = fresh()
    run(state, plan())
    before = state.parameters["w"].clone()
    assert run(state, plan()) == []
    assert torch.equal(state.parameters["w"], before)


def test_only_an_improvement_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_accuracies(monkeypatch, [0.5, 0.7, 0.7, 0.6, 0.8])
    state = fresh()
    events = run(state, plan(tasks=20, validate_every=4))
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.better for event in validated] == [True, True, False, False, True]
    assert [event.accuracy for event in validated] == [0.5, 0.7, 0.7, 0.6, 0.8]
    assert state.best_accuracy == 0.8


@pytest.mark.parametrize(("mean", "scales"), [(False, [4.0, 4.0, 2.0]), (True, [1.0, 1.0, 1.0])])
def test_sum_or_mean_over_the_tasks_of_each_batch(
    mean: bool, scales: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of the last batch, which is smaller."""
    scripted_accuracies(monkeypatch, [0.5] * 9)
    seen = []
    monkeypatch.setattr(module.outer, "step", lambda optimiser, parameters, g: seen.append(float(g["w"][0])))
    run(fresh(), plan(mean_over_tasks=mean))
    assert seen == scales


@pytest.mark.parametrize("second_order", [False, True])
def test_the_order_reaches_the_engine(second_order: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_accuracies(monkeypatch, [0.5] * 9)
    engine = Scripted([1.0])
    run(fresh(), plan(second_order=second_order), engine)
    assert engine.second_order == [second_order] * 3


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights(loss: float) -> None:
    state = fresh()
    events = meta_learn(Scripted([1.0, loss]), None, state, Source().tasks, plan(validate_every=100))
    assert isinstance(next(events), StepDone)
    before = state.parameters["w"].clone()
    with pytest.raises(TnasError, match=f"{loss} after 4 tasks") as caught:
        next(events)
    assert caught.value.exit_code == 1
    assert "alpha-inner" in caught.value.hint
    assert torch.equal(state.parameters["w"], before)
    assert state.tasks_done == 4


@pytest.mark.parametrize(
    ("done", "last", "due"),
    [
        (0, None, False),
        (4, None, False),
        (5, None, True),
        (7, None, True),
        (8, 8, False),
        (10, 8, True),
        (14, 10, False),
        (16, 10, True),
        (18, 16, True),
        (18, 18, False),
        (19, 18, True),
    ],
)
def test_validation_due(done: int, last: int | None, due: bool) -> None:
    """Every 5 tasks, and at the end after 18 or more."""
    state = fresh()
    state.tasks_done = done
    state.history = [] if last is None else [{"tasks": last, "accuracy": 0.5, "interval": 0.0}]
    assert validation_due(state, plan(tasks=18 if done <= 18 else 19)) is due


def test_plan_of_settings() -> None:
    search = SearchSettings(
        "glyphs", alpha_inner=0.2, inner_steps=3, test_steps=7, order="second", reduction="sum", tasks=8, meta_batch=2
    )
    found = Plan.of(search, beta=30.0, alternating=True)
    assert found.rule == InnerRule(0.2, 30.0, 3, alternating=True)
    assert found.test_rule == InnerRule(0.2, 30.0, 7, alternating=True)
    assert (found.tasks, found.meta_batch, found.mean_over_tasks, found.second_order) == (8, 2, False, True)
    train = Plan.of(TrainSettings("glyphs"))
    assert (train.mean_over_tasks, train.second_order, train.rule.alternating) == (True, False, False)
