"""The calls of a cell's forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from tnas_cli.engines.fused import layers
from tnas_cli.engines.fused.cell import Cell
from tnas_cli.engines.fused.cell_parts import Branch


def forward(cell: Cell) -> None:
    """All states in order; the last ones are the cell's output."""
    plan, c = cell.plan, cell.channels
    pixels = cell.side * cell.side
    for given in cell.inputs:
        with plan.blocks(pixels):
            cell.join(given)
            layers.multiply(plan, given.weights, given.joined, given.raw, cell.side, cell.side)
            layers.statistics(plan, given.raw, pixels, given.norm)
        layers.coefficients(plan, given.norm)
    for state in range(2 + cell.nodes):
        leaving = cell.leaving(state)
        with plan.blocks(cell.block_pixels):
            _sum(cell, state)
            cell.copies(state)
            _pools(cell, state)
            for b in leaving:
                if b.steps:
                    _step(cell, b, 0, state)
                elif b.halving:
                    _halving_skip(cell, b)
        _scales_after_first(cell, leaving)
        double = [b for b in leaving if len(b.steps) == 2]
        if double:
            with plan.blocks(cell.block_pixels):
                for b in double:
                    first, margin = b.steps[0], b.steps[1].kernel // 2
                    wide = cell.locals[f"wide{margin}"]
                    to = layers.inside(wide, cell.out_side, cell.out_side)
                    layers.place(plan, first.out, to, c, norm=first.norm)
                    _step(cell, b, 1, state)
            for b in double:
                layers.coefficients(plan, b.steps[1].norm)


def _sum(cell: Cell, state: int) -> None:
    """The state itself, from its branches' raw values."""
    if state < 2:
        terms = [(cell.inputs[state].raw, cell.inputs[state].norm)]
    else:
        terms = [(b.value, b.norm) for b in cell.entering(state - 2)]
    out = cell.states[state]
    pixels = out.image // cell.channels
    table = [value for view, norm in terms for value in (view.at, norm.record)]
    tile = cell.plan.target.flat_tile * cell.lanes // cell.line  # so many sums fill as many registers
    cell.plan.emit("weighted_sum", (cell.line, tile), out.at, out.step, cell.channels, pixels, len(terms), *table)


def _pools(cell: Cell, state: int) -> None:
    for (source, operation), (out, norm) in cell.pooled.items():
        if source == state:
            x, stride = cell.states[state], cell.stride if state < 2 else 1
            cell.plan.emit("pool", (cell.line, operation.kind == "max pool"), *cell.pool_arguments(x, out, stride))
            if cell.normed_pools():
                layers.statistics(cell.plan, out, cell.out_side**2, norm)


def _step(cell: Cell, b: Branch, index: int, state: int) -> None:
    """A depthwise and pointwise pair, and the sums of its norm."""
    plan, s, side = cell.plan, b.steps[index], cell.out_side
    cell.spread(b, index, state)
    layers.multiply(plan, s.product, cell.locals["middle"], s.out, side, side)
    layers.statistics(plan, s.out, side * side, s.norm)


def _halving_skip(cell: Cell, b: Branch) -> None:
    plan, side = cell.plan, cell.out_side
    for i, (name, _) in enumerate(cell.shifts()):
        out = cell.part_of(b.value, i)
        layers.multiply(plan, b.halves[i], cell.locals[name], out, side, side)
    layers.statistics(plan, b.value, side * side, b.norm)


def _scales_after_first(cell: Cell, leaving: Sequence[Branch]) -> None:
    plan = cell.plan
    for b in leaving:
        if b.steps:
            layers.coefficients(plan, b.steps[0].norm)
        elif b.spec.scale.normed:
            shared = cell.pooled.get((b.spec.source, b.spec.operation))
            layers.coefficients(plan, b.norm, shared[1] if shared else None)
        else:
            weight = b.norm.weight
            plan.emit("constant_scale", (weight is not None,), b.norm.record, cell.channels, weight or 0)
