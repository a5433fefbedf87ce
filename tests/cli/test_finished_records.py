"""Records of finished tasks are on stdout when they are known, however the command ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.running import start, task_folder, tnas
from tnas_cli.recipes import adapt as recipe


def test_ctrl_c_keeps_the_records_of_finished_tasks(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "records.jsonl"
    arguments = ("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 600, *pipeline.here, "--json")
    with out.open("w") as file, start(*arguments, cwd=tmp_path, stdout=file) as process:
        while not out.read_text().count("\n"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert records and [record["task"]["index"] for record in records] == list(range(len(records)))
    assert all(record["event"] == "adapted" for record in records)


def test_tasks_of_other_shapes_do_not_keep_records_waiting(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first tasks of each shape are computed first; a failure later loses none of them."""
    monkeypatch.setattr(recipe, "TASKS_PER_BATCH", 1)
    shots = (1, 2, 1, 2, 1, 2)
    folders = [task_folder(tmp_path / str(n), range(18, 21), shots=shot) for n, shot in enumerate(shots)]
    computed, adapt_alike = [], recipe.adapt_alike

    def failing(*arguments: object) -> object:
        computed.append(None)
        if len(computed) == 5:
            raise KeyboardInterrupt
        return adapt_alike(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recipe, "adapt_alike", failing)
    ran = tnas("adapt", pipeline.best, *folders, *pipeline.here, "--json")
    assert ran.code == 130
    assert [record["task"]["folder"] for record in ran.records] == [str(folder) for folder in folders[:4]]


def test_a_picture_that_cannot_be_written_does_not_lose_the_genotypes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place could be written when the command began."""
    monkeypatch.setattr("tnas_cli.commands.decode.check_can_write", lambda path: None)
    (tmp_path / "file").write_text("")
    ran = tnas("decode", "DARTS_V2", "--json", "--picture", tmp_path / "file" / "cells.svg")
    assert ran.code == 1 and "cells.svg" in ran.stderr
    assert ran.result["event"] == "genotype"
