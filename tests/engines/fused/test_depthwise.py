"""Depthwise convolutions against torch's with groups: forward, reversed taps, gradients of taps; stride 1 and 2.

With stride 2 the columns of a padded row are split: the even ones first, the odd ones `half` pixels later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.engines.fused.calling import (
    FEW,
    Memory,
    assert_equal,
    blocks,
    numbers,
    numpy_images,
    torch_images,
)
from tnas_cli.engines.fused.depthwise import SPLIT_MARGIN
from tnas_cli.engines.fused.matmul import PIECE
from tnas_cli.engines.fused.plan import Target, View


@dataclass(frozen=True)
class Case:
    """Sizes of one convolution; a block has `block` images."""

    lanes: int
    channels: int
    kernel: int
    dilation: int
    height: int
    width: int
    images: int = 3
    block: int = 2
    dtype: str = "float64"

    @property
    def margin(self) -> int:
        """Pixels around an image that the kernel reads."""
        return self.dilation * (self.kernel // 2)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels} kernel {self.kernel}/{self.dilation} {self.dtype}"


STRIDE_1 = [
    Case(8, 8, 3, 1, 3, 3),
    Case(8, 24, 3, 1, 5, 23, images=2),
    Case(8, 16, 5, 1, 4, 6),
    Case(16, 16, 5, 2, 3, 4, images=4),
    Case(16, 64, 3, 2, 4, 10, images=2, block=1),
    Case(16, 48, 5, 1, 10, 7, images=1),
    Case(16, 32, 3, 1, 8, 4, dtype="float32"),
]

#: More than are read at once: images in groups, and rows of large images in groups.
MANY_PIXELS = [
    Case(8, 16, 5, 1, 7, 7, images=5, block=5),
    Case(8, 16, 3, 1, 13, 14, images=2),
    Case(8, 8, 5, 1, 2, 140),
]
assert all(case.block * case.height * case.width > PIECE for case in MANY_PIXELS)

#: Height and width are those of the larger image.
STRIDE_2 = [
    Case(8, 8, 3, 1, 4, 3),
    Case(8, 24, 5, 1, 5, 6),
    Case(16, 16, 3, 1, 8, 21, images=4),
    Case(16, 64, 5, 1, 10, 10, images=1),
    Case(16, 32, 5, 1, 7, 9, dtype="float32"),
    Case(8, 48, 3, 1, 11, 14, images=2, block=1),
]


def rows(view: View) -> tuple[int, int, int, int]:
    """A view as depthwise kernels take it."""
    return view.at, view.step, view.image, view.row


def as_torch(taps: np.ndarray) -> Tensor:
    """[k, k, C] -> [C, 1, k, k], a leaf that requires a gradient."""
    return torch.tensor(taps.transpose(2, 0, 1)[:, None].copy(), requires_grad=True)


def as_numpy(taps: Tensor | None) -> np.ndarray:
    """[C, 1, k, k] -> [k, k, C]."""
    assert taps is not None
    return taps.numpy()[:, 0].transpose(1, 2, 0).copy()


def convolve(case: Case, x: Tensor, taps: Tensor, stride: int = 1) -> Tensor:
    """Torch's depthwise convolution, padded to keep the size."""
    options = {"stride": stride, "padding": case.margin, "dilation": case.dilation, "groups": case.channels}
    return F.conv2d(x, taps, **options)


def spans(case: Case, width: int) -> list[tuple[int, int, int]]:
    """A row as (first pixel, tile, pixels), as a plan cuts it."""
    return Target(lanes=case.lanes).spans(width)


def tall(case: Case, height: int, tile: int) -> int:
    return Target(lanes=case.lanes).tall_for(height, tile)


