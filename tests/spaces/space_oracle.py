"""The plain oracle of networks of any cell space: one task, one edge, one operation after the other, ordinary modules.

Each operation is written out again here, by its name, and shares no code with the package.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.oracle import Weights, conv, norm

#: Separable convolutions: taps per side, dilation, repeats.
SEPARABLE = {
    "sep_conv_3x3": (3, 1, 2),
    "sep_conv_5x5": (5, 1, 2),
    "sep_conv_7x7": (7, 1, 2),
    "sep_conv_3x3_once": (3, 1, 1),
    "dil_conv_3x3": (3, 2, 1),
    "dil_conv_5x5": (5, 2, 1),
}


#: Rows of taps with their stride along each axis at stride 2, of convolutions on a quarter of the channels.
NARROW = {
    "narrow_conv_3x3": [(1, 1), (2, 2), (1, 1)],
    "narrow_conv_1x7_7x1": [(1, 1), (1, 2), (2, 1), (1, 1)],
}


def weightless(operation: str, x: Tensor, stride: int) -> Tensor | None:
    """An operation without weights; None for all others."""
    if operation == "none":
        return torch.zeros_like(x[..., ::stride, ::stride])
    if operation == "max_pool_3x3":
        return F.max_pool2d(x, 3, stride, 1)
    if operation == "max_pool_2x2":
        height, width = x.shape[-2:]
        rows = [torch.maximum(x[..., i, :], x[..., min(i + 1, height - 1), :]) for i in range(0, height, stride)]
        y = torch.stack(rows, dim=-2)
        return torch.stack(
            [torch.maximum(y[..., j], y[..., min(j + 1, width - 1)]) for j in range(0, width, stride)], dim=-1
        )
    if operation == "avg_pool_3x3":
        return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
    return x if operation == "skip_connect" and stride == 1 else None


def steps(operation: str) -> int:
    """The number of parts of an operation, each followed by a norm."""
    if operation in NARROW:
        return len(NARROW[operation])
    return SEPARABLE[operation][2] if operation in SEPARABLE else 1


def step(operation: str, w: Weights, i: int, x: Tensor, stride: int) -> Tensor:
    """Part `i` of an operation with weights, before its norm: x [N, C, H, W] -> [N, C, H', W']."""
    if operation == "skip_connect":
        return oracle.reduce_skip(x, w["skip"])
    if operation == "conv_1x1":
        return conv(F.relu(x), w["0.pointwise"][:, :, None, None], stride=stride)
    if operation in ("conv_7x1_1x7", "conv_1x5_5x1"):
        reach = 3 if operation == "conv_7x1_1x7" else 2
        rows = F.conv2d(F.relu(x), w["0.row"].unsqueeze(2), None, (1, stride), (0, reach))
        return F.conv2d(rows, w["0.column"].unsqueeze(3), None, (stride, 1), (reach, 0))
    if operation in NARROW:
        taps = w[f"{i}.conv"]
        steps = NARROW[operation][i] if stride == 2 else (1, 1)
        return F.conv2d(F.relu(x), taps, None, steps, (taps.shape[2] // 2, taps.shape[3] // 2))
    _, dilation, _ = SEPARABLE[operation]
    return oracle.separable(x, w[f"{i}.depthwise"], w[f"{i}.pointwise"], 1 if i else stride, dilation)


def _inside(w: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): tensor for name, tensor in w.items() if name.startswith(prefix)}


def search_logits(w: Weights, x: Tensor, operations: Sequence[str], nodes: int) -> Tensor:
    """The search network of one task: x [N, C, H, W] -> [N, way]. Where w has "shares" [2, edges, operations], they
    weigh the operations instead of the softmax of theta."""
    stored = sorted((source, node) for node in range(nodes) for source in range(node + 2))

    def edge(cell: str, operation: str, entry: int, s: Tensor, stride: int) -> Tensor:
        found = weightless(operation, s, stride)
        if found is not None:
            return norm(found) if "pool" in operation else found
        prefix = f"{cell}.{operation}."
        weights = {"skip": w[f"{cell}.skip"]} if operation == "skip_connect" else _inside(w, prefix)
        own = {name: tensor[entry] for name, tensor in weights.items()}
        for i in range(steps(operation)):
            s = norm(step(operation, own, i, s, stride))
        return s

    def cell(kind: int, before: Tensor, previous: Tensor) -> Tensor:
        name = ("normal", "reduce")[kind]
        states = [
            norm(conv(F.relu(s), w[f"{name}.input{i}"][:, :, None, None])) for i, s in enumerate((before, previous))
        ]
        row = 0
        for node in range(nodes):
            total: Tensor | float = 0.0
            for source in range(node + 2):
                p = w["shares"][kind][row] if "shares" in w else torch.softmax(w["theta"][kind][row], dim=0)
                stride = 2 if kind == 1 and source < 2 else 1
                for column, operation in enumerate(operations):
                    y = edge(name, operation, stored.index((source, node)), states[source], stride)
                    total = total + p[column] * y
                row += 1
            states.append(total)  # type: ignore[arg-type]
        return torch.cat(states[2:], dim=1)

    s = oracle.stem(w, x)
    return oracle.classify(w, cell(1, s, cell(0, s, s)))


def decoded_logits(
    w: Weights,
    x: Tensor,
    cells: dict[str, Sequence[tuple[str, int]]],
    joined: dict[str, Sequence[int]] | None = None,
) -> Tensor:
    """The network of a genotype for one task: x [N, C, H, W] -> [N, way]; joined: what each cell concatenates, if that
    is not all nodes."""

    def edge(prefix: str, operation: str, s: Tensor, stride: int) -> Tensor:
        found = weightless(operation, s, stride)
        if found is not None:
            return found
        own = _inside(w, f"{prefix}.")
        for i in range(steps(operation)):
            part = "" if operation == "skip_connect" else f"{i}."
            s = norm(step(operation, own, i, s, stride), own[f"{part}gain"], own[f"{part}bias"])
        return s

    def cell(name: str, before: Tensor, previous: Tensor) -> Tensor:
        states = []
        for i, s in enumerate((before, previous)):
            p = f"{name}.input{i}"
            states.append(norm(conv(F.relu(s), w[p][:, :, None, None]), w[f"{p}.gain"], w[f"{p}.bias"]))
        edges = cells[name]
        for node in range(len(edges) // 2):
            total: Tensor | float = 0.0
            for position in (2 * node, 2 * node + 1):
                operation, source = edges[position]
                stride = 2 if name == "reduce" and source < 2 else 1
                total = total + edge(f"{name}.{position}", operation, states[source], stride)
            states.append(total)  # type: ignore[arg-type]
        if joined is None:
            return torch.cat(states[2:], dim=1)
        outputs = []
        for state in joined[name]:
            halved = name == "reduce" and state < 2
            outputs.append(edge(f"{name}.join{state}", "skip_connect", states[state], 2 if halved else 1))
        return torch.cat(outputs, dim=1)

    s = oracle.stem(w, x)
    return oracle.classify(w, cell("reduce", s, cell("normal", s, s)))
