"""The plain oracle: one task at a time, ordinary modules, one edge after the other; slow and obviously correct.

It is built from a network's named parameters. It shares only names and shapes with the package, and no code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Weights = dict[str, Tensor]


def conv(x: Tensor, weight: Tensor, **options: int) -> Tensor:
    return F.conv2d(x, weight, **options)


#: Mean and variance by which a norm normalises x [N, C, H, W], given the number of the norm in its pass.
Moments = Callable[[Tensor, int], tuple[Tensor, Tensor]]


def moments(x: Tensor, dim: tuple[int, ...] = (0, 2, 3)) -> tuple[Tensor, Tensor]:
    """Mean and biased variance."""
    mean = x.mean(dim=dim, keepdim=True)
    return mean, ((x - mean) ** 2).mean(dim=dim, keepdim=True)


def of_first(images: int) -> Moments:
    """Those of the first images, so many."""
    return lambda x, number: moments(x[:images])


def task_norm(w: Weights, images: int) -> Moments:
    """TaskNorm-I (Bronskill et al., 2020): those of the first images and each image's own, mixed."""

    def mixed(x: Tensor, number: int) -> tuple[Tensor, Tensor]:
        a = 1 / (1 + torch.exp(-(w["task_norm.scale"][number] * images + w["task_norm.offset"][number])))
        (mean_s, variance_s), (mean_i, variance_i) = moments(x[:images]), moments(x, (2, 3))
        mean = a * mean_s + (1 - a) * mean_i
        variance = a * (variance_s + (mean_s - mean) ** 2) + (1 - a) * (variance_i + (mean_i - mean) ** 2)
        return mean, variance

    return mixed


class Pass:
    """What the norms of a pass take their moments from, and how many of them have been met."""

    source: Moments | None = None
    met = 0


@contextmanager
def normalised_by(source: Moments | None) -> Iterator[None]:
    """For one pass."""
    Pass.source, Pass.met = source, 0
    yield
    Pass.source = None


