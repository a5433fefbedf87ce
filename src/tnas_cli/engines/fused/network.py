"""Whole networks as plans: search network, decoded network, 4CONV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tnas_cli.engines.fused import layers
from tnas_cli.engines.fused.cell import Cell
from tnas_cli.engines.fused.cell_backward import backward as cell_backward
from tnas_cli.engines.fused.cell_forward import forward as cell_forward
from tnas_cli.engines.fused.cell_parts import KERNELS, BranchSpec, Convolution, InputSpec, Scale, Source
from tnas_cli.engines.fused.kernels import Kernel
from tnas_cli.engines.fused.parameters import CHANNEL_MULTIPLE, Layout, Shape, filled_up
from tnas_cli.engines.fused.plan import Plan, Target, View
from tnas_cli.engines.fused.stages import Stages
from tnas_cli.spaces.edges import edge_count, source_order, theta_order
from tnas_cli.spaces.genotype import CELLS, OPERATIONS, Edge


@dataclass(frozen=True)
class Description:
    """A network in plain terms: its parameters' shapes in their order, and what stands between them.

    cells: 'search', 'decoded' (then `genotype` holds the edges of both cells) or 'none' (4CONV).
    """

    shapes: tuple[tuple[str, Shape], ...]
    way: int
    in_channels: int
    channels: int
    cells: str
    nodes: int = 0
    genotype: tuple[tuple[Edge, ...], ...] = ()

    def layout(self, side: int) -> Layout:
        """Where the parameters lie, for images of so many pixels a side."""
        return Layout(dict(self.shapes), (self.channels, (side // 16) ** 2) if self.cells == "none" else None)


@dataclass(frozen=True)
class NetworkPlan:
    """What runs for `count` images, and where images (padded by one pixel), labels, logits, loss and inner rates lie.

    Rows 0 ... forward are the forward pass and the loss, up to `backward` the backward pass; then a step of w and,
    up to `end`, a step of theta.
    """

    count: int
    code: np.ndarray
    rows: np.ndarray
    kernels: tuple[Kernel, ...]
    size: int
    forward: int
    backward: int
    step_w: int
    end: int
    parameters: int
    gradients: int
    images: View
    labels: int
    logits: int
    loss: int
    rates: int
    buffers: tuple[tuple[int, int], ...]


def plan_network(what: Description, images: int, side: int, target: Target, guard: int = 0) -> NetworkPlan:
    """The plan of a network for a number of square images; `guard` leaves so many unused numbers around each buffer."""
    layout = what.layout(side)
    plan = Plan(target, layout.size, images, guard)
    rates = plan.buffer(2)
    row = (side + 1) * what.in_channels
    before = row + what.in_channels
    image = (side + 1) * row
    pixels = View(plan.buffer(before + images * image) + before, image, image, row, what.in_channels)
    labels, logits = plan.buffer(images), plan.buffer(images * what.way)
    logits_gradient, loss = plan.buffer(images * what.way), plan.buffer(1)
    builder = _Builder(what, plan, layout)

    forward, backward = (builder.chain if what.cells == "none" else builder.cells)(pixels, side)
    features, feature_gradient, length = forward()
    weight, bias = builder.at("classifier.weight"), builder.at("classifier.bias")
    plan.emit("classifier", (), features, length, weight, bias, logits, what.way, images)
    plan.emit("cross_entropy", (), logits, labels, logits_gradient, loss, what.way, images)
    forward_end = len(plan.rows)
    gradients = (weight + plan.gradients, bias + plan.gradients, logits_gradient, what.way, images, feature_gradient)
    plan.emit("classifier_gradient", (), features, length, weight, *gradients)
    backward()
    backward_end = len(plan.rows)

    theta = filled_up(2 * edge_count(what.nodes) * len(OPERATIONS), 16) if what.cells == "search" else 0
    begin = plan.start
    for at, size, rate in ((begin + theta, layout.size - theta, rates), (begin, theta, rates + 1)):
        plan.emit("descend", (8,), at, at + plan.gradients, size, rate)
    code, rows = plan.arrays()
    return NetworkPlan(
        images,
        code,
        rows,
        tuple(plan.kernels),
        plan.size,
        forward_end,
        backward_end,
        backward_end + 1,
        len(rows),
        begin,
        begin + plan.gradients,
        pixels,
        labels,
        logits,
        loss,
        rates,
        tuple(plan.buffers),
    )


#: Emit the forward pass, which returns offsets of features and of their gradient and an image's number of features;
#: emit the backward pass from that gradient.
_Passes = tuple[Callable[[], tuple[int, int, int]], Callable[[], None]]


class _Builder:
    """Turns parameter names into offsets, and a description into stages and cells."""

    def __init__(self, what: Description, plan: Plan, layout: Layout) -> None:
        self.what, self.plan, self.layout = what, plan, layout
        self.written: set[int] = set()
        if what.cells == "search":
            self.rows = edge_count(what.nodes)
            size = 2 * self.rows * len(OPERATIONS)
            self.shares, self.share_gradients = plan.buffer(size), plan.buffer(size)

    def at(self, name: str, index: int = 0) -> int:
        """The offset of a parameter, or of its entry `index`."""
        return self.plan.start + self.layout.offsets[name] + index * self.layout.strides[name]

    def _stages(self, pixels: View, side: int, prefix: str, widths: Sequence[int], rectified: Sequence[bool]) -> Stages:
        def offsets(kind: str) -> list[int]:
            return [self.at(f"{prefix}.{i}.{kind}") for i in range(len(widths))]

        filled = [filled_up(width, CHANNEL_MULTIPLE) for width in widths]
        where = offsets("conv"), offsets("gain"), offsets("bias")
        return Stages(self.plan, pixels, self.what.in_channels, side, filled, *where, rectified)

    def chain(self, pixels: View, side: int) -> _Passes:
        """4CONV: the last stage's pixels are the features."""
        stages = self._stages(pixels, side, "block", [self.what.channels] * 4, [True] * 4)

        def forward() -> tuple[int, int, int]:
            stages.forward()
            return stages.out.at, stages.out_gradient.at, stages.out.image

        return forward, stages.backward

    def cells(self, pixels: View, side: int) -> _Passes:
        """Stem, normal cell, reduction cell, global average pooling."""
        what, plan, c = self.what, self.plan, self.what.channels
        stem = self._stages(pixels, side, "stem", (3 * c // 2, 3 * c), (True, False))
        source = Source(stem.out, stem.out_gradient, filled_up(3 * c, CHANNEL_MULTIPLE))
        normal = self._cell("normal", ((source,), (source,)), c, stem.out_side, 1)
        reduce = self._cell("reduce", ((source,), tuple(normal.outputs())), 2 * c, stem.out_side, 2)
        length = what.nodes * 2 * c
        features, gradient = plan.buffer(plan.images * length), plan.buffer(plan.images * length)

        def averages(name: str, views: Sequence[View], at: int) -> None:
            with plan.blocks(reduce.out_side**2):
                for i, view in enumerate(views):
                    arguments = (view.at, view.step, 2 * c, reduce.out_side**2, at + i * 2 * c, length)
                    plan.emit(name, (layers.lanes(plan, 2 * c),), *arguments)

        def forward() -> tuple[int, int, int]:
            if what.cells == "search":
                size = (2 * self.rows, len(OPERATIONS))
                plan.emit("softmax", (), self.at("theta"), self.shares, *size)
            stem.forward()
            cell_forward(normal)
            cell_forward(reduce)
            averages("average", [source.value for source in reduce.outputs()], features)
            return features, gradient, length

        def backward() -> None:
            if what.cells == "search":
                plan.zero(self.share_gradients, 2 * self.rows * len(OPERATIONS))
            gradients = [source.gradient for source in reduce.outputs()]
            averages("average_gradient", gradients, gradient)
            self.written.update(view.at for view in gradients)
            cell_backward(reduce)
            cell_backward(normal)
            stem.backward()
            if what.cells == "search":
                size = (2 * self.rows, len(OPERATIONS))
                to = self.at("theta") + plan.gradients
                plan.emit("softmax_gradient", (), self.shares, self.share_gradients, to, *size)

        return forward, backward

    def _cell(self, name: str, sources: tuple[tuple[Source, ...], ...], channels: int, side: int, stride: int) -> Cell:
        inputs = [
            InputSpec(from_, self.at(f"{name}.input{i}"), self._norm(f"{name}.input{i}"))
            for i, from_ in enumerate(sources)
        ]
        branches = (self._searched if self.what.cells == "search" else self._decoded)(name)
        size = {"nodes": self.what.nodes, "channels": channels, "side": side, "stride": stride}
        return Cell(self.plan, inputs, branches, **size, written=self.written)

    def _norm(self, prefix: str) -> Scale:
        """Batch norm behind a convolution: affine in decoded networks, plain in the search network's cells."""
        if self.what.cells == "search":
            return Scale(True)
        return Scale(True, {"gain": self.at(f"{prefix}.gain"), "bias": self.at(f"{prefix}.bias")})

    def _searched(self, name: str) -> list[BranchSpec]:
        """Every operation but `none` on every edge, weighted by its share."""
        found, cell = [], CELLS.index(name)
        for row, (source, node) in enumerate(theta_order(self.what.nodes)):
            edge = source_order(self.what.nodes).index((source, node))
            for column, operation in enumerate(OPERATIONS[1:], start=1):
                index = (cell * self.rows + row) * len(OPERATIONS) + column
                weight = {"weight": self.shares + index, "weight_gradient": self.share_gradients + index}
                halving = operation == "skip_connect" and name == "reduce" and source < 2
                scale = Scale(operation != "skip_connect" or halving, weight)
                skip = self.at("reduce.skip", edge) if halving else 0
                parts = self._convolutions(f"{name}.{operation}", operation, edge, scale)
                found.append(BranchSpec(operation, source, node, scale, parts, skip))
        return found

    def _decoded(self, name: str) -> list[BranchSpec]:
        """Two operations per node."""
        found = []
        for position, (operation, source) in enumerate(self.what.genotype[CELLS.index(name)]):
            prefix = f"{name}.{position}"
            halving = operation == "skip_connect" and name == "reduce" and source < 2
            scale = self._norm(prefix) if halving else Scale(operation in KERNELS)
            skip = self.at(f"{prefix}.skip") if halving else 0
            parts = self._convolutions(prefix, operation, None, None)
            found.append(BranchSpec(operation, source, position // 2, scale, parts, skip))
        return found

    def _convolutions(
        self, prefix: str, operation: str, edge: int | None, last: Scale | None
    ) -> tuple[Convolution, ...]:
        """The depthwise and pointwise pairs of an operation; `last` scales the last norm of a searched one."""
        if operation not in KERNELS:
            return ()
        count = 2 if operation.startswith("sep") else 1
        found = []
        for i in range(count):
            part = f"{prefix}.{i}"
            scale = last if last is not None and i == count - 1 else self._norm(part)
            weights = [self.at(f"{part}.{kind}", edge or 0) for kind in ("depthwise", "pointwise")]
            found.append(Convolution(weights[0], weights[1], scale))
        return tuple(found)


def description_key(shapes: Mapping[str, Shape]) -> tuple[tuple[str, Shape], ...]:
    """Shapes in a form that can be compared and hashed."""
    return tuple((name, tuple(shape)) for name, shape in shapes.items())
