"""Products over pixels against torch's convolutions: forward, both gradients, and transposed weights."""

from __future__ import annotations

from collections.abc import Sequence

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
from tnas_cli.engines.fused.matmul import PIECE
from tnas_cli.engines.fused.plan import View

#: (lanes, vectors, tile) of products, with a matching depth and width.
PRODUCTS = [
    ((8, 1, 7), 8, 16),
    ((16, 1, 14), 24, 48),
    ((16, 2, 5), 5, 64),
    ((8, 2, 6), 16, 32),
    ((8, 3, 4), 16, 24),
]

#: The same for the weights' gradients; the tile divides the depth.
WEIGHTS = [
    ((8, 1, 9), 9, 24),
    ((16, 3, 8), 16, 48),
    ((8, 3, 4), 8, 24),
    ((8, 2, 6), 24, 16),
    ((16, 1, 12), 24, 32),
]


def steps(view: View) -> tuple[int, int, int, int, int]:
    """A view as matrix products take it."""
    return view.at, view.step, view.image, view.row, view.pixel


def three_by_three(view: View, sign: int = 1) -> list[int]:
    """Where the nine shifted images begin; sign -1: for the gradient of the image."""
    return [sign * ((i - 1) * view.row + (j - 1) * view.pixel) for i in range(3) for j in range(3)]


def as_torch(weights: np.ndarray) -> Tensor:
    """[segments, K, N] -> [N, K, 3, 3] or [N, K, 1, 1], a leaf that requires a gradient."""
    side = 3 if len(weights) == 9 else 1
    kernels = weights.transpose(2, 1, 0).reshape(weights.shape[2], weights.shape[1], side, side)
    return torch.tensor(kernels.copy(), requires_grad=True)


def as_numpy(weights: Tensor | None) -> np.ndarray:
    """[N, K, k, k] -> [k * k, K, N]."""
    assert weights is not None
    return weights.numpy().reshape(*weights.shape[:2], -1).transpose(2, 1, 0).copy()


