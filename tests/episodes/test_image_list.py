"""Lists of images: with and without splits, and errors that name the line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.episodes.small_data import picture, request, whole_classes
from tnas_cli.episodes.folder import build, open_tree
from tnas_cli.episodes.image_list import read_rows
from tnas_cli.episodes.places import disk_file
from tnas_cli.episodes.registry import prepare
from tnas_cli.errors import DataError

PLAIN = [(f"im/{k}.png", f"kind {k % 5}") for k in range(10)]
SPLITS = ("train", "train", "train", "val", "test")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for k in range(10):
        picture(tmp_path / "im" / f"{k}.png", (10 * k, 1, 2), (20, 20))
    return tmp_path / "list.csv"


def test_without_a_split_classes_are_divided_by_seed(images: Path) -> None:
    images.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in PLAIN))
    tree = open_tree(request(images, seed=3), images)
    assert Counter(split for _, split, _ in tree.classes) == {"train": 3, "val": 1, "test": 1}
    assert "at random by seed 3" in tree.note
    found = {
        name: pixels[:, 0, 0, 0].tolist() for (_, name), pixels in whole_classes(build(request(images)).classes).items()
    }
    assert found == {f"kind {k}": [10 * k, 10 * (k + 5)] for k in range(5)}


STYLES = {
    "plain": ("path,label,split", "{},{},{}", "\n"),
    "quoted": ('"path","label","split"', '"{}","{}","{}"', "\n"),
    "Windows": ("\ufeffpath,label,split", "{},{},{}", "\r\n"),
    "spaces": ("path, label, split", "{}, {}, {}", "\n"),
    "blank lines": ("path,label,split", "{},{},{}\n", "\n"),
    "other order": ("label,more,split,path", "{1},?,{2},{0}", "\n"),
}


@pytest.mark.parametrize("style", STYLES)
def test_with_a_split_it_decides(images: Path, style: str) -> None:
    header, line, end = STYLES[style]
    lines = [header, *(line.format(path, label, SPLITS[k % 5]) for k, (path, label) in enumerate(PLAIN))]
    images.write_bytes((end.join(lines) + end).encode())
    tree = open_tree(request(images), images)
    assert {name: split for name, split, _ in tree.classes} == {f"kind {k}": SPLITS[k] for k in range(5)}
    assert tree.note == "as the column split of list.csv says"


def test_a_list_becomes_a_data_set(images: Path, tmp_path: Path) -> None:
    images.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in PLAIN))
    cache = prepare("folder", source=images, root=tmp_path / "cache")
    assert (cache.dataset, cache.source, len(cache.class_names)) == ("list", str(images), 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\nim/0.png,a\nim/none.png,b\n", r"list\.csv, line 3, names .*none\.png, which is not a file"),
        ("path,label\nim,a\n", r"line 2, names .*im, which is not a file"),
        ("path,label\nim/0.png,a\nim/1.png,\n", "line 3, lacks a label"),
        ("path,label\nim/0.png\n", "line 2, lacks a label"),
        ("path,label\n\n\n,a\n", "line 4, lacks a path"),
        ("path,label,split\nim/0.png,a,train\nim/1.png,b,dev\n", "line 3, has the split 'dev'"),
        ("path,label,split\nim/0.png,a,train\nim/1.png,b,\n", "line 3, lacks a split"),
        (
            "path,label,split\nim/0.png,a,train\nim/1.png,b,val\nim/2.png,a,test\n",
            "line 4, puts 'a' into test; an earlier line puts it into train",
        ),
        ("file,label\nim/0.png,a\n", r"list\.csv has no column 'path'; its header is file, label"),
        ("path\nim/0.png\n", r"list\.csv has no column 'label'"),
        ("", r"list\.csv has no column 'path'; its header is empty"),
        ("path,label\n", r"list\.csv lists no image"),
        ('path,label\nim/0.png,"' + "x" * 200_000 + "\n", r"list\.csv, line \d+: field larger than"),
        ("path,label\nim/0.png,a\nim/1.png,b\n", r"list\.csv holds 2 classes; 3 are needed"),
    ],
)
def test_lines_that_are_wrong_are_named(images: Path, text: str, words: str) -> None:
    images.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        open_tree(request(images), images)
    assert caught.value.hint


def test_what_is_no_text(images: Path) -> None:
    images.write_bytes(b"path,label\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"list\.csv is not UTF-8 text"):
        open_tree(request(images), images)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        open_tree(request(images), images.with_name("none.csv"))


def test_rows_say_where_they_stand(images: Path) -> None:
    images.write_text('a,b\n1,"two\nlines"\n3,4\n')
    rows = read_rows(disk_file(images), ("b", "a"))
    assert [row.values for row in rows] == [("two\nlines", "1"), ("4", "3")]
    assert rows[1].where == f"{images}, line 4,"
