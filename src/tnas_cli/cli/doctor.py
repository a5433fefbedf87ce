"""`tnas doctor`: what is installed, where the data lies, whether the maths is right, and how fast the machine is."""

from __future__ import annotations

from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.errors import TnasError
from tnas_cli.records.other_results import DoctorResult
from tnas_cli.runs.device import Machine

_machine = options.machine_without("cache_dir", "offline", "tensorboard", "allow_other_data")


@flat
def doctor(
    *,
    warm: Annotated[bool, typer.Option("--warm", help="Compile the kernels of the usual networks now.")] = False,
    machine: Annotated[Machine, From(_machine)],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Check the installation: versions, device, engine, caches, a self-test of the maths, the speed of a sample."""
    from tnas_cli.commands.doctor import doctor as examine

    with screen.progress() as listener:
        found = examine(machine, warm=warm, listener=listener)
    if screen.as_json:
        screen.record(found.to_json())
    else:
        _show(screen, found)
    if not found.sound:
        raise TnasError(
            f"the self-test is off by {max(found.gradient_error, found.engine_error):.1e}.",
            hint="reinstall tnas-cli and torch, and run tnas doctor again",
        )


def _threads(found: DoctorResult) -> str:
    where, usable = found.environment, found.usable_cores
    allowed = f"; this process may use {usable} cores" if usable is not None and usable != where.cores else ""
    return f"{where.threads} thread{'s' if where.threads != 1 else ''} of {where.cores}{allowed}"


def _show(screen: Screen, found: DoctorResult) -> None:
    where, rate = found.environment, found.search_tasks_per_second
    facts = (
        ("tnas", f"{where.package_version}  python {where.python}  {where.platform}"),
        ("packages", "  ".join(f"{name} {version}" for name, version in found.packages.items())),
        ("device", f"{where.device} ({where.processor}), {_threads(found)}"),
        ("engine", f"{found.engine}: {found.engine_reason}"),
        ("kernels", found.kernels or "none"),
        ("cache", f"{found.cache}: {', '.join(found.prepared) or 'nothing prepared yet'}"),
        ("added", ", ".join(found.added) or "nothing from other packages"),
        ("maths", f"gradient against finite difference: {found.gradient_error:.1e} relative"),
        ("", f"loss of engine {found.engine} against plain PyTorch: {found.engine_error:.1e} relative"),
        ("speed", f"{rate:.3g} search tasks per second (28 px, 5-way 1-shot, engine {found.engine})"),
    )
    screen.facts(facts, 10)
