"""Which of the paper's settings a run of `tnas train-eval` is: few-shot (5.2), supervised (5.3) or transfer (D).

A run keeps its setting, settings and records in `plan.json` and `genotypes.jsonl`, and goes on from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError
from tnas_cli.runs.files import write_text
from tnas_cli.runs.run_directory import RunDirectory

Record = dict[str, Any]

#: Values of --protocol that choose a setting; all others name a split of the data set, in the few-shot setting.
SETTINGS = ("supervised", "transfer")


def write_plan(
    run: RunDirectory, setting: str, settings: Mapping[str, Any], records: Sequence[Record], **more: Any
) -> None:
    """Keep what a run needs to go on."""
    write_text(run.path / "genotypes.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    write_text(run.path / "plan.json", json.dumps({"setting": setting, "settings": dict(settings), **more}) + "\n")


def setting_of(run_path: Path) -> str:
    """The setting of a run directory; 'few-shot' where it names none, or cannot be read here."""
    try:
        plan = json.loads((run_path / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "few-shot"
    return str(plan.get("setting", "few-shot")) if isinstance(plan, dict) else "few-shot"


def plan_of(run_path: Path, setting: str) -> tuple[RunDirectory, dict[str, Any], list[Record]]:
    """A run directory of this setting, its plan and its records; raises DataError where it is not one."""
    run = RunDirectory.open(run_path)
    try:
        plan = json.loads((run_path / "plan.json").read_text(encoding="utf-8"))
        lines = (run_path / "genotypes.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        if plan["setting"] != setting or "settings" not in plan or "fingerprint" not in plan:
            raise KeyError(setting)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{run_path} is not a train-eval run of the {setting} setting.",
            hint="pass a folder that `tnas train-eval` made",
        ) from error
    return run, plan, records