# -- stride 1 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", STRIDE_1, ids=str)
@pytest.mark.parametrize("add", [False, True])
def test_forward(case: Case, add: bool) -> None:
    shape = (case.images, case.height, case.width, case.channels)
    x, taps = numbers(*shape, dtype=case.dtype), numbers(case.kernel, case.kernel, case.channels, dtype=case.dtype)
    before = numbers(*shape, seed=1, dtype=case.dtype) if add else np.full(shape, np.nan)
    memory = Memory(case.dtype)
    a, t, o = memory.images(x, case.margin), memory.give(taps), memory.images(before, lent=True)
    from_ = a.moved(-case.margin, -case.margin)
    for first, count in blocks(case.images, case.block):
        for begin, tile, width in spans(case, case.width):
            height = tall(case, case.height, tile)
            constants = (case.lanes, case.channels, case.kernel, case.dilation, height, tile, add)
            values = (*rows(from_.moved(0, begin)), *rows(o.moved(0, begin)), t, case.channels, case.height, width)
            memory.call("depthwise", constants, *values, first=first, count=count)
    expected = numpy_images(convolve(case, torch_images(x), as_torch(taps)))
    assert_equal(memory.pixels(o, *shape), expected + before if add else expected, case.dtype)


@pytest.mark.parametrize("case", STRIDE_1[:4], ids=str)
def test_reversed_taps_give_the_gradient_of_the_image(case: Case) -> None:
    """From a padded gradient that holds the current images; the result is added to the output."""
    shape = (case.images, case.height, case.width, case.channels)
    g, taps, before = numbers(*shape), numbers(case.kernel, case.kernel, case.channels), numbers(*shape, seed=1)
    x = torch_images(np.zeros(shape))
    convolve(case, x, as_torch(taps)).backward(torch_images(g))
    memory = Memory()
    a = memory.images(g[: case.block], case.margin, held=True)
    t, o = memory.give(taps), memory.images(before, lent=True)
    last = t + (case.kernel**2 - 1) * case.channels
    from_ = a.moved(-case.margin, -case.margin)
    for first, count in blocks(case.images, case.block):
        memory.put(a, g[first : first + count])
        for begin, tile, width in spans(case, case.width):
            height = tall(case, case.height, tile)
            constants = (case.lanes, case.channels, case.kernel, case.dilation, height, tile, True)
            places = (*rows(from_.moved(0, begin)), *rows(o.moved(0, begin)))
            values = (*places, last, -case.channels, case.height, width)
            memory.call("depthwise", constants, *values, first=first, count=count)
    assert_equal(memory.pixels(o, *shape), before + numpy_images(x.grad))


@pytest.mark.parametrize("case", [*STRIDE_1, *MANY_PIXELS], ids=str)
@pytest.mark.parametrize("sums_per_tap", [1, 2])
def test_gradient_of_the_taps(case: Case, sums_per_tap: int) -> None:
    """The result is added to the output; the padded gradient holds the current images."""
    shape, taps_shape = (case.images, case.height, case.width, case.channels), (case.kernel, case.kernel, case.channels)
    x, g = numbers(*shape, dtype=case.dtype), numbers(*shape, seed=1, dtype=case.dtype)
    before, taps = numbers(*taps_shape, seed=2, dtype=case.dtype), as_torch(np.zeros(taps_shape))
    convolve(case, torch_images(x), taps).backward(torch_images(g))
    memory = Memory(case.dtype)
    a, w = memory.images(x, case.margin), memory.lend(before)
    o = memory.images(g[: case.block], case.margin, held=True)
    from_ = a.moved(-case.margin, -case.margin)
    for first, count in blocks(case.images, case.block):
        memory.put(o, g[first : first + count])
        for begin, tile, width in spans(case, case.width):
            constants = (case.lanes, case.channels, case.kernel, case.dilation, tile, sums_per_tap)
            values = (*rows(from_.moved(0, begin)), *rows(o.moved(0, begin)), w, case.height, width)
            memory.call("depthwise_taps", constants, *values, first=first, count=count)
    assert_equal(memory.read(w, *taps_shape), before + as_numpy(taps.grad), case.dtype)