def norm(x: Tensor, gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Batch norm written out over images and pixels."""
    mean, variance = moments(x) if Pass.source is None else Pass.source(x, Pass.met)
    Pass.met += 1
    y = (x - mean) / torch.sqrt(variance + 1e-5)
    if gain is not None and bias is not None:
        y = y * gain.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
    return y


def separable(x: Tensor, taps: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    kernel, channels = taps.shape[-1], x.shape[1]
    padding = dilation * (kernel - 1) // 2
    y = conv(F.relu(x), taps.unsqueeze(1), stride=stride, padding=padding, dilation=dilation, groups=channels)
    return conv(y, weight[:, :, None, None])


def reduce_skip(x: Tensor, weight: Tensor) -> Tensor:
    x = F.relu(x)
    x = F.pad(x, (x.shape[3] % 2, 0, x.shape[2] % 2, 0))
    first = conv(x, weight[0][:, :, None, None], stride=2)
    second = conv(x[:, :, 1:, 1:], weight[1][:, :, None, None], stride=2)
    return torch.cat([first, second], dim=1)


MAX = nn.MaxPool2d
KINDS = {"sep_conv_3x3": (1, 2), "sep_conv_5x5": (1, 2), "dil_conv_3x3": (2, 1), "dil_conv_5x5": (2, 1)}


def stem(w: Weights, x: Tensor) -> Tensor:
    x = F.relu(F.max_pool2d(norm(conv(x, w["stem.0.conv"], padding=1), w["stem.0.gain"], w["stem.0.bias"]), 2))
    return F.max_pool2d(norm(conv(x, w["stem.1.conv"], padding=1), w["stem.1.gain"], w["stem.1.bias"]), 2)


def classify(w: Weights, x: Tensor) -> Tensor:
    return F.linear(x.mean(dim=(2, 3)), w["classifier.weight"], w["classifier.bias"])


def search_logits(w: Weights, x: Tensor, nodes: int = 4) -> Tensor:
    """Search network for one task: parameters without a task dimension, x [N, C, H, W] -> [N, way]."""
    by_source = sorted((source, node) for node in range(nodes) for source in range(node + 2))

    def cell(kind: int, before: Tensor, previous: Tensor) -> Tensor:
        name = ("normal", "reduce")[kind]
        states = [
            norm(conv(F.relu(s), w[f"{name}.input{i}"][:, :, None, None])) for i, s in enumerate((before, previous))
        ]
        row = 0
        for node in range(nodes):
            total: Tensor | float = 0.0
            for source in range(node + 2):
                p = torch.softmax(w["theta"][kind][row], dim=0)
                row += 1
                e = by_source.index((source, node))
                stride = 2 if kind == 1 and source < 2 else 1
                s = states[source]
                total = total + p[1] * norm(F.max_pool2d(s, 3, stride, 1))
                total = total + p[2] * norm(F.avg_pool2d(s, 3, stride, 1, count_include_pad=False))
                total = total + p[3] * (s if stride == 1 else norm(reduce_skip(s, w["reduce.skip"][e])))
                for column, (operation, (dilation, repeats)) in enumerate(KINDS.items(), start=4):
                    y = s
                    for i in range(repeats):
                        prefix = f"{name}.{operation}.{i}"
                        taps, weight = w[f"{prefix}.depthwise"][e], w[f"{prefix}.pointwise"][e]
                        y = norm(separable(y, taps, weight, stride if i == 0 else 1, dilation))
                    total = total + p[column] * y
            states.append(total)  # type: ignore[arg-type]
        return torch.cat(states[2:], dim=1)

    s = stem(w, x)
    return classify(w, cell(1, s, cell(0, s, s)))


def decoded_logits(w: Weights, x: Tensor, normal: list[tuple[str, int]], reduce: list[tuple[str, int]]) -> Tensor:
    """Decoded network for one task: x [N, C, H, W] -> [N, way]."""

    def edge(prefix: str, operation: str, s: Tensor, stride: int) -> Tensor:
        if operation == "max_pool_3x3":
            return F.max_pool2d(s, 3, stride, 1)
        if operation == "avg_pool_3x3":
            return F.avg_pool2d(s, 3, stride, 1, count_include_pad=False)
        if operation == "skip_connect":
            if stride == 1:
                return s
            return norm(reduce_skip(s, w[f"{prefix}.skip"]), w[f"{prefix}.gain"], w[f"{prefix}.bias"])
        dilation, repeats = KINDS[operation]
        for i in range(repeats):
            p = f"{prefix}.{i}"
            y = separable(s, w[f"{p}.depthwise"], w[f"{p}.pointwise"], stride if i == 0 else 1, dilation)
            s = norm(y, w[f"{p}.gain"], w[f"{p}.bias"])
        return s

    def cell(name: str, edges: list[tuple[str, int]], before: Tensor, previous: Tensor) -> Tensor:
        states = [
            norm(
                conv(F.relu(s), w[f"{name}.input{i}"][:, :, None, None]),
                w[f"{name}.input{i}.gain"],
                w[f"{name}.input{i}.bias"],
            )
            for i, s in enumerate((before, previous))
        ]
        for node in range(len(edges) // 2):
            pair = []
            for position in (2 * node, 2 * node + 1):
                operation, source = edges[position]
                stride = 2 if name == "reduce" and source < 2 else 1
                pair.append(edge(f"{name}.{position}", operation, states[source], stride))
            states.append(pair[0] + pair[1])
        return torch.cat(states[2:], dim=1)

    s = stem(w, x)
    return classify(w, cell("reduce", reduce, s, cell("normal", normal, s, s)))


def four_conv_logits(w: Weights, x: Tensor) -> Tensor:
    """4CONV for one task: x [N, C, H, W] -> [N, way]."""
    for i in range(4):
        y = F.conv2d(x, w[f"block.{i}.conv"], w[f"block.{i}.conv_bias"], padding=1)
        x = F.max_pool2d(F.relu(norm(y, w[f"block.{i}.gain"], w[f"block.{i}.bias"])), 2)
    return F.linear(x.flatten(1), w["classifier.weight"], w["classifier.bias"])


Logits = Callable[[Weights, Tensor], Tensor]


def inner_steps(
    logits: Logits,
    w: Weights,
    support: tuple[Tensor, Tensor],
    rate: Callable[[str], float],
    steps: int,
    *,
    alternating: bool = False,
    create_graph: bool = False,
) -> Weights:
    """Equation 7 (or 5) for one task, with the gradient written out step by step."""
    w = dict(w)

    def move(names: list[str]) -> None:
        # Aliases, so that the gradient is the partial one at the current values in `w`.
        here = {n: (t * 1.0 if create_graph else t.detach().clone().requires_grad_()) for n, t in w.items()}
        loss = F.cross_entropy(logits(here, support[0]), support[1])
        grads = torch.autograd.grad(loss, [here[n] for n in names], create_graph=create_graph, materialize_grads=True)
        for name, g in zip(names, grads, strict=True):
            w[name] = w[name] - rate(name) * g
            if not create_graph:
                w[name] = w[name].detach()

    for _ in range(steps):
        if alternating:
            move([n for n in w if n != "theta"])
            move(["theta"])
        else:
            move(list(w))
    return w


def meta_gradient(
    logits: Logits,
    w: Weights,
    tasks: list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]],
    rate: Callable[[str], float],
    steps: int,
    *,
    second_order: bool = False,
    alternating: bool = False,
    statistics: Callable[[Weights, int], Moments] | None = None,
) -> tuple[Weights, list[float]]:
    """Equation 8 (or 6), summed over tasks, and each task's query loss.

    statistics: at which moments query images are answered, from the weights and the number of support images, which
    then pass the network in front of them.
    """
    total = {name: torch.zeros_like(tensor) for name, tensor in w.items()}
    losses = []
    for support, query in tasks:
        meta = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
        start = dict(meta) if second_order else {name: tensor.detach().clone() for name, tensor in w.items()}
        adapted = inner_steps(logits, start, support, rate, steps, alternating=alternating, create_graph=second_order)
        if not second_order:
            adapted = {name: tensor.detach().requires_grad_() for name, tensor in adapted.items()}
        if statistics is None:
            answered = logits(adapted, query[0])
        else:
            count = len(support[0])
            with normalised_by(statistics(adapted, count)):
                answered = logits(adapted, torch.cat([support[0], query[0]]))[count:]
        loss = F.cross_entropy(answered, query[1])
        at = meta if second_order else adapted
        for name, g in zip(at, torch.autograd.grad(loss, list(at.values()), materialize_grads=True), strict=True):
            total[name] += g
        losses.append(float(loss.detach()))
    return total, losses
