"""A cell: states, the branches between them, and their calls forward and backward.

A state is a node's weighted sum (Equation 3), or a cell's input. Everything that leaves a state is computed together,
block of images by block, so that the rectified, padded copies of a state are made once and stay in the nearest cache.
A branch keeps what its backward pass needs; the backward pass goes through the states in reverse order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tnas_cli.compute.fused import layers
from tnas_cli.compute.fused.depthwise import SPLIT_MARGIN
from tnas_cli.compute.fused.layers import Product
from tnas_cli.compute.fused.plan import Norm, Plan, View

#: (kernel, dilation) of the convolutions.
KERNELS = {"sep_conv_3x3": (3, 1), "sep_conv_5x5": (5, 1), "dil_conv_3x3": (3, 2), "dil_conv_5x5": (5, 2)}

POOLS = {"max_pool_3x3": True, "avg_pool_3x3": False}


@dataclass(frozen=True)
class Scale:
    """What a branch's last norm is multiplied with: keyword arguments of `Norm`; `normed` is False for plain values."""

    normed: bool
    arguments: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Convolution:
    """Offsets of one depthwise and pointwise pair's weights, and the scale of the norm behind it."""

    taps: int
    weights: int
    scale: Scale


@dataclass(frozen=True)
class BranchSpec:
    """One operation from a state to a node. skip: offset of the weights of a skip connection that halves the size."""

    operation: str
    source: int
    node: int
    scale: Scale
    convolutions: tuple[Convolution, ...] = ()
    skip: int = 0


@dataclass(frozen=True)
class Source:
    """A feature map that a cell reads, without margins, its gradient's buffer, and its channels."""

    value: View
    gradient: View
    channels: int


@dataclass(frozen=True)
class InputSpec:
    """A cell's input: maps side by side, a pointwise convolution's weights, and the scale of its norm."""

    sources: tuple[Source, ...]
    weights: int
    scale: Scale


@dataclass
class _Step:
    """A depthwise and pointwise pair: what it keeps for the backward pass."""

    taps: int
    product: Product
    kernel: int
    dilation: int
    middle: View
    out: View
    norm: Norm


@dataclass
class _Branch:
    spec: BranchSpec
    value: View
    norm: Norm
    steps: tuple[_Step, ...] = ()
    halves: tuple[Product, ...] = ()

    @property
    def halving(self) -> bool:
        return bool(self.halves)


def _rows(v: View) -> tuple[int, int, int, int]:
    """A view as depthwise kernels take it: its pixels are as far apart as it has channels."""
    return v.at, v.step, v.image, v.row