@FEW
@given(images=st.integers(1, 4), height=st.integers(1, 6), tiles=st.integers(1, 4), more=st.integers(0, 3))
def test_any_number_of_tiles_in_any_margin(images: int, height: int, tiles: int, more: int) -> None:
    """Margins may be wider than the kernel needs."""
    case = Case(8, 16, 3, 1, height, 4 * tiles, images)
    shape = (images, height, case.width, 16)
    x, taps, g = numbers(*shape), numbers(3, 3, 16), numbers(*shape, seed=1)
    from_, weights = torch_images(x), as_torch(taps)
    y = convolve(case, from_, weights)
    y.backward(torch_images(g))
    memory = Memory()
    a, t = memory.images(x, 1 + more), memory.give(taps)
    o, b, w = memory.images(np.full(shape, np.nan), lent=True), memory.images(g), memory.lend(np.zeros((3, 3, 16)))
    first_pixel = rows(a.moved(-1, -1))
    for first, count in blocks(images, 3):
        values = (*first_pixel, *rows(o), t, 16, height, case.width)
        memory.call("depthwise", (8, 16, 3, 1, 1, 4, False), *values, first=first, count=count)
        values = (*first_pixel, *rows(b), w, height, case.width)
        memory.call("depthwise_taps", (8, 16, 3, 1, 4, 2), *values, first=first, count=count)
    assert_equal(memory.pixels(o, *shape), numpy_images(y))
    assert_equal(memory.read(w, 3, 3, 16), as_numpy(weights.grad))


# -- stride 2 ---------------------------------------------------------------------------------------------------------


def halved(size: int) -> int:
    """Rows or columns of the smaller image."""
    return (size - 1) // 2 + 1


