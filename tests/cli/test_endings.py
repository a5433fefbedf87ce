"""The ending of a file that is written is obeyed or refused, by the same rule in every command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.pasting import HOSTILE, words_of
from tests.running import Argument, succeeding, tnas
from tnas_cli.runs.endings import ending_of

Arguments = tuple[Argument, ...]

#: Each place where a command takes the name of a file to write, with its endings and what each has near its beginning.
PLACES: dict[str, tuple[Callable[[Pipeline, Path, Path], Arguments], dict[str, bytes]]] = {
    "report --output": (
        lambda p, file, _: ("report", p.trained.result["run"], "-o", file),
        {".md": b"### Table", ".csv": b"table,", ".json": b"{", ".tex": b"% needs", ".txt": b"Table 2"},
    ),
    "report --html": (
        lambda p, file, _: ("report", p.folder / "adapted.jsonl", "--html", file),
        {".html": b"<!DOCTYPE", ".htm": b"<!DOCTYPE"},
    ),
    "decode --picture": (
        lambda _, file, __: ("decode", "DARTS_V2", "-p", file),
        {".svg": b"<?xml", ".png": b"\x89PNG"},
    ),
    "decode --module": (lambda _, file, __: ("decode", "DARTS_V2", "--module", file), {".py": b'"""'}),
    "adapt --save": (lambda p, file, _: ("adapt", p.best, p.task, "--save", file, *p.here), {".pt": b"PK"}),
    "predict --page": (
        lambda p, file, kept: ("predict", kept, p.task / "query", "--page", file),
        {".html": b"<!DOCTYPE", ".htm": b"<!DOCTYPE"},
    ),
    "export": (lambda _, file, kept: ("export", kept, file), {".pt2": b"PK"}),
    "prepare-data --preview": (
        lambda p, file, _: ("prepare-data", "glyphs", "--cache-dir", p.cache, "--preview", file),
        {".png": b"\x89PNG"},
    ),
}
CASES = [(place, ending) for place, (_, endings) in PLACES.items() for ending in endings]


@pytest.fixture(scope="module")
def kept(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("kept") / "model.pt"
    succeeding("adapt", pipeline.best, pipeline.task, "--save", model, *pipeline.here)
    (pipeline.folder / "adapted.jsonl").write_text(pipeline.adapted_folder.stdout)
    return model


@pytest.mark.parametrize(("place", "ending"), CASES)
def test_an_ending_is_obeyed_in_any_case(
    pipeline: Pipeline, kept: Path, tmp_path: Path, place: str, ending: str
) -> None:
    arguments, endings = PLACES[place]
    (tmp_path / HOSTILE).mkdir()
    file = tmp_path / HOSTILE / f"some.file{ending.upper()}"
    succeeding(*arguments(pipeline, file, kept))
    assert endings[ending] in file.read_bytes()[:2000]


@pytest.mark.parametrize("name", ["x.pdf", "x.PDF", "x", "x{}.gz", "x{}.bak", "{}", "-"])
@pytest.mark.parametrize("place", PLACES)
def test_any_other_name_is_refused_before_anything_is_done(
    pipeline: Pipeline, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    arguments, endings = PLACES[place]
    if (place, name) == ("report --output", "-"):
        return  # standard output
    monkeypatch.chdir(tmp_path)
    ran = tnas(*arguments(pipeline, Path(name.format(next(iter(endings)))), kept))
    assert ran.code == 2
    assert all(ending in ran.stderr for ending in endings)
    assert list(tmp_path.iterdir()) == []
    example = ran.stderr.splitlines()[-1].removeprefix("hint: for example: ")
    ((word,),) = words_of(f"tnas {example}")
    assert ending_of(Path(word), (*endings, ".onnx"), "it")


def test_a_format_that_is_asked_for_is_not_put_under_another_name(pipeline: Pipeline, tmp_path: Path) -> None:
    run = pipeline.trained.result["run"]
    refused = tnas("report", run, "--format", "csv", "-o", tmp_path / "x.md")
    assert refused.code == 2
    assert ".csv" in refused.stderr
    succeeding("report", run, "--format", "csv", "-o", tmp_path / "x.csv")
    succeeding("report", run, "--format", "csv", "-o", tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "x.csv").read_bytes()


def test_a_line_is_standard_output(pipeline: Pipeline) -> None:
    run = pipeline.trained.result["run"]
    shown = succeeding("report", run, "--format", "csv", "-o", "-")
    assert shown.stdout == succeeding("report", run, "--format", "csv").stdout
