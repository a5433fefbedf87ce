"""Standard streams that are closed, full, or a pipe that nobody reads: what is done ends as it should."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SEARCH, Pipeline
from tests.running import command, tnas
from tnas_cli.cli.console import Screen
from tnas_cli.cli.streams import safe_streams
from tnas_cli.errors import TnasError
from tnas_cli.runs.events import Note, Progress

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")

DECODE = ("decode", "DARTS_V2")


def shell(redirection: str, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    """`tnas ARGUMENTS REDIRECTION` in a shell."""
    line = ["bash", "-c", f'"$@" {redirection}', "bash", *command(*arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
def test_data_that_cannot_be_written_end_the_command(redirection: str) -> None:
    ran = shell(redirection, *DECODE)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-2].startswith("error: cannot write to standard output: ")
    assert "unexpected" not in ran.stderr and "Exception" not in ran.stderr


def test_a_pipe_that_nobody_reads_ends_the_command_without_a_word() -> None:
    ran = shell('| true; exit "${PIPESTATUS[0]}"', *DECODE, "--quiet")
    assert (ran.returncode, ran.stderr) == (1, "")


@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_words_that_cannot_be_written_are_lost_and_nothing_else(redirection: str) -> None:
    ran = shell(redirection, *DECODE)
    assert ran.returncode == 0 and ran.stdout.startswith("Genotype(")


def test_closed_input_is_an_error_only_where_it_is_read() -> None:
    assert shell("<&-", *DECODE).returncode == 0
    ran = shell("<&-", "decode", "-")
    assert ran.returncode == 3 and "error: standard input is closed." in ran.stderr


def test_input_that_is_not_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["tnas", "decode", "-"])
    with (
        safe_streams(),
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(TnasError, match="standard input is not text"),
    ):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\x80 no text")))
        from tnas_cli.cli.streams import standard_input

        standard_input()


def broken(error: Exception) -> io.StringIO:
    """A stream that refuses everything."""

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    return Broken()


LISTENERS: list[Callable[[Screen], None]] = [
    lambda screen: screen.say("words"),
    lambda screen: screen.told(Note("words")),
]


@pytest.mark.parametrize("error", [OSError(28, "full"), BrokenPipeError(32, "gone"), ValueError("closed file")])
def test_progress_goes_on_without_its_stream(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", broken(error))
    monkeypatch.setenv("FORCE_COLOR", "1")  # bars, as on a terminal
    with safe_streams():
        screen = Screen()
        for tell in LISTENERS:
            tell(screen)
        with screen.progress() as listener:
            listener(Note("note"))
            listener(Progress("search", 1, 2, "tasks"))


def test_a_search_whose_log_is_full_ends_as_ever(pipeline: Pipeline, tmp_path: Path) -> None:
    ran = shell("2> /dev/full", "search", *SEARCH, "--runs", tmp_path / "runs", *pipeline.here, "--json")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["command"] == "search"


def test_a_run_is_complete_though_its_result_cannot_be_shown(pipeline: Pipeline, tmp_path: Path) -> None:
    ran = shell(">&-", "search", *SEARCH, "--runs", tmp_path / "runs", *pipeline.here)
    assert ran.returncode == 1 and "cannot write to standard output: it is closed" in ran.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "result.json").is_file()
    # The numbers of closed streams were not given to files of the run.
    assert all(json.loads(line) for line in (run / "events.jsonl").read_text().splitlines())


@pytest.mark.parametrize("format_", ["--json", "--csv"])
def test_records_for_a_file_are_not_drawn_into_the_terminal(format_: str, pipeline: Pipeline, tmp_path: Path) -> None:
    model, out = tmp_path / "model.pt", tmp_path / "out"
    assert tnas("adapt", pipeline.best, pipeline.task, "--save", model, *pipeline.here).code == 0
    ours, theirs = pty.openpty()
    with out.open("w") as file:
        environment = {**os.environ, "TERM": "xterm"}
        arguments = command("predict", model, pipeline.task / "query", format_, "--device", "cpu", "--threads", 1)
        process = subprocess.Popen(arguments, stdout=file, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # the other end is closed
        pass
    assert process.wait() == 0
    assert len(out.read_text().splitlines()) == 7  # 6 images, and the result or the names of the columns
    assert b"predict" in shown and b"0-100.png" not in shown


def test_letters_that_the_encoding_lacks_are_shown_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with safe_streams():
        Screen().text("98.1 ± 0.2")
    assert raw.getvalue() == b"98.1 \\xb1 0.2\n"