def half_tile(case: Case) -> tuple[int, int]:
    """Pixels of each half of a split row, and a tile that divides them; a row has its margins on both sides."""
    columns = (case.width + 2 * SPLIT_MARGIN + 1) // 2
    parts = -(-columns // 14)
    tile = -(-columns // parts)
    return parts * tile, tile


def split(case: Case, x: np.ndarray) -> np.ndarray:
    """[N, H, W, C] -> [N, SPLIT_MARGIN + H, 2 * half, C]: rows above each image, columns split."""
    half, _ = half_tile(case)
    padded = np.pad(x, ((0, 0), (SPLIT_MARGIN, 0), (SPLIT_MARGIN, 2 * half - case.width - SPLIT_MARGIN), (0, 0)))
    return np.concatenate([padded[:, :, ::2], padded[:, :, 1::2]], axis=2)


def split_view(memory: Memory, case: Case, x: np.ndarray, held: bool) -> View:
    """Images with split columns in memory; below the last one there are rows of zeros too."""
    half, _ = half_tile(case)
    rows_below = np.zeros((SPLIT_MARGIN, 2 * half, case.channels))
    values = np.concatenate([split(case, x).reshape(-1, 2 * half, case.channels), rows_below])
    row = 2 * half * case.channels
    image = (SPLIT_MARGIN + case.height) * row
    return View(memory.give(values) + SPLIT_MARGIN * row, 0 if held else image, image, row, case.channels)


@pytest.mark.parametrize("case", STRIDE_2, ids=str)
def test_halving_forward(case: Case) -> None:
    small = (case.images, halved(case.height), halved(case.width), case.channels)
    x = numbers(case.images, case.height, case.width, case.channels, dtype=case.dtype)
    taps = numbers(case.kernel, case.kernel, case.channels, dtype=case.dtype)
    memory = Memory(case.dtype)
    a, t = split_view(memory, case, x, held=False), memory.give(taps)
    o = memory.images(np.full(small, np.nan), lent=True)
    half, _ = half_tile(case)
    from_ = a.moved(-(case.kernel // 2), 0)
    for first, count in blocks(case.images, case.block):
        for begin, tile, width in spans(case, small[2]):
            constants = (case.lanes, case.channels, case.kernel, tall(case, small[1], tile), tile)
            values = (*rows(from_.moved(0, begin)), *rows(o.moved(0, begin)), t, small[1], width, half)
            memory.call("depthwise_halving", constants, *values, first=first, count=count)
    expected = numpy_images(convolve(case, torch_images(x), as_torch(taps), 2))
    assert_equal(memory.pixels(o, *small), expected, case.dtype)


@pytest.mark.parametrize("case", STRIDE_2, ids=str)
def test_halving_gradient_of_the_taps(case: Case) -> None:
    """The result is added to the output, with all images in memory."""
    small, taps_shape = (halved(case.height), halved(case.width)), (case.kernel, case.kernel, case.channels)
    x = numbers(case.images, case.height, case.width, case.channels, dtype=case.dtype)
    g = numbers(case.images, *small, case.channels, seed=1, dtype=case.dtype)
    before, taps = numbers(*taps_shape, seed=2, dtype=case.dtype), as_torch(np.zeros(taps_shape))
    convolve(case, torch_images(x), taps, 2).backward(torch_images(g))
    memory = Memory(case.dtype)
    a, w, o = split_view(memory, case, x, held=False), memory.lend(before), memory.images(g, 1)
    half, _ = half_tile(case)
    from_ = a.moved(-(case.kernel // 2), 0)
    for first, count in blocks(case.images, case.block):
        for begin, tile, width in spans(case, small[1]):
            constants = (case.lanes, case.channels, case.kernel, tile)
            values = (*rows(from_.moved(0, begin)), *rows(o.moved(0, begin)), w, small[0], width, half)
            memory.call("depthwise_halving_taps", constants, *values, first=first, count=count)
    assert_equal(memory.read(w, *taps_shape), before + as_numpy(taps.grad), case.dtype)


def padded_gradient(memory: Memory, case: Case, g: np.ndarray) -> View:
    """Zeros: a row above and below each image, two columns on the left, and on the right up to column `half`."""
    half, _ = half_tile(case)
    right = half - g.shape[2]
    values = np.pad(g, ((0, 0), (1, 0), (2, right), (0, 0)))
    row = (2 + half) * case.channels
    image = (1 + g.shape[1]) * row
    at = memory.give(np.concatenate([values.ravel(), np.zeros(row)]))
    return View(at + row + 2 * case.channels, 0, image, row, case.channels)


@pytest.mark.parametrize("case", STRIDE_2, ids=str)
def test_halving_gradient_of_the_image(case: Case) -> None:
    """Split columns, including those of the margins; the result is added to the output."""
    half, tile = half_tile(case)
    count, height = case.block, case.height
    g = numbers(count, halved(height), halved(case.width), case.channels, seed=1, dtype=case.dtype)
    taps = numbers(case.kernel, case.kernel, case.channels, dtype=case.dtype)
    # Torch's input includes the margins' columns; those to the right of what the kernel reads get no gradient.
    x = torch_images(np.zeros((count, height, 2 * half, case.channels)))
    shift = SPLIT_MARGIN - case.kernel // 2
    options = {"stride": 2, "padding": (case.kernel // 2, 0), "groups": case.channels}
    y = F.conv2d(x[..., shift:], as_torch(taps), **options)
    y[..., : g.shape[2]].backward(torch_images(g))
    expected = numpy_images(x.grad)
    expected = np.concatenate([expected[:, :, ::2], expected[:, :, 1::2]], axis=2)

    before = numbers(*expected.shape, seed=2, dtype=case.dtype)
    memory = Memory(case.dtype)
    a, t, at = padded_gradient(memory, case, g), memory.give(taps), memory.lend(before)
    row = 2 * half * case.channels
    constants = (case.lanes, case.channels, case.kernel, tile)
    values = (*rows(a), at, 0, height * row, row, t, height, half)
    memory.call("depthwise_halving_image", constants, *values, first=5, count=count)
    assert_equal(memory.read(at, *before.shape), before + expected, case.dtype)
