"""`tnas search --on-divergence halve`: back to the best checkpoint, and on with half the inner rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from tnas_cli.errors import DivergedError
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.methods.state_file import restore
from tnas_cli.recipes.meta_architecture import KIND
from tnas_cli.records.kinds import Halved
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.life import Life
from tnas_cli.settings.search import SearchSettings

#: After so many halvings the rates are not what is wrong.
MOST = 8


def slowed(settings: SearchSettings, halvings: int) -> SearchSettings:
    """The settings with the inner rates halved so many times."""
    if not halvings:
        return settings
    share = 0.5**halvings
    return settings.replace(alpha_inner=share * settings.alpha_inner, beta_inner=share * settings.beta_inner)


def go_back(
    state: MetaState,
    best: Path,
    start: Callable[[], MetaState],
    settings: SearchSettings,
    life: Life,
    error: DivergedError,
) -> None:
    """Put `state` back to the best checkpoint, or to its start where no validation has been passed, with one halving
    more; the time that was spent stays spent. Said, and recorded in the run's log.

    Raises the error once more where the outer steps went too far, where the user did not ask for this, or after `MOST`
    halvings.
    """
    if error.outer:
        raise error
    if settings.on_divergence == "stop":
        raise error.advised(f"{error.hint}, or search with --on-divergence halve")
    if state.halvings == MOST:
        raise error.advised(f"the inner rates were halved {MOST} times already: look at the other settings")
    halvings, seconds, diverged = state.halvings + 1, state.seconds, state.tasks_done
    _begin_again(state, start())
    if best.is_file():
        restore(checkpoint.load(best, KIND), state)
    state.halvings, state.seconds = halvings, seconds
    now = slowed(settings, halvings)
    back_to = f"back to the checkpoint of task {state.tasks_done:,}" if state.tasks_done else "back to the start"
    life.pass_on(
        events.Note(
            f"{error.message} Going {back_to}, with halved rates: alpha_inner {now.alpha_inner:g}, "
            f"beta_inner {now.beta_inner:g}."
        )
    )
    life.rewind("search", state.tasks_done, (entry["tasks"] for entry in state.history))
    life.run.log(
        Halved(
            tasks=diverged,
            back_to=state.tasks_done,
            alpha_inner=now.alpha_inner,
            beta_inner=now.beta_inner,
            reason=error.message,
        )
    )


def _begin_again(state: MetaState, fresh: MetaState) -> None:
    """Everything but the optimiser's own rates as at the start."""
    for name, tensor in fresh.parameters.items():
        state.parameters[name].copy_(tensor)
    state.optimiser.state.clear()
    state.tasks_done, state.best_accuracy, state.history = 0, -math.inf, []
