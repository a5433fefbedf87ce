"""The calls that make up a layer: which kernel, compiled for what, on which buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.engines.fused.norms import TOTAL
from tnas_cli.engines.fused.plan import FIRST, Norm, Plan, View


@dataclass(frozen=True)
class Product:
    """A matrix of weights [segments, depth, width] as a layer uses it, and where its shifted images begin.

    weights: offset of the parameters; transposed: offset of a buffer for [segments, width, depth], which the backward
    pass reads; shifts: for each segment the (row, pixel) by which the image is shifted.
    """

    weights: int
    depth: int
    width: int
    transposed: int
    shifts: tuple[tuple[int, int], ...] = ((0, 0),)


def product(plan: Plan, weights: int, depth: int, width: int, *, three_by_three: bool = False) -> Product:
    """A pointwise convolution's weights, or those of a 3 x 3 convolution with padding 1."""
    shifts = tuple((i - 1, j - 1) for i in range(3) for j in range(3)) if three_by_three else ((0, 0),)
    return Product(weights, depth, width, plan.buffer(len(shifts) * depth * width), shifts)


def product_by_rows(plan: Plan, weights: int, depth: int, width: int) -> Product:
    """A 3 x 3 convolution of images with few channels: three neighbouring pixels of a row are one, three times as deep.

    They lie side by side in memory, where the next three begin one pixel later. Its input has no gradient.
    """
    return Product(weights, 3 * depth, width, plan.buffer(0), tuple((i - 1, -1) for i in range(3)))


def multiply(plan: Plan, p: Product, x: View, out: View, rows: int, width: int, *, flat: bool = True) -> None:
    """out = x * weights; `flat` where neither has margins."""
    offsets = [row * x.row + pixel * x.pixel for row, pixel in p.shifts]
    _matmul(plan, x, out, p.weights, p.depth, p.width, rows, width, flat, offsets)


def multiply_gradients(
    plan: Plan, p: Product, x: View, g: View, out: View | None, rows: int, width: int, *, flat: bool = True
) -> None:
    """weights' gradient += x^T g; and, where `out` is given, out = the gradient of x, from transposed weights.

    `flat` where neither x nor g has margins; `out` may have some.
    """
    offsets = [row * x.row + pixel * x.pixel for row, pixel in p.shifts]
    constants = plan.target.weights_tile(p.depth, p.width)
    arguments = [*_view(x), *_view(g), p.weights + plan.own_gradients, p.depth, p.width]
    size = [1, rows * width] if flat else [rows, width]
    plan.emit("matmul_weights", constants, *arguments, *size, flat, len(offsets), *offsets)
    if out is not None:
        back = [-row * g.row - pixel * g.pixel for row, pixel in p.shifts]
        without_margins = flat and out.row == width * out.pixel and out.image == rows * out.row
        _matmul(plan, g, out, p.transposed, p.width, p.depth, rows, width, without_margins, back)


def transpose(plan: Plan, products: Sequence[Product]) -> None:
    """Fill the transposed weights; once before a backward pass."""
    for number, p in enumerate(products):
        segments = len(p.shifts), *range(len(p.shifts))
        plan.emit("transpose", (), p.weights, p.transposed, p.depth, p.width, *segments, by=number % plan.shares)


def _matmul(
    plan: Plan,
    x: View,
    out: View,
    weights: int,
    depth: int,
    width_n: int,
    rows: int,
    width: int,
    flat: bool,
    offsets: Sequence[int],
) -> None:
    pixels = plan.block(rows * width) * rows * width if flat else width
    constants = plan.target.product_tile(width_n, pixels)
    size = [1, rows * width] if flat else [rows, width]
    arguments = [*_view(x), *_view(out), weights, depth, width_n, *size, flat, len(offsets), *offsets]
    plan.emit("matmul", constants, *arguments)


def _view(v: View) -> tuple[int, int, int, int, int]:
    return v.at, v.step, v.image, v.row, v.pixel


def contiguous(v: View) -> tuple[int, int]:
    """Offset and step of a view without margins."""
    return v.at, v.step


def lanes(plan: Plan, channels: int) -> int:
    """How many channels a kernel takes at once that goes through the pixels one by one."""
    return plan.target.line_for(channels)


def statistics(plan: Plan, x: View, pixels: int, norm: Norm) -> None:
    """Add the images at hand to the norm's sums; given moments stay as they are."""
    if plan.given_moments:
        return
    c = norm.channels
    plan.emit("statistics", (lanes(plan, c),), x.at, x.step, c, pixels, norm.sums, plan.measured, FIRST)


