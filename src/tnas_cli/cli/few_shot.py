"""`tnas train-eval` in the few-shot setting, from scratch: options to the engine, the result to a table."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from tnas_cli.cli.asked import Asked
from tnas_cli.cli.console import Screen, duration
from tnas_cli.cli.search import render_estimate


def run_few_shot(screen: Screen, asked: Asked, seeds: int, side_by_side: int | None) -> None:
    """Train each distinct genotype, or one network, or go on with such a run, and show the result."""
    from tnas_cli.commands import train_eval as work
    from tnas_cli.commands.resume import resume
    from tnas_cli.recipes.train_settings import settings_for
    from tnas_cli.runs.changes import Changes

    asked.refuse_beside_resume(but="hours")
    where: dict[str, Any] = {"side_by_side": side_by_side, "machine": asked.machine}
    if asked.resume is not None:
        with screen.progress() as listener:
            changes = Changes(asked.given.get("hours"), side_by_side)
            result: dict[str, Any] = resume(
                asked.resume, changes=changes, listener=listener, machine=asked.machine
            ).to_json()
    else:
        records = asked.records("tnas decode adapted.jsonl --json | tnas train-eval -")
        settings = settings_for(records, asked.preset, asked.given, trainings=asked.limit)
        where["limit"] = asked.limit
        with screen.progress() as listener:
            if asked.dry_run:
                render_estimate(screen, work.estimate_training(records, settings, listener=listener, **where).to_json())
                return
            where |= {"seeds": seeds, "runs": asked.runs}
            result = work.train_eval(records, settings, listener=listener, **where).to_json()
    if screen.as_json:
        screen.record(result)
    elif seeds > 1:
        _show_seeds(screen, result)
    else:
        _show(screen, result)


def _show_seeds(screen: Screen, result: dict[str, Any]) -> None:
    for seed, mean, run in zip(result["seeds"], result["means"], result["runs"], strict=True):
        screen.say(f"seed {seed}: {100 * mean:.2f}% ({run})")
    screen.text(
        f"accuracy {100 * result['mean']:.2f} ± {100 * result['interval']:.2f}% over {result['tasks']} tasks, "
        f"standard deviation over {len(result['seeds'])} seeds {100 * result['spread_over_seeds']:.2f}"
    )


def _show(screen: Screen, result: dict[str, Any]) -> None:
    from tnas_cli.methods.registry import title_of

    table = Table(title=f"{result['dataset']} ({result['protocol']} split), {result['way']}-way {result['shot']}-shot")
    network = result["network"]
    named = ("genotype", "tasks decoded to it") if network is None else (f"network ({title_of(result['training'])})",)
    for name in (*named, "weights", "validation", f"test, {result['tasks']} tasks"):
        table.add_column(name)
    for row in result["per_genotype"]:
        table.add_row(
            row["digest"],
            *((str(row["count"]),) if network is None else ()),
            f"{row['parameters']:,}",
            f"{100 * row['validation']:.2f}%",
            f"{100 * row['mean']:.2f} ± {100 * row['interval']:.2f}%",
        )
    screen.show(table)
    screen.text(f"accuracy {100 * result['mean']:.2f} ± {100 * result['interval']:.2f}%")
    inductive = result["inductive"]
    if inductive:
        screen.say(
            f"with batch norm over the support set (inductive): {100 * inductive['mean']:.2f} ± "
            f"{100 * inductive['interval']:.2f}%"
        )
    own = result["own_tasks"]
    if own:
        screen.say(
            f"each genotype on the tasks that decoded to it: {100 * own['mean']:.2f} ± {100 * own['interval']:.2f}% "
            f"({own['tasks']} tasks)"
        )
    trained = network or f"{result['genotypes_trained']} of {result['genotypes']} genotypes"
    screen.say(
        f"{result['tasks']} test tasks, 95% interval, batch norm over the query set; {trained} trained from scratch on "
        f"{result['budget']['training']['amount']:,} tasks{'' if network else ' each'}, "
        f"{duration(result['wall_seconds'])}"
    )
    screen.say(f"next: tnas report {result['run']}")
