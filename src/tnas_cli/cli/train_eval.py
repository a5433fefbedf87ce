"""`tnas train-eval`: options to settings, the result to a table or a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.asked import Asked
from tnas_cli.cli.console import Screen
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
    values = locals()
    from tnas_cli.cli.few_shot import run_few_shot
    from tnas_cli.cli.inherited import run_inherited
    from tnas_cli.cli.supervised_and_transfer import INHERITED, Extra, run_setting, setting_meant
    from tnas_cli.runs.device import Machine
    from tnas_cli.settings.few_shot import TrainSettings

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    given = options.settings_given(TrainSettings, values)
    machine = Machine(device, threads, cache_dir, offline, engine, tensorboard)
    asked = Asked(genotype, given, preset, limit, max_skips, resume, runs, machine, dry_run)
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
    if all_tasks and setting != INHERITED:
        raise SettingsError("--all-tasks goes with --weights inherited.", hint="leave it out")
    if setting == INHERITED:
        run_inherited(screen, asked, checkpoint, all_tasks)
    elif setting is not None:
        run_setting(setting, screen, asked, extra)
    else:
        run_few_shot(screen, asked, seeds, side_by_side)