def coefficients(plan: Plan, norm: Norm, source: Norm | None = None) -> None:
    """Scale and shift from the sums (of `source`, if another norm holds them)."""
    weighted, affine = norm.weight is not None, norm.gain is not None
    weight = norm.weight if norm.weight is not None else norm.gain or 0
    source = source or norm
    table = [number for share, values in enumerate(norm.values) for number in (source.sums_of(share), values)]
    size = (norm.record, norm.channels, norm.pixels, source.record)
    plan.emit("coefficients", (weighted, affine), *size, weight, norm.bias, len(norm.values), *table)


def coefficients_gradient(plan: Plan, norm: Norm, totals: Norm | None = None) -> None:
    """Factors of the backward pass, and the gradients of weight, gain and bias; totals: whose sums of the gradient."""
    weighted, affine = norm.weight is not None, norm.gain is not None
    weight, to = norm.weight or 0, norm.weight_gradient
    if norm.gain is not None:
        weight, to = norm.gain, norm.gain + plan.gradients
    sums = [(norm.sums_of(share), (totals or norm).sums_of(share)) for share in range(plan.shares)]
    table = [number for dots, total in sums for number in (dots, total + TOTAL * norm.channels)]
    size = (norm.record, norm.channels, norm.pixels, weight, to, norm.bias + plan.gradients)
    plan.emit("coefficients_gradient", (weighted, affine), *size, plan.shares, *table)


def weight_gradient(plan: Plan, norm: Norm) -> None:
    """The gradient of a weight on values that are not normalised."""
    sums = [norm.sums_of(share) for share in range(plan.shares)]
    plan.emit("weight_gradient", (), norm.channels, norm.weight_gradient, plan.shares, *sums)


def add_shares(plan: Plan) -> None:
    """The gradients of the shares' images are added to those of the first one's."""
    if plan.shares == 1:
        return
    begin = plan.start + plan.gradients
    for share, first, size in plan.pieces(plan.parameters):
        more = [at + first for at in plan.more_gradients]
        plan.emit("add_shares", (8,), begin + first, size, len(more), *more, by=share)


def value_gradient(plan: Plan, g: View, x: View, out: View, norm: Norm, pixels: int, *, add: bool = False) -> None:
    """Batch norm's backward pass for the images at hand."""
    c = norm.channels
    views = (*contiguous(g), *contiguous(x), *contiguous(out))
    plan.emit("value_gradient", (lanes(plan, c), add), *views, norm.record, c, pixels, plan.measured)


@dataclass(frozen=True)
class Placement:
    """How the pixels of an image without margins lie in a view: -1 in a table leaves a row or column out."""

    view: View
    rows: tuple[int, ...]
    columns: tuple[int, ...]


def inside(view: View, height: int, width: int, channel: int = 0) -> Placement:
    """Pixel for pixel, into the view's channels from `channel` on."""
    return Placement(view, tuple(y * view.row for y in range(height)), _columns(view, width, channel))


def _columns(view: View, width: int, channel: int) -> tuple[int, ...]:
    return tuple(x * view.pixel + channel for x in range(width))


def every_second(view: View, height: int, width: int, shift: int) -> Placement:
    """Pixels y = 2 i + shift, x = 2 j + shift at (i, j) of the view."""

    def table(size: int, distance: int) -> tuple[int, ...]:
        return tuple((i - shift) // 2 * distance if (i - shift) % 2 == 0 else -1 for i in range(size))

    return Placement(view, table(height, view.row), table(width, view.pixel))


def split(view: View, height: int, width: int, half: int, margin: int) -> Placement:
    """Rows as they are; column x at padded column c = x + margin: even ones first, odd ones `half` pixels later."""
    columns = tuple(((x + margin) % 2 * half + (x + margin) // 2) * view.pixel for x in range(width))
    return Placement(view, tuple(y * view.row for y in range(height)), columns)


def place(plan: Plan, x: View, to: Placement, channels: int, *, norm: Norm | None = None, relu: bool = True) -> None:
    """Copy the images at hand, through norm and ReLU."""
    constants = (lanes(plan, channels), norm is not None, relu)
    _placed(plan, "place", constants, x, to, channels, norm.record if norm else 0)


def collect(plan: Plan, x: View, to: Placement, channels: int) -> None:
    """x += the placed copy."""
    _placed(plan, "collect", (lanes(plan, channels),), x, to, channels, 0)


def _placed(
    plan: Plan, name: str, constants: tuple[int | bool, ...], x: View, to: Placement, channels: int, record: int
) -> None:
    v = to.view
    arguments = (x.at, x.step, x.image, channels, v.at, v.step, v.image, record, len(to.rows), len(to.columns))
    plan.emit(name, constants, *arguments, *to.rows, *to.columns)


def fill_zero(plan: Plan, view: View) -> None:
    """Zeros in a view without margins."""
    plan.emit("fill_zero", (8,), view.at, view.step, view.image)
