"""The contact sheet: rows for classes of every split, images as they are stored; the file is complete or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import attributes, random_classes, small_cache
from tnas_cli.episodes.cache import ClassImages, ImageCache, open_cache, write_cache
from tnas_cli.episodes.contact_sheet import GAP, NAMES, TITLE, draw_contact_sheet, write_contact_sheet
from tnas_cli.errors import TnasError


def cache_of(path: Path, counts: dict[str, list[int]], size: int = 4, channels: int = 3) -> ImageCache:
    write_cache(path, random_classes(counts, size, channels), attributes(mean=None, std=None))
    return open_cache(path)


@pytest.mark.parametrize(("size", "tile"), [(4, 56), (28, 56), (32, 64), (84, 84), (60, 60)])
@pytest.mark.parametrize("channels", [1, 3])
def test_its_size_and_its_images(tmp_path: Path, size: int, tile: int, channels: int) -> None:
    cache = cache_of(tmp_path / "toy.h5", {"train": [3, 12], "val": [1], "test": [2]}, size, channels)
    sheet = draw_contact_sheet(cache)
    assert sheet.size == (NAMES + 10 * (tile + GAP) + GAP, 4 * (tile + GAP) + 3 * TITLE + GAP)
    pixels = np.asarray(sheet)
    factor = tile // size

    def shown(row: int, titles: int, column: int) -> np.ndarray:
        top, left = titles * TITLE + row * (tile + GAP), NAMES + column * (tile + GAP)
        return pixels[top : top + tile : factor, left : left + tile : factor]

    stored = cache.load(np.arange(18))
    for row, titles, column, number in ((0, 1, 0, 0), (0, 1, 2, 2), (1, 1, 9, 12), (2, 2, 0, 15), (3, 3, 1, 17)):
        np.testing.assert_array_equal(shown(row, titles, column), np.broadcast_to(stored[number], (size, size, 3)))
    assert (shown(0, 1, 3) == 255).all()  # the class has three images


def test_many_classes_are_chosen_evenly(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "toy.h5", {"train": [1] * 60, "val": [1] * 6, "test": [1] * 7})
    pixels = np.asarray(draw_contact_sheet(cache))
    assert len(pixels) == 18 * (56 + GAP) + 3 * TITLE + GAP
    stored = cache.load(np.arange(73))[:, 0, 0]
    left, step = NAMES, 56 + GAP
    train = [pixels[TITLE + row * step, left] for row in range(6)]
    np.testing.assert_array_equal(train, stored[[0, 10, 20, 30, 40, 50]])


@pytest.mark.parametrize("name", ["x", "Ängström/字/" + "long name " * 30, "a" * 500])
def test_any_name_fits_into_its_column(tmp_path: Path, name: str) -> None:
    classes = [
        ClassImages(name, "train", np.zeros((1, 20, 20, 1), np.uint8)),
        *random_classes({"val": [1], "test": [1]}, 20),
    ]
    write_cache(tmp_path / "toy.h5", classes, attributes())
    pixels = np.asarray(draw_contact_sheet(open_cache(tmp_path / "toy.h5")))
    row = pixels[TITLE : TITLE + 56]
    assert (row[:, :GAP] == 255).all() and (row[:, NAMES - GAP : NAMES] == 255).all()
    assert (row[:, GAP : NAMES - GAP] < 255).any()  # the name
    assert (row[:, NAMES : NAMES + 56] == 0).all()  # its image is not written over


def test_it_is_written_as_png_or_not_at_all(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", {"train": [1], "val": [1], "test": [1]})
    write_contact_sheet(cache, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.format, sheet.size) == ("PNG", draw_contact_sheet(cache).size)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TnasError, match="cannot write"):
        write_contact_sheet(cache, tmp_path / "file" / "sheet.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "sheet.png", "toy.h5"]
