"""Batch norm in its pieces against the formulas and torch's autograd: sums, scales, gradients, and ReLU behind a norm.

A record holds FIELDS x channels numbers; each test fills the fields that a kernel reads and checks those it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.engines.fused.calling import FEW, Memory, assert_equal, blocks, numbers, shared_blocks
from tnas_cli.engines.fused import norms

EPSILON = 1e-5


def lend_record(memory: Memory, channels: int, fields: Mapping[int, np.ndarray], written: tuple[int, ...]) -> int:
    """A norm's record with some fields; those in `written` may be written, all others are guards."""
    at = memory.reserve(norms.FIELDS * channels)
    for field, values in fields.items():
        memory.numbers[at + field * channels : at + (field + 1) * channels] = values
    for field in written:
        memory.writable[at + field * channels : at + (field + 1) * channels] = True
    return at


def field(memory: Memory, record: int, name: int, channels: int) -> np.ndarray:
    """The values of a field of a record."""
    return memory.read(record + name * channels, channels)


def sums(x: np.ndarray, reference: np.ndarray | None = None) -> dict[int, np.ndarray]:
    """REFERENCE, SUM and SQUARES of x [pixels, C]; the reference is its first pixel, if not given."""
    reference = x[0] if reference is None else reference
    apart = x - reference
    return {norms.REFERENCE: reference, norms.SUM: apart.sum(0), norms.SQUARES: (apart**2).sum(0)}


# -- statistics -------------------------------------------------------------------------------------------------------


@FEW
@given(lanes=st.sampled_from([8, 16]), groups=st.integers(1, 3), images=st.integers(1, 5), data=st.data())
def test_statistics(lanes: int, groups: int, images: int, data: st.DataObject) -> None:
    """Of all images, or of the first ones alone; of two shares of them, the second perhaps without any that count."""
    pixels, block = data.draw(st.integers(1, 9)), data.draw(st.integers(1, images))
    channels, measured = lanes * groups, data.draw(st.integers(1, images))
    cut = data.draw(st.integers(1, images))
    x = numbers(images, pixels, channels)
    memory = Memory()
    at = memory.give(x)
    written = (norms.REFERENCE, norms.SUM, norms.SQUARES)
    records = [lend_record(memory, channels, {}, written) for _ in range(2)]
    for share, begin, first, count in shared_blocks(images, cut, block):
        values = (at, pixels * channels, channels, pixels, records[share], measured, begin)
        memory.call("statistics", (lanes,), *values, first=first, count=count)
    for record, share in zip(records, (slice(0, cut), slice(cut, images)), strict=True):
        if share.start < images:
            reference = x[share.start, 0]
            for name, expected in sums(x[:measured][share].reshape(-1, channels), reference).items():
                assert_equal(field(memory, record, name, channels), expected)


def test_statistics_of_the_images_at_hand() -> None:
    """A step of 0: each block overwrites the one before it."""
    x = numbers(4, 3, 8)
    memory = Memory()
    at = memory.give(x[:2])
    record = lend_record(memory, 8, {}, (norms.REFERENCE, norms.SUM, norms.SQUARES))
    for first in (0, 2):
        memory.numbers[at : at + x[:2].size] = x[first : first + 2].ravel()
        memory.call("statistics", (8,), at, 0, 8, 3, record, 4, 0, first=first, count=2)
    for name, expected in sums(x.reshape(-1, 8)).items():
        assert_equal(field(memory, record, name, 8), expected)


@pytest.mark.parametrize(("dtype", "mean", "tolerance"), [("float64", 1e6, 1e-10), ("float32", 1e3, 1e-4)])
def test_a_mean_much_larger_than_the_deviation_costs_no_digits(dtype: str, mean: float, tolerance: float) -> None:
    x = (numbers(2, 50, 8) + mean).astype(dtype).astype("float64")
    memory = Memory(dtype)
    at = memory.give(x)
    written = (norms.REFERENCE, norms.SUM, norms.SQUARES, norms.MEAN, norms.RSTD, norms.SCALE, norms.SHIFT)
    record = lend_record(memory, 8, {}, written)
    memory.call("statistics", (8,), at, 400, 8, 50, record, 2, 0, count=2)
    memory.call("coefficients", (False, False), record, 8, 100, record, 0, 0, 1, record, 100)
    expected = 1 / np.sqrt(x.reshape(-1, 8).var(0) + EPSILON)
    np.testing.assert_allclose(field(memory, record, norms.RSTD, 8), expected, rtol=tolerance)


