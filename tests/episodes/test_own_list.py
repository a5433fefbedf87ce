"""A person's own list of images, as the programs of people write it; unusable lines are named and counted."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.episodes.small_data import picture, request, whole_classes
from tnas_cli.episodes.folder import Tree, build, open_tree
from tnas_cli.episodes.registry import prepare
from tnas_cli.errors import DataError

PLAIN = [(f"im/{k}.png", f"kind {k % 5}") for k in range(10)]
SPLITS = ("train", "train", "train", "val", "test")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for k in range(10):
        picture(tmp_path / "im" / f"{k}.png", (10 * k, 1, 2), (20, 20))
    return tmp_path / "list.csv"


def found_in(tree: Tree) -> dict[str, list[str]]:
    return {name: [Path(file.label).name for file in files] for name, _, files in tree.classes}


def test_without_a_split_classes_are_divided_by_seed(images: Path) -> None:
    images.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in PLAIN))
    asked = request(images, seed=3)
    tree = open_tree(asked, images)
    assert Counter(split for _, split, _ in tree.classes) == {"train": 3, "val": 1, "test": 1}
    assert "at random by seed 3" in tree.note
    assert asked.account.record().lines() == []
    found = {
        name: pixels[:, 0, 0, 0].tolist() for (_, name), pixels in whole_classes(build(request(images)).classes).items()
    }
    assert found == {f"kind {k}": [10 * k, 10 * (k + 5)] for k in range(5)}


#: header, line, end of line, encoding, words that say how it was understood
STYLES = {
    "plain": ("path,label,split", "{},{},{}", "\n", "utf-8", ""),
    "quoted": ('"path","label","split"', '"{}","{}","{}"', "\n", "utf-8", ""),
    "Windows": ("path,label,split", "{},{},{}", "\r\n", "utf-8-sig", ""),
    "spaces": ("path, label, split", "{}, {}, {}", "\n", "utf-8", ""),
    "blank lines": ("path,label,split", "{},{},{}\n", "\n", "utf-8", ""),
    "other order": ("label,more,split,path", "{1},?,{2},{0}", "\n", "utf-8", "not used: more"),
    "semicolons": ("Path;Label;Größe;Split", '{};{};"1,5";{}', "\r\n", "cp1252", "separated by semicolons; .* cp1252"),
    "spreadsheet": ("sep=;\nfile;class;set", "{};{};{}", "\n", "utf-8", "file is the path and class the label; set is"),
    "tabs": ("image_path\tClass Name\tsubset", "{}\t{}\t{}", "\n", "utf-8", "Class Name the label; .* by tabs"),
    "UTF-16": ("path,label,split", "{},{},{}", "\n", "utf-16", "encoded in utf-16"),
    "UTF-16 without a mark": ("path,label,split", "{},{},{}", "\n", "utf-16-le", "encoded in utf-16-le"),
    "no header": ("", "{},{},{}", "\n", "utf-8", "without a header: path, label, split"),
    "other names": ("Aufnahme,breed,phase", "{},{},{}", "\n", "utf-8", "Aufnahme is the path and breed the label"),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "dev", "TEST")])
def test_with_a_split_it_decides(images: Path, style: str, names: tuple[str, str, str]) -> None:
    header, line, end, encoding, words = STYLES[style]
    called = dict(zip(("train", "val", "test"), names, strict=True))
    lines = [line.format(path, label, called[SPLITS[k % 5]]) for k, (path, label) in enumerate(PLAIN)]
    images.write_bytes((end.join([header, *lines] if header else lines) + end).encode(encoding))
    asked = request(images)
    tree = open_tree(asked, images)
    assert {name: split for name, split, _ in tree.classes} == {f"kind {k}": SPLITS[k] for k in range(5)}
    assert found_in(tree) == {f"kind {k}": [f"{k}.png", f"{k + 5}.png"] for k in range(5)}
    said = " ".join(asked.account.record().lines())
    assert words == said == "" or (words and re.search(words, said)), said


def test_a_list_becomes_a_data_set(images: Path, tmp_path: Path) -> None:
    images.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in PLAIN))
    cache = prepare("folder", source=images, root=tmp_path / "cache")
    assert (cache.dataset, cache.source, len(cache.class_names)) == ("list", str(images), 5)
    assert cache.account is not None and cache.account.read == 10


@pytest.mark.parametrize("path", ["im\\{}.png", "{}.png", "im/{}", "{}", ".\\im\\{}.png"])
def test_paths_that_people_write(images: Path, path: str) -> None:
    images.write_text("id,breed\n" + "".join(f"{path.format(k)},{k % 5}\n" for k in range(10)))
    tree = open_tree(request(images), images)
    assert found_in(tree) == {str(k): [f"{k}.png", f"{k + 5}.png"] for k in range(5)}


def test_a_folder_with_a_list_and_its_images(images: Path) -> None:
    images.write_text("id,breed\n" + "".join(f"{k},{k % 5}\n" for k in range(10)))
    asked = request(images.parent)
    assert found_in(open_tree(asked, images.parent))["0"] == ["0.png", "5.png"]
    assert "the images are those that list.csv lists" in asked.account.understood


def test_splits_that_share_their_labels_are_merged(images: Path) -> None:
    rows = "".join(f"{path},{label},{'train' if k < 5 else 'test'}\n" for k, (path, label) in enumerate(PLAIN))
    images.write_text("path,label,split\n" + rows)
    tree = open_tree(request(images), images)
    assert "hold images of the same classes and were merged" in tree.note
    assert sum(len(files) for _, _, files in tree.classes) == 10


@pytest.mark.parametrize("keep", [False, True])
def test_a_line_twice(images: Path, keep: bool) -> None:
    rows = "".join(f"{path},{label}\n" for path, label in [*PLAIN, PLAIN[2], PLAIN[2]])
    images.write_text("path,label\n" + rows)
    asked = request(images, keep_duplicates=keep)
    assert len(found_in(open_tree(asked, images))["kind 2"]) == (4 if keep else 2)
    (noted,) = asked.account.record().noted
    assert (noted.fate, noted.count, noted.names[0]) == ("duplicate", 2, "line 12: im/2.png")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\nim/0.png,a\nim/none.png,b\n", r"list\.csv, line 3, names .*none\.png, which is not a file\."),
        ("path,label\nim/x.png,a\nim/0.png,a\nim/y.png,a\n", r"line 2, names .*x\.png.* 2 lines cannot be used"),
        ("path,label\nim,a\nim/0.png,b\n", r"line 2, names .*im, which is not a file"),
        ("path,label\nim/0.png,a\nim/1.png,\n", "line 3, lacks a label"),
        ("path,label\nim/1.png,a\nim/0.png\n", "line 3, lacks a label"),
        ("path,label\n\n\n,a\n", "line 4, lacks a path"),
        ("path,label,split\nim/0.png,a,train\nim/1.png,b,later\n", "line 3, has the split 'later'"),
        ("path,label,split\nim/0.png,a,train\nim/1.png,b,\n", "line 3, lacks a split"),
        (
            "path,label,split\nim/0.png,a,train\nim/1.png,b,val\nim/2.png,a,test\n",
            "class 'a' of .*list.csv is in both train/ and test/",
        ),
        ("what,label\nnone.png,a\n", r"list\.csv has no column 'path'; its header is what, label"),
        ("path\nim/0.png\n", r"list\.csv has no column 'label'"),
        ("", r"list\.csv has no column 'path'; its header is empty"),
        ("path,label\n", r"list\.csv lists no image"),
        ('path,label\nim/0.png,"' + "x" * 200_000 + "\n", r"list\.csv, line \d+: field larger than"),
        ("path,label\nim/0.png,a\nim/1.png,b\n", r"list\.csv holds 2 classes; 3 are needed"),
    ],
)
def test_lines_that_are_wrong_are_named_and_counted(images: Path, text: str, words: str) -> None:
    images.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        open_tree(request(images), images)
    assert caught.value.hint


def test_lines_that_cannot_be_used_may_be_left_out(images: Path) -> None:
    rows = "".join(f"{path},{label}\n" for path, label in PLAIN)
    images.write_text(f"path,label\nim/none.png,a\n{rows}im/1.png,\n")
    asked = request(images, skip_bad=True)
    assert sum(map(len, found_in(open_tree(asked, images)).values())) == 10
    (noted,) = asked.account.record().noted
    assert (noted.fate, noted.count) == ("left out", 2)
    assert "line 13, lacks a label" in noted.names


def test_what_is_no_list(images: Path) -> None:
    images.write_bytes(b"path,label\n\x00\x01\xff\n")
    with pytest.raises(DataError, match=r"list\.csv is no text"):
        open_tree(request(images), images)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        open_tree(request(images), images.with_name("none.csv"))
    os.mkfifo(images.with_name("pipe.csv"))
    with pytest.raises(DataError, match=r"pipe\.csv is not a regular file"):
        open_tree(request(images), images.with_name("pipe.csv"))
