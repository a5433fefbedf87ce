"""The calls of a cell's backward pass, through the states in reverse order."""

from __future__ import annotations

from collections.abc import Sequence

from tnas_cli.engines.fused import layers
from tnas_cli.engines.fused.cell import Cell
from tnas_cli.engines.fused.cell_parts import Branch, Step, dense, dilated, rows_of
from tnas_cli.engines.fused.description import Operation
from tnas_cli.engines.fused.plan import FIRST, Norm, View


def backward(cell: Cell) -> None:
    """From the gradients of the nodes to those of all parameters and of the sources."""
    plan = cell.plan
    products = [given.weights for given in cell.inputs]
    for b in cell.branches:
        products += [*(s.product for s in b.steps), *b.halves]
    layers.transpose(plan, products)
    for state in reversed(range(2 + cell.nodes)):
        _state_backward(cell, state)


def _state_backward(cell: Cell, state: int) -> None:
    plan, leaving, g = cell.plan, cell.leaving(state), cell.gradients[state]
    if not leaving and g.at not in cell.written:  # nothing reads this state
        plan.zero(g.at, plan.images * g.image)
        cell.written.add(g.at)
    double = [b for b in leaving if len(b.steps) == 2]
    if double:
        with plan.blocks(cell.block_pixels):
            for b in double:
                _second_step_backward(cell, b, state)
        for b in double:
            layers.coefficients_gradient(plan, b.steps[0].norm)
    with plan.blocks(cell.block_pixels):
        if leaving:
            _leaving_backward(cell, state, leaving)
        if state >= 2:
            _dots(cell, state, [(b.value, b.norm) for b in cell.entering(state - 2)])
        else:
            _dots(cell, state, [(cell.inputs[state].raw, cell.inputs[state].norm)])
    if state >= 2:
        _entering_scales(cell, state - 2)
    else:
        _input_backward(cell, state)


def _dots(cell: Cell, state: int, terms: Sequence[tuple[View, Norm]]) -> None:
    g = cell.gradients[state]
    pixels = g.image // cell.channels
    table = [value for view, norm in terms for value in (view.at, norm.record, norm.sums)]
    size = (cell.channels, pixels, FIRST, len(terms))
    cell.plan.emit("dot_products", (cell.line,), g.at, g.step, *size, *table)


def _entering_scales(cell: Cell, node: int) -> None:
    """Gradients of the shares or gains of a node's branches, and the factors that lead back through their norms."""
    plan, entering = cell.plan, cell.entering(node)
    for b in entering:
        if b.spec.scale.normed:
            layers.coefficients_gradient(plan, b.norm, entering[0].norm)
        elif b.norm.weight is not None:
            layers.weight_gradient(plan, b.norm)


def _second_step_backward(cell: Cell, b: Branch, state: int) -> None:
    plan, c, side = cell.plan, cell.channels, cell.out_side
    first, s = b.steps
    gradient, margin = b.gradient_halfway, s.kernel // 2
    wide, padded, raw = cell.locals[f"wide{margin}"], cell.locals[f"gradient{margin}"], cell.locals["raw"]
    layers.value_gradient(plan, cell.gradients[2 + b.spec.node], s.out, raw, s.norm, side * side)
    layers.place(plan, first.out, layers.inside(wide, side, side), c, norm=first.norm)
    cell.spread(b, 1, state)
    layers.multiply_gradients(plan, s.product, cell.locals["middle"], raw, padded, side, side)
    _taps(cell, wide.moved(-margin, -margin), padded, s, 1)
    cell.depthwise(padded.moved(-margin, -margin), gradient, *_reversed(cell, s), s.kernel, 1, add=False)
    arguments = (gradient.at, gradient.step, first.out.at, first.out.step, first.norm.record, c, side * side)
    plan.emit("rectified_gradient", (cell.line,), *arguments, first.norm.sums, FIRST, gradient.at)


def _reversed(cell: Cell, s: Step) -> tuple[int, int]:
    """Taps in reverse order: offset of the last one, and the step."""
    return s.taps + (s.kernel**2 - 1) * cell.channels, -cell.channels


def _taps(cell: Cell, x: View, g: View, s: Step, dilation: int) -> None:
    side, c, target = cell.out_side, cell.channels, cell.plan.target
    for begin, tile, width in target.spans(side):
        views = (*rows_of(x.moved(0, begin)), *rows_of(g.moved(0, begin)))
        size = (s.taps + cell.plan.own_gradients, side, width)
        constants = (cell.lanes, c, s.kernel, dilation, tile, target.sums_per_tap(s.kernel))
        cell.plan.emit("depthwise_taps", constants, *views, *size)


