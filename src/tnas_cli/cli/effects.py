"""Options other than settings that have no effect in a command as it was called."""

from __future__ import annotations

from collections.abc import Mapping

from tnas_cli.errors import SettingsError
from tnas_cli.runs.device import Machine
from tnas_cli.settings.applies import refuse
from tnas_cli.settings.features import INHERITANCE, RUN, SCRATCH

#: The machinery that each option belongs to.
NEEDS = {
    **dict.fromkeys(("limit", "side_by_side", "seeds", "until", "workers"), SCRATCH),
    **dict.fromkeys(("all_tasks", "checkpoint", "cross"), INHERITANCE),
}


def refuse_beside_dry_run(seeds: int, machine: Machine, until: float | None = None) -> None:
    """Raises SettingsError for options that need a run; an estimate makes none."""
    asked = {"seeds": seeds > 1, "until": until, "tensorboard": machine.tensorboard, "cluster": machine.cluster}
    given = [name for name, value in asked.items() if value]
    refuse(given, dict.fromkeys(given, RUN), frozenset(), "--dry-run", {})


def refuse_in_estimate(dry_run: bool, workers: int | None, price: float | None, side_by_side: int | None) -> None:
    """Raises SettingsError for what only an estimate reads, if there is none, and for a number of networks at a time
    here, if it is for a cluster's workers."""
    if not dry_run and (workers, price) != (None, None):
        option = "--price" if workers is None else "--workers"
        raise SettingsError(f"{option} has no effect without --dry-run.", hint="add --dry-run, or leave it out")
    if workers is not None and side_by_side is not None:
        raise SettingsError("--side-by-side has no effect with --workers.", hint="leave one of them out")


def refuse_beside_cluster(side_by_side: int | None, machine: Machine) -> None:
    """Raises SettingsError for a number of networks at a time on a cluster, whose workers decide it."""
    if machine.cluster is not None and side_by_side is not None and side_by_side > 1:
        raise SettingsError(
            f"--side-by-side {side_by_side} has no effect with --cluster.", hint="leave one of them out"
        )


def refuse_for_weights(given: dict[str, object], reads: frozenset[str], weights: str) -> None:
    """Raises SettingsError for options that these weights do not read. given: None or False is an option not given."""
    named = [name for name, value in given.items() if value not in (None, False)]
    other = "inherited" if weights == "scratch" else "scratch"
    readers = {f"--weights {other}": frozenset({INHERITANCE if weights == "scratch" else SCRATCH})}
    refuse(named, NEEDS, reads, f"--weights {weights}", readers)


#: What `tnas report` can show: a table, or something else that an option asks for.
_TABLE, _COMPARISON, _RANKS, _ADVANTAGE, _CHECK = "a table", "--compare", "--ranks", "--advantage", "--check"
_PICTURES = "--figures or --html"


def refuse_in_report(
    given: Mapping[str, object],
    compare: bool,
    ranks: bool,
    advantage: bool,
    check: object,
    figures: object,
    html: object,
) -> None:
    """Raises SettingsError for --table where no table is shown, and for --cache-dir where no images are drawn."""
    asked = {_COMPARISON: compare, _RANKS: ranks, _ADVANTAGE: advantage, _CHECK: check, _PICTURES: figures or html}
    what = next((name for name, value in asked.items() if value), _TABLE)
    named = [name for name, value in given.items() if value is not None]
    others = {_PICTURES: frozenset({_PICTURES})}
    refuse(named, {"table": _TABLE, "cache_dir": _PICTURES}, frozenset({what}), what, others)
