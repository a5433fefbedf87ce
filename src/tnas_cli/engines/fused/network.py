"""Whole networks as plans: search network, decoded network, 4CONV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tnas_cli.engines.fused import layers
from tnas_cli.engines.fused.cell import Cell
from tnas_cli.engines.fused.cell_backward import backward as cell_backward
from tnas_cli.engines.fused.cell_forward import forward as cell_forward
from tnas_cli.engines.fused.cell_parts import BranchSpec, Convolution, InputSpec, Scale, Source
from tnas_cli.engines.fused.description import CellEdges, Description, Edge
from tnas_cli.engines.fused.kernels import Kernel
from tnas_cli.engines.fused.parameters import ALIGNMENT, CHANNEL_MULTIPLE, Layout, filled_up
from tnas_cli.engines.fused.plan import Arrays, Loan, Norm, Plan, Target, View
from tnas_cli.engines.fused.stages import Stages

#: Numbers in the stem's first result (16 MB in float32) from which on a search network's buffers lie on top of each
#: other where they can: at 84 pixels that saves a sixth of the memory, for a percent of the time.
LARGE = 4_000_000


@dataclass(frozen=True)
class NetworkPlan:
    """What answers `count` images, and where parameters, gradients, images (padded by one pixel), features, labels,
    logits, loss and inner rates lie. All gradients are zero before it runs.

    Images that only give batch norms their moments come before those that are answered; labels are of the latter.

    Phases 0 ... forward are the forward pass and the loss, up to `backward` the backward pass; then a step of w and,
    up to `end`, a step of theta. Up to `embedded` there are features, and from `by_features` on their gradient goes
    back: between the two is the classifier with its loss.
    """

    count: int
    arrays: Arrays
    kernels: tuple[Kernel, ...]
    size: int
    embedded: int
    forward: int
    by_features: int
    backward: int
    step_w: int
    end: int
    parameters: int
    gradients: int
    more_gradients: tuple[int, ...]
    images: View
    features: int
    feature_gradients: int
    labels: int
    logits: int
    loss: int
    rates: int
    buffers: tuple[tuple[int, int], ...]
    norms: tuple[Norm, ...]


def plan_network(
    what: Description,
    images: int,
    side: int,
    target: Target,
    guard: int = 0,
    *,
    given_moments: bool = False,
    support: int = 0,
    shares: int = 1,
) -> NetworkPlan:
    """The plan of a network for a number of square images; `guard` leaves so many unused numbers around each buffer.

    given_moments: for forward passes alone; whoever runs them puts the moments of all `norms` into memory first.
    support: so many images more, in front of the others, give batch norms their moments, which the others then do not.
    shares: so many threads at most can compute them at the same time; 1 with given moments.
    """
    layout = what.layout(side)
    plan = Plan(target, layout.size, support + images, guard, given_moments, support, shares)
    rates = plan.buffer(2)
    row = (side + 1) * what.in_channels
    before = row + what.in_channels
    image = (side + 1) * row
    pixels = View(plan.buffer(before + plan.images * image) + before, image, image, row, what.in_channels)
    labels, logits = plan.buffer(images), plan.buffer(images * what.way)
    logits_gradient, loss = plan.buffer(images * what.way), plan.buffer(1)
    builder = _Builder(what, plan, layout)

    forward, backward = (builder.cells if what.cells else builder.chain)(pixels, side)
    features, feature_gradient, length = forward()
    weight, bias = builder.at("classifier.weight"), builder.at("classifier.bias")
    answered = features + support * length
    embedded = plan.mark()
    plan.emit("classifier", (), answered, length, weight, bias, logits, what.way, images)
    plan.emit("cross_entropy", (), logits, labels, logits_gradient, loss, what.way, images)
    forward_end = plan.mark()
    if support:
        plan.zero(feature_gradient, support * length)
    to = feature_gradient + support * length
    gradients = (weight + plan.gradients, bias + plan.gradients, logits_gradient, what.way, images, to)
    plan.emit("classifier_gradient", (), answered, length, weight, *gradients)
    by_features = plan.mark()
    backward()
    layers.add_shares(plan)
    backward_end = plan.mark()

    theta = filled_up(what.theta[0] * what.theta[1], ALIGNMENT)
    begin = plan.start
    for share, first, size in plan.pieces(layout.size - theta):
        at = begin + theta + first
        plan.emit("descend", (8,), at, at + plan.gradients, size, rates, by=share)
    step_w = plan.mark()
    plan.emit("descend", (8,), begin, begin + plan.gradients, theta, rates + 1)
    return NetworkPlan(
        images,
        plan.arrays(),
        tuple(plan.kernels),
        plan.memory,
        embedded,
        forward_end,
        by_features,
        backward_end,
        step_w,
        plan.mark(),
        begin,
        begin + plan.gradients,
        tuple(plan.more_gradients),
        pixels,
        answered,
        to,
        labels,
        logits,
        loss,
        rates,
        tuple(plan.places()),
        tuple(plan.norms),
    )


#: Emit the forward pass, which returns offsets of features and of their gradient and an image's number of features;
#: emit the backward pass from that gradient.
_Passes = tuple[Callable[[], tuple[int, int, int]], Callable[[], None]]


class _Builder:
    """Turns parameter names into offsets, and a description into stages and cells."""

    def __init__(self, what: Description, plan: Plan, layout: Layout) -> None:
        self.what, self.plan, self.layout = what, plan, layout
        self.written: set[int] = set()
        if what.searched:
            size = what.theta[0] * what.theta[1]
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
        plan.lends = what.searched and plan.images * side**2 * filled_up(3 * c // 2, CHANNEL_MULTIPLE) > LARGE
        stem = self._stages(pixels, side, "stem", (3 * c // 2, 3 * c), (True, False))
        source = Source(stem.out, stem.out_gradient, filled_up(3 * c, CHANNEL_MULTIPLE))
        free = stem.free_between()
        normal = self._cell(what.cells[0], ((source,), (source,)), stem.out_side, free, [])
        before = [stem.out_gradient, *(source.gradient for source in normal.outputs())]
        reduce = self._cell(what.cells[1], ((source,), tuple(normal.outputs())), stem.out_side, free, before)
        width = what.cells[1].width
        length = what.nodes * width
        features, gradient = plan.buffer(plan.images * length), plan.buffer(plan.images * length)

        def averages(name: str, views: Sequence[View], at: int) -> None:
            with plan.blocks(reduce.out_side**2):
                for i, view in enumerate(views):
                    arguments = (view.at, view.step, width, reduce.out_side**2, at + i * width, length)
                    plan.emit(name, (layers.lanes(plan, width),), *arguments)

        def forward() -> tuple[int, int, int]:
            if what.searched:
                plan.emit("softmax", (), self.at("theta"), self.shares, *what.theta)
            stem.forward()
            cell_forward(normal)
            cell_forward(reduce)
            averages("average", [source.value for source in reduce.outputs()], features)
            return features, gradient, length

        def backward() -> None:
            if what.searched:
                plan.zero(self.share_gradients, what.theta[0] * what.theta[1])
            gradients = [source.gradient for source in reduce.outputs()]
            averages("average_gradient", gradients, gradient)
            self.written.update(view.at for view in gradients)
            cell_backward(reduce)
            cell_backward(normal)
            stem.backward()
            if what.searched:
                to = self.at("theta") + plan.gradients
                plan.emit("softmax_gradient", (), self.shares, self.share_gradients, to, *what.theta)

        return forward, backward

    def _cell(
        self,
        cell: CellEdges,
        sources: tuple[tuple[Source, ...], ...],
        side: int,
        free: Loan,
        gradients_before: Sequence[View],
    ) -> Cell:
        inputs = [
            InputSpec(from_, self.at(f"{cell.name}.input{i}"), self._norm(f"{cell.name}.input{i}"))
            for i, from_ in enumerate(sources)
        ]
        branches = [self._branch(edge) for edge in cell.edges]
        return Cell(
            self.plan,
            inputs,
            branches,
            nodes=self.what.nodes,
            channels=cell.width,
            side=side,
            stride=cell.stride,
            written=self.written,
            free=free,
            gradients_before=gradients_before,
        )

    def _norm(self, prefix: str) -> Scale:
        """Batch norm after a convolution: affine in decoded networks, plain in the search network's cells."""
        if self.what.searched:
            return Scale(True)
        return Scale(True, {"gain": self.at(f"{prefix}.gain"), "bias": self.at(f"{prefix}.bias")})

    def _branch(self, edge: Edge) -> BranchSpec:
        """An edge's operation with its weights; a searched one is weighted by its share, after its last norm."""
        operation = edge.operation
        halving = edge.halves and operation.kind == "identity"
        if edge.share is not None:
            weight = {"weight": self.shares + edge.share, "weight_gradient": self.share_gradients + edge.share}
            scale = Scale(operation.kind != "identity" or halving, weight)
        else:
            scale = self._norm(edge.weights) if halving else Scale(operation.kind == "separable")
        skip = self.at(f"{edge.weights}.skip", edge.entry) if halving else 0
        convolutions = []
        for i in range(operation.repeats):
            part = f"{edge.weights}.{i}"
            last = edge.share is not None and i == operation.repeats - 1
            taps, weights = (self.at(f"{part}.{kind}", edge.entry) for kind in ("depthwise", "pointwise"))
            convolutions.append(Convolution(taps, weights, scale if last else self._norm(part)))
        return BranchSpec(operation, edge.source, edge.node, scale, tuple(convolutions), skip)
