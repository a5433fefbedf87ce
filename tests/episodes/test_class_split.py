"""Dividing by seed: every name once, with the requested shares, the same on every machine."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnas_cli.episodes.class_split import divide, held_out, shuffled

SHARES = st.integers(1, 98).flatmap(lambda a: st.integers(1, 99 - a).map(lambda b: (a, b, 100 - a - b)))


@given(st.integers(3, 300), SHARES, st.integers(0, 2**31))
def test_every_name_once_and_every_split_filled(total: int, shares: tuple[int, int, int], seed: int) -> None:
    names = [f"c{k}" for k in range(total)]
    split = divide(names, shares, seed, "test")
    assert sorted(split) == sorted(names)
    counts = Counter(split.values())
    assert set(counts) == {"train", "val", "test"}
    assert total < 6 or min(counts.values()) >= 2  # a task needs two classes
    if total >= 100 and min(shares) >= 2:
        for part, share in zip(("train", "val", "test"), shares, strict=True):
            assert abs(counts[part] - total * share / 100) <= max(1, total / 100)


@pytest.mark.parametrize("total", [1, 2, 9, 10, 14, 16, 100])
def test_a_tenth_is_held_out(total: int) -> None:
    classes = {name: [f"{name}{i}" for i in range(total)] for name in "abc"}
    rest, tenth = held_out(classes, 0, "test")
    for name, items in classes.items():
        assert len(tenth[name]) == max(1, round(total / 10))
        assert sorted([*rest[name], *tenth[name]]) == sorted(items)
        assert [item for item in items if item in rest[name]] == rest[name]
        assert [item for item in items if item in tenth[name]] == tenth[name]
    assert total < 14 or len({tuple(item[1:] for item in tenth[name]) for name in "abc"}) > 1  # each class its own


def test_classes_do_not_change_each_others_tenth() -> None:
    items = list(range(50))
    assert held_out({"a": items, "b": items}, 0, "x")[1]["b"] == held_out({"b": items}, 0, "x")[1]["b"]


def test_the_order_is_fixed_for_all_times() -> None:
    expected = list("hagefcdb")
    assert shuffled("abcdefgh", 0, "folder/split") == expected
    assert shuffled("abcdefgh", 1, "folder/split") != expected
    assert shuffled("abcdefgh", 0, "other") != expected
