"""3 x 3 pools with padding 1 against torch's, forward and backward, for stride 1 and 2, ties and negative values.

Comparisons do not notice a NaN, so everything also runs between guards of infinity: a pixel from a guard would win.
"""

from __future__ import annotations

import numpy as np
import pytest
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
    whole_numbers,
)
from tnas_cli.engines.fused.plan import View

#: (lanes, channels, maximum).
KINDS = [(8, 24, True), (8, 24, False), (16, 32, True), (16, 32, False)]


def pooled(x: Tensor, maximum: bool, stride: int) -> Tensor:
    """Torch's pool of x [N, C, H, W]."""
    if maximum:
        return F.max_pool2d(x, 3, stride, 1)
    return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


def arguments(x: View, out: View, channels: int, height: int, width: int, stride: int) -> tuple[int, ...]:
    """The arguments that both kernels begin with."""
    small = ((height - 1) // stride + 1, (width - 1) // stride + 1)
    return (x.at, x.image, channels, out.at, out.image, height, width, *small, stride)


def run(lanes: int, maximum: bool, x: np.ndarray, stride: int, block: int, dtype: str = "float64") -> None:
    """Pool x [N, H, W, C] block by block, forward and backward, and compare."""
    images, height, width, channels = x.shape
    small = (images, (height - 1) // stride + 1, (width - 1) // stride + 1, channels)
    g, before = numbers(*small, dtype=dtype), numbers(*x.shape, seed=1, dtype=dtype)
    from_ = torch_images(x)
    y = pooled(from_, maximum, stride)
    y.backward(torch_images(g))

    for guard in (np.nan, np.inf):
        memory = Memory(dtype, guard)
        a, o = memory.images(x), memory.images(np.full(small, np.nan), lent=True)
        for first, count in blocks(images, block):
            values = arguments(a, o, channels, height, width, stride)
            memory.call("pool", (lanes, maximum), *values, first=first, count=count)
        result = memory.pixels(o, *small)
        assert_equal(result, numpy_images(y), dtype)

        memory = Memory(dtype, guard)
        a, o, to = memory.images(x), memory.images(result), memory.images(before, lent=True)
        at_hand = memory.images(g[:block])
        for first, count in blocks(images, block):
            memory.put(at_hand, g[first : first + count])
            values = (*arguments(a, o, channels, height, width, stride), at_hand.at, to.at)
            memory.call("pool_gradient", (lanes, maximum), *values, first=first, count=count)
        assert_equal(memory.pixels(to, *x.shape), before + numpy_images(from_.grad), dtype)


@pytest.mark.parametrize(("lanes", "channels", "maximum"), KINDS)
@FEW
@given(
    images=st.integers(1, 4),
    height=st.integers(3, 12),
    width=st.integers(3, 23),
    stride=st.integers(1, 2),
    block=st.integers(1, 4),
    tied=st.booleans(),
)
def test_pool(
    lanes: int, channels: int, maximum: bool, images: int, height: int, width: int, stride: int, block: int, tied: bool
) -> None:
    """With ties, the maximum that comes first gets the gradient."""
    values = whole_numbers if tied else numbers
    run(lanes, maximum, values(images, height, width, channels), stride, min(block, images))


@pytest.mark.parametrize("maximum", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [3, 4, 5])
def test_negative_values_lose_against_no_padding(side: int, stride: int, maximum: bool) -> None:
    run(8, maximum, -1 - np.abs(numbers(2, side, side, 8)), stride, 1)


@pytest.mark.parametrize("maximum", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_pool_in_single_precision(stride: int, maximum: bool) -> None:
    run(16, maximum, numbers(2, 6, 7, 48, dtype="float32"), stride, 2, "float32")
