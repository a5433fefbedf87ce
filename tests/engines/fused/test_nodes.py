"""A node's weighted sum over its branches, the sums of its gradient, and the gradient of a state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.fused.calling import FEW, Memory, assert_equal, blocks, numbers, shared_blocks, whole_numbers
from tnas_cli.engines.fused import norms


def lend_records(memory: Memory, branches: int, channels: int, fields: dict[int, np.ndarray]) -> list[int]:
    """Norms' records with some fields [branches, channels] filled; everything else is guards."""
    found = []
    for branch in range(branches):
        found.append(memory.reserve(norms.FIELDS * channels))
        for name, values in fields.items():
            at = found[-1] + name * channels
            memory.numbers[at : at + channels] = values[branch]
    return found


def allow(memory: Memory, record: int, name: int, channels: int) -> int:
    """Let calls write a record's field; its offset."""
    at = record + name * channels
    memory.writable[at : at + channels] = True
    return at


#: (lanes, tile) of the sum, and channels.
SUMS = [(8, 14, 24), (16, 6, 32), (16, 14, 16)]


@pytest.mark.parametrize(("lanes", "tile", "channels"), SUMS)
@FEW
@given(branches=st.integers(1, 9), images=st.integers(1, 5), pixels=st.integers(1, 20), data=st.data())
def test_weighted_sum(
    lanes: int, tile: int, channels: int, branches: int, images: int, pixels: int, data: st.DataObject
) -> None:
    block = data.draw(st.integers(1, images))
    x = numbers(branches, images, pixels, channels)
    scale, shift = numbers(branches, channels), numbers(branches, channels, seed=1)
    memory = Memory()
    places = [memory.give(values) for values in x]
    records = lend_records(memory, branches, channels, {norms.SCALE: scale, norms.SHIFT: shift})
    out = memory.lend_empty(images, pixels, channels)
    table = [value for pair in zip(places, records, strict=True) for value in pair]
    for first, count in blocks(images, block):
        values = (out, pixels * channels, channels, pixels, branches, *table)
        memory.call("weighted_sum", (lanes, tile), *values, first=first, count=count)
    expected = (x * scale[:, None, None] + shift[:, None, None]).sum(0)
    assert_equal(memory.read(out, images, pixels, channels), expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("lanes", "channels"), [(8, 24), (16, 48)])
@FEW
@given(branches=st.integers(1, 5), images=st.integers(1, 5), pixels=st.integers(1, 10), data=st.data())
def test_dot_products(
    lanes: int, channels: int, dtype: str, branches: int, images: int, pixels: int, data: st.DataObject
) -> None:
    """The total of the gradient is in the first branch's record only. Each share of the images has its own sums."""
    block, cut = data.draw(st.integers(1, images)), data.draw(st.integers(1, images))
    x, g = numbers(branches, images, pixels, channels, dtype=dtype), numbers(images, pixels, channels, dtype=dtype)
    reference = numbers(branches, channels, seed=1, dtype=dtype)
    memory = Memory(dtype)
    at, places = memory.give(g), [memory.give(values) for values in x]
    records = lend_records(memory, branches, channels, {norms.REFERENCE: reference})
    sums = [lend_records(memory, branches, channels, {}) for _ in range(1 + (cut < images))]
    totals = [allow(memory, own[0], norms.TOTAL, channels) for own in sums]
    dots = [[allow(memory, record, norms.DOT, channels) for record in own] for own in sums]
    for share, begin, first, count in shared_blocks(images, cut, block):
        table = [value for entry in zip(places, records, sums[share], strict=True) for value in entry]
        values = (at, pixels * channels, channels, pixels, begin, branches, *table)
        memory.call("dot_products", (lanes,), *values, first=first, count=count)
    found_dots = sum(np.array([memory.read(dot, channels) for dot in own]) for own in dots)
    found_total = sum(memory.read(total, channels) for total in totals)
    expected = (g * (x - reference[:, None, None])).sum((1, 2))
    # Sums may cancel: rounding is measured against their parts.
    size = np.abs(g * (x - reference[:, None, None])).sum((1, 2)).max()
    assert_equal(found_dots + size, expected + size, dtype)
    size = np.abs(g).sum((0, 1)).max()
    assert_equal(found_total + size, g.sum((0, 1)) + size, dtype)


@pytest.mark.parametrize("held", [False, True], ids=["side by side", "among wider pixels"])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize(("lanes", "channels", "dtype"), [(8, 24, "float64"), (16, 32, "float64"), (16, 16, "float32")])
@pytest.mark.parametrize("branches", [0, 1, 3])
def test_state_gradient(branches: int, lanes: int, channels: int, dtype: str, add: bool, held: bool) -> None:
    """No gradient passes where a state is exactly 0; `through` holds the current images, possibly of several maps."""
    images, pixels, block = 5, 3, 2
    wide = channels + 16 if held else channels
    state = whole_numbers(images, pixels, channels)
    through = numbers(images, pixels, wide, dtype=dtype)
    g = numbers(3, images, pixels, channels, seed=1, dtype=dtype)[:branches]
    factor, before = numbers(3, channels, dtype=dtype)[:branches], numbers(images, pixels, channels, dtype=dtype)

    x = torch.tensor(state, requires_grad=True)
    y = (torch.relu(x) * torch.tensor(through[..., wide - channels :])).sum()
    for part, scale in zip(g, factor, strict=True):
        y = y + (x * torch.tensor(scale * part)).sum()
    y.backward()
    assert x.grad is not None
    expected = x.grad.numpy() + add * before

    memory = Memory(dtype)
    out = memory.lend(before if add else np.full(state.shape, np.nan))
    states, from_ = memory.give(state), memory.give(through[:block])
    places = [memory.give(values) for values in g]
    records = lend_records(memory, branches, channels, {norms.OF_GRADIENT: factor})
    table = [value for pair in zip(places, records, strict=True) for value in pair]
    for first, count in blocks(images, block):
        here = through[first : first + count]
        memory.numbers[from_ : from_ + here.size] = here.ravel()
        size = (out, pixels * channels, channels, pixels)
        values = (*size, states, from_ + wide - channels, wide, add, branches, *table)
        memory.call("state_gradient", (lanes,), *values, first=first, count=count)
    assert_equal(memory.read(out, *state.shape), expected, dtype)
