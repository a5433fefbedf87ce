"""A meta-batch and a validation shared by the members of a group: the same numbers, the same errors, the same end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import pytest
import torch

from tests.scale.thread_group import Meeting, ThreadGroup, together
from tests.synthetic import pattern_tasks
from tnas_cli.engines.interface import MetaGradient
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import DataError, DivergedError, Interrupted, LostRankError, SettingsError, TnasError, WriteError
from tnas_cli.methods import t_nas
from tnas_cli.methods.learner import GradientSteps
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.together import MetaBatch
from tnas_cli.records.reported import CiteResult
from tnas_cli.runs import ranks
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Event, Validated
from tnas_cli.runs.interrupt import stop_request
from tnas_cli.scale import share
from tnas_cli.scale.follower import Follower
from tnas_cli.scale.leader import Leader, OverRanks, sharing
from tnas_cli.scale.share import Duty
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import Parameters

SETTINGS = SearchSettings(
    "patterns", way=3, query=2, channels=4, nodes=2, inner_steps=2, test_steps=2, tasks=10, meta_batch=5
).replace(validate_every=5, alpha_outer=1e-2)


def validation() -> Iterator[Any]:
    """Batches of different sizes, and more of them than there are members."""
    return (pattern_tasks(10_000 + first, 1 + first % 2) for first in range(5))


TASKS = Tasks(pattern_tasks, validation)
DONE = CiteResult(methods=("maml",), datasets=(), references=3)


class Refusing:
    """Tasks of which a few, by number, are refused."""

    def __init__(self, errors: dict[int, TnasError]) -> None:
        self.errors = errors

    def train(self, first: int, count: int) -> Any:
        for number in range(first, first + count):
            if number in self.errors:
                raise self.errors[number]
        return pattern_tasks(first, count)


@dataclass
class Search:
    """The work of a member. fingerprint: of the data that this member has."""

    tasks: Tasks = TASKS
    fingerprint: str = "of these images"
    engine_name: str = "torch"
    settings: SearchSettings = SETTINGS

    def duty(self, number: int) -> Duty:
        network = t_nas.search_network(SETTINGS, 1)
        state = t_nas.METHOD.start(network, SETTINGS, torch.device("cpu"))
        return Duty(t_nas.METHOD.learner(TorchEngine(), network, SETTINGS), self.tasks, state.parameters)


@dataclass
class Recipe:
    """Gives each member its own work, or the error that it meets."""

    works: ClassVar[list[Any]] = []
    kind: str = "searching"
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Sequence[Any] = ()

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Any]) -> Recipe:
        assert settings == SETTINGS.to_dict()
        return cls()

    def prepare(self, machine: Machine, listener: Callable[[Event], None]) -> Any:
        mine = self.works.pop()
        if isinstance(mine, Exception):
            raise mine
        return mine


def led(
    size: int, lead: Callable[[Leader], Any], others: list[Any] | None = None, leaves: dict[int, int] | None = None
) -> list[Any]:
    """What `lead` returns and what its followers, whose works are `others`, return."""
    meeting = Meeting(size)
    groups = [ThreadGroup(meeting, rank, (leaves or {}).get(rank)) for rank in range(size)]
    followers = [Follower(group) for group in groups[1:]]
    recipe = Recipe()
    Recipe.works[:] = others or [Search() for _ in followers]

    def leading() -> Any:
        leader = Leader(groups[0], None)
        try:
            leader.ready(recipe, HERE, Search())  # type: ignore[arg-type]
            found = lead(leader)
        except BaseException as error:
            leader.end(error)
            raise
        leader.end(DONE)
        return found

    return together([leading, *(follower.follow for follower in followers)])


def learnt(leader: Leader | None = None, tasks: Tasks = TASKS) -> tuple[MetaState, list[Event]]:
    """A whole search."""
    work = Search(tasks)
    network = t_nas.search_network(SETTINGS, 1)
    state, duty = t_nas.METHOD.start(network, SETTINGS, torch.device("cpu")), work.duty(0)
    plan = Plan.of(SETTINGS)
    if leader is not None:
        plan = Plan(plan.tasks, plan.meta_batch, plan.validate_every, together=OverRanks(leader, 0))
    return state, list(meta_learn(duty.learner, state, tasks, plan))


def raised(found: Any) -> TnasError:
    assert isinstance(found, TnasError), found
    return found


@pytest.fixture(scope="module")
def searched() -> tuple[MetaState, list[Event]]:
    """The search by a group of one."""
    found = led(1, learnt)[0]
    assert isinstance(found, tuple), found
    return found


@pytest.mark.parametrize("size", [2, 3, 6])
def test_a_search_does_not_depend_on_how_many_share_it(size: int, searched: tuple[MetaState, list[Event]]) -> None:
    """Five tasks of a meta-batch: shared evenly, unevenly, and by more members than tasks."""
    found, *ended = led(size, learnt)
    assert not isinstance(found, Exception), found
    (state, events), (alone, before) = found, searched
    assert all(torch.equal(state.parameters[name], alone.parameters[name]) for name in alone.parameters)
    assert [event.accuracy for event in events] == [event.accuracy for event in before]  # type: ignore[attr-defined]
    assert ended == [DONE] * (size - 1)


def test_it_is_the_search_of_a_single_process(searched: tuple[MetaState, list[Event]]) -> None:
    """To rounding: the torch engine computes the tasks of a meta-batch in one operation when it is alone."""
    state, events = learnt()
    for name, tensor in state.parameters.items():
        assert torch.allclose(searched[0].parameters[name], tensor, rtol=0, atol=1e-5), name
    accuracies = [event.accuracy for event in events if isinstance(event, Validated)]
    assert accuracies == pytest.approx([event.accuracy for event in searched[1] if isinstance(event, Validated)])


def test_the_first_error_is_raised_by_all() -> None:
    """Task 3 of the meta-batch belongs to member 0 of 3, task 1 to member 1: the error of task 1 is met first."""
    errors: dict[int, TnasError] = {
        1: DivergedError("one", hint="lower it"),
        3: DivergedError("three", hint="lower it"),
    }
    tasks = Tasks(Refusing(errors).train, validation)
    found = led(3, partial(learnt, tasks=tasks), [Search(tasks), Search(tasks)])
    assert [raised(error).message for error in found] == ["training task 1 one"] * 3
    assert {type(error) for error in found} == {DivergedError}


def test_an_error_keeps_its_kind() -> None:
    tasks = Tasks(Refusing({1: DataError("a damaged image.", hint="prepare it again")}).train, validation)
    leader, follower = led(2, partial(learnt, tasks=tasks), [Search(tasks)])
    for error in (leader, follower):
        assert isinstance(error, DataError)
        assert (error.message, error.hint) == ("a damaged image.", "prepare it again")


def test_an_unexpected_error_of_a_follower_ends_all_with_a_word() -> None:
    def broken(first: int, count: int) -> Any:
        raise ZeroDivisionError("by zero")

    found = led(2, learnt, [Search(Tasks(broken, validation))])
    assert all("unexpected ZeroDivisionError in one of several processes: by zero" in str(error) for error in found)


def test_a_validation_that_fails_is_named_as_by_one_process() -> None:
    """The second batch of validation tasks, which belongs to the follower; the first one is measured."""

    def broken() -> Iterator[Any]:
        yield pattern_tasks(10_000, 1)
        raise DivergedError("no numbers", hint="lower it", position=0)

    tasks = Tasks(pattern_tasks, broken)
    leader, follower = led(2, partial(learnt, tasks=tasks), [Search(tasks)])
    assert "validation task 1, after 5 training tasks" in raised(leader).message
    assert raised(follower).message == raised(leader).message


def test_a_member_with_other_data_is_refused() -> None:
    found = led(2, learnt, [Search(fingerprint="of other images")])
    assert "rank 1 does not fit the others" in raised(found[0]).message
    assert "data of other ima" in raised(found[0]).message
    assert raised(found[1]).message == raised(found[0]).message


def test_a_member_that_cannot_prepare_ends_all() -> None:
    found = led(3, learnt, [Search(), DataError("there is no cache here.", hint="prepare it")])
    assert [raised(error).message for error in found] == ["there is no cache here."] * 3


def test_work_of_one_process_is_refused() -> None:
    @dataclass
    class Other:
        engine_name: str = "torch"
        fingerprint: str = ""

    leader = Leader(ThreadGroup(Meeting(1), 0), None)
    with pytest.raises(SettingsError, match="a run of the kind searching is one process's work"):
        leader.ready(Recipe(), HERE, Other())  # type: ignore[arg-type]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_member_that_goes_away_is_noticed(lost: int) -> None:
    """The leader goes, or a follower, in the second meta-batch."""
    found = led(3, learnt, leaves={lost: 7})
    assert {type(error) for error in found} == {LostRankError}


def test_a_stop_asked_of_a_follower_stops_the_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("tnas_cli.scale.leader.ask_to_stop", lambda: asked.append(True))
    Leader(ThreadGroup(Meeting(1), 0), None).heed([0, share.STOP], None)
    assert asked == [True]


def test_how_a_run_ended_is_told_in_a_form_that_can_be_sent() -> None:
    """Ctrl-C and errors that are not tnas's own become such."""
    full = WriteError("full.", hint="make room")
    for outcome, kind in ((KeyboardInterrupt(), Interrupted), (OSError("disk"), TnasError), (full, WriteError)):
        meeting = Meeting(2)
        leader, follower = Leader(ThreadGroup(meeting, 0), None), Follower(ThreadGroup(meeting, 1))
        _, error = together([partial(leader.end, outcome), follower.follow])
        assert type(error) is kind
        assert follower.told


