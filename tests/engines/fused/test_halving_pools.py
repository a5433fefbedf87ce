"""Batch norm, 2 x 2 maximum and ReLU in one pass against torch: forward, the sums of the gradient, the gradient.

Scales are positive, negative and zero; there are ties; sides are odd and even. A comparison would hide a NaN, so
everything also runs between guards of infinity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.fused.calling import (
    FEW,
    Memory,
    assert_equal,
    blocks,
    numbers,
    numpy_images,
    shared_blocks,
    torch_images,
    whole_numbers,
)
from tnas_cli.engines.fused import norms
from tnas_cli.engines.fused.plan import View

KINDS = [(8, 24, True), (8, 24, False), (16, 32, True), (16, 32, False)]


@dataclass(frozen=True)
class Example:
    """Values before the norm [N, H, W, C], its scale and shift, the gradient of the result [N, H // 2, W // 2, C]."""

    x: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    g: np.ndarray
    rectified: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    @property
    def small(self) -> tuple[int, ...]:
        return self.g.shape

    def expected(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The result, g behind ReLU, and the gradient of scale * x + shift."""
        normed = torch_images(self.x * self.scale + self.shift)
        largest = F.max_pool2d(normed, 2)
        largest.retain_grad()
        y = torch.relu(largest) if self.rectified else largest
        y.backward(torch_images(self.g))
        return numpy_images(y), numpy_images(largest.grad), numpy_images(normed.grad)


def example(images: int, height: int, width: int, channels: int, rectified: bool, dtype: str = "float64") -> Example:
    """Few different values, so that maxima occur twice and are sometimes 0; some scales are 0."""
    scale = whole_numbers(channels) / 2
    shift = whole_numbers(channels, seed=1) / 2
    g = numbers(images, height // 2, width // 2, channels, dtype=dtype)
    return Example(whole_numbers(images, height, width, channels), scale, shift, g, rectified)


def lend_record(memory: Memory, channels: int, fields: dict[int, np.ndarray], written: tuple[int, ...] = ()) -> int:
    """A norm's record with some fields; those in `written` may be written."""
    at = memory.reserve(norms.FIELDS * channels)
    for name, values in fields.items():
        memory.numbers[at + name * channels : at + (name + 1) * channels] = values
    for name in written:
        memory.writable[at + name * channels : at + (name + 1) * channels] = True
    return at


def common(e: Example, x: View, record: int, other: View, row: int) -> tuple[int, ...]:
    """The arguments that all three kernels begin with."""
    _, height, width, channels = e.shape
    sizes = (width, height // 2, width // 2)
    return (x.at, x.image, channels, record, other.at, other.step, other.image, row, *sizes)


def check_forward(e: Example, lanes: int, block: int, margin: int, guard: float, dtype: str) -> None:
    channels = e.shape[-1]
    memory = Memory(dtype, guard)
    x, o = memory.images(e.x), memory.images(np.full(e.small, np.nan), margin, lent=True)
    record = lend_record(memory, channels, {norms.SCALE: e.scale, norms.SHIFT: e.shift})
    for first, count in blocks(e.shape[0], block):
        values = common(e, x, record, o, o.row)
        memory.call("halving_pool", (lanes, e.rectified), *values, first=first, count=count)
    assert_equal(memory.pixels(o, *e.small), e.expected()[0], dtype)


def check_sums(e: Example, lanes: int, block: int, guard: float, dtype: str) -> None:
    channels = e.shape[-1]
    reference = numbers(channels, seed=5, dtype=dtype)
    _, masked, gradient = e.expected()
    memory = Memory(dtype, guard)
    x, g = memory.images(e.x), memory.images(e.g, lent=e.rectified)
    fields = {norms.SCALE: e.scale, norms.SHIFT: e.shift, norms.REFERENCE: reference}
    record, images = lend_record(memory, channels, fields), e.shape[0]
    cut = -(-images // 2)
    records = [lend_record(memory, channels, {}, (norms.DOT, norms.TOTAL)) for _ in range(1 + (cut < images))]
    for share, begin, first, count in shared_blocks(images, cut, block):
        values = (*common(e, x, record, g, 0), records[share], begin, g.at)
        memory.call("halving_pool_sums", (lanes, e.rectified), *values, first=first, count=count)
    np.testing.assert_array_equal(memory.pixels(g, *e.small), masked)
    for own, share in zip(records, (slice(0, cut), slice(cut, images)), strict=False):
        dot = (gradient * (e.x - reference))[share].sum((0, 1, 2))
        assert_equal(memory.read(own + norms.DOT * channels, channels), dot, dtype)
        assert_equal(memory.read(own + norms.TOTAL * channels, channels), masked[share].sum((0, 1, 2)), dtype)


def check_gradient(e: Example, lanes: int, block: int, margin: int, guard: float, dtype: str, measured: int) -> None:
    """Every pixel gets its part, even in an odd row or column that the pool leaves out; images from `measured` on gave
    no moments, and their gradient is that of a scale alone."""
    images, height, width, channels = e.shape
    of_gradient, of_value, constant = factors = numbers(3, channels, seed=6, dtype=dtype)
    _, masked, gradient = e.expected()
    through_moments = of_value * e.x + constant
    through_moments[measured:] = 0
    expected = of_gradient * gradient + through_moments
    memory = Memory(dtype, guard)
    x, g = memory.images(e.x), memory.images(masked)
    o = memory.images(np.full((block, height, width, channels), np.nan), margin, lent=True, held=True)
    fields = dict(zip((norms.OF_GRADIENT, norms.OF_VALUE, norms.CONSTANT), factors, strict=True))
    record = lend_record(memory, channels, fields | {norms.SCALE: e.scale, norms.SHIFT: e.shift})
    for first, count in blocks(images, block):
        values = (*common(e, x, record, g, 0), height, o.at, o.image, o.row, measured)
        memory.call("halving_pool_gradient", (lanes,), *values, first=first, count=count)
        found = memory.pixels(o, count, height, width, channels)
        assert_equal(found, expected[first : first + count], dtype)


def check(e: Example, lanes: int, block: int, margin: int, dtype: str = "float64") -> None:
    """All three kernels, block by block."""
    for guard in (np.nan, np.inf):
        check_forward(e, lanes, block, margin, guard, dtype)
        check_sums(e, lanes, block, guard, dtype)
        for measured in {1, len(e.x)}:
            check_gradient(e, lanes, block, margin, guard, dtype, measured)


@pytest.mark.parametrize(("lanes", "channels", "rectified"), KINDS)
@FEW
@given(
    images=st.integers(1, 4),
    height=st.integers(3, 9),
    width=st.integers(3, 23),
    block=st.integers(1, 4),
    margin=st.integers(0, 2),
)
def test_halving_pool(
    lanes: int, channels: int, rectified: bool, images: int, height: int, width: int, block: int, margin: int
) -> None:
    e = example(images, height, width, channels, rectified)
    block = min(block, images)
    check(e, lanes, block, margin)


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 7)])
def test_halving_pool_in_single_precision(height: int, width: int, rectified: bool) -> None:
    e = example(3, height, width, 16, rectified, "float32")
    check(e, 16, 2, 1, "float32")


def test_examples_hold_what_they_are_meant_to() -> None:
    e = example(2, 6, 6, 24, True)
    normed = e.x * e.scale + e.shift
    windows = normed.reshape(2, 3, 2, 3, 2, 24).transpose(0, 1, 3, 5, 2, 4).reshape(2, 3, 3, 24, 4)
    largest = windows.max(-1, keepdims=True)
    assert ((windows == largest).sum(-1) > 1).any()
    assert (largest == 0).any()
    assert (e.scale < 0).any()
    assert (e.scale == 0).any()


def test_a_negative_scale_takes_the_smallest_value() -> None:
    x = torch.arange(16.0, dtype=torch.float64).reshape(1, 4, 4, 1).expand(1, 4, 4, 8).numpy()
    memory = Memory()
    a, o = memory.images(x), memory.images(np.full((1, 2, 2, 8), np.nan), lent=True)
    record = lend_record(memory, 8, {norms.SCALE: np.full(8, -2.0), norms.SHIFT: np.full(8, 1.0)})
    e = Example(x, np.zeros(8), np.zeros(8), np.zeros((1, 2, 2, 8)), False)
    memory.call("halving_pool", (8, False), *common(e, a, record, o, o.row))
    np.testing.assert_array_equal(memory.pixels(o, 1, 2, 2, 8)[0, :, :, 0], [[1, -3], [-15, -19]])
