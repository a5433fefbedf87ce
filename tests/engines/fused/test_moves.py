"""Copies between layouts, the sums of their backward passes, and zeros, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.fused.calling import FEW, Memory, assert_equal, blocks, numbers
from tnas_cli.engines.fused import layers, norms
from tnas_cli.engines.fused.plan import View

#: Sides of the images that are moved.
HEIGHT, WIDTH = 6, 7


@dataclass(frozen=True)
class Way:
    """How images [N, HEIGHT, WIDTH, C] lie in another layout [N, rows, columns, C].

    `table` is a plan's description of a view; `pixels` are the copied (row, column, row there, column there).
    """

    rows: int
    columns: int
    table: Callable[[View], layers.Placement]
    pixels: tuple[tuple[int, int, int, int], ...]


def every_second(shift: int) -> Way:
    """Pixel (2 i + shift, 2 j + shift) at (i, j)."""
    pixels = tuple(
        (2 * i + shift, 2 * j + shift, i, j)
        for i in range(4)
        for j in range(4)
        if 0 <= 2 * i + shift < HEIGHT and 0 <= 2 * j + shift < WIDTH
    )
    return Way(4, 4, lambda view: layers.every_second(view, HEIGHT, WIDTH, shift), pixels)


def split(margin: int, half: int) -> Way:
    """Column x becomes padded column x + margin; even ones lie in the first half of a row, odd ones in the second."""
    pixels = tuple(
        (y, x, y, (x + margin) // 2 + (half if (x + margin) % 2 else 0)) for y in range(HEIGHT) for x in range(WIDTH)
    )
    return Way(HEIGHT, 2 * half, lambda view: layers.split(view, HEIGHT, WIDTH, half, margin), pixels)


SAME = tuple((y, x, y, x) for y in range(HEIGHT) for x in range(WIDTH))

WAYS = {
    "pixel for pixel": Way(HEIGHT, WIDTH, lambda view: layers.inside(view, HEIGHT, WIDTH), SAME),
    "even pixels": every_second(0),
    "odd pixels": every_second(1),
    "even pixels behind a margin": every_second(-1),
    "split columns": split(2, 6),
    "split columns behind an odd margin": split(1, 4),
}

#: (lanes, channels, through a norm, through ReLU).
COPIES = [(8, 24, False, False), (8, 8, True, True), (16, 32, False, True), (16, 16, True, False)]


def arguments(x: View, to: layers.Placement, channels: int, record: int = 0) -> list[int]:
    """The arguments of place and collect."""
    view = to.view
    places = (x.at, x.step, x.image, channels, view.at, view.step, view.image, record)
    return [*places, len(to.rows), len(to.columns), *to.rows, *to.columns]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("lanes", "channels", "scaled", "rectified"), COPIES)
def test_place(lanes: int, channels: int, scaled: bool, rectified: bool, way: Way) -> None:
    """Into padded images that hold the current ones; everything else stays unchanged."""
    images, block, margin = 5, 2, 2
    x, scale, shift = numbers(images, HEIGHT, WIDTH, channels), numbers(channels), numbers(channels, seed=1)
    before = numbers(block, way.rows, way.columns, channels, seed=2)
    values = x * scale + shift if scaled else x
    values = np.maximum(values, 0) if rectified else values
    memory = Memory()
    from_ = memory.images(x)
    out = memory.images(before, margin, lent=True, held=True)
    record = memory.reserve(norms.FIELDS * channels)
    for name, numbers_ in ((norms.SCALE, scale), (norms.SHIFT, shift)):
        at = record + name * channels
        memory.numbers[at : at + channels] = numbers_ if scaled else np.nan
    expected = before.copy()
    for first, count in blocks(images, block):
        table = arguments(from_, way.table(out), channels, record)
        memory.call("place", (lanes, scaled, rectified), *table, first=first, count=count)
        for y, x_, row, column in way.pixels:
            expected[:count, row, column] = values[first : first + count, y, x_]
        assert_equal(memory.pixels(out, *before.shape), expected)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("lanes", "channels", "dtype"), [(8, 24, "float64"), (16, 32, "float32")])
def test_collect(lanes: int, channels: int, dtype: str, way: Way) -> None:
    """Added to images that hold the current ones, from a whole batch."""
    images, block = 5, 2
    before = numbers(block, HEIGHT, WIDTH, channels, dtype=dtype)
    g = numbers(images, way.rows, way.columns, channels, seed=1, dtype=dtype)
    memory = Memory(dtype)
    to, from_ = memory.images(before, lent=True, held=True), memory.images(g)
    expected = before.copy()
    for first, count in blocks(images, block):
        table = arguments(to, way.table(from_), channels)
        memory.call("collect", (lanes,), *table, first=first, count=count)
        for y, x, row, column in way.pixels:
            expected[:count, y, x] += g[first : first + count, row, column]
        assert_equal(memory.pixels(to, *before.shape), expected, dtype)


def test_maps_side_by_side() -> None:
    """A cell's input joins maps along their channels."""
    parts = [numbers(3, HEIGHT, WIDTH, channels) for channels in (24, 8)]
    memory = Memory()
    out, channel = memory.images(np.full((3, HEIGHT, WIDTH, 32), np.nan), lent=True), 0
    for part in parts:
        to = layers.inside(out, HEIGHT, WIDTH, channel)
        table = arguments(memory.images(part), to, part.shape[-1])
        memory.call("place", (8, False, False), *table, first=0, count=3)
        channel += part.shape[-1]
    np.testing.assert_array_equal(memory.pixels(out, 3, HEIGHT, WIDTH, 32), np.concatenate(parts, axis=-1))


@FEW
@given(size=st.integers(1, 40), images=st.integers(1, 5), block=st.integers(1, 5), held=st.booleans())
def test_fill_zero(size: int, images: int, block: int, held: bool) -> None:
    """Any size, also below and between whole vectors."""
    block = min(block, images)
    here = block if held else images
    memory = Memory()
    at = memory.lend(numbers(here, size))
    for first, count in blocks(images, block):
        memory.call("fill_zero", (8,), at, 0 if held else size, size, first=first, count=count)
    np.testing.assert_array_equal(memory.read(at, here, size), np.zeros((here, size)))
