"""The table of wrong options and of places that cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.cli.wrong import Wrong, adapting, check, images, prepared_again, preparing, run_wrong, searching, written
from tests.conftest import TINY, TRAINING, Pipeline
from tests.helpers import AUTO_MAML_1SHOT
from tests.running import tnas

SETTINGS = {
    "no command of that name": Wrong(2, ("serach",), lambda p, t: ("serach",)),
    "unknown option": Wrong(2, ("--shots",), lambda p, t: ("search", "--shots", 1)),
    "option without its value": Wrong(2, ("--way",), lambda p, t: ("search", "--way")),
    "not a number": Wrong(2, ("--way", "integer"), lambda p, t: ("search", "--way", "five")),
    "no data set": Wrong(2, ("no data set", "--dataset"), lambda p, t: ("search",)),
    "unknown data set": Wrong(
        2, ("'shape'", "did you mean 'shapes'?"), lambda p, t: searching(p, t, "--dataset", "shape")
    ),
    "unknown data set to prepare": Wrong(
        2, ("'omniglott'", "did you mean 'omniglot'?"), lambda p, t: ("prepare-data", "omniglott")
    ),
    "unknown preset of search": Wrong(
        2, ("'author'", "did you mean 'authors'?"), lambda p, t: searching(p, t, "--preset", "author")
    ),
    "unknown preset of train-eval": Wrong(
        2,
        ("'papper'", "did you mean 'paper'?"),
        lambda p, t: ("train-eval", AUTO_MAML_1SHOT.to_darts(), "--preset", "papper"),
    ),
    "more ways than classes": Wrong(2, ("--way 13", "has 6"), lambda p, t: searching(p, t, "--way", 13)),
    "more ways than validation classes": Wrong(2, ("--way 7", "'val'"), lambda p, t: searching(p, t, "--way", 7)),
    "more images than a class has": Wrong(
        2, ("5 support", "4 query", "only 8"), lambda p, t: searching(p, t, "--shot", 5, "--query", 4)
    ),
    "no tasks": Wrong(2, ("tasks is 0", "at least 1"), lambda p, t: searching(p, t, "--tasks", 0)),
    "odd channels": Wrong(2, ("channels is 5",), lambda p, t: searching(p, t, "--channels", 5)),
    "negative rate": Wrong(2, ("alpha_inner", "-1"), lambda p, t: searching(p, t, "--alpha-inner", -1)),
    "rate that is no number": Wrong(2, ("beta_inner", "nan"), lambda p, t: searching(p, t, "--beta-inner", "nan")),
    "unknown order": Wrong(2, ("'frist'", "'first'"), lambda p, t: searching(p, t, "--order", "frist")),
    "unknown device": Wrong(2, ("'gpu9'",), lambda p, t: searching(p, t, "--device", "gpu9")),
    "device that is not here": Wrong(2, ("'cuda:77'",), lambda p, t: searching(p, t, "--device", "cuda:77")),
    "unknown protocol": Wrong(
        2, ("'vinyal'", "'vinyals'"), lambda p, t: ("prepare-data", "omniglot", "--protocol", "vinyal")
    ),
    "nothing to prepare": Wrong(2, ("no data set given", "--list"), lambda p, t: ("prepare-data",)),
    "no source": Wrong(2, ("mini-imagenet", "needs --source"), lambda p, t: ("prepare-data", "mini-imagenet")),
    "unknown --resize": Wrong(2, ("'strech'", "'stretch'"), lambda p, t: preparing(t, p.task, "--resize", "strech")),
    "two channels": Wrong(2, ("--channels 2",), lambda p, t: preparing(t, p.task, "--channels", 2)),
    "shares of 101 per cent": Wrong(2, ("--split 64/16/21",), lambda p, t: preparing(t, p.task, "--split", "64/16/21")),
    "shares that are no numbers": Wrong(2, ("'64/16/x'",), lambda p, t: preparing(t, p.task, "--split", "64/16/x")),
    "two shares": Wrong(2, ("'80/20'",), lambda p, t: preparing(t, p.task, "--split", "80/20")),
    "a preview that is no PNG": Wrong(
        2, ("sheet.jpg", ".png"), lambda p, t: preparing(t, p.task, "--preview", "sheet.jpg")
    ),
    "a choice that is fixed": Wrong(
        2,
        ("--channels does not apply to fc100",),
        lambda p, t: ("prepare-data", "fc100", "--source", t, "--channels", 1),
    ),
    "other shares than it was prepared with": Wrong(
        2,
        ("was prepared with shares 64/16/20, not 50/25/25", "--force"),
        lambda p, t: ("prepare-data", *prepared_again(p), "--split", "50/25/25"),
    ),
    "another --resize than it was prepared with": Wrong(
        2,
        ("was prepared with resize fit", "crop"),
        lambda p, t: ("prepare-data", *prepared_again(p), "--resize", "crop"),
    ),
    "images too small for the network": Wrong(2, ("--size 7",), lambda p, t: preparing(t, images(t, 4), "--size", 7)),
    "task folders and a data set": Wrong(
        2, ("either",), lambda p, t: ("adapt", p.best, p.task, "--dataset", "shapes", *p.here)
    ),
    "neither task folder nor data set": Wrong(2, ("either",), lambda p, t: ("adapt", p.best, *p.here)),
    "unknown split": Wrong(
        2, ("'tset'", "test"), lambda p, t: ("adapt", p.best, "--dataset", "shapes", "--split", "tset", *p.here)
    ),
    "unknown --invert": Wrong(2, ("'perhaps'",), lambda p, t: (*adapting(p, p.best), "--invert", "perhaps")),
    "unknown form": Wrong(2, ("'dott'", "'dot'"), lambda p, t: ("decode", p.best, "--format", "dott")),
    "unknown picture": Wrong(2, ("cells.gif",), lambda p, t: ("decode", p.best, "--picture", t / "cells.gif")),
    "unknown table": Wrong(2, ("99",), lambda p, t: ("report", p.trained.result["run"], "--table", 99)),
    "genotype without a data set": Wrong(
        2, ("data set", "--dataset"), lambda p, t: ("train-eval", AUTO_MAML_1SHOT.to_darts(), *p.here)
    ),
    "a network without a data set": Wrong(
        2, ("4conv-32 does not say", "--dataset"), lambda p, t: ("train-eval", "4conv", *p.here)
    ),
    "channels of a network that has none": Wrong(
        2, ("--channels", "4conv-64"), lambda p, t: ("train-eval", "4conv-64", *TINY, *p.here)
    ),
    "a network with other filters": Wrong(
        2, ("'4conv-46'", "did you mean '4conv-64'?"), lambda p, t: ("train-eval", "4conv-46", *p.here)
    ),
    "no genotype": Wrong(2, ("no genotype",), lambda p, t: ("train-eval", *p.here)),
    "resume with other settings": Wrong(2, ("--way",), lambda p, t: ("resume", p.best.parent, "--way", 5, "--shot", 1)),
    "resume a search with networks side by side": Wrong(
        2, ("--side-by-side has no effect",), lambda p, t: ("resume", p.best.parent, "--side-by-side", 2)
    ),
    "task folders and an option of data sets": Wrong(
        2, ("--tasks has no effect with task folders",), lambda p, t: (*adapting(p, p.best), "--tasks", 3)
    ),
    "a data set and an option of task folders": Wrong(
        2,
        ("--invert has no effect",),
        lambda p, t: ("adapt", p.best, "--dataset", "shapes", "--invert", "no", *p.here),
    ),
    "resume a training with other settings": Wrong(
        2, ("--tasks",), lambda p, t: ("resume", p.trained.result["run"], "--tasks", 5)
    ),
}

OUTPUT = {
    "runs where a file is": Wrong(
        1,
        ("cannot write", "in-the-way"),
        lambda p, t: searching(p, t, "--runs", written(t / "in-the-way", "a file")),
    ),
    "runs below a file": Wrong(
        1,
        ("cannot write", "in-the-way"),
        lambda p, t: searching(p, t, "--runs", written(t / "in-the-way", "a file") / "below"),
    ),
    "training's runs where a file is": Wrong(
        1,
        ("cannot write", "in-the-way"),
        lambda p, t: (
            "train-eval",
            AUTO_MAML_1SHOT.to_darts(),
            *TINY,
            *TRAINING,
            *p.here,
            "--runs",
            written(t / "in-the-way", "a file"),
        ),
    ),
    "a cache where a file is": Wrong(
        1,
        ("cannot write", "in-the-way"),
        lambda p, t: preparing(t, images(t, 4), "--cache-dir", written(t / "in-the-way", "a file")),
    ),
    "a picture below a file": Wrong(
        1,
        ("cannot write", "in-the-way"),
        lambda p, t: ("decode", p.best, "--picture", written(t / "in-the-way", "a file") / "cells.svg"),
    ),
    "a report below a file": Wrong(
        1,
        ("cannot write", "in-the-way"),
        lambda p, t: ("report", p.trained.result["run"], "-o", written(t / "in-the-way", "a file") / "report.md"),
    ),
}

TABLE = SETTINGS | OUTPUT


@pytest.mark.parametrize("name", TABLE)
def test_wrong_input(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run_wrong(TABLE[name], pipeline, tmp_path, monkeypatch)


def test_a_full_disk(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tnas_cli.runs.checkpoint.torch.save", full)
    check(tnas(*searching(pipeline, tmp_path)), 1, ("no space left", ".pt"))
    assert not list(tmp_path.rglob("*.p*t"))


def test_a_read_only_folder(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "runs")

    monkeypatch.setattr("tnas_cli.runs.run_directory.Path.mkdir", refused)
    check(tnas(*searching(pipeline, tmp_path)), 1, ("cannot write", "Permission denied"))


def test_an_unforeseen_error_is_one_paragraph_too(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr("tnas_cli.commands.decode.decode", broken)
    ran = tnas("decode", pipeline.best)
    assert (ran.code, ran.stdout) == (1, "")
    assert "RuntimeError: surprise" in ran.stderr
    assert "TNAS_DEBUG=1" in ran.stderr.splitlines()[-1]
    monkeypatch.setenv("TNAS_DEBUG", "1")
    with pytest.raises(RuntimeError, match="surprise"):
        tnas("decode", pipeline.best)