class Cell:
    """Plans one cell. `written` remembers which gradient buffers already hold something."""

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
    ) -> None:
        self.plan, self.nodes, self.channels, self.side, self.stride = plan, nodes, channels, side, stride
        self.out_side = (side - 1) // stride + 1
        self.written = written
        self.lanes = layers.lanes(plan, channels)
        sides = [side, side] + [self.out_side] * nodes
        self.states = [plan.batch(s, s, channels) for s in sides]
        self.gradients = [plan.batch(s, s, channels) for s in sides]
        self.inputs = [self._input(spec) for spec in inputs]
        self.pooled: dict[tuple[int, str], tuple[View, Norm]] = {}
        self.branches = [self._branch(spec) for spec in branches]
        self._locals: dict[str, View] = {}
        self._make_locals()

    def outputs(self) -> list[Source]:
        """The nodes, as the next layer's sources."""
        return [Source(v, g, self.channels) for v, g in zip(self.states[2:], self.gradients[2:], strict=True)]

    # -- buffers ------------------------------------------------------------------------------------------------

    def _input(self, spec: InputSpec) -> tuple[InputSpec, Product, View, Norm, View, View]:
        plan, c, side = self.plan, self.channels, self.side
        depth = sum(source.channels for source in spec.sources)
        raw = plan.batch(side, side, c)
        norm = plan.norm(c, side * side, **spec.scale.arguments)
        joined, joined_gradient = (plan.local(side, side, depth, side * side) for _ in range(2))
        return spec, layers.product(plan, spec.weights, depth, c), raw, norm, joined, joined_gradient

    def _branch(self, spec: BranchSpec) -> _Branch:
        plan, c, side = self.plan, self.channels, self.out_side
        pixels = side * side
        if spec.operation in POOLS:
            key = (spec.source, spec.operation)
            if key not in self.pooled:
                self.pooled[key] = plan.batch(side, side, c), plan.norm(c, pixels)
            return _Branch(spec, self.pooled[key][0], plan.norm(c, pixels, **spec.scale.arguments))
        if spec.operation == "skip_connect":
            norm = plan.norm(c, pixels, **spec.scale.arguments)
            if self.stride == 2 and spec.source < 2:
                halves = tuple(layers.product(plan, spec.skip + i * c * (c // 2), c, c // 2) for i in range(2))
                return _Branch(spec, plan.batch(side, side, c), norm, halves=halves)
            return _Branch(spec, self.states[spec.source], norm)
        kernel, dilation = KERNELS[spec.operation]
        steps = tuple(
            _Step(
                part.taps,
                layers.product(plan, part.weights, c, c),
                kernel,
                dilation,
                plan.batch(side, side, c),
                plan.batch(side, side, c),
                plan.norm(c, pixels, **part.scale.arguments),
            )
            for part in spec.convolutions
        )
        return _Branch(spec, steps[-1].out, steps[-1].norm, steps)

    def _make_locals(self) -> None:
        """Buffers for the images of a block; a block is sized by the larger side, for all loops of the cell."""
        plan, c, side, small = self.plan, self.channels, self.side, self.out_side
        pixels = self.block_pixels = side * side
        self._locals["rectified"] = plan.padded(small, small, c, 4, pixels)
        for margin in (1, 2, 4):
            self._locals[f"wide{margin}"] = plan.padded(small, small, c, margin, pixels)
            self._locals[f"gradient{margin}"] = plan.padded(small, small, c, margin, pixels)
        self._locals["raw"] = plan.local(small, small, c, pixels)
        self._locals["through"] = plan.local(side, side, c, pixels)
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
            at = plan.buffer(size)
            plan.zero(at, size)
            self._locals[name] = View(at + SPLIT_MARGIN * row, 0, image, row, c)
        row, image = (half + 2) * c, (small + 1) * (half + 2) * c
        size = row + 2 * c + count * image
        at = plan.buffer(size)
        plan.zero(at, size)
        self._locals["split_out_gradient"] = View(at + row + 2 * c, 0, image, row, c)
        for name in ("second", "even", "odd", "part"):
            self._locals[name] = plan.local(small, small, c, pixels)

    # -- copies of a state that its convolutions read -------------------------------------------------------------

    def _copies(self, state: int) -> None:
        """Rectified copies of the images at hand of a state."""
        plan, c, x, here = self.plan, self.channels, self.states[state], self._locals
        operations = {b.spec.operation for b in self.branches if b.spec.source == state}
        if self.stride == 1 or state >= 2:
            if operations & set(KERNELS):
                side = self.out_side
                layers.place(plan, x, layers.inside(here["rectified"], side, side), c)
            return
        side = self.side
        if operations & {"sep_conv_3x3", "sep_conv_5x5"}:
            layers.place(plan, x, self._split("split"), c)
        if operations & {"dil_conv_3x3", "dil_conv_5x5"}:
            layers.place(plan, x, layers.every_second(here["rectified"], side, side, 0), c)
        if "skip_connect" in operations:
            for name, shift in self._shifts():
                layers.place(plan, x, layers.every_second(here[name], side, side, shift), c)

    def _split(self, name: str) -> layers.Placement:
        return layers.split(self._locals[name], self.side, self.side, self.half, SPLIT_MARGIN)

    def _shifts(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Which pixels the two halves of a halving skip connection read: odd sides are padded at the top left."""
        odd = self.side % 2
        return ("even", -odd), ("odd", 1 - odd)

    def _leaving(self, state: int) -> list[_Branch]:
        return [b for b in self.branches if b.spec.source == state]

    def _entering(self, node: int) -> list[_Branch]:
        return [b for b in self.branches if b.spec.node == node]

    # -- forward --------------------------------------------------------------------------------------------------

    def forward(self) -> None:
        """All states in order; the last ones are the cell's output."""
        plan, c = self.plan, self.channels
        pixels = self.side * self.side
        for spec, weights, raw, norm, joined, _ in self.inputs:
            with plan.blocks(pixels):
                self._join(spec, joined)
                layers.multiply(plan, weights, joined, raw, self.side, self.side)
                layers.statistics(plan, raw, pixels, norm)
            layers.coefficients(plan, norm)
        for state in range(2 + self.nodes):
            leaving = self._leaving(state)
            with plan.blocks(self.block_pixels):
                self._sum(state)
                self._copies(state)
                self._pools(state)
                for b in leaving:
                    if b.steps:
                        self._step(b, 0, state)
                    elif b.halving:
                        self._halving_skip(b)
            self._scales_after_first(leaving)
            double = [b for b in leaving if len(b.steps) == 2]
            if double:
                with plan.blocks(self.block_pixels):
                    for b in double:
                        first, margin = b.steps[0], b.steps[1].kernel // 2
                        wide = self._locals[f"wide{margin}"]
                        to = layers.inside(wide, self.out_side, self.out_side)
                        layers.place(plan, first.out, to, c, norm=first.norm)
                        self._step(b, 1, state)
                for b in double:
                    layers.coefficients(plan, b.steps[1].norm)

    def _join(self, spec: InputSpec, joined: View) -> None:
        channel = 0
        for source in spec.sources:
            to = layers.inside(joined, self.side, self.side, channel)
            layers.place(self.plan, source.value, to, source.channels)
            channel += source.channels

    def _sum(self, state: int) -> None:
        """The state itself, from its branches' raw values."""
        if state < 2:
            _, _, raw, norm, _, _ = self.inputs[state]
            terms = [(raw, norm)]
        else:
            terms = [(b.value, b.norm) for b in self._entering(state - 2)]
        out = self.states[state]
        pixels = out.image // self.channels
        table = [value for view, norm in terms for value in (view.at, norm.record)]
        tile = self.plan.target.flat_tile
        self.plan.emit(
            "weighted_sum", (self.lanes, tile), out.at, out.step, self.channels, pixels, len(terms), *table
        )

    def _pools(self, state: int) -> None:
        for (source, operation), (out, norm) in self.pooled.items():
            if source == state:
                x, stride = self.states[state], self.stride if state < 2 else 1
                self.plan.emit("pool", (self.lanes, POOLS[operation]), *self._pool_arguments(x, out, stride))
                if self._normed_pools:
                    layers.statistics(self.plan, out, self.out_side**2, norm)

    def _pool_arguments(self, x: View, out: View, stride: int) -> tuple[int, ...]:
        side = x.row // self.channels
        return (x.at, x.image, self.channels, out.at, out.image, side, side, self.out_side, self.out_side, stride)

    @property
    def _normed_pools(self) -> bool:
        return any(b.spec.operation in POOLS and b.spec.scale.normed for b in self.branches)

    def _step(self, b: _Branch, index: int, state: int) -> None:
        """A depthwise and pointwise pair, and the sums of its norm."""
        plan, s, c, side = self.plan, b.steps[index], self.channels, self.out_side
        if self._splits(state, s, index):
            self._halving(s)
        else:
            x, dilation = self._read(b, index, state)
            self._depthwise(x, s.middle, s.taps, c, s.kernel, dilation, add=False)
        layers.multiply(plan, s.product, s.middle, s.out, side, side)
        layers.statistics(plan, s.out, side * side, s.norm)

    def _splits(self, state: int, s: _Step, index: int) -> bool:
        return self.stride == 2 and state < 2 and index == 0 and s.dilation == 1

    def _read(self, b: _Branch, index: int, state: int) -> tuple[View, int]:
        """The padded view that a stride-1 depthwise convolution reads from its first pixel on, and its dilation.

        A dilated one that halves the size reads every second pixel, without dilation.
        """
        s = b.steps[index]
        if index == 1:
            return self._locals[f"wide{s.kernel // 2}"].moved(-(s.kernel // 2), -(s.kernel // 2)), 1
        dilation = 1 if self.stride == 2 and state < 2 else s.dilation
        margin = dilation * (s.kernel // 2)
        return self._locals["rectified"].moved(-margin, -margin), dilation

    def _depthwise(
        self, x: View, out: View, taps: int, tap_step: int, kernel: int, dilation: int, *, add: bool
    ) -> None:
        side, c, target = self.out_side, self.channels, self.plan.target
        for begin, tile, width in target.spans(side):
            constants = (self.lanes, c, kernel, dilation, target.tall_for(side, tile), tile, add)
            views = (*_rows(x.moved(0, begin)), *_rows(out.moved(0, begin)))
            self.plan.emit("depthwise", constants, *views, taps, tap_step, side, width)

    def _halving(self, s: _Step) -> None:
        """The depthwise convolution of a step that halves the size."""
        side, c, target = self.out_side, self.channels, self.plan.target
        x = self._locals["split"].moved(-(s.kernel // 2), 0)
        for begin, tile, width in target.spans(side):
            constants = (self.lanes, c, s.kernel, target.tall_for(side, tile), tile)
            views = (*_rows(x.moved(0, begin)), *_rows(s.middle.moved(0, begin)))
            self.plan.emit("depthwise_halving", constants, *views, s.taps, side, width, self.half)

    def _halving_skip(self, b: _Branch) -> None:
        plan, side, c = self.plan, self.out_side, self.channels
        for i, (name, _) in enumerate(self._shifts()):
            out = self._part_of(b.value, i)
            layers.multiply(plan, b.halves[i], self._locals[name], out, side, side)
        layers.statistics(plan, b.value, side * side, b.norm)

    def _part_of(self, view: View, i: int) -> View:
        """The first or second half of a view's channels."""
        return View(view.at + i * self.channels // 2, view.step, view.image, view.row, view.pixel)

    def _scales_after_first(self, leaving: Sequence[_Branch]) -> None:
        plan = self.plan
        for b in leaving:
            if b.steps:
                layers.coefficients(plan, b.steps[0].norm)
            elif b.spec.scale.normed:
                shared = self.pooled.get((b.spec.source, b.spec.operation))
                layers.coefficients(plan, b.norm, shared[1] if shared else None)
            else:
                weight = b.norm.weight
                plan.emit("constant_scale", (weight is not None,), b.norm.record, self.channels, weight or 0)

    # -- backward -------------------------------------------------------------------------------------------------

    def backward(self) -> None:
        """From the gradients of the nodes to those of all parameters and of the sources."""
        plan = self.plan
        for _, weights, *_ in self.inputs:
            layers.transpose(plan, weights)
        for b in self.branches:
            for p in (*(s.product for s in b.steps), *b.halves):
                layers.transpose(plan, p)
        for state in reversed(range(2 + self.nodes)):
            self._state_backward(state)

    def _state_backward(self, state: int) -> None:
        plan, leaving, g = self.plan, self._leaving(state), self.gradients[state]
        if not leaving and g.at not in self.written:  # nothing reads this state
            plan.zero(g.at, plan.images * g.image)
            self.written.add(g.at)
        double = [b for b in leaving if len(b.steps) == 2]
        if double:
            with plan.blocks(self.block_pixels):
                for b in double:
                    self._second_step_backward(b)
            for b in double:
                layers.coefficients_gradient(plan, b.steps[0].norm)
        with plan.blocks(self.block_pixels):
            if leaving:
                self._leaving_backward(state, leaving)
            if state >= 2:
                self._dots(state, [(b.value, b.norm) for b in self._entering(state - 2)])
            else:
                self._dots(state, [(self.inputs[state][2], self.inputs[state][3])])
        if state >= 2:
            self._entering_scales(state - 2)
        else:
            self._input_backward(state)

    def _dots(self, state: int, terms: Sequence[tuple[View, Norm]]) -> None:
        g = self.gradients[state]
        pixels = g.image // self.channels
        table = [value for view, norm in terms for value in (view.at, norm.record)]
        self.plan.emit("dot_products", (self.lanes,), g.at, g.step, self.channels, pixels, len(terms), *table)

    def _entering_scales(self, node: int) -> None:
        """Gradients of the shares or gains of a node's branches, and the factors that lead back through their norms."""
        plan, entering = self.plan, self._entering(node)
        for b in entering:
            if b.spec.scale.normed:
                layers.coefficients_gradient(plan, b.norm, entering[0].norm.totals)
            elif b.norm.weight is not None:
                plan.emit("weight_gradient", (), b.norm.record, self.channels, b.norm.weight_gradient)

    def _second_step_backward(self, b: _Branch) -> None:
        plan, c, side = self.plan, self.channels, self.out_side
        first, s = b.steps
        margin = s.kernel // 2
        wide, padded, raw = self._locals[f"wide{margin}"], self._locals[f"gradient{margin}"], self._locals["raw"]
        layers.value_gradient(plan, self.gradients[2 + b.spec.node], s.out, raw, s.norm, side * side)
        flat = {"flat_x": True, "flat_g": True}
        layers.multiply_gradients(plan, s.product, s.middle, raw, padded, side, side, **flat)
        layers.place(plan, first.out, layers.inside(wide, side, side), c, norm=first.norm)
        self._taps(wide.moved(-margin, -margin), padded, s, 1)
        gradient = self._stored_gradient(b)
        self._depthwise(
            padded.moved(-margin, -margin), gradient, *self._reversed(s), s.kernel, 1, add=False
        )
        arguments = (gradient.at, gradient.step, first.out.at, first.out.step, first.norm.record, c, side * side)
        plan.emit("rectified_gradient", (self.lanes,), *arguments)

    def _stored_gradient(self, b: _Branch) -> View:
        """Where the gradient of a separable convolution's first half lies: its second half's values are done with."""
        return b.steps[1].middle

    def _reversed(self, s: _Step) -> tuple[int, int]:
        """Taps in reverse order: offset of the last one, and the step."""
        return s.taps + (s.kernel**2 - 1) * self.channels, -self.channels

    def _taps(self, x: View, g: View, s: _Step, dilation: int) -> None:
        side, c, target = self.out_side, self.channels, self.plan.target
        for begin, tile, width in target.spans(side):
            views = (*_rows(x.moved(0, begin)), *_rows(g.moved(0, begin)))
            size = (s.taps + self.plan.gradients, side, width)
            self.plan.emit("depthwise_taps", (self.lanes, c, s.kernel, dilation, tile), *views, *size)

    def _halving_gradients(self, s: _Step, g: View) -> None:
        """Gradients of the taps and of the split copy, from the padded gradient of the step's first half."""
        side, c, target = self.out_side, self.channels, self.plan.target
        x, to = self._locals["split"].moved(-(s.kernel // 2), 0), self._locals["split_gradient"]
        for begin, tile, width in target.spans(side):
            views = (*_rows(x.moved(0, begin)), *_rows(g.moved(0, begin)))
            size = (s.taps + self.plan.gradients, side, width, self.half)
            self.plan.emit("depthwise_halving_taps", (self.lanes, c, s.kernel, tile), *views, *size)
        constants = (self.lanes, c, s.kernel, self.split_tile)
        self.plan.emit("depthwise_halving_image", constants, *_rows(g), *_rows(to), s.taps, self.side, self.half)

    def _leaving_backward(self, state: int, leaving: Sequence[_Branch]) -> None:
        """The gradient of a state from all branches that leave it, for the images at hand."""
        plan, c, here = self.plan, self.channels, self._locals
        halving = self.stride == 2 and state < 2
        side = self.side if state < 2 else self.out_side
        through = here["through"]
        through = View(through.at, 0, side * side * c, side * c, c)
        self._copies(state)
        layers.fill_zero(plan, through)
        operations = {b.spec.operation for b in leaving}
        if halving and operations & {"sep_conv_3x3", "sep_conv_5x5"}:
            layers.fill_zero(plan, here["split_gradient"])
        if halving and operations & {"dil_conv_3x3", "dil_conv_5x5"}:
            layers.fill_zero(plan, here["second"])
        for b in leaving:
            if b.steps:
                self._first_step_backward(b, state, through)
            elif b.halving:
                self._halving_skip_backward(b, through)
        if halving and operations & {"sep_conv_3x3", "sep_conv_5x5"}:
            layers.collect(plan, through, self._split("split_gradient"), c)
        if halving and operations & {"dil_conv_3x3", "dil_conv_5x5"}:
            layers.collect(plan, through, layers.every_second(here["second"], side, side, 0), c)
        identities = [b for b in leaving if b.spec.operation == "skip_connect" and not b.halving]
        self._state_gradient(state, through, identities)
        for (source, operation), (out, _) in self.pooled.items():
            if source == state:
                pools = [b for b in leaving if b.spec.operation == operation]
                self._pool_backward(state, operation, out, pools)

    def _first_step_backward(self, b: _Branch, state: int, through: View) -> None:
        plan, c, side, s = self.plan, self.channels, self.out_side, b.steps[0]
        g = self.gradients[2 + b.spec.node] if len(b.steps) == 1 else self._stored_gradient(b)
        raw = self._locals["raw"]
        layers.value_gradient(plan, g, s.out, raw, s.norm, side * side)
        flat = {"flat_x": True, "flat_g": True}
        if self._splits(state, s, 0):
            padded = self._locals["split_out_gradient"]
            layers.multiply_gradients(plan, s.product, s.middle, raw, padded, side, side, **flat)
            self._halving_gradients(s, padded)
            return
        x, dilation = self._read(b, 0, state)
        margin = dilation * (s.kernel // 2)
        padded = self._locals[f"gradient{margin}"]
        layers.multiply_gradients(plan, s.product, s.middle, raw, padded, side, side, **flat)
        self._taps(x, padded, s, dilation)
        to = self._locals["second"] if self.stride == 2 and state < 2 else through
        self._depthwise(
            padded.moved(-margin, -margin), to, *self._reversed(s), s.kernel, dilation, add=True
        )

    def _halving_skip_backward(self, b: _Branch, through: View) -> None:
        plan, c, side = self.plan, self.channels, self.out_side
        raw, part = self._locals["raw"], self._locals["part"]
        layers.value_gradient(plan, self.gradients[2 + b.spec.node], b.value, raw, b.norm, side * side)
        flat = {"flat_x": True, "flat_g": True}
        for i, (name, shift) in enumerate(self._shifts()):
            g = self._part_of(raw, i)
            layers.multiply_gradients(plan, b.halves[i], self._locals[name], g, part, side, side, **flat)
            layers.collect(plan, through, layers.every_second(part, self.side, self.side, shift), c)

    def _state_gradient(self, state: int, through: View, identities: Sequence[_Branch]) -> None:
        g = self.gradients[state]
        self._rectified_add(self.states[state], g, self.channels, through.at, self.channels, identities)

    def _rectified_add(
        self, value: View, g: View, channels: int, through: int, through_pixel: int, identities: Sequence[_Branch]
    ) -> None:
        """g (+)= `through` where the value is positive, and the identities' shares."""
        add = g.at in self.written
        self.written.add(g.at)
        table = [
            number for b in identities for number in (self.gradients[2 + b.spec.node].at, b.norm.record)
        ]
        size = (g.at, g.step, channels, g.image // channels)
        arguments = (*size, value.at, through, through_pixel, add, len(identities), *table)
        self.plan.emit("state_gradient", (layers.lanes(self.plan, channels),), *arguments)

    def _pool_backward(self, state: int, operation: str, out: View, pools: Sequence[_Branch]) -> None:
        plan, raw = self.plan, self._locals["raw"]
        for i, b in enumerate(pools):
            g = self.gradients[2 + b.spec.node]
            layers.value_gradient(plan, g, out, raw, b.norm, self.out_side**2, add=i > 0)
        x, stride = self.states[state], self.stride if state < 2 else 1
        arguments = (*self._pool_arguments(x, out, stride), raw.at, self.gradients[state].at)
        plan.emit("pool_gradient", (self.lanes, POOLS[operation]), *arguments)

    def _input_backward(self, index: int) -> None:
        plan, pixels = self.plan, self.side * self.side
        spec, weights, raw, norm, joined, joined_gradient = self.inputs[index]
        layers.coefficients_gradient(plan, norm)
        flat = {"flat_x": True, "flat_g": True}
        # The state's own gradient is done with: the raw values' gradient takes its place.
        g = self.gradients[index]
        with plan.blocks(pixels):
            layers.value_gradient(plan, g, raw, g, norm, pixels)
            self._join(spec, joined)
            layers.multiply_gradients(plan, weights, joined, g, joined_gradient, self.side, self.side, **flat)
            channel = 0
            for source in spec.sources:
                at = joined_gradient.at + channel
                self._rectified_add(source.value, source.gradient, source.channels, at, joined.pixel, ())
                channel += source.channels
