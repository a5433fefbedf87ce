"""`tnas train-eval --weights inherited`: options to the engine, the result to lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tnas_cli.cli.asked import Asked
from tnas_cli.cli.console import Screen, duration
from tnas_cli.errors import SettingsError

#: What follows from the search or from soft pruning, and cannot be chosen.
_FIXED = (
    *("method", "alpha_inner", "inner_steps", "test_steps", "order", "learned_rates", "step_norms", "multi_step"),
    "ensemble",
)


def run_inherited(screen: Screen, asked: Asked, checkpoint: Path | None, all_tasks: bool) -> None:
    """Measure genotypes with inherited weights, or go on with such a run, and show the result."""
    from tnas_cli.commands import train_eval as work
    from tnas_cli.commands.resume import resume
    from tnas_cli.recipes.train_settings import settings_for
    from tnas_cli.runs.changes import Changes

    asked.refuse_beside_resume(checkpoint, all_tasks, but="hours")
    for refused, option in ((asked.dry_run, "--dry-run"), (asked.limit is not None, "--limit")):
        if refused:
            raise SettingsError(f"{option} has no meaning with --weights inherited.", hint="leave it out")
    fixed = [name for name in _FIXED if name in asked.given]
    if fixed:
        raise SettingsError(
            f"--{fixed[0].replace('_', '-')} has no meaning with --weights inherited.",
            hint="the inner steps are those of the search",
        )
    if asked.resume is not None:
        with screen.progress() as listener:
            changes = Changes(asked.given.get("hours"))
            result: dict[str, Any] = resume(
                asked.resume, changes=changes, machine=asked.machine, listener=listener
            ).to_json()
    else:
        records = asked.records("tnas decode adapted.jsonl --json | tnas train-eval - --weights inherited")
        settings = settings_for(records, asked.preset, asked.given, trainings=1)
        with screen.progress() as listener:
            result = work.inherit(
                records,
                settings,
                checkpoint=checkpoint,
                all_tasks=all_tasks,
                runs=asked.runs,
                machine=asked.machine,
                listener=listener,
            ).to_json()
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
        f"interval; meta-trained once on {result['budget']['training']['amount']:,} tasks, validation "
        f"{100 * result['validation']:.2f}%, {duration(result['wall_seconds'])}"
    )
    screen.say(f"next: tnas report {result['run']}")
