"""The command after another one: none where the run that it would need is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import AUTO_MAML_1SHOT
from tnas_cli.commands.next_steps import after_decoding
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.runs import run_file
from tnas_cli.runs.device import HERE
from tnas_cli.runs.run_file import RunFile


@pytest.mark.parametrize("changed", [{}, {"dataset": None}, {"query": None}, {"query": "many"}])
def test_after_decoding_with_a_damaged_run(changed: dict[str, object], tmp_path: Path) -> None:
    values = {"dataset": "glyphs", "protocol": "", "query": 15} | changed
    settings = {name: value for name, value in values.items() if value is not None}
    (tmp_path / run_file.NAME).write_text(RunFile("search", settings, {}, "0" * 64, HERE).text())
    records = [decoded(AUTO_MAML_1SHOT, Origin(run=str(tmp_path), way=5, shot=1, channels=16))]
    found = after_decoding(records, "genotypes.jsonl", None)
    assert (found is None) == bool(changed), json.dumps(settings)