def test_positions_are_shared_without_gaps() -> None:
    for size in (1, 2, 3, 7):
        shared = sorted(position for rank in range(size) for position in share.share(rank, size, 5))
        assert shared == list(range(5))


def test_gradients_survive_being_sent() -> None:
    """A parameter without a gradient stays without one; rows that nobody needs are 0."""
    like = {"a": torch.zeros(2, 2), "b": torch.zeros(3)}
    one = MetaGradient({"a": torch.arange(4.0).reshape(2, 2)}, torch.tensor([0.5]), torch.tensor([0.75]))
    table = share.packed([one], like, 2, share.STOP)
    assert table[0].tolist() == [0, 1, 2, 3, 0, 0, 0, 0.5, 0.75, -1, share.STOP]
    assert table[1].tolist() == [0] * 11
    back = share.unpacked(table[0], like, ["a"])
    assert torch.equal(back.gradients["a"], one.gradients["a"])
    assert list(back.gradients) == ["a"]
    assert (float(back.query_losses), float(back.query_accuracies), back.weakest) == (0.5, 0.75, None)
    named = share.unpacked(share.packed([replace(one, weakest=torch.tensor([63]))], like, 1, 0)[0], like, ["a"])
    assert named.weakest is not None and named.weakest.tolist() == [63]


