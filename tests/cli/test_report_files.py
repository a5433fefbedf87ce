"""`tnas report --figures` and `--html` on a real, tiny pipeline."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.conftest import Pipeline
from tests.running import Ran, succeeding, tnas
from tnas_cli.report import task_picture
from tnas_cli.report.figures import task_grid
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.task_grid import TaskImages


def run_of(ran: Ran) -> Path:
    return Path(ran.result["run"])


@pytest.fixture(scope="module")
def adapted(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What adapt printed for tasks of the data set, and for a folder."""
    folder = tmp_path_factory.mktemp("records")
    files = [folder / "adapted.jsonl", folder / "folder.jsonl"]
    for file, ran in zip(files, (pipeline.adapted, pipeline.adapted_folder), strict=True):
        file.write_text(ran.stdout)
    return files


def test_every_kind_of_figure_is_drawn_as_svg_and_png(pipeline: Pipeline, adapted: list[Path], tmp_path: Path) -> None:
    runs = [run_of(pipeline.searched), run_of(pipeline.trained), *adapted]
    ran = succeeding("report", *runs, "--figures", tmp_path / "out", "--cache-dir", pipeline.cache)
    written = [Path(line) for line in ran.stdout.splitlines()]
    assert sorted(written) == sorted((tmp_path / "out").iterdir())
    kinds = {re.sub(r"-cells-\w+$", "-cells", path.stem) for path in written}
    search, training = (run.name for run in runs[:2])
    expected = {f"{search}-curves", f"{search}-theta", f"{training}-curves", f"{training}-cells"}
    for name in ("adapted", "folder"):
        expected |= {f"{name}-theta", f"{name}-steps", f"{name}-task"}
    assert expected <= kinds <= expected | {"adapted-cells", "folder-cells"}
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            with Image.open(path) as image:
                assert image.width > 300 and image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert f"drew {len(written) // 2} figures" in ran.stderr


def test_dark_figures_have_names_of_their_own_and_captions_say_the_numbers(
    pipeline: Pipeline, adapted: list[Path], tmp_path: Path
) -> None:
    ran = succeeding("report", adapted[0], "--figures", tmp_path, "--dark", "--json", "--cache-dir", pipeline.cache)
    *figures, result = ran.records
    assert result["drawn"] == len(figures) and result["command"] == "report"
    files = [Path(file) for figure in figures for file in figure["files"]]
    assert all(file.stem.endswith("-dark") and file.is_file() for file in files)
    with Image.open(next(file for file in files if file.suffix == ".png")) as image:
        assert max(image.convert("RGB").getpixel((1, 1))) < 60
    theta = next(figure for figure in figures if "theta" in figure["figure"])
    assert theta["caption"].count("normalised entropy") == 4  # theta~ and three tasks
    first = pipeline.adapted.records[0]
    assert f"mean largest probability {first['theta_mean_largest_probability']:.3f}" in theta["caption"]


def test_predictions_that_are_computed_again_are_those_of_the_record(
    pipeline: Pipeline, adapted: list[Path], tmp_path: Path
) -> None:
    ran = succeeding("report", adapted[0], "--figures", tmp_path, "--json", "--cache-dir", pipeline.cache)
    caption = next(figure["caption"] for figure in ran.records[:-1] if "images" in figure["figure"])
    assert f"({100 * pipeline.adapted.records[0]['accuracy']:.1f}%)" in caption


def test_what_is_gone_is_named_and_the_rest_is_drawn(pipeline: Pipeline, tmp_path: Path) -> None:
    record = dict(pipeline.adapted.records[0], checkpoint=str(tmp_path / "gone.pt"))
    file = tmp_path / "moved.jsonl"
    file.write_text(json.dumps(record) + "\n")
    ran = succeeding("report", file, "--figures", tmp_path / "out", "--cache-dir", pipeline.cache)
    assert "moved: no meta-architecture beside the adapted ones" in ran.stderr
    assert "moved: no task images: no checkpoint at" in ran.stderr
    assert (tmp_path / "out" / "moved-theta.svg").is_file() and (tmp_path / "out" / "moved-steps.png").is_file()


