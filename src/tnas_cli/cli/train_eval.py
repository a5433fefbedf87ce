"""`tnas train-eval`: options to settings, the result to a table or a record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.genotypes import read_argument
from tnas_cli.cli.show import show, show_estimate
from tnas_cli.errors import SettingsError, did_you_mean

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
            help="maml, maml++, meta-sgd, anil, protonets, matching-nets or compare-nets; default: maml.",
        ),
    ] = None,
    way: options.Way = None,
    shot: options.Shot = None,
    query: options.Query = None,
    protocol: options.Protocol = None,
    preset: Annotated[str, typer.Option("--preset", help="paper or quick.")] = "quick",
    limit: Annotated[Whole, typer.Option("--limit", min=1, help="Only the most frequent genotypes.")] = None,
    max_skips: options.MaxSkips = None,
    tasks: Annotated[Whole, typer.Option("--tasks", min=1, help="Training tasks per genotype.")] = None,
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
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint", help="Inherited: the best.pt to inherit from; default: that of the genotypes' search."
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

    Ctrl-C saves, and `tnas resume RUN` goes on.
    """
    values = locals()
    from tnas_cli.commands import train_eval as work
    from tnas_cli.recipes.train_settings import settings_for
    from tnas_cli.runs.device import Machine
    from tnas_cli.settings.few_shot import TrainSettings

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    given = options.settings_given(TrainSettings, values)
    inherited = _is_inherited(weights, values)
    if seeds > 1 and dry_run:
        raise SettingsError("--seeds repeats a training, which --dry-run does not make.", hint="leave it out")
    records = read_argument(genotype, max_skips, example="tnas decode adapted.jsonl --json | tnas train-eval -")
    machine = Machine(device, threads, cache_dir, offline, engine, tensorboard)
    settings = settings_for(records, preset, given, trainings=1 if inherited else limit)
    with screen.progress() as listener:
        if inherited:
            result = work.inherit(
                records,
                settings,
                checkpoint=checkpoint,
                all_tasks=all_tasks,
                runs=runs,
                machine=machine,
                listener=listener,
            )
        elif dry_run:
            cost = work.estimate_training(
                records, settings, limit=limit, side_by_side=side_by_side, machine=machine, listener=listener
            )
            show_estimate(screen, cost)
            return
        else:
            result = work.train_eval(
                records,
                settings,
                limit=limit,
                side_by_side=side_by_side,
                seeds=seeds,
                runs=runs,
                machine=machine,
                listener=listener,
            )
    show(screen, result)


#: What follows from the search or from soft pruning, and cannot be chosen where weights are inherited.
_FIXED = (
    *("method", "alpha_inner", "inner_steps", "test_steps", "order", "learned_rates", "step_norms", "multi_step"),
    *("ensemble", "limit", "side_by_side"),
)


def _is_inherited(weights: str, values: Mapping[str, Any]) -> bool:
    """Whether weights are inherited; raises SettingsError for options that have no meaning then, or only then."""
    if weights not in ("scratch", "inherited"):
        raise SettingsError(f"unknown --weights {weights!r}.", hint=did_you_mean(weights, ("scratch", "inherited")))
    refused = [name for name in _FIXED if values[name] is not None]
    refused += ["dry_run"] if values["dry_run"] else []
    refused += ["seeds"] if values["seeds"] > 1 else []
    if weights == "inherited":
        if refused:
            option = f"--{refused[0].replace('_', '-')}"
            raise SettingsError(
                f"{option} has no meaning with --weights inherited.", hint="leave it out: the search decides it"
            )
        return True
    for name, given in (("all_tasks", values["all_tasks"]), ("checkpoint", values["checkpoint"] is not None)):
        if given:
            raise SettingsError(f"--{name.replace('_', '-')} goes with --weights inherited.", hint="leave it out")
    return False
