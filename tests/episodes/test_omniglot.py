"""Omniglot from folders and zips, its rotations, and its two split protocols."""

from __future__ import annotations

import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.episodes.small_data import CHARACTERS, drawing, omniglot_tree, real_data, truncated, zip_of
from tnas_cli.episodes.account import Account
from tnas_cli.episodes.omniglot import ink, read_classes
from tnas_cli.episodes.omniglot_layouts import LAYOUTS, Drawings, drawings
from tnas_cli.episodes.omniglot_splits import split_characters
from tnas_cli.episodes.places import open_place
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Event, Progress, ignore


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return omniglot_tree(tmp_path / "tree")


def found_in(source: Path) -> Drawings:
    return drawings(open_place(source, LAYOUTS))


def real_omniglot() -> Path:
    return real_data("omniglot", "images_background.zip")


def test_every_layout_gives_the_same_classes(tree: Path, tmp_path: Path) -> None:
    zips = tmp_path / "zips"
    for part in ("images_background", "images_evaluation"):
        zip_of(tree, part, zips)
    half = tmp_path / "half"
    zip_of(tree, "images_evaluation", half)
    (half / "images_background").symlink_to(tree / "images_background")
    expected = None
    for source in (tree, zips, half):
        found = found_in(source)
        split = split_characters(sorted(found), "vinyals", 0)
        classes = [(c.name, c.split, c.images.tobytes()) for c in read_classes(found, split, 28, ignore, Account())]
        assert len(classes) == 4 * len(CHARACTERS)
        expected = expected or classes
        assert classes == expected


def test_one_part_alone(tree: Path, tmp_path: Path) -> None:
    background = [c for c in CHARACTERS if c.startswith("images_background")]
    for source in (tree / "images_background", zip_of(tree, "images_background", tmp_path)):
        assert list(found_in(source)) == background


