"""The search network in PyTorch, for many tasks at once: all edges that leave a state are computed together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces import operations as ops
from tnas_cli.spaces.edges import group_sizes
from tnas_cli.spaces.operations_table import Operation
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.search_network import SearchNetwork, matrices
from tnas_cli.spaces.stem import classify, stem
from tnas_cli.spaces.torch_forms import Leaving


def logits(network: SearchNetwork, parameters: Parameters, x: Tensor) -> Tensor:
    """Equation 3 on all edges of both cells: x [T, N, C, H, W], every parameter with a leading T -> [T, N, way]."""
    probabilities = network.shares(parameters[THETA])  # [T, 2, E, O]
    s = stem(parameters, x)  # [T, 1, 3C, N, h, w]
    normal = cell(network, parameters, "normal", probabilities[:, 0], s, s)
    reduced = cell(network, parameters, "reduce", probabilities[:, 1], s, normal)
    return classify(parameters, reduced.flatten(1, 2))


def cell(
    network: SearchNetwork, w: Parameters, name: str, probabilities: Tensor, before: Tensor, previous: Tensor
) -> Tensor:
    """Concatenation of all intermediate nodes: [T, 1, nodes * C, N, h', w']; probabilities [T, E, O] by source."""
    inputs = [
        ops.batch_norm(ops.pointwise(F.relu(x), w[f"{name}.input{i}"].unsqueeze(1)))
        for i, x in enumerate((before, previous))
    ]
    nodes = network.nodes
    edges = _Edges.of(network, w, name, probabilities)
    states = torch.cat(inputs, dim=1)  # [T, 2, C, N, h, w]
    pending = edges.leaving(0, states, 2 if name == "reduce" else 1)
    pending = pending.reshape(pending.shape[0], 2, nodes, *pending.shape[2:]).sum(1)  # [T, nodes, C, N, h', w']
    done = []
    for group in range(1, nodes):
        ready, waiting = torch.split(pending, [1, nodes - group], dim=1)
        done.append(ready)
        pending = waiting + edges.leaving(group, ready, 1)
    done.append(pending)
    return torch.cat(done, dim=2)


@dataclass(frozen=True)
class _Edges:
    """A cell's edges in groups that are computed together: shares [T, E_group, O] and weights of each."""

    network: SearchNetwork
    shares: tuple[Tensor, ...]
    weights: dict[str, dict[str, tuple[Tensor, ...]]]  # of an operation by the name of the weight
    halving: Parameters

    @classmethod
    def of(cls, network: SearchNetwork, w: Parameters, name: str, probabilities: Tensor) -> _Edges:
        sizes = group_sizes(network.nodes)

        def grouped(row: Operation) -> dict[str, tuple[Tensor, ...]]:
            prefix = f"{name}.{row.name}."
            found = {key.removeprefix(prefix): tensor for key, tensor in w.items() if key.startswith(prefix)}
            return {key: torch.split(tensor, sizes, dim=1) for key, tensor in found.items()}

        weights = {row.name: grouped(row) for row in network.own_weights()}
        halving = {}
        if name == "reduce":
            halving = {key: w[f"{name}.{key}"] for row in network.halving() for key in matrices(row.form, 2)}
        return cls(network, torch.split(probabilities, sizes, dim=1), weights, halving)

    def leaving(self, group: int, states: Tensor, stride: int) -> Tensor:
        """Equation 3 on every edge of a group: states [T, S, C, N, h, w] -> [T, E, C, N, h', w'], source by source."""
        tasks, sources, channels = states.shape[:3]
        network, p = self.network, self.shares[group]  # [T, E, O]
        edges, columns = p.shape[1], network.space.operations
        x = Leaving.of(states, edges)

        def gain(row: Operation) -> Tensor:
            return p[:, :, columns.index(row), None].expand(tasks, edges, channels)

        mixed: list[Tensor] = []
        for row in network.own_weights():
            own = {key: parts[group] for key, parts in self.weights[row.name].items()}
            mixed.append(row.form.torch().searched(x, own, gain(row), stride))

        # An operation without weights is the same for all edges that leave a state: computed once, then mixed.
        shared = [row for row in network.weightless() if row.form.weightless(stride)]
        values = [row.form.torch().shared(states, stride) for row in shared]
        for row in network.weightless():
            if row not in shared:
                mixed.append(row.form.torch().searched(x, self.halving, gain(row), stride))
        total: Tensor | None = None
        if values:
            stacked = torch.stack(values, dim=2).reshape(tasks * sources, len(shared), -1)  # [T*S, shared, C*N*h*w]
            by_source = p[:, :, [columns.index(row) for row in shared]].reshape(tasks * sources, -1, len(shared))
            total = torch.bmm(by_source, stacked).reshape(tasks, edges, *values[0].shape[2:])
        for y in mixed:
            total = y if total is None else total + y
        assert total is not None  # a space has an operation besides no connection
        return total
