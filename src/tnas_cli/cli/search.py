"""`tnas search`: options to settings, events to progress, the result to a few lines or a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.show import show, show_estimate
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

    Writes runs/search-.../best.pt, chosen by validation tasks. Ctrl-C saves, and `tnas resume RUN` goes on.
    """
    values = locals()
    from tnas_cli.commands.search import estimate_search
    from tnas_cli.commands.search import search as work
    from tnas_cli.runs.device import Machine
    from tnas_cli.settings.few_shot import SearchSettings, for_one_training, of_method
    from tnas_cli.settings.few_shot import preset as load_preset

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    machine = Machine(device, threads, cache_dir, offline, engine, tensorboard)
    if dataset is None:
        raise SettingsError("no data set given.", hint="for example: tnas search --dataset glyphs --way 5 --shot 1")
    if seeds > 1 and dry_run:
        raise SettingsError("--seeds repeats a whole search, which --dry-run does not make.", hint="leave it out")
    given = for_one_training(options.settings_given(SearchSettings, values))
    settings = SearchSettings.from_dict(load_preset("search", preset) | of_method("search", method) | given)
    with screen.progress() as listener:
        if dry_run:
            show_estimate(screen, estimate_search(settings, machine=machine, listener=listener))
            return
        result = work(settings, seeds=seeds, runs=runs, machine=machine, listener=listener)
    show(screen, result)