def _halving_gradients(cell: Cell, s: Step, g: View) -> None:
    """Gradients of the taps and of the split copy, from the padded gradient of the step's first half."""
    side, c, target = cell.out_side, cell.channels, cell.plan.target
    x, to = cell.locals["split"].moved(-(s.kernel // 2), 0), cell.locals["split_gradient"]
    for begin, tile, width in target.spans(side):
        views = (*rows_of(x.moved(0, begin)), *rows_of(g.moved(0, begin)))
        size = (s.taps + cell.plan.own_gradients, side, width, cell.half)
        cell.plan.emit("depthwise_halving_taps", (cell.lanes, c, s.kernel, tile), *views, *size)
    constants = (cell.lanes, c, s.kernel, cell.split_tile)
    cell.plan.emit("depthwise_halving_image", constants, *rows_of(g), *rows_of(to), s.taps, cell.side, cell.half)


def _leaving_backward(cell: Cell, state: int, leaving: Sequence[Branch]) -> None:
    """The gradient of a state from all branches that leave it, for the images at hand."""
    plan, c, here = cell.plan, cell.channels, cell.locals
    halving = cell.stride == 2 and state < 2
    side = cell.side if state < 2 else cell.out_side
    through = here["through"]
    through = View(through.at, 0, side * side * c, side * c, c)
    cell.copies(state)
    layers.fill_zero(plan, through)
    if halving and dense(leaving):
        layers.fill_zero(plan, here["split_gradient"])
    if halving and dilated(leaving):
        layers.fill_zero(plan, here["second"])
    for b in leaving:
        if b.steps:
            g = cell.gradients[2 + b.spec.node] if len(b.steps) == 1 else b.gradient_halfway
            _first_step_backward(cell, b, state, g, through)
        elif b.halving:
            _halving_skip_backward(cell, b, through)
    if halving and dense(leaving):
        layers.collect(plan, through, cell.split("split_gradient"), c)
    if halving and dilated(leaving):
        layers.collect(plan, through, layers.every_second(here["second"], side, side, 0), c)
    identities = [b for b in leaving if b.spec.operation.kind == "identity" and not b.halving]
    _state_gradient(cell, state, through, identities)
    for (source, operation), (out, _) in cell.pooled.items():
        if source == state:
            pools = [b for b in leaving if b.spec.operation == operation]
            _pool_backward(cell, state, operation, out, pools)


def _first_step_backward(cell: Cell, b: Branch, state: int, g: View, through: View) -> None:
    """g: the gradient of the step's result before its norm's backward pass."""
    plan, side, s = cell.plan, cell.out_side, b.steps[0]
    raw = cell.locals["raw"]
    cell.spread(b, 0, state)
    layers.value_gradient(plan, g, s.out, raw, s.norm, side * side)
    if cell.splits(state, s, 0):
        padded = cell.locals["split_out_gradient"]
        layers.multiply_gradients(plan, s.product, cell.locals["middle"], raw, padded, side, side)
        _halving_gradients(cell, s, padded)
        return
    x, dilation = cell.read(b, 0, state)
    margin = dilation * (s.kernel // 2)
    padded = cell.locals[f"gradient{margin}"]
    layers.multiply_gradients(plan, s.product, cell.locals["middle"], raw, padded, side, side)
    _taps(cell, x, padded, s, dilation)
    to = cell.locals["second"] if cell.stride == 2 and state < 2 else through
    cell.depthwise(padded.moved(-margin, -margin), to, *_reversed(cell, s), s.kernel, dilation, add=True)


def _halving_skip_backward(cell: Cell, b: Branch, through: View) -> None:
    plan, c, side = cell.plan, cell.channels, cell.out_side
    raw, part = cell.locals["raw"], cell.locals["part"]
    layers.value_gradient(plan, cell.gradients[2 + b.spec.node], b.value, raw, b.norm, side * side)
    for i, (name, shift) in enumerate(cell.shifts()):
        g = cell.part_of(raw, i)
        layers.multiply_gradients(plan, b.halves[i], cell.locals[name], g, part, side, side)
        layers.collect(plan, through, layers.every_second(part, cell.side, cell.side, shift), c)


def _state_gradient(cell: Cell, state: int, through: View, identities: Sequence[Branch]) -> None:
    g = cell.gradients[state]
    _rectified_add(cell, cell.states[state], g, cell.channels, through.at, cell.channels, identities)


def _rectified_add(
    cell: Cell, value: View, g: View, channels: int, through: int, through_pixel: int, identities: Sequence[Branch]
) -> None:
    """g (+)= `through` where the value is positive, and the identities' shares."""
    add = g.at in cell.written
    cell.written.add(g.at)
    table = [number for b in identities for number in (cell.gradients[2 + b.spec.node].at, b.norm.record)]
    size = (g.at, g.step, channels, g.image // channels)
    arguments = (*size, value.at, through, through_pixel, add, len(identities), *table)
    cell.plan.emit("state_gradient", (layers.lanes(cell.plan, channels),), *arguments)


def _pool_backward(cell: Cell, state: int, operation: Operation, out: View, pools: Sequence[Branch]) -> None:
    plan, raw = cell.plan, cell.locals["raw"]
    for i, b in enumerate(pools):
        g = cell.gradients[2 + b.spec.node]
        layers.value_gradient(plan, g, out, raw, b.norm, cell.out_side**2, add=i > 0)
    x, stride = cell.states[state], cell.stride if state < 2 else 1
    arguments = (*cell.pool_arguments(x, out, stride), raw.at, cell.gradients[state].at)
    plan.emit("pool_gradient", (cell.line, operation.kind == "max pool"), *arguments)


def _input_backward(cell: Cell, index: int) -> None:
    plan, given, side = cell.plan, cell.inputs[index], cell.side
    layers.coefficients_gradient(plan, given.norm)
    # The state's own gradient is not needed any more: the raw values' gradient takes its place.
    g = cell.gradients[index]
    with plan.blocks(side * side):
        layers.value_gradient(plan, g, given.raw, g, given.norm, side * side)
        cell.join(given)
        layers.multiply_gradients(plan, given.weights, given.joined, g, given.joined_gradient, side, side)
        channel = 0
        for source in given.spec.sources:
            at = given.joined_gradient.at + channel
            _rectified_add(cell, source.value, source.gradient, source.channels, at, given.joined.pixel, ())
            channel += source.channels