def test_tasks_of_a_process_run_on_its_threads_and_in_order() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = share.by_one_thread(lambda position: (position, torch.get_num_threads()), range(7))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert found == [(position, 1) for position in range(7)]


def test_who_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single process computes alone; one that torchrun started shares, if it leads."""
    assert ranks.here().size == 1
    assert not isinstance(sharing(), OverRanks)
    leader = Leader(ThreadGroup(Meeting(1), 0), None)
    monkeypatch.setattr(ranks, "_here", [leader])
    assert isinstance(sharing(), OverRanks)


def test_a_stop_reaches_the_block_that_the_leader_is_in() -> None:
    from tnas_cli.runs.interrupt import ask_to_stop

    ask_to_stop()  # nobody is asked
    with stop_request() as stop:
        assert not stop
        ask_to_stop()
        assert stop


def test_a_meta_batch_by_itself() -> None:
    """The gradient over a group equals the sum of those of each task, computed alone."""
    duty, which = Search().duty(0), MetaBatch(0, 5, 0.0)
    found = led(2, lambda leader: OverRanks(leader, 0).meta_gradient(duty.learner, duty.parameters, TASKS, which))[0]
    assert isinstance(found, MetaGradient), found
    each = [duty.learner.meta_gradient(duty.parameters, pattern_tasks(task, 1), 0.0) for task in range(5)]
    for name, gradient in found.gradients.items():
        assert torch.allclose(gradient, sum(one.gradients[name] for one in each), rtol=1e-5, atol=1e-7), name
    assert found.query_losses.tolist() == pytest.approx([float(one.query_losses) for one in each])


def test_members_draw_hard_tasks_of_the_same_classes() -> None:
    """The leader names the classes, and is told each task's weakest."""

    def hard(first: int, count: int, among: Sequence[int]) -> TaskBatch:
        numbers = torch.tensor([among] * count)
        return replace(pattern_tasks(first + 100 * sum(among), count), classes=numbers)

    class Naming(GradientSteps):
        def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
            assert batch.classes is not None
            return replace(super().meta_gradient(parameters, batch, progress), weakest=batch.classes[:, 1])

    class Work(Search):
        def duty(self, number: int) -> Duty:
            usual = super().duty(number)
            return Duty(Naming(**vars(usual.learner)), usual.tasks, usual.parameters)

    work, which = Work(replace(TASKS, hard=hard)), MetaBatch(3, 5, 0.0, among=(4, 7, 9))
    duty = work.duty(0)

    def lead(leader: Leader) -> MetaGradient:
        return OverRanks(leader, 0).meta_gradient(duty.learner, duty.parameters, duty.tasks, which)

    found = led(2, lead, others=[work])[0]
    assert isinstance(found, MetaGradient), found
    each = [duty.learner.meta_gradient(duty.parameters, hard(task, 1, which.among), 0.0) for task in range(3, 8)]
    assert found.query_losses.tolist() == pytest.approx([float(one.query_losses) for one in each])
    assert found.weakest is not None and found.weakest.tolist() == [7] * 5
