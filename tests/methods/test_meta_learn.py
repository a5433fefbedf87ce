"""The outer loop with an engine that returns what the test says: schedule, scale of gradients, best, divergence."""

import math
from collections.abc import Iterator

import pytest
import torch

from tests.synthetic import pattern_tasks
from tnas_cli.engines.interface import InnerRule, MetaGradient
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import DivergedError
from tnas_cli.methods import maml, t_nas, together
from tnas_cli.methods import meta_learn as module
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, about_theta, meta_learn, validation_due
from tnas_cli.runs.events import Event, StepDone, Validated
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.update.outer import AdamRule, adam


class Scripted(Learner):
    """Sums a gradient of 1 per task; the losses come from a list, whose last one repeats."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.progress: list[float] = []

    def fit(self, parameters, support):
        raise AssertionError("accuracies are scripted")

    fitted = fit

    def meta_gradient(self, parameters, batch, progress) -> MetaGradient:
        self.progress.append(progress)
        tasks = len(batch)
        loss = self.losses.pop(0) if len(self.losses) > 1 else self.losses[0]
        gradients = {name: torch.full_like(tensor, float(tasks)) for name, tensor in parameters.items()}
        return MetaGradient(gradients, torch.full((tasks,), loss), torch.full((tasks,), 0.5))


class Source:
    """Records which tasks were requested."""

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
    values = {"tasks": 10, "meta_batch": 4, "validate_every": 5}
    return Plan(**{**values, **changes})


def scripted_accuracies(monkeypatch: pytest.MonkeyPatch, means: list[float]) -> list[Learner]:
    asked = []

    def accuracies(learner, parameters, batches):
        asked.append(learner)
        yield torch.tensor([means[len(asked) - 1]], dtype=torch.float64)

    monkeypatch.setattr(together, "accuracies", accuracies)
    return asked


def run(state: MetaState, plan: Plan, learner: Scripted | None = None, source: Source | None = None) -> list[Event]:
    return list(meta_learn(learner or Scripted([1.0]), state, (source or Source()).tasks, plan))


def test_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 tasks in batches of 4; validation after each multiple of 5 that is passed, and only once at the end."""
    asked = scripted_accuracies(monkeypatch, [0.4, 0.6])
    source, state = Source(), fresh()
    events = run(state, plan(), source=source)
    assert source.asked == [(0, 4), (4, 4), (8, 2)]
    done = [(type(event), event.tasks_done) for event in events]
    assert done == [(StepDone, 4), (StepDone, 8), (Validated, 8), (StepDone, 10), (Validated, 10)]
    assert len(asked) == 2
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
    """Also for the last batch, which is smaller."""
    scripted_accuracies(monkeypatch, [0.5] * 9)
    seen = []
    monkeypatch.setattr(module.outer, "step", lambda optimiser, parameters, g: seen.append(float(g["w"][0])))
    run(fresh(), plan(mean_over_tasks=mean))
    assert seen == scales


