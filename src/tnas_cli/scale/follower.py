"""Every process of a group but the first: it computes what the leader asks for, and keeps nothing."""

from __future__ import annotations

from typing import Any

import torch

from tnas_cli.engines.interface import MetaGradient
from tnas_cli.errors import LostRankError, TnasError
from tnas_cli.methods.together import MetaBatch
from tnas_cli.methods.transfer import TransferState
from tnas_cli.records.results import Result
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import ignore
from tnas_cli.runs.interrupt import StopRequest, stop_request
from tnas_cli.runs.ranks import Unled
from tnas_cli.runs.recipe import Recipe, Work
from tnas_cli.scale.in_step import computed
from tnas_cli.scale.leader import END, ERRORS, GRADIENT, NUMBERS, PREPARE, SHARDS, STEPS, VALIDATE, identity, validated
from tnas_cli.scale.shards import follow
from tnas_cli.scale.share import FAILED, STOP, Duty, InShards, InSteps, Shared, flattened, named, packed, share, tried
from tnas_cli.scale.torch_group import Group
from tnas_cli.spaces.parameters import Parameters


class Follower(Unled):
    """Process 1, 2, ... of a group. `told`: whether the error that ends it was the leader's, who has said it; `lost`:
    whether the leader ended without a word."""

    leads = False

    def __init__(self, group: Group) -> None:
        self.group, self.size, self.told = group, group.size, False
        self.lost = False
        self.work: Shared | InSteps | InShards | None = None
        self.duties: dict[int, Duty] = {}
        self.networks: dict[int, TransferState] = {}
        self.error: TnasError | None = None

    def follow(self) -> Result:
        try:
            return self._follow()
        except LostRankError:
            self.lost = True
            raise

    def _follow(self) -> Result:
        self.work, self.duties, self.networks = None, {}, {}
        with stop_request() as stop:
            while True:
                order = torch.zeros(NUMBERS, dtype=torch.float64)
                self.group.broadcast(order)
                kind, number, first, count = (int(value) for value in order[:4])
                if kind == END:
                    return self._ended(self.group.tell(None))
                if kind == PREPARE:
                    self._prepare()
                elif kind == GRADIENT:
                    among = torch.zeros(int(order[5]), dtype=torch.int64)
                    if len(among):
                        self.group.broadcast(among)
                    which = MetaBatch(first, count, float(order[4]), among=tuple(among.tolist()))
                    self._gradients(number, which, stop)
                elif kind == VALIDATE:
                    parameters, duty = self._parameters(number)
                    self.group.collect(validated(duty, parameters, self.group.rank, self.size))
                elif kind == SHARDS:
                    self._shards(number, first, stop)
                elif kind == STEPS:
                    self._steps(stop)
                elif kind == ERRORS:
                    self.group.collect(self.error)

    def _ended(self, outcome: Any) -> Result:
        if isinstance(outcome, Result):
            return outcome
        self.told = True
        raise outcome

    def _prepare(self) -> None:
        recipe, machine = self.group.tell(None)

        def prepare() -> Any:
            work = prepared(recipe, machine)
            assert isinstance(work, Shared | InSteps | InShards)
            self.work = work
            return identity(work)

        self.group.collect(tried(prepare, None))

    def _parameters(self, number: int) -> tuple[Parameters, Duty]:
        assert isinstance(self.work, Shared)
        if number not in self.duties:
            self.duties[number] = self.work.duty(number)
        duty = self.duties[number]
        flat = flattened(duty.parameters)
        self.group.broadcast(flat)
        return named(flat, duty.parameters), duty

    def _gradients(self, number: int, which: MetaBatch, stop: StopRequest) -> None:
        parameters, duty = self._parameters(number)
        own = share(self.group.rank, self.size, which.count)
        nothing: list[MetaGradient] = []
        found, self.error = tried(lambda: duty.gradients(parameters, which, own), nothing)
        report = (STOP if stop else 0) | (0 if self.error is None else FAILED)
        self.group.gather(packed(found, duty.parameters, len(share(0, self.size, which.count)), report))

    def _shards(self, number: int, step: int, stop: StopRequest) -> None:
        assert isinstance(self.work, InShards)
        if number not in self.networks:
            self.networks[number] = self.work.start(number)
        self.error = follow(self.group, self.work, self.networks[number], step, stopped=bool(stop))

    def _steps(self, stop: StopRequest) -> None:
        of, count = self.group.tell(None)
        assert isinstance(self.work, InSteps)
        computed(self.group, self.work, of, count, lambda *_: False, lambda: bool(stop))


def prepared(recipe: Recipe, machine: Machine) -> Work:
    """The leader's work, made ready here."""
    return recipe.prepare(machine, ignore)
