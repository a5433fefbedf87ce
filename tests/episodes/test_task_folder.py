"""A user's task folder: layouts that work, and layouts that are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.episodes.small_data import drawing, picture, truncated
from tnas_cli.episodes.omniglot import ink
from tnas_cli.episodes.own_images import UNLIKE, Invert, OwnImages
from tnas_cli.episodes.task_folder import FolderTask, images_to_ask, read_task_folder
from tnas_cli.errors import DataError


def read(
    path: Path, channels: int = 3, mean: float = 0.5, std: float = 0.25, invert: Invert = "auto", size: int = 20
) -> FolderTask:
    return read_task_folder(path, OwnImages(size, channels, (mean,) * channels, (std,) * channels, invert))


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """Two classes of one and three images, in different sizes, formats and modes."""
    root = tmp_path / "task"
    picture(root / "support" / "b" / "1.png", (255, 0, 0), size=(40, 40))
    picture(root / "support" / "a" / "1.png", 0, size=(7, 7))
    picture(root / "support" / "a" / "2.webp", 255, size=(20, 30))
    picture(root / "support" / "a" / "3.jpg", 128, size=(200, 90))
    return root


def test_support_only(task: Path) -> None:
    read_task = read(task)
    assert read_task.class_names == ["a", "b"]
    assert read_task.support_x.shape == (4, 3, 20, 20)
    assert read_task.support_y.tolist() == [0, 0, 0, 1]
    assert read_task.support_y.dtype == torch.int64
    assert (read_task.query_x, read_task.query_y, read_task.query_paths) == (None, None, [])
    values = read_task.support_x[:, :, 10, 10] * 0.25 + 0.5
    torch.testing.assert_close(values[0], torch.tensor([0.0, 0.0, 0.0]))
    torch.testing.assert_close(values[1], torch.tensor([1.0, 1.0, 1.0]))
    torch.testing.assert_close(values[3], torch.tensor([1.0, 0.0, 0.0]))


def test_unlabelled_query(task: Path) -> None:
    picture(task / "query" / "2.png", (0, 255, 0))
    picture(task / "query" / "1.png", (0, 0, 255))
    read_task = read(task)
    assert [path.name for path in read_task.query_paths] == ["1.png", "2.png"]
    assert read_task.query_y is None
    assert read_task.query_x is not None
    assert read_task.query_x.shape == (2, 3, 20, 20)
    assert read_task.query_x[0, 2].min() > read_task.query_x[0, 0].max()  # the first is the blue one


def test_labelled_query(task: Path) -> None:
    picture(task / "query" / "b" / "x.png", (0, 255, 0))
    picture(task / "query" / "a" / "y.png", (0, 0, 255))
    read_task = read(task)
    assert [path.parent.name for path in read_task.query_paths] == ["a", "b"]
    assert read_task.query_y is not None
    assert read_task.query_y.tolist() == [0, 1]


def test_labelled_query_of_one_class(task: Path) -> None:
    picture(task / "query" / "b" / "x.png", (0, 255, 0))
    read_task = read(task)
    assert read_task.query_y is not None
    assert read_task.query_y.tolist() == [1]


def test_hidden_and_other_files_are_ignored(task: Path) -> None:
    (task / "support" / ".DS_Store").write_text("x")
    (task / "support" / ".cache").mkdir()
    (task / "support" / "a" / ".hidden.png").write_text("x")
    (task / "support" / "a" / "notes.txt").write_text("x")
    (task / "support" / "readme.md").write_text("x")
    assert read(task).support_y.tolist() == [0, 0, 0, 1]


def ink_drawing(path: Path, ink: int, ground: int) -> None:
    pixels = np.full((60, 60), ground, dtype=np.uint8)
    pixels[20:40, 28:32] = ink
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_dark_ink_becomes_bright_for_a_network_that_learned_from_ink(tmp_path: Path) -> None:
    ink_drawing(tmp_path / "support" / "a" / "dark.png", ink=0, ground=255)
    ink_drawing(tmp_path / "support" / "b" / "bright.png", ink=252, ground=0)
    auto = read(tmp_path, channels=1, mean=0.0, std=1.0).support_x
    torch.testing.assert_close(auto[0], auto[1], rtol=0, atol=0.02)
    assert auto[0, 0, 0, 0] == 0
    assert auto.max() > 0.7
    raw = read(tmp_path, channels=1, mean=0.0, std=1.0, invert=False).support_x
    assert (raw[0, 0, 0, 0], raw[1, 0, 0, 0]) == (1, 0)
    turned = read(tmp_path, channels=1, mean=0.0, std=1.0, invert=True).support_x
    torch.testing.assert_close(turned, 1 - raw)


def test_an_omniglot_drawing_looks_as_it_did_in_training(tmp_path: Path) -> None:
    for name, number in (("a", 0), ("b", 1)):
        (tmp_path / "support" / name).mkdir(parents=True)
        drawing(number).save(tmp_path / "support" / name / "1.png")
    task = read(tmp_path, channels=1, mean=0.0, std=1.0, size=28)
    expected = torch.from_numpy(ink(drawing(0), 28)).permute(2, 0, 1) / 255
    torch.testing.assert_close(task.support_x[0], expected)


def test_a_network_that_learned_from_photographs_gets_them_unturned(tmp_path: Path) -> None:
    ink_drawing(tmp_path / "support" / "a" / "dark.png", ink=0, ground=255)
    ink_drawing(tmp_path / "support" / "b" / "dark.png", ink=9, ground=255)
    assert read(tmp_path, channels=1, mean=0.5, std=0.5).support_x[0, 0, 0, 0] == 1
    assert read(tmp_path, channels=3, mean=0.0, std=1.0).support_x[0, 0, 0, 0] == 1


def _text_as_image(task: Path) -> None:
    (task / "support" / "a" / "0.png").write_text("hello")


def _only_other_files(task: Path) -> None:
    (task / "support" / "c").mkdir()
    (task / "support" / "c" / "notes.txt").write_text("II")


def _truncated(task: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(task / "support" / "a" / "0.png")
    truncated(task / "support" / "a" / "0.png")


def _mixed_query(task: Path) -> None:
    picture(task / "query" / "a" / "1.png", 0)
    picture(task / "query" / "2.png", 0)


def _one_class(task: Path) -> None:
    (task / "support" / "b" / "1.png").unlink()
    (task / "support" / "b").rmdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_one_class, r"support holds 1 class folders \(a\)"),
        (lambda task: (task / "support" / "c").mkdir(), "c holds no image."),
        (_only_other_files, r"c holds no image \(it holds notes.txt\)"),
        (_text_as_image, "0.png is not an image"),
        (_truncated, "0.png cannot be read"),
        (lambda task: picture(task / "support" / "b" / "2.png", 255, size=(20, 30)), "the same picture in two classes"),
        (lambda task: picture(task / "query" / "c" / "1.png", 0), "query/c has no support images; support has a, b"),
        (_mixed_query, "mixes class folders"),
        (lambda task: (task / "query").mkdir(), "query holds no image"),
        (lambda task: (task / "query" / "a").mkdir(parents=True), "query/a holds no image"),
    ],
)
def test_layouts_that_are_refused(task: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(task)
    with pytest.raises(DataError, match=words) as caught:
        read(task)
    assert caught.value.hint
    assert str(task) in caught.value.message


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no folder support/"):
        read(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="file is not a folder"):
        read(tmp_path / "file")


def test_the_account_of_a_task(task: Path) -> None:
    support = task / "support"
    (support / "a" / "again.png").write_bytes((support / "a" / "1.png").read_bytes())
    (support / "a" / "notes.txt").write_text("x")
    (support / "b" / "lost.jpg").symlink_to("nowhere")
    (task / "query").mkdir()
    (task / "query" / "seen.png").write_bytes((support / "b" / "1.png").read_bytes())
    picture(task / "query" / "new.bmp", (9, 9, 200))
    picture(task / "query" / "twin.gif", (9, 9, 200))
    (task / "old").mkdir()
    (task / "old" / "1.png").write_bytes(b"x")
    (task / "readme.md").write_text("x")
    found = read(task)
    assert found.shots == (3, 1) and len(found.support_files) == 4
    noted = {one.why: (one.fate, one.count, one.names) for one in found.account.noted}
    assert found.account.read == 7
    for why, fate, name in (
        ("images that are in their class already, left out", "duplicate", "again.png"),
        ("query images that are support images too, answered", "duplicate", "b/1.png = "),
        ("query images that occur again, answered", "duplicate", "new.bmp = "),
        ("links that lead nowhere or in a circle", "left out", "lost.jpg"),
        ("files in folders beside support/ and query/", "left out", "old/"),
        ("images with a palette, as colours", "converted", "twin.gif"),
    ):
        assert (noted[why][0], noted[why][1]) == (fate, 1) and name in noted[why][2][0], why
    assert noted["files that are no images"][1] == 2
    images = OwnImages(20, 3, (0.5,) * 3, (0.25,) * 3)
    assert read_task_folder(task, images, keep_duplicates=True).shots == (4, 1)


@pytest.mark.parametrize("names", [("Support", "QUERY"), ("support", "query")])
@pytest.mark.parametrize("around", ["", "mine"])
def test_names_in_any_case_and_a_folder_around(tmp_path: Path, names: tuple[str, str], around: str) -> None:
    for name, value in (("a", 0), ("b", 200)):
        picture(tmp_path / around / names[0] / name / "1.png", value)
        picture(tmp_path / around / names[1] / name / "1.png", value + 9)
    found = read(tmp_path)
    assert (found.class_names, len(found.query_paths)) == (["a", "b"], 2)
    assert bool(found.account.understood) == bool(around)


@pytest.mark.parametrize(
    ("learned", "ground", "warned"), [(0.0, 255, True), (1.0, 0, True), (0.0, 0, False), (1.0, 255, False)]
)
def test_a_ground_unlike_the_learned_one_is_said(tmp_path: Path, learned: float, ground: int, warned: bool) -> None:
    ink_drawing(tmp_path / "support" / "a" / "1.png", ink=255 - ground, ground=ground)
    ink_drawing(tmp_path / "support" / "b" / "1.png", ink=128, ground=ground)
    images = OwnImages(28, 1, (0.3,), (0.2,), bright_ground=learned)
    task = read_task_folder(tmp_path, images)
    assert [one.why for one in task.account.noted if one.fate == "warning"] == ([UNLIKE] if warned else [])
    turned = OwnImages(28, 1, (0.3,), (0.2,), True, bright_ground=learned)
    assert not [one for one in read_task_folder(tmp_path, turned).account.noted if one.fate == "warning"]


def test_what_is_turned_bright_is_said(tmp_path: Path) -> None:
    ink_drawing(tmp_path / "support" / "a" / "1.png", ink=0, ground=255)
    ink_drawing(tmp_path / "support" / "b" / "1.png", ink=240, ground=0)
    task = read_task_folder(tmp_path, OwnImages(28, 1, (0.0,), (1.0,), bright_ground=0.0))
    (noted,) = [one for one in task.account.noted if "turned bright" in one.why]
    assert (noted.count, noted.names, task.inverted) == (1, (str(tmp_path / "support" / "a" / "1.png"),), 1)
    paper = OwnImages(28, 1, (0.0,), (1.0,), bright_ground=1.0)  # it learned from dark ink on paper
    assert read_task_folder(tmp_path, paper).inverted == 0


def test_the_images_to_ask_a_model_about(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "mine" / "Support" / name / "1.png", 0)
    assert images_to_ask(tmp_path) == tmp_path / "mine" / "Support"
    picture(tmp_path / "mine" / "Query" / "1.png", 0)
    assert images_to_ask(tmp_path) == tmp_path / "mine" / "Query"