def product(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The convolution of x [N, H, W, K] by torch."""
    return numpy_images(F.conv2d(torch_images(x), as_torch(weights), padding=len(weights) // 9))


def arguments(
    a: View,
    o: View,
    weights: int,
    weights_shape: Sequence[int],
    size: Sequence[int],
    flat: bool,
    segments: Sequence[int],
) -> list[int]:
    """The arguments of matmul and matmul_weights; weights_shape: (K, N), size: (rows, pixels of a row)."""
    rows, width = (1, size[0] * size[1]) if flat else size
    return [*steps(a), *steps(o), weights, *weights_shape, rows, width, flat, len(segments), *segments]


@pytest.mark.parametrize(("constants", "depth", "width_n"), PRODUCTS)
@FEW
@given(images=st.integers(1, 4), height=st.integers(1, 7), width=st.integers(1, 9), data=st.data())
def test_pointwise_over_all_pixels_at_once(
    constants: tuple[int, int, int], depth: int, width_n: int, images: int, height: int, width: int, data: st.DataObject
) -> None:
    block = data.draw(st.integers(1, images))
    x, weights = numbers(images, height, width, depth), numbers(1, depth, width_n, seed=1)
    memory = Memory()
    a, b = memory.images(x), memory.give(weights)
    o = memory.images(np.full((images, height, width, width_n), np.nan), lent=True)
    for first, count in blocks(images, block):
        memory.call(
            "matmul",
            constants,
            *arguments(a, o, b, (depth, width_n), (height, width), True, [0]),
            first=first,
            count=count,
        )
    assert_equal(memory.pixels(o, images, height, width, width_n), product(x, weights))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("side", [3, 7, 12, 23])
def test_three_by_three(side: int, dtype: str) -> None:
    """Rows of padded images, into images without margins, block by block; the last tile of a row overlaps."""
    x, weights = numbers(3, side, side + 1, 8, dtype=dtype), numbers(9, 8, 16, seed=1, dtype=dtype)
    memory = Memory(dtype)
    a, b = memory.images(x, 1), memory.give(weights)
    o = memory.images(np.full((3, side, side + 1, 16), np.nan), lent=True)
    for first, count in blocks(3, 2):
        values = arguments(a, o, b, (8, 16), (side, side + 1), False, three_by_three(a))
        memory.call("matmul", (8, 1, 7), *values, first=first, count=count)
    assert_equal(memory.pixels(o, 3, side, side + 1, 16), product(x, weights), dtype)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(3, 3), (8, 11)])
def test_three_by_three_of_few_channels(height: int, width: int, channels: int) -> None:
    """Three pixels of a row are taken for one: forward, and the gradient of the weights, which is added."""
    x, g = numbers(2, height, width, channels), numbers(2, height, width, 24, seed=1)
    weights, before = numbers(9, channels, 24, seed=2), numbers(9, channels, 24, seed=3)
    leaf = as_torch(weights)
    y = F.conv2d(torch_images(x), leaf, padding=1)
    y.backward(torch_images(g))
    memory = Memory()
    a, b, w = memory.images(x, 1), memory.give(weights), memory.lend(before)
    given, o = memory.images(g), memory.images(np.full(g.shape, np.nan), lent=True)
    shape, shifts = (3 * channels, 24), [(i - 1) * a.row - a.pixel for i in range(3)]
    memory.call("matmul", (8, 3, 3), *arguments(a, o, b, shape, (height, width), False, shifts), count=2)
    assert_equal(memory.pixels(o, *g.shape), numpy_images(y))
    constants = (8, 3, 3)
    memory.call("matmul_weights", constants, *arguments(a, given, w, shape, (height, width), False, shifts), count=2)
    assert_equal(memory.read(w, 9, channels, 24), before + as_numpy(leaf.grad))


@pytest.mark.parametrize("margin", [1, 2, 4])
def test_rows_into_padded_images(margin: int) -> None:
    """A step of 0 for the result: it holds only the current images, and its margins stay zero."""
    x, weights = numbers(5, 6, 9, 8), numbers(1, 8, 16, seed=1)
    memory = Memory()
    a, b = memory.images(x), memory.give(weights)
    o = memory.images(np.full((2, 6, 9, 16), np.nan), margin, lent=True, held=True)
    expected = product(x, weights)
    for first, count in blocks(5, 2):
        values = arguments(a, o, b, (8, 16), (6, 9), False, [0])
        memory.call("matmul", (8, 1, 7), *values, first=first, count=count)
        assert_equal(memory.pixels(o, count, 6, 9, 16), expected[first : first + count])


def test_half_of_the_channels_of_a_wider_image() -> None:
    """The two halves of a halving skip connection are side by side."""
    x, weights = numbers(2, 5, 5, 16), numbers(2, 16, 8, seed=1)
    memory = Memory()
    a, b = memory.images(x), memory.give(weights)
    o = memory.images(np.full((2, 5, 5, 16), np.nan), lent=True)
    for half in range(2):
        to = View(o.at + 8 * half, o.step, o.image, o.row, o.pixel)
        values = arguments(a, to, b + half * 16 * 8, (16, 8), (5, 5), True, [0])
        memory.call("matmul", (8, 1, 7), *values, count=2)
    expected = np.concatenate([product(x, weights[half : half + 1]) for half in range(2)], axis=-1)
    assert_equal(memory.pixels(o, 2, 5, 5, 16), expected)


@pytest.mark.parametrize("segments", [1, 9])
@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 6), (7, 5)])
def test_gradient_of_the_image(height: int, width: int, segments: int) -> None:
    """The product of a padded gradient and transposed weights, shifted the other way."""
    x, weights, g = numbers(2, height, width, 8), numbers(segments, 8, 16, seed=1), numbers(2, height, width, 16)
    from_ = torch_images(x)
    F.conv2d(from_, as_torch(weights), padding=segments // 9).backward(torch_images(g))
    memory = Memory()
    a, b = memory.images(g, 1, held=True), memory.give(weights.transpose(0, 2, 1))
    o = memory.images(np.full(x.shape, np.nan), lent=True)
    shifts = three_by_three(a, -1) if segments == 9 else [0]
    memory.call("matmul", (8, 1, 7), *arguments(a, o, b, (16, 8), (height, width), False, shifts), count=2)
    assert_equal(memory.pixels(o, *x.shape), numpy_images(from_.grad))


@pytest.mark.parametrize(("constants", "depth", "width_n"), WEIGHTS)
@FEW
@given(images=st.integers(1, 12), height=st.integers(1, 7), width=st.integers(1, 9), data=st.data())
def test_gradient_of_pointwise_weights(
    constants: tuple[int, int, int], depth: int, width_n: int, images: int, height: int, width: int, data: st.DataObject
) -> None:
    """The result is added to the output, block by block."""
    block = data.draw(st.integers(1, images))
    x, g = numbers(images, height, width, depth), numbers(images, height, width, width_n, seed=1)
    before, weights = numbers(1, depth, width_n, seed=2), as_torch(np.zeros((1, depth, width_n)))
    F.conv2d(torch_images(x), weights).backward(torch_images(g))
    memory = Memory()
    a, o, w = memory.images(x), memory.images(g), memory.lend(before)
    for first, count in blocks(images, block):
        values = arguments(a, o, w, (depth, width_n), (height, width), True, [0])
        memory.call("matmul_weights", constants, *values, first=first, count=count)
    assert_equal(memory.read(w, 1, depth, width_n), before + as_numpy(weights.grad))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("images", "height", "width"), [(1, 3, 3), (2, 4, 7), (3, 11, 5), (2, 30, 11), (1, 3, PIECE + 2)]
)
def test_gradient_of_three_by_three_weights(images: int, height: int, width: int, dtype: str) -> None:
    """x holds the whole batch, the padded gradient only the current images."""
    shape = (images, height, width)
    x, g = numbers(*shape, 8, dtype=dtype), numbers(*shape, 16, seed=1, dtype=dtype)
    before, weights = numbers(9, 8, 16, seed=2, dtype=dtype), as_torch(np.zeros((9, 8, 16)))
    F.conv2d(torch_images(x), weights, padding=1).backward(torch_images(g))
    memory = Memory(dtype)
    a, o = memory.images(x, 1), memory.images(g[:1], 1, held=True)
    w = memory.lend(before)
    for image in range(images):
        memory.put(o, g[image : image + 1])
        values = arguments(a, o, w, (8, 16), (height, width), False, three_by_three(a))
        memory.call("matmul_weights", (16, 1, 8), *values, first=image)
    assert_equal(memory.read(w, 9, 8, 16), before + as_numpy(weights.grad), dtype)


@pytest.mark.parametrize("order", [[0], [2, 0, 1], list(range(9)), list(range(8, -1, -1))])
def test_transpose(order: list[int]) -> None:
    weights = numbers(len(order), 5, 8)
    memory = Memory()
    b, out = memory.give(weights), memory.lend_empty(len(order), 8, 5)
    memory.call("transpose", (), b, out, 5, 8, len(order), *order)
    np.testing.assert_array_equal(memory.read(out, len(order), 8, 5), weights[order].transpose(0, 2, 1))
