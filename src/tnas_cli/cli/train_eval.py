"""`tnas train-eval`: options to settings, the result to a table or a record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen, duration
from tnas_cli.cli.search import render_estimate
from tnas_cli.errors import SettingsError

Number = float | None
Whole = int | None


def train_eval(
    genotype: Annotated[
        str | None,
        typer.Argument(
            help="A genotype, a published one's name (DARTS_V2), a file of records, or - for stdin; or 4conv, 4conv-64."
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Default: the genotypes' own.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="maml, maml++, meta-sgd, anil, protonets, matching-nets or compare-nets; default: maml. Supervised: "
            "t-nas, s1, s2 or random.",
        ),
    ] = None,
    way: options.Way = None,
    shot: options.Shot = None,
    query: options.Query = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", help="The data set's split protocol; or another setting: supervised (5.3), transfer (D)."
        ),
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="paper or quick.")] = "quick",
    limit: Annotated[Whole, typer.Option("--limit", min=1, help="Only the most frequent genotypes.")] = None,
    max_skips: options.MaxSkips = None,
    tasks: Annotated[
        Whole, typer.Option("--tasks", min=1, help="Training tasks per genotype; supervised: tasks.")
    ] = None,
    hours: Annotated[
        Number,
        typer.Option(
            "--hours",
            min=0,
            help="Time to spend: genotypes are trained, the most frequent first, while another one fits; a single "
            "training is as long as that. 0: no limit.",
        ),
    ] = None,
    meta_batch: options.MetaBatch = None,
    alpha_inner: options.AlphaInner = None,
    inner_steps: options.InnerSteps = None,
    test_steps: options.TestSteps = None,
    alpha_outer: options.AlphaOuter = None,
    order: options.Order = None,
    learned_rates: options.LearnedRates = None,
    step_norms: options.StepNorms = None,
    multi_step: options.MultiStep = None,
    cosine_to: options.CosineTo = None,
    ensemble: options.Ensemble = None,
    channels: options.Channels = None,
    validate_every: options.ValidateEvery = None,
    validation_tasks: options.ValidationTasks = None,
    test_tasks: Annotated[Whole, typer.Option("--test-tasks", min=2, help="Test tasks.")] = None,
    epochs: Annotated[Whole, typer.Option("--epochs", min=1, help="Supervised and transfer: of the training.")] = None,
    layers: Annotated[Whole, typer.Option("--layers", min=1, help="Transfer: cells of the network.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint", help="Supervised, t-nas: the best.pt to adapt. Inherited: the one to inherit from."
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            help="scratch, or inherited: the search's own, after one short meta-training for all genotypes.",
        ),
    ] = "scratch",
    all_tasks: Annotated[
        bool, typer.Option("--all-tasks", help="Inherited: each genotype on all test tasks, not on its own.")
    ] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Supervised and transfer: NAME=VALUE, any of the settings.")
    ] = None,
    side_by_side: Annotated[
        Whole,
        typer.Option(
            "--side-by-side",
            min=1,
            help="Genotypes trained at a time, each with its share of the threads; default: as many as threads, where "
            "that is faster.",
        ),
    ] = None,
    seed: options.PresetSeed = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Repeat with so many seeds; mean and spread over the runs.")
    ] = 1,
    resume: options.Resume = None,
    runs: options.Runs = Path("runs"),
    device: options.Device = "auto",
    threads: options.Threads = None,
    engine: options.Engine = "auto",
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    tensorboard: options.Tensorboard = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train each distinct genotype once from scratch (first-order MAML) and measure it on the stored test tasks.

    4conv in a genotype's place trains MAML's usual network of four convolutions with 32 filters, 4conv-64 with 64: what
    a decoded network is compared with. It needs --dataset.

    With --weights inherited nothing is trained from scratch: the search's weights are meta-trained once, for --tasks
    tasks, through the steps that turn an adapted search network into its decoded one.

    With --protocol supervised (Section 5.3) --method finds genotypes for a few larger tasks, and they are trained on
    each; a genotype that is given is trained on all. With --protocol transfer (Appendix D) a network of many cells is
    trained on cifar10 or imagenet.
    """
    from tnas_cli.cli.train_eval_settings import INHERITED, Extra, run_setting, setting_meant
    from tnas_cli.engine import train_eval as work
    from tnas_cli.engine.seeds import over_seeds
    from tnas_cli.engine.train_settings import settings_for
    from tnas_cli.engine.trainable import read_trainables
    from tnas_cli.runs.device import Machine

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    chosen = {
        "dataset": dataset,
        "method": method,
        "way": way,
        "shot": shot,
        "query": query,
        "protocol": protocol,
        "tasks": tasks,
        "hours": hours,
        "meta_batch": meta_batch,
        "alpha_inner": alpha_inner,
        "inner_steps": inner_steps,
        "test_steps": test_steps,
        "alpha_outer": alpha_outer,
        "order": order,
        "learned_rates": learned_rates,
        "step_norms": step_norms,
        "multi_step": multi_step,
        "cosine_to": cosine_to,
        "ensemble": ensemble,
        "channels": channels,
        "validate_every": validate_every,
        "validation_tasks": validation_tasks,
        "test_tasks": test_tasks,
        "seed": seed,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    machine = Machine(device, threads, cache_dir, offline, engine, tensorboard)
    extra = Extra(epochs, layers, checkpoint, changes or ())
    setting = setting_meant(protocol, resume, extra, weights)
    if max_skips is not None and (setting not in (None, INHERITED) or resume is not None):
        raise SettingsError(
            "--max-skips decodes adapted records for the few-shot setting.", hint="use it in tnas decode, and pass that"
        )
    if seeds > 1 and (setting is not None or resume is not None or dry_run):
        raise SettingsError(
            "--seeds repeats a training from scratch in the few-shot setting.", hint="leave it out, and give --seed"
        )
    if side_by_side is not None and setting is not None:
        raise SettingsError("--side-by-side is for few-shot trainings from scratch.", hint="leave it out")
    if setting == INHERITED:
        from tnas_cli.cli.inherited import run_inherited

        run_inherited(
            screen, genotype, given, checkpoint, all_tasks, preset, limit, max_skips, resume, runs, machine, dry_run
        )
        return
    if all_tasks:
        raise SettingsError("--all-tasks goes with --weights inherited.", hint="leave it out")
    if setting is not None:
        more: dict[str, Any] = {"preset": preset, "limit": limit, "resume": resume, "runs": runs, "dry_run": dry_run}
        run_setting(setting, screen, genotype, given, extra, machine=machine, **more)
        return
    if resume is not None:
        if set(given) - {"hours"} or genotype or limit:
            raise SettingsError(
                "--resume takes the run's own genotypes and settings.", hint="give nothing beside it but --hours"
            )
        with screen.progress() as listener:
            result = work.resume(resume, hours=hours, side_by_side=side_by_side, listener=listener, machine=machine)
    else:
        if genotype is None:
            raise SettingsError(
                "no genotype given.", hint="for example: tnas decode adapted.jsonl --json | tnas train-eval -"
            )
        records = read_trainables(genotype, sys.stdin.read() if genotype == "-" else None, max_skips)
        settings = settings_for(records, preset, given, trainings=limit)
        with screen.progress() as listener:
            if dry_run:
                result = work.dry_run(
                    records, settings, limit=limit, side_by_side=side_by_side, machine=machine, listener=listener
                )
            else:
                result = over_seeds(
                    lambda seeded: work.train_eval(
                        records,
                        seeded,
                        limit=limit,
                        side_by_side=side_by_side,
                        runs=runs,
                        machine=machine,
                        listener=listener,
                    ),
                    settings,
                    seeds,
                )
    if dry_run:
        render_estimate(screen, result)
    elif as_json:
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
    from tnas_cli.methods.zoo import TRAIN

    table = Table(title=f"{result['dataset']} ({result['protocol']} split), {result['way']}-way {result['shot']}-shot")
    network = result["network"]
    named = (
        ("genotype", "tasks decoded to it") if network is None else (f"network ({TRAIN[result['training']].title})",)
    )
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
        f"{result['budget']['train_tasks_per_genotype']:,} tasks{'' if network else ' each'}, "
        f"{duration(result['wall_seconds'])}"
    )
    screen.say(f"next: tnas report {result['run']}")
