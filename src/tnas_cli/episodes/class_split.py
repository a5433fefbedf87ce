"""Division by seed: classes into train, val and test, or a class's images into training and held-out ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from tnas_cli.runs.seeds import numpy_generator

SHARES = (64, 16, 20)  # per cent, as for mini-ImageNet's classes
HELD_OUT = 0.1

Item = TypeVar("Item")


def divide(names: Sequence[str], shares: tuple[int, int, int], seed: int, purpose: str) -> dict[str, str]:
    """Map each name to 'train', 'val' or 'test' by shares in per cent; of six names or more, each split gets two, as a
    task needs two classes; of three or more, it gets one."""
    total = len(names)
    least = 2 if total >= 6 else 1
    test, val = max(least, round(total * shares[2] / 100)), max(least, round(total * shares[1] / 100))
    # Some must be left for training.
    test = min(test, total - 2 * least)
    val = min(val, total - least - test)
    splits = ["test"] * test + ["val"] * val + ["train"] * (total - test - val)
    return dict(zip(shuffled(names, seed, purpose), splits, strict=True))


def held_out(
    classes: Mapping[str, list[Item]], seed: int, purpose: str
) -> tuple[dict[str, list[Item]], dict[str, list[Item]]]:
    """Hold out a tenth of each class's items, at least one: (the rest, the tenth), both in order."""
    rest, tenth = {}, {}
    for name, items in classes.items():
        out = set(shuffled(range(len(items)), seed, f"{purpose}/{name}")[: max(1, round(len(items) * HELD_OUT))])
        rest[name] = [item for i, item in enumerate(items) if i not in out]
        tenth[name] = [item for i, item in enumerate(items) if i in out]
    return rest, tenth


def shuffled(items: Sequence[Item], seed: int, purpose: str) -> list[Item]:
    """The items in random order. Sorting by a random key uses the raw stream alone, so no NumPy release changes it."""
    keys = numpy_generator(seed, purpose).random(len(items))
    return [items[i] for i in keys.argsort(kind="stable")]
