"""A step of `transfer` by several processes: each computes some of the parts of the step's batch.

Only the leader has a state. It sends the network's numbers with each step, and takes the mean of what the parts come to
from the first to the last: an order that does not depend on how many processes there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tnas_cli.errors import TnasError
from tnas_cli.methods.transfer import Share, TransferState
from tnas_cli.scale.leader import SHARDS, Leader
from tnas_cli.scale.share import FAILED, REPORT, STOP, InShards, share, tried
from tnas_cli.scale.torch_group import Group
from tnas_cli.spaces.darts_network import DartsNetwork

#: The last columns of a row before its report: the part's images, its loss, and how many are right.
BESIDE = 4


@dataclass(frozen=True)
class OverRanks:
    """Computes the shares of network `number` with the group that this process leads."""

    leader: Leader
    work: InShards
    number: int

    def __call__(self, state: TransferState) -> list[Share]:
        group = self.leader.group
        self.leader.order(SHARDS, self.number, state.steps)
        group.broadcast(numbers_of(state.network))
        own, error = tried(lambda: self.work.shares(state, 0, group.size), list[Share]())
        tables = _gathered(group, self.work, own, state.network, FAILED if error else 0)
        self.leader.heed([int(table[0, REPORT]) for table in tables], error)
        count = sum(int((table[:, -BESIDE] > 0).sum()) for table in tables)
        rows = [tables[part % group.size][part // group.size] for part in range(count)]
        return [_share(row, state.network) for row in rows]


def follow(group: Group, work: InShards, state: TransferState, step: int, *, stopped: bool) -> TnasError | None:
    """Compute this process's shares of a step as the leader asks; `state` is of the same network. Returns an error."""
    flat = numbers_of(state.network)
    group.broadcast(flat)
    for tensor, part in zip(_numbers(state.network), torch.split(flat, _sizes(state.network)), strict=True):
        tensor.copy_(part.reshape(tensor.shape))
    found, error = tried(lambda: work.shares(replace(state, steps=step), group.rank, group.size), list[Share]())
    _gathered(group, work, found, state.network, (STOP if stopped else 0) | (FAILED if error else 0))
    return error


def _gathered(group: Group, work: InShards, found: list[Share], network: DartsNetwork, report: int) -> list[Tensor]:
    """The shares of all processes by rank, as rows [rows, P + BESIDE]; a row without a share has no images."""
    flat = numbers_of(network)
    table = flat.new_zeros(len(share(0, group.size, work.shards)), len(flat) + BESIDE)
    for row, one in zip(table, found, strict=False):
        values = [one.gradients.get(name, torch.zeros_like(tensor)) for name, tensor in network.named_parameters()]
        values += [one.buffers[name] for name, tensor in network.named_buffers() if tensor.is_floating_point()]
        row[:-BESIDE] = torch.cat([value.reshape(-1) for value in values])
        row[-BESIDE], row[-BESIDE + 1], row[-BESIDE + 2] = one.images, one.loss, one.right
    table[0, REPORT] = report
    return group.gather(table)


def _share(row: Tensor, network: DartsNetwork) -> Share:
    parts = iter(torch.split(row[:-BESIDE], _sizes(network)))
    gradients = {name: next(parts).reshape(tensor.shape) for name, tensor in network.named_parameters()}
    buffers = {
        name: next(parts).reshape(tensor.shape) if tensor.is_floating_point() else tensor + 1
        for name, tensor in network.named_buffers()
    }
    return Share(int(row[-BESIDE]), row[-BESIDE + 1], row[-BESIDE + 2], gradients, buffers)


def numbers_of(network: DartsNetwork) -> Tensor:
    """All weights and running statistics side by side [P]."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in _numbers(network)])


def _numbers(network: DartsNetwork) -> list[Tensor]:
    return [p.data for p in network.parameters()] + [b for b in network.buffers() if b.is_floating_point()]


def _sizes(network: DartsNetwork) -> list[int]:
    return [tensor.numel() for tensor in _numbers(network)]
