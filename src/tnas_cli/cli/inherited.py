"""`tnas train-eval --weights inherited`: options to the engine, the result to lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnas_cli.cli.console import Screen, duration
from tnas_cli.errors import SettingsError

if TYPE_CHECKING:
    from tnas_cli.runs.device import Machine

#: What follows from the search or from soft pruning, and cannot be chosen.
_FIXED = ("method", "alpha_inner", "inner_steps", "test_steps", "order", "learned_rates", "step_norms", "multi_step")


def run_inherited(
    screen: Screen,
    genotype: str | None,
    given: Mapping[str, Any],
    checkpoint: Path | None,
    all_tasks: bool,
    preset: str,
    limit: int | None,
    max_skips: int | None,
    resume: Path | None,
    runs: Path,
    machine: Machine,
    dry_run: bool,
) -> None:
    """Measure genotypes with inherited weights, or go on with such a run, and show the result."""
    from tnas_cli.engine import inherited as work
    from tnas_cli.engine.train_settings import settings_for
    from tnas_cli.engine.trainable import read_trainables

    others = [name for name in given if name != "hours"]
    if resume is not None and (others or genotype or checkpoint or all_tasks or limit):
        raise SettingsError("--resume takes the run's own genotypes and settings.", hint="give nothing but --resume")
    for refused, option in ((dry_run, "--dry-run"), (limit is not None, "--limit")):
        if refused:
            raise SettingsError(f"{option} has no meaning with --weights inherited.", hint="leave it out")
    fixed = [name for name in _FIXED if name in given]
    if fixed:
        raise SettingsError(
            f"--{fixed[0].replace('_', '-')} has no meaning with --weights inherited.",
            hint="the inner steps are those of the search",
        )
    if resume is not None:
        with screen.progress() as listener:
            result = work.resume(resume, hours=given.get("hours"), machine=machine, listener=listener)
    else:
        if genotype is None:
            raise SettingsError(
                "no genotype given.",
                hint="for example: tnas decode adapted.jsonl --json | tnas train-eval - --weights inherited",
            )
        records = read_trainables(genotype, sys.stdin.read() if genotype == "-" else None, max_skips)
        settings = settings_for(records, preset, given, trainings=1)
        with screen.progress() as listener:
            result = work.inherit(
                records,
                settings,
                checkpoint_path=checkpoint,
                all_tasks=all_tasks,
                runs=runs,
                machine=machine,
                listener=listener,
            )
    if screen.as_json:
        screen.record(result)
        return
    screen.text(f"accuracy {100 * result['mean']:.2f} ± {100 * result['interval']:.2f}%")
    inductive, own = result["inductive"], "all" if result.get("per_genotype") else "the test task that decoded to it"
    if inductive:
        screen.say(
            f"with batch norm over the support set (inductive): {100 * inductive['mean']:.2f} ± "
            f"{100 * inductive['interval']:.2f}%"
        )
    screen.say(
        f"{result['genotypes']} genotypes with the search's weights, each on {own}: {result['tasks']} test tasks, 95% "
        f"interval; meta-trained once on {result['budget']['inherit_tasks']:,} tasks, validation "
        f"{100 * result['validation']:.2f}%, {duration(result['wall_seconds'])}"
    )
    screen.say(f"next: tnas report {result['run']}")
