"""A cell in memory: states, the branches between them, and the copies of a state that its branches read.

A state is a node's weighted sum (Equation 3), or a cell's input. Everything that leaves a state is computed together,
block of images by block, so that the rectified, padded copies of a state are made once and stay in the nearest cache.
`cell_forward.py` and `cell_backward.py` emit the calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from tnas_cli.engines.fused import layers
from tnas_cli.engines.fused.cell_parts import (
    Branch,
    BranchSpec,
    Input,
    InputSpec,
    Source,
    Step,
    dense,
    dilated,
    rows_of,
)
from tnas_cli.engines.fused.depthwise import SPLIT_MARGIN
from tnas_cli.engines.fused.description import Operation
from tnas_cli.engines.fused.plan import Loan, Norm, Plan, View


class Cell:
    """Plans one cell. `written` remembers which gradient buffers already hold something.

    free: memory that the cell's buffers may take; gradients_before: of what the cell reads. These begin to be filled,
    as the gradients of the cell's own inputs, when the branches that leave nodes are done with the backward pass.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Sequence[InputSpec],
        branches: Sequence[BranchSpec],
        *,
        nodes: int,
        channels: int,
        side: int,
        stride: int,
        written: set[int],
        free: Loan,
        gradients_before: Sequence[View],
    ) -> None:
        self.plan, self.nodes, self.channels, self.side, self.stride = plan, nodes, channels, side, stride
        self.out_side = (side - 1) // stride + 1
        self.written, self.free = written, free
        self.lanes, self.line = plan.target.lanes_for(channels), layers.lanes(plan, channels)
        sides = [side, side] + [self.out_side] * nodes
        self.states = [plan.batch(s, s, channels, free) for s in sides]
        self.gradients = [plan.batch(s, s, channels, free) for s in sides]
        self.free_for_nodes = Loan.of([*gradients_before, *self.gradients[:2]], plan.images)
        self.inputs = [self._input(spec) for spec in inputs]
        self.pooled: dict[tuple[int, Operation], tuple[View, Norm]] = {}
        self.branches = [self._branch(spec) for spec in branches]
        self.locals: dict[str, View] = {}
        self._make_locals()

    def outputs(self) -> list[Source]:
        """The nodes, as the next layer's sources."""
        return [Source(v, g, self.channels) for v, g in zip(self.states[2:], self.gradients[2:], strict=True)]

    def _input(self, spec: InputSpec) -> Input:
        plan, c, side = self.plan, self.channels, self.side
        depth = sum(source.channels for source in spec.sources)
        raw = plan.batch(side, side, c, self.free)
        norm = plan.norm(c, side * side, **spec.scale.arguments)
        joined, joined_gradient = (plan.local(side, side, depth, side * side) for _ in range(2))
        return Input(spec, layers.product(plan, spec.weights, depth, c), raw, norm, joined, joined_gradient)

    def _branch(self, spec: BranchSpec) -> Branch:
        plan, c, side = self.plan, self.channels, self.out_side
        pixels = side * side
        loans = (self.free_for_nodes, self.free) if spec.source >= 2 else (self.free,)
        if spec.operation.pools:
            key = (spec.source, spec.operation)
            if key not in self.pooled:
                self.pooled[key] = plan.batch(side, side, c, *loans), plan.norm(c, pixels)
            return Branch(spec, self.pooled[key][0], plan.norm(c, pixels, **spec.scale.arguments))
        if spec.operation.kind == "identity":
            norm = plan.norm(c, pixels, **spec.scale.arguments)
            if self.stride == 2 and spec.source < 2:
                halves = tuple(layers.product(plan, spec.skip + i * c * (c // 2), c, c // 2) for i in range(2))
                return Branch(spec, plan.batch(side, side, c, *loans), norm, halves=halves)
            return Branch(spec, self.states[spec.source], norm)
        kernel, dilation = spec.operation.size, spec.operation.dilation
        steps = tuple(
            Step(
                part.taps,
                layers.product(plan, part.weights, c, c),
                kernel,
                dilation,
                plan.batch(side, side, c, *loans),
                plan.norm(c, pixels, **part.scale.arguments),
            )
            for part in spec.convolutions
        )
        return Branch(spec, steps[-1].out, steps[-1].norm, steps)

    def _make_locals(self) -> None:
        """Buffers for the images of a block; a block is sized by the larger side, for all loops of the cell."""
        plan, c, side, small = self.plan, self.channels, self.side, self.out_side
        pixels = self.block_pixels = side * side
        self.locals["rectified"] = plan.padded(small, small, c, 4, pixels)
        for margin in (1, 2, 4):
            self.locals[f"wide{margin}"] = plan.padded(small, small, c, margin, pixels)
            self.locals[f"gradient{margin}"] = plan.padded(small, small, c, margin, pixels)
        self.locals["raw"] = plan.local(small, small, c, pixels)
        self.locals["middle"] = plan.local(small, small, c, pixels)
        self.locals["through"] = plan.local(side, side, c, pixels)
        if self.stride == 1:
            return
        width = side + 2 * SPLIT_MARGIN
        parts = -(-((width + 1) // 2) // plan.target.tile)
        self.split_tile = -(-((width + 1) // 2) // parts)
        self.half = half = parts * self.split_tile
        # Rows [2 * half] with the even columns first; a margin of rows between images.
        row, image = 2 * half * c, (side + SPLIT_MARGIN) * 2 * half * c
        count = plan.block(pixels)
        size = SPLIT_MARGIN * row + count * image + plan.target.tile * c
        for name in ("split", "split_gradient"):
            at = plan.buffer(size, own=True)
            plan.zero(at, size)
            self.locals[name] = View(at + SPLIT_MARGIN * row, 0, image, row, c)
        row, image = (half + 2) * c, (small + 1) * (half + 2) * c
        size = row + 2 * c + count * image
        at = plan.buffer(size, own=True)
        plan.zero(at, size)
        self.locals["split_out_gradient"] = View(at + row + 2 * c, 0, image, row, c)
        for name in ("second", "even", "odd", "part"):
            self.locals[name] = plan.local(small, small, c, pixels)
            # With an odd side, the first row and column of the even pixels are padding.
            plan.zero(self.locals[name].at, count * self.locals[name].image)

    def copies(self, state: int) -> None:
        """Make rectified copies of a state, for the images at hand."""
        plan, c, x, here = self.plan, self.channels, self.states[state], self.locals
        leaving = self.leaving(state)
        if self.stride == 1 or state >= 2:
            if any(b.steps for b in leaving):
                side = self.out_side
                layers.place(plan, x, layers.inside(here["rectified"], side, side), c)
            return
        side = self.side
        if dense(leaving):
            layers.place(plan, x, self.split("split"), c)
        if dilated(leaving):
            layers.place(plan, x, layers.every_second(here["rectified"], side, side, 0), c)
        if any(b.halving for b in leaving):
            for name, shift in self.shifts():
                layers.place(plan, x, layers.every_second(here[name], side, side, shift), c)

    def split(self, name: str) -> layers.Placement:
        """How an input lies in a buffer with split columns."""
        return layers.split(self.locals[name], self.side, self.side, self.half, SPLIT_MARGIN)

    def shifts(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Which pixels the two halves of a halving skip connection read: odd sides are padded at the top left."""
        odd = self.side % 2
        return ("even", -odd), ("odd", 1 - odd)

    def leaving(self, state: int) -> list[Branch]:
        """The branches that read a state."""
        return [b for b in self.branches if b.spec.source == state]

    def entering(self, node: int) -> list[Branch]:
        """The branches that a node sums."""
        return [b for b in self.branches if b.spec.node == node]

    def join(self, given: Input) -> None:
        """The maps that an input reads, side by side and rectified, for the images at hand."""
        channel = 0
        for source in given.spec.sources:
            to = layers.inside(given.joined, self.side, self.side, channel)
            layers.place(self.plan, source.value, to, source.channels)
            channel += source.channels

    def pool_arguments(self, x: View, out: View, stride: int) -> tuple[int, ...]:
        """The arguments that a pool and its gradient share."""
        side = x.row // self.channels
        return (x.at, x.image, self.channels, out.at, out.image, side, side, self.out_side, self.out_side, stride)

    def normed_pools(self) -> bool:
        """Whether a norm follows the pools: in the search network."""
        return any(b.spec.operation.pools and b.spec.scale.normed for b in self.branches)

    def splits(self, state: int, s: Step, index: int) -> bool:
        """Whether a step reads the copy with split columns."""
        return self.stride == 2 and state < 2 and index == 0 and s.dilation == 1

    def read(self, b: Branch, index: int, state: int) -> tuple[View, int]:
        """The padded view that a stride-1 depthwise convolution reads from its first pixel on, and its dilation.

        A dilated one that halves the size reads every second pixel, without dilation.
        """
        s = b.steps[index]
        if index == 1:
            return self.locals[f"wide{s.kernel // 2}"].moved(-(s.kernel // 2), -(s.kernel // 2)), 1
        dilation = 1 if self.stride == 2 and state < 2 else s.dilation
        margin = dilation * (s.kernel // 2)
        return self.locals["rectified"].moved(-margin, -margin), dilation

    def depthwise(self, x: View, out: View, taps: int, tap_step: int, kernel: int, dilation: int, *, add: bool) -> None:
        """A depthwise convolution of the images at hand, from the first pixel that it reads."""
        side, c, target = self.out_side, self.channels, self.plan.target
        for begin, tile, width in target.spans(side):
            constants = (self.lanes, c, kernel, dilation, target.tall_for(side, tile), tile, add)
            views = (*rows_of(x.moved(0, begin)), *rows_of(out.moved(0, begin)))
            self.plan.emit("depthwise", constants, *views, taps, tap_step, side, width)

    def spread(self, b: Branch, index: int, state: int) -> None:
        """The depthwise convolution of a branch's step, of the images at hand, into "middle"."""
        s, to, side, c, target = b.steps[index], self.locals["middle"], self.out_side, self.channels, self.plan.target
        if not self.splits(state, s, index):
            x, dilation = self.read(b, index, state)
            self.depthwise(x, to, s.taps, c, s.kernel, dilation, add=False)
            return
        x = self.locals["split"].moved(-(s.kernel // 2), 0)
        for begin, tile, width in target.spans(side):
            constants = (self.lanes, c, s.kernel, target.tall_for(side, tile), tile)
            views = (*rows_of(x.moved(0, begin)), *rows_of(to.moved(0, begin)))
            self.plan.emit("depthwise_halving", constants, *views, s.taps, side, width, self.half)

    def part_of(self, view: View, i: int) -> View:
        """The first or second half of a view's channels."""
        return View(view.at + i * self.channels // 2, view.step, view.image, view.row, view.pixel)
