"""The table of images, data sets, task folders and results that are missing or cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.wrong import (
    Wrong,
    cache_of,
    class_in_two_splits,
    code_as_cifar,
    cut,
    cut_zip,
    escaping_zip,
    foreign_hdf5,
    images,
    linked_tar,
    newer_hdf5,
    one_file_wrong,
    preparing,
    run_wrong,
    searching,
    with_folder,
    without_support,
    written,
)
from tests.conftest import Pipeline
from tests.running import task_folder

TABLE = {
    "one class": Wrong(3, ("images", "c00"), lambda p, t: preparing(t, images(t, 1))),
    "an empty class": Wrong(3, ("empty",), lambda p, t: preparing(t, with_folder(images(t, 2), "empty"))),
    "text called .png": Wrong(
        3,
        ("0.png", "not an image"),
        lambda p, t: preparing(t, one_file_wrong(images(t, 4), lambda path: path.write_text("hello"))),
    ),
    "a truncated image": Wrong(
        3, ("0.png",), lambda p, t: preparing(t, one_file_wrong(images(t, 4), lambda path: cut(path, path)))
    ),
    "a truncated zip": Wrong(
        3, ("cut.zip",), lambda p, t: ("prepare-data", "omniglot", "--source", cut_zip(t), "--cache-dir", t)
    ),
    "an archive with a link": Wrong(3, ("linked.tar", "a link"), lambda p, t: preparing(t, linked_tar(t))),
    "an archive that points outside": Wrong(
        3, ("escaping.zip", "'../executed'"), lambda p, t: preparing(t, escaping_zip(t))
    ),
    "a pickle that is a program": Wrong(
        3,
        ("train is not a pickle of plain arrays", "nothing in it was executed"),
        lambda p, t: ("prepare-data", "fc100", "--source", code_as_cifar(t), "--cache-dir", t),
    ),
    "a class in two splits": Wrong(
        3, ("class 'c02'", "is in both train/ and val/"), lambda p, t: preparing(t, class_in_two_splits(t))
    ),
    "a list that names no file": Wrong(
        3,
        ("list.csv, line 2", "none.png"),
        lambda p, t: preparing(t, written(t / "list.csv", "path,label\nnone.png,a\n")),
    ),
    "a class that is none of CIFAR-100's": Wrong(
        3, ("'c00'", "CIFAR-100"), lambda p, t: ("prepare-data", "fc100", "--source", images(t, 4), "--cache-dir", t)
    ),
    "class folders that are not mini-ImageNet": Wrong(
        3,
        ("c00", "WordNet id"),
        lambda p, t: ("prepare-data", "mini-imagenet", "--source", images(t, 4), "--cache-dir", t),
    ),
    "images of which none is left": Wrong(
        3,
        ("has no image that can be read",),
        lambda p, t: preparing(t, one_file_wrong(images(t, 4, 1), lambda path: path.write_text("hello")), "--skip-bad"),
    ),
    "a truncated cache": Wrong(
        3, ("cut.h5",), lambda p, t: searching(p, t, "--dataset", cut(cache_of(p), t / "cut.h5"))
    ),
    "a nearly whole cache": Wrong(
        3, ("cut.h5",), lambda p, t: searching(p, t, "--dataset", cut(cache_of(p), t / "cut.h5", 0.97))
    ),
    "a foreign HDF5 file": Wrong(3, ("foreign.h5",), lambda p, t: searching(p, t, "--dataset", foreign_hdf5(t))),
    "a cache of a newer version": Wrong(
        3, ("newer.h5", "schema 99"), lambda p, t: searching(p, t, "--dataset", newer_hdf5(p, t))
    ),
    "a text file as a cache": Wrong(
        3, ("text.h5",), lambda p, t: searching(p, t, "--dataset", written(t / "text.h5", "hello"))
    ),
    "no cache": Wrong(3, ("none.h5",), lambda p, t: searching(p, t, "--dataset", t / "none.h5")),
    "what may not be downloaded": Wrong(
        3,
        ("omniglot is not prepared", "prepare-data omniglot"),
        lambda p, t: searching(p, t, "--dataset", "omniglot", "--offline", "--cache-dir", t),
    ),
    "no such task folder": Wrong(3, ("nowhere",), lambda p, t: ("adapt", p.best, t / "nowhere", *p.here)),
    "a task without support": Wrong(3, ("support",), lambda p, t: ("adapt", p.best, without_support(t), *p.here)),
    "a task with one class": Wrong(
        3, ("support", "c00"), lambda p, t: ("adapt", p.best, task_folder(t / "task", range(1)), *p.here)
    ),
    "a task with a truncated image": Wrong(
        3,
        ("0.png",),
        lambda p, t: (
            "adapt",
            p.best,
            one_file_wrong(task_folder(t / "task", range(3)) / "support", lambda path: cut(path, path)).parent,
            *p.here,
        ),
    ),
    "a query class without support": Wrong(
        3,
        ("c99",),
        lambda p, t: ("adapt", p.best, with_folder(task_folder(t / "task", range(3)), "query/c99"), *p.here),
    ),
    "resume what is no run": Wrong(3, ("nothing-here",), lambda p, t: ("resume", t / "nothing-here")),
    "report without a result": Wrong(3, ("search-shapes",), lambda p, t: ("report", p.best.parent)),
    "report of nothing": Wrong(3, ("standard input",), lambda p, t: ("report", "-")),
    "report of what is no JSON": Wrong(3, ("line 1", "not JSON"), lambda p, t: ("report", "-"), stdin="hello\n"),
    "report of what is not there": Wrong(3, ("nowhere",), lambda p, t: ("report", t / "nowhere")),
}


@pytest.mark.parametrize("name", TABLE)
def test_wrong_input(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run_wrong(TABLE[name], pipeline, tmp_path, monkeypatch)
