"""Options that several subcommands share, each declared once: on its own, or in a group that makes one object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import parameters_of, with_parameters
from tnas_cli.errors import SettingsError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.device import Machine


def at_least(least: int) -> Callable[[typer.CallbackParam, float | None], float | None]:
    """A check of an option's value, whose message says what to choose."""

    def check(param: typer.CallbackParam, value: float | None) -> float | None:
        if value is not None and not value >= least:
            raise SettingsError(f"{param.opts[0]} is {value}.", hint=f"choose a number of at least {least}")
        return value

    return check


def above(bound: float) -> Callable[[typer.CallbackParam, float | None], float | None]:
    """The same for a value that must be more."""

    def check(param: typer.CallbackParam, value: float | None) -> float | None:
        if value is not None and not value > bound:
            raise SettingsError(f"{param.opts[0]} is {value}.", hint=f"choose a number above {bound}")
        return value

    return check


MACHINE, OUTPUT, SEVERAL = "Machine", "Output", "Several trainings"

Json = Annotated[
    bool, typer.Option("--json", help="JSON lines on stdout; the last is the result.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No messages and no progress on stderr.", rich_help_panel=OUTPUT)
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More messages on stderr.", rich_help_panel=OUTPUT)]
Seed = Annotated[
    int | None,
    typer.Option("--seed", callback=at_least(0), metavar="N", help="Seed of everything random; default: 0."),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        help="Prepared data; or set TNAS_CACHE.",
        metavar="DIR",
        rich_help_panel=MACHINE,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate the cost on this machine, and stop.")]
PlannedWorkers = Annotated[
    int | None,
    typer.Option("--workers", callback=at_least(1), metavar="N", help="The estimate is for N workers of a cluster."),
]
Price = Annotated[
    float | None,
    typer.Option("--price", callback=at_least(0), metavar="X", help="The estimate names the price, at X a core hour."),
]
MaxSkips = Annotated[
    int | None,
    typer.Option(
        "--max-skips", callback=at_least(0), metavar="N", help="At most N skip connections in a decoded cell."
    ),
]
Reject = Annotated[
    float, typer.Option("--reject", metavar="P", help="Answer 'unsure' below this probability.", show_default=False)
]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="The best.pt of a search.", metavar="FILE")]
Genotype = Annotated[
    str | None, typer.Argument(help="A genotype: a published name (DARTS_V2), text, a file of records, or -.")
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        callback=at_least(1),
        metavar="N",
        help="Only the N most frequent genotypes.",
        rich_help_panel=SEVERAL,
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of run directories.", metavar="DIR", rich_help_panel=OUTPUT)]


def screen(as_json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> Screen:
    """The two streams of a command."""
    return Screen(as_json=as_json, quiet=quiet, verbose=verbose)


def tls(name: str, what: str) -> Any:
    """A PEM file."""
    return typer.Option(name, metavar="FILE", help=what, rich_help_panel=MACHINE)


def _machine(
    device: Annotated[
        str,
        typer.Option(
            "--device", help="auto, cpu, cuda or mps.", metavar="TEXT", show_default=False, rich_help_panel=MACHINE
        ),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            callback=at_least(1),
            metavar="N",
            help="CPU threads; default: all usable cores.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="auto, fused (CPU) or torch.",
            show_default=False,
            metavar="TEXT",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    cache_dir: CacheDir = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never download.", rich_help_panel=MACHINE)] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files to RUN/tensorboard.", rich_help_panel=OUTPUT)
    ] = False,
    allow_other_data: Annotated[
        bool, typer.Option("--allow-other-data", help="Accept other images of the same name.", rich_help_panel=MACHINE)
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Dask: tcp://HOST:PORT, FILE, slurm:...",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    tls_ca: Annotated[Path | None, tls("--tls-ca", "The cluster's authority.")] = None,
    tls_cert: Annotated[Path | None, tls("--tls-cert", "Your certificate.")] = None,
    tls_key: Annotated[Path | None, tls("--tls-key", "Your key.")] = None,
    no_shared_files: Annotated[
        bool,
        typer.Option("--no-shared-files", help="Send the cluster all files.", rich_help_panel=MACHINE),
    ] = False,
) -> Machine:
    where = None
    if cluster is not None:
        where = ClusterAddress(cluster, tls_ca, tls_cert, tls_key, not no_shared_files)
    elif no_shared_files:
        raise SettingsError("--no-shared-files needs --cluster.", hint="add --cluster tcp://HOST:PORT")
    elif tls_ca or tls_cert or tls_key:
        raise SettingsError("--tls-ca, --tls-cert and --tls-key need --cluster.", hint="add --cluster tls://HOST:PORT")
    return Machine(device, threads, cache_dir, offline, engine, tensorboard, allow_other_data, where)


def on_cluster(*names: str) -> Callable[..., Machine]:
    """A group of the options of a machine without these, for work that a cluster can do."""

    def machine(**values: Any) -> Machine:
        return _machine(**values)

    return with_parameters(machine, [p for p in parameters_of(_machine) if p.name not in names])


def machine_without(*names: str) -> Callable[..., Machine]:
    """A group of the options of this machine without these, which have no effect in the command."""
    return on_cluster("cluster", "tls_ca", "tls_cert", "tls_key", "no_shared_files", *names)


machine = machine_without()
