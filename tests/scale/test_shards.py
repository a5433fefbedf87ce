"""The parts of a step of `transfer`: what they come to together, by one process and by several."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.methods import class_pictures as pictures
from tests.running import succeeding
from tests.scale.test_kinds_on_a_cluster import told
from tests.scale.test_torchrun import PATIENCE, same, torchrun
from tests.scale.thread_group import Meeting, ThreadGroup, together
from tnas_cli.errors import DataError
from tnas_cli.methods.transfer import Share, TransferState, batch_of, train
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.transfer import Transfer, TransferWork
from tnas_cli.records.reported import CiteResult
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import StepDone, ignore
from tnas_cli.scale.follower import Follower
from tnas_cli.scale.leader import Leader
from tnas_cli.scale.shards import OverRanks
from tnas_cli.settings.transfer import TransferSettings

HERE = Machine("cpu", 1)
#: Three steps of 32, 32 and 8 images: more parts than processes, parts of unequal sizes, and a small last batch.
SETTINGS = TransferSettings("toy", layers=3, channels=4, epochs=1, batch=32, shards=5, cutout=6, padding=2)
DONE = CiteResult(methods=("maml",), datasets=(), references=3)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> TransferWork:
    path = tmp_path_factory.mktemp("toy") / "toy-images-20.h5"
    pictures.cache(path)
    settings = SETTINGS.replace(dataset=str(path))
    return Transfer(settings, read_genotypes("DARTS_V2")).prepare(HERE, ignore)


def trained(work: TransferWork, shares: Any = None) -> tuple[TransferState, list[tuple[float, float]]]:
    """The state at the end, and the loss and the accuracy of each step."""
    state = work.start(0)
    steps = train(state, work.train, None, work.settings, work.device, shares)
    return state, [(event.loss, event.accuracy) for event in steps if isinstance(event, StepDone)]


def by_group(work: TransferWork, size: int) -> list[Any]:
    """The same by the leader of a group, and what the others end with."""
    meeting = Meeting(size)
    groups = [ThreadGroup(meeting, rank) for rank in range(size)]

    def lead() -> Any:
        leader = Leader(groups[0], None)
        try:
            leader.ready(work.recipe, HERE, work)
            found = trained(work, OverRanks(leader, work, 0))
        except BaseException as error:
            leader.end(error)
            raise
        leader.end(DONE)
        return found

    return together([lead, *(Follower(group).follow for group in groups[1:])])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_training_does_not_depend_on_how_many_share_it(size: int, work: TransferWork) -> None:
    found, *others = by_group(work, size)
    assert not isinstance(found, Exception), found
    (state, steps), (alone, before) = found, trained(work)
    assert steps == before and len(steps) == 3
    ours, theirs = alone.network.state_dict(), state.network.state_dict()
    assert all(torch.equal(theirs[name], tensor) for name, tensor in ours.items())
    assert others == [DONE] * (size - 1)


def test_a_step_is_sgds_on_the_mean_over_parts(work: TransferWork) -> None:
    """Written out: each part has its own moments, and running statistics are the mean of what each would leave."""
    state, other = work.start(0), work.start(0)
    settings = work.settings
    next(train(state, work.train, None, settings, work.device))
    batch = batch_of(other, work.train, settings, work.device)
    sizes = [7, 7, 6, 6, 6]
    parts = zip(torch.split(batch.x, sizes), torch.split(batch.y, sizes), strict=True)
    networks, loss = [], torch.zeros(())
    for x, y in parts:
        network = copy.deepcopy(other.network).train()
        logits, second = network(x)
        own = F.cross_entropy(logits, y) + settings.auxiliary_weight * F.cross_entropy(second, y)
        own.backward()
        networks.append((len(x) / 32, network))
        loss = loss + len(x) / 32 * own.detach()
    for name, parameter in other.network.named_parameters():
        parameter.grad = sum(weight * dict(network.named_parameters())[name].grad for weight, network in networks)
    torch.nn.utils.clip_grad_norm_(other.network.parameters(), settings.clip)
    torch.optim.SGD(other.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay).step()
    for name, parameter in other.network.named_parameters():
        torch.testing.assert_close(dict(state.network.named_parameters())[name], parameter, rtol=1e-5, atol=1e-7)
    for name, buffer in state.network.named_buffers():
        means = torch.stack([dict(network.named_buffers())[name].double() for _, network in networks]).mean(0)
        torch.testing.assert_close(buffer.double(), means, rtol=1e-5, atol=1e-7)


def test_a_follower_that_fails_ends_all(work: TransferWork, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = TransferWork.shares

    def broken(self: TransferWork, state: TransferState, rank: int, size: int) -> list[Share]:
        if rank == 1 and state.steps == 1:
            raise DataError("a damaged image.", hint="prepare it again")
        return shares(self, state, rank, size)

    monkeypatch.setattr(TransferWork, "shares", broken)
    for error in by_group(work, 2):
        assert isinstance(error, DataError) and error.message == "a damaged image."


@pytest.mark.slow
def test_by_torchrun(work: TransferWork, tmp_path: Path) -> None:
    words = ("transfer", "DARTS_V2", "--dataset", work.settings.dataset, "--layers", 3, "--channels", 4, "--epochs", 1)
    words += ("--batch", 32, "--shards", 5, "--threads", 1, "--device", "cpu", "--json")
    by_one = succeeding(*words, "--runs", tmp_path / "1").result
    process = torchrun(2, *words, "--runs", tmp_path / "2", cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    by_two = json.loads(stdout)
    assert told(by_two) == told(by_one)
    one, two = (next(Path(result["run"]).glob("*/last.pt")) for result in (by_one, by_two))
    assert same(one, two)
