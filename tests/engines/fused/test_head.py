"""Average, classifier, cross-entropy, softmax and their gradients against torch's autograd; the gradient step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.engines.fused.calling import FEW, Memory, assert_equal, blocks, numbers

DTYPES = ["float64", "float32"]


def leaf(values: np.ndarray) -> Tensor:
    return torch.tensor(values, requires_grad=True)


def gradient(tensor: Tensor) -> np.ndarray:
    assert tensor.grad is not None
    return tensor.grad.numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("lanes", "channels"), [(8, 24), (16, 32)])
@pytest.mark.parametrize(("images", "pixels", "block"), [(1, 1, 1), (5, 9, 2), (4, 6, 4)])
def test_average(images: int, pixels: int, block: int, lanes: int, channels: int, dtype: str) -> None:
    """The means of one map are a part of its image's row of features."""
    x, length = numbers(images, pixels, channels, dtype=dtype), channels + 40
    memory = Memory(dtype)
    at, out = memory.give(x), memory.give(np.full((images, length), np.nan))
    memory.writable[out : out + images * length].reshape(images, length)[:, 8 : 8 + channels] = True
    for first, count in blocks(images, block):
        values = (at, pixels * channels, channels, pixels, out + 8, length)
        memory.call("average", (lanes,), *values, first=first, count=count)
    found = memory.read(out, images, length)
    assert_equal(found[:, 8 : 8 + channels], x.mean(1), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("lanes", "channels"), [(8, 24), (16, 32)])
@pytest.mark.parametrize(("images", "pixels", "block"), [(1, 1, 1), (5, 9, 2), (4, 6, 4)])
def test_average_gradient(images: int, pixels: int, block: int, lanes: int, channels: int, dtype: str) -> None:
    g, length = numbers(images, channels + 40, dtype=dtype), channels + 40
    x = leaf(np.zeros((images, pixels, channels)))
    x.mean(1).backward(torch.tensor(g[:, 8 : 8 + channels]))
    memory = Memory(dtype)
    out, at = memory.lend_empty(images, pixels, channels), memory.give(g)
    for first, count in blocks(images, block):
        values = (out, pixels * channels, channels, pixels, at + 8, length)
        memory.call("average_gradient", (lanes,), *values, first=first, count=count)
    assert_equal(memory.read(out, images, pixels, channels), gradient(x), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("images", "length", "way"), [(1, 1, 2), (5, 48, 5), (7, 33, 20)])
def test_classifier(images: int, length: int, way: int, dtype: str) -> None:
    """The gradients of weight and bias are added; those of the features are overwritten."""
    x, weight = numbers(images, length, dtype=dtype), numbers(way, length, seed=1, dtype=dtype)
    bias, g = numbers(way, seed=2, dtype=dtype), numbers(images, way, seed=3, dtype=dtype)
    before = numbers(way, length + 1, seed=4, dtype=dtype)
    leaves = leaf(x), leaf(weight), leaf(bias)
    y = F.linear(*leaves)
    y.backward(torch.tensor(g))

    memory = Memory(dtype)
    places = memory.give(x), length, memory.give(weight)
    out = memory.lend_empty(images, way)
    memory.call("classifier", (), *places, memory.give(bias), out, way, images)
    assert_equal(memory.read(out, images, way), y.detach().numpy(), dtype)

    to = memory.lend(before[:, 1:]), memory.lend(before[:, 0])
    features = memory.lend_empty(images, length)
    memory.call("classifier_gradient", (), *places, *to, memory.give(g), way, images, features)
    assert_equal(memory.read(features, images, length), gradient(leaves[0]), dtype)
    assert_equal(memory.read(to[0], way, length), before[:, 1:] + gradient(leaves[1]), dtype)
    assert_equal(memory.read(to[1], way), before[:, 0] + gradient(leaves[2]), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 3000.0])
@pytest.mark.parametrize(("images", "way"), [(1, 2), (5, 5), (12, 20)])
def test_cross_entropy(images: int, way: int, scale: float, dtype: str) -> None:
    """Large logits do not overflow."""
    logits = (scale * numbers(images, way)).astype(dtype).astype("float64")
    labels = np.random.default_rng(images).integers(0, way, images)
    from_ = leaf(logits)
    loss = F.cross_entropy(from_, torch.tensor(labels))
    loss.backward()
    memory = Memory(dtype)
    places = memory.give(logits), memory.give(labels)
    out, loss_at = memory.lend_empty(images, way), memory.lend_empty(1)
    memory.call("cross_entropy", (), *places, out, loss_at, way, images)
    assert_equal(memory.read(loss_at, 1), loss.detach().numpy().reshape(1), dtype)
    assert_equal(memory.read(out, images, way), gradient(from_), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "columns", "scale"), [(1, 8, 1.0), (28, 8, 1.0), (4, 3, 500.0)])
def test_softmax(rows: int, columns: int, scale: float, dtype: str) -> None:
    """Theta's gradient is added to the output."""
    theta = (scale * numbers(rows, columns)).astype(dtype).astype("float64")
    g, before = numbers(rows, columns, seed=1, dtype=dtype), numbers(rows, columns, seed=2, dtype=dtype)
    from_ = leaf(theta)
    p = torch.softmax(from_, -1)
    p.backward(torch.tensor(g))

    memory = Memory(dtype)
    out = memory.lend_empty(rows, columns)
    memory.call("softmax", (), memory.give(theta), out, rows, columns)
    found = memory.read(out, rows, columns)
    assert_equal(found, p.detach().numpy(), dtype)

    memory = Memory(dtype)
    to = memory.lend(before)
    memory.call("softmax_gradient", (), memory.give(p.detach().numpy()), memory.give(g), to, rows, columns)
    assert_equal(memory.read(to, rows, columns), before + gradient(from_), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@FEW
@given(vectors=st.integers(0, 9))
def test_descend(vectors: int, dtype: str) -> None:
    """As a step of torch's own optimiser; the gradient is zero afterwards. Without parameters nothing happens."""
    size = 8 * vectors
    values, g = numbers(size, dtype=dtype), numbers(size, seed=1, dtype=dtype)
    rate = float(np.array(0.3, dtype))
    parameter = torch.nn.Parameter(torch.tensor(values))
    parameter.grad = torch.tensor(g)
    torch.optim.SGD([parameter], lr=rate).step()
    memory = Memory(dtype)
    places = memory.lend(values), memory.lend(g)
    memory.call("descend", (8,), *places, size, memory.give([rate]))
    assert_equal(np.append(memory.read(places[0], size), 1), np.append(parameter.detach().numpy(), 1), dtype)
    np.testing.assert_array_equal(memory.read(places[1], size), np.zeros(size))


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_add_shares(shares: int) -> None:
    values, parts = numbers(24), numbers(shares, 24, seed=1)
    memory = Memory()
    at, places = memory.lend(values), [memory.lend(part) for part in parts]
    memory.call("add_shares", (8,), at, 24, shares, *places)
    assert_equal(memory.read(at, 24), values + parts.sum(0))
    assert all(not memory.read(place, 24).any() for place in places)