def test_the_learner_hears_how_far_the_training_is(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_accuracies(monkeypatch, [0.5] * 9)
    learner = Scripted([1.0])
    run(fresh(), plan(), learner)
    assert learner.progress == [0.0, 0.4, 0.8]


def test_outer_rates_fall_along_a_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 0.1 to a hundredth of it; the rate of a resumed run depends only on the tasks done."""
    scripted_accuracies(monkeypatch, [0.5] * 9)
    rates = []
    monkeypatch.setattr(module.outer, "step", lambda optimiser, *_: rates.append(optimiser.param_groups[0]["lr"]))
    run(fresh(), plan(tasks=16, cosine_to=0.01))
    share = [0.01 + 0.99 * (1 + math.cos(math.pi * done / 16)) / 2 for done in (0, 4, 8, 12)]
    assert rates == pytest.approx([0.1 * factor for factor in share], rel=1e-12)
    rates.clear()
    run(fresh(), plan(tasks=16))
    assert rates == pytest.approx([0.1] * 4)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights(loss: float) -> None:
    state = fresh()
    events = meta_learn(Scripted([1.0, loss]), state, Source().tasks, plan(validate_every=100))
    assert isinstance(next(events), StepDone)
    before = state.parameters["w"].clone()
    with pytest.raises(DivergedError, match=f"training task 4 diverged: its query loss is {loss}") as caught:
        next(events)
    assert caught.value.exit_code == 1
    assert "alpha-outer" in caught.value.hint
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


def test_what_a_step_says_of_theta() -> None:
    theta = torch.zeros(2, 14, 8)
    theta[0, :, 3] = 9.0
    found = about_theta(theta, DARTS)
    assert (found["skips"], found["pools"]) == (8, 8)  # undecided edges go to the first operation, max_pool_3x3
    assert found["theta"] == pytest.approx((1 / (1 + 7 * math.exp(-9)) + 1 / 8) / 2)
    assert 0.5 < found["entropy"] < 0.51


def test_plan_of_settings() -> None:
    search = SearchSettings("glyphs", reduction="sum", tasks=8, meta_batch=2, cosine_to=0.01)
    assert Plan.of(search) == Plan(8, 2, search.validate_every, mean_over_tasks=False, cosine_to=0.01)
    assert Plan.of(TrainSettings("glyphs")).mean_over_tasks


def test_learners_of_settings() -> None:
    search = SearchSettings("glyphs", alpha_inner=0.2, inner_steps=3, test_steps=7, order="second", alternating=True)
    found = t_nas.steps(TorchEngine(), t_nas.search_network(search, 1), search)
    assert found.rule == InnerRule(0.2, 30.0, 3, alternating=True)
    assert found.test_rule == InnerRule(0.2, 30.0, 7, alternating=True)
    assert found.second_order
    train = TrainSettings("glyphs", inner_steps=4)
    plain = maml.steps(TorchEngine(), FourConv(5, 1, 28), train)
    assert (plain.rule, plain.test_rule, plain.second_order) == (InnerRule(0.1, 0.0, 4), InnerRule(0.1, 0.0, 5), False)


class Clock:
    """Each reading of the clock is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def test_time_ends_a_training_with_a_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock())
    scripted_accuracies(monkeypatch, [0.5, 0.6])
    learner, state = Scripted([1.0]), fresh()
    events = list(meta_learn(learner, state, Source().tasks, plan(tasks=10**9, validate_every=10**9, seconds=4)))
    # One second per step: four steps, and progress follows the time.
    assert state.tasks_done == 16
    assert learner.progress == [0, 0.25, 0.5, 0.75]
    assert [event.tasks for event in events if isinstance(event, StepDone)] == [16, 16, 16, 16]
    assert isinstance(events[-1], Validated)
    assert events[-1].tasks_done == 16


def test_tasks_end_a_training_that_has_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock())
    scripted_accuracies(monkeypatch, [0.5, 0.6, 0.7])
    learner, state = Scripted([1.0]), fresh()
    list(meta_learn(learner, state, Source().tasks, plan(seconds=1000)))
    assert state.tasks_done == 10
    assert learner.progress == [0, 0.4, 0.8]


def test_time_of_earlier_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock())
    scripted_accuracies(monkeypatch, [0.5])
    state = fresh()
    state.seconds, state.tasks_done = 3.0, 12
    list(meta_learn(Scripted([1.0]), state, Source().tasks, plan(tasks=10**9, validate_every=10**9, seconds=4)))
    assert (state.tasks_done, state.seconds) == (16, 5.0)  # one more step, then the validation


def test_however_short_the_time_one_step_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_accuracies(monkeypatch, [0.5])
    state = fresh()
    list(meta_learn(Scripted([1.0]), state, Source().tasks, plan(seconds=1e-9)))
    assert state.tasks_done == 4
    assert len(state.history) == 1
