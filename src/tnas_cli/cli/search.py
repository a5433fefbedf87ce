"""`tnas search`: options to settings, events to progress, the result to a few lines or a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen, duration
from tnas_cli.errors import SettingsError

Number = float | None
Whole = int | None


def search(
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="A prepared data set, or a .h5 file.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="t-nas, t-nas++ or auto-maml.")] = None,
    way: options.Way = None,
    shot: options.Shot = None,
    query: options.Query = None,
    protocol: options.Protocol = None,
    preset: Annotated[str, typer.Option("--preset", help="paper, authors or quick.")] = "quick",
    tasks: Annotated[Whole, typer.Option("--tasks", min=1, help="Training tasks in all.")] = None,
    hours: Annotated[
        Number, typer.Option("--hours", min=0, help="Time to spend, in place of or beside --tasks; 0: no limit.")
    ] = None,
    meta_batch: options.MetaBatch = None,
    alpha_inner: options.AlphaInner = None,
    beta_inner: Annotated[Number, typer.Option("--beta-inner", help="Inner learning rate of theta.")] = None,
    inner_steps: options.InnerSteps = None,
    test_steps: options.TestSteps = None,
    alpha_outer: options.AlphaOuter = None,
    beta_outer: Annotated[Number, typer.Option("--beta-outer", help="Adam's rate for theta~.")] = None,
    order: options.Order = None,
    learned_rates: options.LearnedRates = None,
    step_norms: options.StepNorms = None,
    multi_step: options.MultiStep = None,
    cosine_to: options.CosineTo = None,
    ensemble: options.Ensemble = None,
    alternating: Annotated[
        bool | None, typer.Option("--alternating/--simultaneous", help="Inner steps by Equation 5 or 7.")
    ] = None,
    channels: options.Channels = None,
    validate_every: options.ValidateEvery = None,
    validation_tasks: options.ValidationTasks = None,
    seed: options.PresetSeed = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Repeat with so many seeds, each in a run of its own.")
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
    """Learn a meta-architecture on a data set's training tasks (Algorithm 1).

    Writes runs/search-.../best.pt, chosen by validation tasks. Ctrl-C saves, and --resume goes on from there.
    """
    values = locals()
    from tnas_cli.commands import search as work
    from tnas_cli.commands.resume import resume as go_on
    from tnas_cli.runs.changes import Changes
    from tnas_cli.runs.device import Machine
    from tnas_cli.settings.few_shot import SearchSettings, for_one_training, of_method
    from tnas_cli.settings.few_shot import preset as load_preset

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    machine = Machine(device, threads, cache_dir, offline, engine, tensorboard)
    given = options.settings_given(SearchSettings, values)
    if seeds > 1 and (resume is not None or dry_run):
        raise SettingsError(
            f"--seeds repeats a whole search, which {'--dry-run' if dry_run else '--resume'} does not make.",
            hint="leave it out",
        )
    if resume is not None:
        others = ", ".join(f"--{name.replace('_', '-')}" for name in given if name != "hours")
        if others:
            raise SettingsError(f"--resume takes the run's own settings, but got {others}.", hint="leave them out")
        with screen.progress() as listener:
            result: dict[str, Any] = go_on(resume, changes=Changes(hours), listener=listener, machine=machine).to_json()
        _render(screen, result)
        return
    if dataset is None:
        raise SettingsError("no data set given.", hint="for example: tnas search --dataset glyphs --way 5 --shot 1")
    settings = SearchSettings.from_dict(
        load_preset("search", preset) | of_method("search", method) | for_one_training(given)
    )
    with screen.progress() as listener:
        if dry_run:
            result = work.estimate_search(settings, listener=listener, machine=machine).to_json()
        else:
            result = work.search(settings, seeds=seeds, runs=runs, machine=machine, listener=listener).to_json()
    if dry_run:
        render_estimate(screen, result)
    else:
        _render(screen, result)


def render_estimate(screen: Screen, result: dict[str, Any]) -> None:
    """The cost of a long computation, in words or as a record."""
    if screen.as_json:
        screen.record(result)
        return
    screen.text(f"weights            {result['parameters']:,}")
    if result["flops_per_task"] is not None:
        screen.text(f"arithmetic         {result['flops_per_task'] / 1e9:.2f} GFLOP per task")
    screen.text(f"measured           {result['seconds_per_step']:.3g} s per meta-batch, {result['steps']:,} of them")
    screen.text(f"validation         {duration(result['seconds_per_validation'])} each time")
    screen.text(f"total to expect    {duration(result['total_seconds'])}")


def _render(screen: Screen, result: dict[str, Any]) -> None:
    if screen.as_json:
        screen.record(result)
        return
    if "seeds" in result:
        _say_seeds(screen, result)
    for line in summary(result):
        screen.say(line)
    if result["warning"]:
        screen.say(f"warning: {result['warning']}", style="yellow")
    screen.text(result["checkpoint"])


def _say_seeds(screen: Screen, result: dict[str, Any]) -> None:
    rows = zip(result["seeds"], result["validation_accuracies"], result["runs"], strict=True)
    for seed, accuracy, run in rows:
        screen.say(f"seed {seed}: {100 * accuracy:.2f}% ({run})")
    screen.say(
        f"mean over {len(result['seeds'])} seeds {100 * result['mean_over_seeds']:.2f}%, standard deviation "
        f"{100 * result['spread_over_seeds']:.2f}; the run with the best validation accuracy:"
    )


def summary(result: dict[str, Any]) -> list[str]:
    """What a search found, in lines for a person."""
    seconds = result["wall_seconds"]
    rate = result["tasks_this_time"] / seconds if seconds else 0
    return [
        f"searched {result['tasks']:,} tasks{' with each seed, all' if 'seeds' in result else ''} in "
        f"{duration(seconds)} ({rate:.2g} tasks per second)",
        f"validation accuracy {100 * result['validation_accuracy']:.2f}% of the adapted search network "
        f"({result['validation_tasks']} tasks)",
        f"theta~: largest probability {result['theta_largest_probability']:.3f}, mean of the edges' largest "
        f"{result['theta_mean_largest_probability']:.3f} (uniform: 0.125); adapted to validation tasks: "
        f"{result['adapted_mean_largest_probability']:.3f}",
        f"decoded on the validation tasks: {result['distinct_genotypes']} distinct genotypes, "
        f"{100 * result['skip_share']:.1f}% skip connections, {100 * result['pool_share']:.1f}% pools",
        f"next: tnas adapt {result['checkpoint']} --dataset {result['dataset']} --split test --tasks 20",
    ]