# -- scales -----------------------------------------------------------------------------------------------------------

#: What multiplies a norm: (weighted by a share, gain and bias per channel).
SCALES = [(False, False), (True, False), (False, True)]


@pytest.mark.parametrize("cuts", [(), (13,), (7, 30, 30)], ids=["one share", "two shares", "shares without values"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["own sums", "another record's sums"])
@pytest.mark.parametrize(("weighted", "affine"), SCALES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_coefficients(weighted: bool, affine: bool, elsewhere: bool, dtype: str, cuts: tuple[int, ...]) -> None:
    """scale * x + shift is batch norm. The second channel is constant. The sums of each share have their reference."""
    x = numbers(30, 24, dtype=dtype)
    x[:, 1] = 0.75
    gain, bias = numbers(24, seed=1, dtype=dtype), numbers(24, seed=2, dtype=dtype)
    memory = Memory(dtype)
    weight_at, bias_at = memory.give(gain), memory.give(bias)
    results = (norms.MEAN, norms.RSTD, norms.SCALE, norms.SHIFT)
    totals = (norms.REFERENCE, norms.SUM, norms.SQUARES)
    source = norm = lend_record(memory, 24, {} if cuts else sums(x), (*totals, *results) if not elsewhere else totals)
    if elsewhere:
        norm = lend_record(memory, 24, {}, (norms.REFERENCE, *results))
    table = [source, 30]
    if cuts:
        ends = [0, *cuts, 30]
        parts = [sums(x[begin:end], x[min(begin, 29)]) for begin, end in pairwise(ends)]
        records = [lend_record(memory, 24, part, ()) for part in parts]
        table = [number for pair in zip(records, np.diff(ends).tolist(), strict=True) for number in pair]
    shares = len(cuts) + 1
    memory.call("coefficients", (weighted, affine), norm, 24, 30, source, weight_at, bias_at, shares, *table)
    for name, values in sums(x).items():
        assert_equal(field(memory, source, name, 24), values, dtype)
    mean, rstd = x.mean(0), 1 / np.sqrt(x.var(0) + EPSILON)
    scale = rstd * (gain if affine else gain[0] if weighted else 1)
    expected = {
        norms.REFERENCE: x[0],
        norms.MEAN: mean,
        norms.RSTD: rstd,
        norms.SCALE: scale,
        norms.SHIFT: -mean * scale + (bias if affine else 0),
    }
    for name, values in expected.items():
        assert_equal(field(memory, norm, name, 24), values, dtype)


@pytest.mark.parametrize("weighted", [False, True])
def test_constant_scale(weighted: bool) -> None:
    memory = Memory()
    weight = memory.give([-0.375])
    record = lend_record(memory, 16, {}, tuple(range(norms.FIELDS)))
    memory.call("constant_scale", (weighted,), record, 16, weight)
    expected = np.zeros((norms.FIELDS, 16))
    expected[[norms.SCALE, norms.OF_GRADIENT]] = -0.375 if weighted else 1.0
    np.testing.assert_array_equal(memory.read(record, norms.FIELDS, 16), expected)


# -- gradients --------------------------------------------------------------------------------------------------------


def normalised(x: Tensor) -> Tensor:
    """Batch norm of x [pixels, C] without gain and bias."""
    return (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + EPSILON)


def leaf(values: np.ndarray) -> Tensor:
    return torch.tensor(values, requires_grad=True)


def gradient(tensor: Tensor) -> np.ndarray:
    assert tensor.grad is not None
    return tensor.grad.numpy()


def known(x: np.ndarray, g: np.ndarray) -> dict[int, np.ndarray]:
    """The fields of a record that give the gradient's factors, except TOTAL."""
    return {
        norms.REFERENCE: x[0],
        norms.MEAN: x.mean(0),
        norms.RSTD: 1 / np.sqrt(x.var(0) + EPSILON),
        norms.DOT: (g * (x - x[0])).sum(0),
    }


@pytest.mark.parametrize("shares", [1, 3])
@pytest.mark.parametrize("shared", [False, True], ids=["own total", "another record's total"])
@pytest.mark.parametrize(("weighted", "affine"), SCALES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_coefficients_gradient(weighted: bool, affine: bool, shared: bool, dtype: str, shares: int) -> None:
    """Gradients of share, gain and bias are added; the three factors turn g into the gradient of x, from the sums of
    one or several shares."""
    x, g = numbers(40, 16, dtype=dtype), numbers(40, 16, seed=1, dtype=dtype)
    gain, bias = numbers(16, seed=2, dtype=dtype), numbers(16, seed=3, dtype=dtype)
    before = numbers(2, 16, seed=4, dtype=dtype)
    from_, gain_leaf, bias_leaf = leaf(x), leaf(gain if affine else gain[:1]), leaf(bias)
    y = normalised(from_)
    if weighted or affine:
        y = gain_leaf * y
    if affine:
        y = y + bias_leaf
    y.backward(torch.tensor(g))

    memory = Memory(dtype)
    factors = (norms.OF_GRADIENT, norms.OF_VALUE, norms.CONSTANT)
    fields = known(x, g)
    dot, total = fields.pop(norms.DOT) / shares, g.sum(0) / shares
    record, table = lend_record(memory, 16, fields, factors), []
    for share in range(shares):
        own = {norms.DOT: dot} | ({} if shared else {norms.TOTAL: total})
        if share == 0 and shares == 1:
            for name, values in own.items():
                memory.numbers[record + 16 * name : record + 16 * (name + 1)] = values
        sums_at = record if shares == 1 else lend_record(memory, 16, own, ())
        table += [sums_at, memory.give(total) if shared else sums_at + norms.TOTAL * 16]
    weight, weight_to, bias_to = memory.give(gain), memory.give(before[0]), memory.give(before[1])
    memory.writable[weight_to : weight_to + 16 * affine + weighted] = True
    memory.writable[bias_to : bias_to + 16 * affine] = True
    places = (weight, weight_to, bias_to, shares, *table)
    memory.call("coefficients_gradient", (weighted, affine), record, 16, 40, *places)

    of_gradient, of_value, constant = (field(memory, record, name, 16) for name in factors)
    assert_equal(of_gradient * g + of_value * x + constant, gradient(from_), dtype)
    if weighted:
        assert_equal(memory.read(weight_to, 1), before[0, :1] + gradient(gain_leaf), dtype)
    if affine:
        assert_equal(memory.read(weight_to, 16), before[0] + gradient(gain_leaf), dtype)
        assert_equal(memory.read(bias_to, 16), before[1] + gradient(bias_leaf), dtype)


def test_weight_gradient() -> None:
    """The gradient of a weight on plain values is the sum of their DOT, share by share."""
    dots = numbers(3, 24)
    memory = Memory()
    records = [lend_record(memory, 24, {norms.DOT: share}, ()) for share in dots]
    out = memory.lend([2.5])
    memory.call("weight_gradient", (), 24, out, 3, *records)
    assert_equal(memory.read(out, 1), 2.5 + dots.sum(keepdims=True).ravel())


#: A 0 or 1 for each of gradient, value and result: 1 if it holds all images, 0 if it holds only the current ones.
STEPS = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (1, 0, 0)]


@pytest.mark.parametrize("measured", [5, 3, 2])
@pytest.mark.parametrize("whole", STEPS)
@pytest.mark.parametrize(("lanes", "channels", "add"), [(8, 24, False), (16, 32, True)])
def test_value_gradient(lanes: int, channels: int, add: bool, whole: tuple[int, int, int], measured: int) -> None:
    """Images that gave no moments get the gradient of a scale alone."""
    images, pixels, block = 5, 3, 2
    g, x, before = (numbers(images, pixels, channels, seed=seed) for seed in range(3))
    factors = numbers(3, channels)
    names = (norms.OF_GRADIENT, norms.OF_VALUE, norms.CONSTANT)
    through_moments = factors[1] * x + factors[2]
    through_moments[measured:] = 0
    expected = factors[0] * g + through_moments + add * before
    memory = Memory()
    record = lend_record(memory, channels, dict(zip(names, factors, strict=True)), ())
    arrays = (g, x, before if add else np.full(g.shape, np.nan))
    places = [memory.give(array if all_ else array[:block]) for array, all_ in zip(arrays, whole, strict=True)]
    size = pixels * channels
    memory.writable[places[2] : places[2] + (images if whole[2] else block) * size] = True
    steps = [all_ * size for all_ in whole]
    for first, count in blocks(images, block):
        for at, array, all_ in zip(places, arrays, whole, strict=True):
            if not all_:
                memory.numbers[at : at + count * size] = array[first : first + count].ravel()
        values = [value for pair in zip(places, steps, strict=True) for value in pair]
        values += [record, channels, pixels, measured]
        memory.call("value_gradient", (lanes, add), *values, first=first, count=count)
        found = memory.read(places[2] + first * steps[2], count, pixels, channels)
        assert_equal(found, expected[first : first + count])


def test_value_gradient_in_place() -> None:
    """The gradient of an input's raw values replaces the state's gradient."""
    g, x, factors = numbers(2, 4, 8), numbers(2, 4, 8, seed=1), numbers(3, 8)
    names = (norms.OF_GRADIENT, norms.OF_VALUE, norms.CONSTANT)
    memory = Memory()
    at, from_ = memory.lend(g), memory.give(x)
    record = lend_record(memory, 8, dict(zip(names, factors, strict=True)), ())
    memory.call("value_gradient", (8, False), at, 32, from_, 32, at, 32, record, 8, 4, 2, count=2)
    assert_equal(memory.read(at, *g.shape), factors[0] * g + factors[1] * x + factors[2])


@pytest.mark.parametrize(("lanes", "channels", "dtype"), [(8, 24, "float64"), (16, 16, "float64"), (8, 8, "float32")])
@pytest.mark.parametrize("cut", [5, 2], ids=["one share", "two shares"])
@pytest.mark.parametrize("block", [1, 2, 5])
def test_rectified_gradient(lanes: int, channels: int, block: int, dtype: str, cut: int) -> None:
    """ReLU's mask, with scales of both signs and values that are exactly 0; a share's first images start its sums."""
    images, pixels = 5, 4
    x, g = numbers(images, pixels, channels, dtype=dtype), numbers(images, pixels, channels, seed=1, dtype=dtype)
    x = np.round(4 * x) / 4
    scale, shift = np.round(2 * numbers(channels, seed=2)), np.round(2 * numbers(channels, seed=3)) / 4
    y = leaf(x * scale + shift)
    torch.relu(y).backward(torch.tensor(g))
    kept = gradient(y)
    assert (x * scale + shift == 0).any()
    memory = Memory(dtype)
    at, from_ = memory.lend(g), memory.give(x)
    fields = {norms.REFERENCE: x[0, 0], norms.SCALE: scale, norms.SHIFT: shift}
    record = lend_record(memory, channels, fields, ())
    records = [lend_record(memory, channels, {}, (norms.DOT, norms.TOTAL)) for _ in range(2)]
    size = pixels * channels
    for share, begin, first, count in shared_blocks(images, cut, block):
        values = (at, size, from_, size, record, channels, pixels, records[share], begin, at)
        memory.call("rectified_gradient", (lanes,), *values, first=first, count=count)
    np.testing.assert_array_equal(memory.read(at, *g.shape), kept)
    for own, share in list(zip(records, (slice(0, cut), slice(cut, images)), strict=True))[: 1 + (cut < images)]:
        dots = (kept * (x - x[0, 0]))[share].sum((0, 1))
        assert_equal(field(memory, own, norms.DOT, channels), dots, dtype)
        assert_equal(field(memory, own, norms.TOTAL, channels), kept[share].sum((0, 1)), dtype)