def test_the_page_holds_every_source(pipeline: Pipeline, adapted: list[Path], tmp_path: Path) -> None:
    runs = [run_of(pipeline.searched), run_of(pipeline.trained), *adapted]
    file = tmp_path / "report.html"
    ran = succeeding("report", *runs, "--html", file, "--cache-dir", pipeline.cache, "--json")
    assert ran.result["html"] == str(file) and ran.result["sources"] == 4
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    for expected in (
        *(run.name for run in runs[:2]),
        f"{100 * pipeline.trained.result['mean']:.2f}",
        "99.16 ± 0.34",
        "validate_every",
        "processor",
    ):
        assert expected in text, expected
    words = re.sub(r"<[^>]*>", "", text)
    for command in ("tnas search --preset", "tnas train-eval", "tnas adapt"):
        assert command in words, command
    again = tmp_path / "again.html"
    succeeding("report", *runs, "--html", again, "--cache-dir", pipeline.cache)
    assert again.read_text(encoding="utf-8") == text


def test_all_runs_are_the_default_and_standard_input_serves_both(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pipeline.folder)
    assert succeeding("report", "--html", tmp_path / "a.html", "--json").result["sources"] == 2
    both = ("--html", tmp_path / "b.html", "--figures", tmp_path / "out", "--cache-dir", pipeline.cache)
    succeeding("report", "-", *both, stdin=pipeline.adapted.stdout)
    assert "stdin" in (tmp_path / "b.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "stdin-steps.svg").is_file()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--dark",), 2, "--dark applies to --figures only"),
        (("--html", "x.html", "--compare"), 2, "exclude each other"),
        (("--figures", "out", "--output", "x.md"), 2, "exclude each other"),
    ],
)
def test_options_that_do_not_fit(options: tuple[str, ...], code: int, words: str) -> None:
    ran = tnas("report", "run", *options)
    assert ran.code == code and words in ran.stderr and "hint:" in ran.stderr


def test_places_and_sources_that_cannot_be_used(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = run_of(pipeline.searched)
    for options in (("--html", tmp_path / "file" / "x.html"), ("--figures", tmp_path / "file")):
        ran = tnas("report", run, *options)
        assert ran.code == 1 and "cannot write" in ran.stderr
    ran = tnas("report", tmp_path / "missing", "--html", tmp_path / "x.html")
    assert ran.code == 3 and "missing does not exist" in ran.stderr and not (tmp_path / "x.html").exists()
    results = tmp_path / "results.jsonl"
    results.write_text(pipeline.trained.stdout)
    ran = tnas("report", results, "--figures", tmp_path / "out")
    assert ran.code == 3 and "it holds results only" in ran.stderr and not (tmp_path / "out").exists()


def test_inverted_images_are_shown_and_adapted_to_again_as_they_were(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounds: dict[str, int] = {}

    def record(name: str, title: str, task: TaskImages, note: str = "") -> Picture:
        grounds[name] = int(task.support[0][0][0, 0].max())
        return task_grid.task_picture(name, title, task, note)

    monkeypatch.setattr(task_picture, "task_picture", record)
    files = []
    for invert in ("yes", "no"):
        files.append(tmp_path / f"{invert}.jsonl")
        ran = succeeding("adapt", pipeline.best, pipeline.task, "--invert", invert, *pipeline.here, "--json")
        files[-1].write_text(ran.stdout)
        assert ran.records[0]["preparation"]["invert"] is (invert == "yes")
    page = tmp_path / "report.html"
    succeeding("report", *files, "--html", page, "--cache-dir", pipeline.cache)
    assert grounds["yes-task"] == 255 - grounds["no-task"]
    words = html.unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))
    for invert in ("yes", "no"):
        (line,) = [line for line in words.splitlines() if f"--invert {invert}" in line and "called as" not in line]
        again = succeeding(*shlex.split(line.strip())[1:], *pipeline.here)
        assert again.records[0]["accuracy"] == json.loads(files[invert == "no"].read_text().splitlines()[0])["accuracy"]
        assert again.records[0]["preparation"]["invert"] is (invert == "yes")


def test_of_a_folder_of_runs_a_bad_one_hides_no_other(pipeline: Pipeline, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(pipeline.runs, runs)
    bad = runs / "train-eval-broken-1"
    bad.mkdir()
    (bad / "events.jsonl").write_text('nonsense\n{"event": "step"}\n')
    ran = succeeding("report", runs)
    assert "[1]" in ran.stdout and "Left out:" in ran.stdout and "train-eval-broken-1" in ran.stdout
    ran = succeeding("report", runs, "--html", tmp_path / "r.html", "--json")
    assert ran.result["sources"] == len(list(runs.iterdir())) - 1
    assert any("train-eval-broken-1: left out" in reason for reason in ran.result["left_out"])