def test_one_zip_may_hold_both_parts_below_a_folder(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("__MACOSX/omniglot/images_background/Latin/._x.png", b"")
        for path in tree.rglob("*.png"):
            archive.write(path, Path("omniglot") / path.relative_to(tree))
    assert list(found_in(tmp_path / "all.zip")) == sorted(CHARACTERS)


def test_rotations_are_classes_of_the_same_split(tree: Path) -> None:
    found = found_in(tree)
    split = split_characters(sorted(found), "random", 3)
    splits: dict[str, set[str]] = {}
    for item in read_classes(found, split, 28, ignore, Account()):
        character, rotation = item.name.rsplit("/", 1)
        splits.setdefault(character, set()).add(item.split)
        number = next(k for k, key in enumerate(CHARACTERS) if key.endswith(character))
        # Pillow's own quarter turns of the large drawing, made small: equal up to the filter's rounding between its
        # horizontal and its vertical pass.
        turns = [drawing(number).convert("L").rotate(angle) for angle in (0, 90, 180, 270)]
        off = [np.abs(item.images[0].astype(int) - ink(turned, 28)).max() for turned in turns]
        assert rotation == f"rot{90 * int(np.argmin(off)):03d}"
        assert min(off) <= 25
        assert item.images.shape == (2, 28, 28, 1)
    assert all(len(parts) == 1 for parts in splits.values())
    assert len(splits) == len(CHARACTERS)


def test_ink_is_bright_on_dark_and_thin_strokes_stay() -> None:
    pixels = np.full((105, 105), 255, dtype=np.uint8)
    pixels[20:80, 40:42] = 0  # two pixels wide: half a pixel of the small picture
    small = ink(Image.fromarray(pixels), 28)[..., 0]
    assert small[0, 0] == 0
    assert (small[7:20].max(axis=1) > 90).all()


def test_progress_ends_with_all_characters(tree: Path) -> None:
    events: list[Event] = []
    found = found_in(tree)
    list(read_classes(found, split_characters(sorted(found), "vinyals", 0), 28, events.append, Account()))
    last = events[-1]
    assert isinstance(last, Progress)
    assert (last.done, last.total) == (6, 6)


def test_random_split_follows_the_seed() -> None:
    keys = [f"images_background/A{k // 20:02d}/character{k % 20:02d}" for k in range(1623)]
    first, again, other = (split_characters(keys, "random", seed).of for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert Counter(first.values()) == {"train": 1100, "val": 100, "test": 423}


def test_vinyals_split_of_a_small_tree(tree: Path) -> None:
    of = split_characters(sorted(found_in(tree)), "vinyals", 0).of
    assert [of[key] for key in CHARACTERS] == ["val", "train", "train", "train", "test", "test"]


@pytest.mark.parametrize("protocol", ["random", "vinyals"])
def test_a_split_without_characters(protocol: str) -> None:
    with pytest.raises(DataError, match="leaves no character"):
        split_characters(["images_background/Latin/character01"], protocol, 0)


def test_sources_that_cannot_be_read(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    cut = truncated(zip_of(tree, "images_background", tmp_path / "cut"))
    for source, words in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "empty", "holds no Omniglot drawings"),
        (tmp_path / "text.zip", "cannot be read as an archive"),
        (cut, "cannot be read as an archive"),
        (cut.parent, "cannot be read as an archive"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            found_in(source)
        assert str(tmp_path) in caught.value.message


def test_a_damaged_member_is_named(tree: Path, tmp_path: Path) -> None:
    archive = zip_of(tree, "images_background", tmp_path)
    data = bytearray(archive.read_bytes())
    at = data.index(b"IDAT") if b"IDAT" in data else data.index(b"0001_01.png") + 20
    data[at : at + 8] = b"\xff" * 8
    archive.write_bytes(bytes(data))
    found = found_in(archive)
    split = split_characters(CHARACTERS, "vinyals", 0)
    with pytest.raises(DataError, match=r"0001_01\.png"):
        list(read_classes(found, split, 28, ignore, Account()))


@pytest.mark.slow
@pytest.mark.real_data
def test_the_real_set_and_its_published_split() -> None:
    found = found_in(real_omniglot())
    characters = sorted(found)
    assert len(characters) == 1623
    assert {len(files) for files in found.values()} == {20}
    random = split_characters(characters, "random", 0).of
    assert Counter(random.values()) == {"train": 1100, "val": 100, "test": 423}
    vinyals = split_characters(characters, "vinyals", 0).of
    assert Counter(vinyals.values()) == {"train": 1028, "val": 172, "test": 423}
    # The published lists cut the sorted characters: 1,200 for training and validation, then 423 for testing.
    assert [key for key in characters if vinyals[key] == "test"] == characters[1200:]
    validation = Counter(key.split("/")[1] for key in characters if vinyals[key] == "val")
    assert sorted(validation.values()) == [22, 22, 41, 41, 46]


@pytest.mark.slow
@pytest.mark.real_data
def test_real_drawings_stay_visible() -> None:
    found = found_in(real_omniglot())
    found = {key: found[key] for key in sorted(found)[::60]}
    split = split_characters(sorted(found), "random", 0)
    for item in read_classes(found, split, 28, ignore, Account()):
        ground = np.median(item.images, axis=(1, 2, 3))
        assert (ground == 0).all()
        assert (item.images.max(axis=(1, 2, 3)) > 150).all()


@pytest.mark.parametrize(("invert", "turned"), [("auto", (True, False)), ("yes", (True, True)), ("no", (False, False))])
def test_drawings_that_are_bright_on_dark_already(tmp_path: Path, invert: str, turned: tuple[bool, bool]) -> None:
    paper, board = drawing(0).convert("L"), ImageOps.invert(drawing(1).convert("L"))
    for number, image in enumerate((paper, board)):
        image.save(tmp_path / f"{number}.png")
        account = Account()
        said = partial(account.warn, name="x")
        found = ink(image, 28, invert, said)  # type: ignore[arg-type]
        assert (found.mean() > 127) == ((image is paper) != turned[number])
        assert bool(account.record().noted) == (not turned[number])
