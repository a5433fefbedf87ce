"""What is measured on pixels while they are written: fingerprint, mean and spread, duplicates across splits."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pytest

from tnas_cli.episodes.pixel_facts import PixelFacts

Class = tuple[str, str, npt.NDArray[np.uint8]]


def images(n: int, channels: int = 3, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 5, 4, channels), dtype=np.uint8)


def facts(classes: list[Class], step: int = 10**6, channels: int = 3) -> PixelFacts:
    """The facts of classes, seen in pieces of `step` images."""
    found = PixelFacts(channels)
    for name, split, pixels in classes:
        found.begin(name, split, pixels.shape)
        for first in range(0, len(pixels), step):
            found.add(pixels[first : first + step])
    return found


CLASSES: list[Class] = [("a", "train", images(7)), ("b", "train", images(4, seed=1)), ("c", "test", images(5, seed=2))]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_pieces_make_no_difference(step: int) -> None:
    whole, pieces = facts(CLASSES), facts(CLASSES, step)
    assert whole.fingerprint() == pieces.fingerprint()
    assert whole.mean_and_std() == pieces.mean_and_std()
    assert whole.duplicates() == pieces.duplicates() == 0


def test_the_fingerprint_is_a_sha_256_over_names_splits_and_pixels() -> None:
    expected = hashlib.sha256()
    for name, split, pixels in CLASSES:
        expected.update(f"{name}\0{split}\0{pixels.shape}\0".encode() + pixels.tobytes())
    assert facts(CLASSES).fingerprint() == expected.hexdigest()


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_std_are_those_of_the_training_images(channels: int) -> None:
    classes: list[Class] = [("a", "train", images(7, channels)), ("v", "val", images(9, channels, seed=3) // 4)]
    mean, std = facts(classes, channels=channels).mean_and_std()
    train = images(7, channels) / 255
    np.testing.assert_allclose(mean, train.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, train.std((0, 1, 2)), rtol=1e-9)


@pytest.mark.parametrize("value", [0, 77, 255])
def test_one_flat_colour_has_a_spread_to_divide_by(value: int) -> None:
    mean, std = facts([("a", "train", np.full((3, 2, 2, 1), value, np.uint8))], channels=1).mean_and_std()
    np.testing.assert_allclose(mean, [value / 255], rtol=1e-12)
    assert 0 < std[0] <= 1e-5


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": [0, 1, 2], "val": [3], "test": [4]}, 0),
        ({"train": [0, 0, 1], "val": [2], "test": [3]}, 0),  # twice in one split does not count
        ({"train": [0, 1, 2], "val": [3], "test": [0]}, 2),
        ({"train": [0, 0, 1], "val": [0], "test": [0]}, 4),
        ({"train": [0, 1, 2], "val": [1], "test": [2]}, 4),
    ],
)
def test_duplicates_across_splits_are_counted(splits: dict[str, list[int]], expected: int) -> None:
    pixels = images(6)
    assert facts([(split, split, pixels[rows]) for split, rows in splits.items()]).duplicates() == expected


def test_nothing_has_no_duplicates() -> None:
    assert PixelFacts(3).duplicates() == 0


def test_the_share_of_training_images_on_a_bright_ground() -> None:
    paper, board = np.full((3, 6, 6, 1), 250, dtype=np.uint8), np.full((1, 6, 6, 1), 10, dtype=np.uint8)
    paper[:, 2:4, 2:4], board[:, 2:4, 2:4] = 0, 255
    assert (
        facts([("a", "train", paper), ("b", "train", board), ("c", "test", board)], channels=1).bright_ground() == 0.75
    )
