"""A MetaState as a checkpoint and back, to the last bit.

What the optimiser keeps for a parameter is stored under the optimiser's name: `adam.exp_avg/stem.0.conv`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tnas_cli.errors import CheckpointError
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.runs.checkpoint import Checkpoint
from tnas_cli.spaces.parameters import Parameters, Spec

_HINT = "the checkpoint was changed after it was written: take an untouched copy"


def to_checkpoint(kind: str, state: MetaState, about: Mapping[str, Any]) -> Checkpoint:
    """Parameters, what the optimiser keeps for them, counters, history and `about`."""
    tensors: dict[str, Tensor] = {f"parameters/{name}": tensor for name, tensor in state.parameters.items()}
    start = _name_of(state.optimiser)
    for name, tensor in state.parameters.items():
        for key, value in state.optimiser.state[tensor].items():
            if value is not None:
                # A number becomes a float64 without dimensions, which holds every count that a training reaches.
                kept = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
                tensors[f"{start}.{key}/{name}"] = kept
    best = state.best_accuracy if math.isfinite(state.best_accuracy) else None
    progress = {
        "tasks_done": state.tasks_done,
        "seconds": state.seconds,
        "best_accuracy": best,
        "history": state.history,
    }
    # Written only where they say something: other checkpoints stay as they have always been.
    progress |= {"phase_due": True} if state.phase_due else {}
    progress |= {"halvings": state.halvings} if state.halvings else {}
    return Checkpoint(kind, {**about, "progress": progress}, tensors)


def parameters_of(
    checkpoint: Checkpoint, specs: Mapping[str, Spec], device: torch.device, group: str = "parameters"
) -> Parameters:
    """The meta-parameters; raises CheckpointError when names or shapes are not those of the network, or a number is
    not finite."""
    found = checkpoint.group(group)
    for name, spec in specs.items():
        shape = tuple(found[name].shape) if name in found else None
        if shape != spec.shape:
            raise CheckpointError(
                f"the checkpoint's {name} has shape {shape}, the network needs {spec.shape}.", hint=_HINT
            )
        if not bool(found[name].isfinite().all()):
            raise CheckpointError(f"the checkpoint's {name} holds values that are not finite.", hint=_HINT)
    return {name: found[name].to(device) for name in specs}


def shapes_of(parameters: Parameters) -> dict[str, Spec]:
    """The shapes of given meta-parameters."""
    return {name: Spec(tuple(tensor.shape)) for name, tensor in parameters.items()}


def restore(checkpoint: Checkpoint, state: MetaState) -> None:
    """Put a checkpoint's numbers into a freshly started state, in place.

    A phase before the meta-learning that had not ended starts over.
    """
    progress = checkpoint.about.get("progress")
    if isinstance(progress, Mapping) and progress.get("phase_due", False):
        return
    state.phase_due = False
    for name, tensor in parameters_of(checkpoint, shapes_of(state.parameters), torch.device("cpu")).items():
        state.parameters[name].copy_(tensor)
    kept = _kept_by_the_optimiser(checkpoint, _name_of(state.optimiser))
    for name, values in kept.items():
        if name not in state.parameters:
            raise CheckpointError(f"the checkpoint's optimiser has moved {name}, which is not a parameter.", hint=_HINT)
        parameter = state.parameters[name]
        if any(value.shape not in (torch.Size(), parameter.shape) for value in values.values()):
            raise CheckpointError(f"the checkpoint's optimiser keeps other shapes for {name}.", hint=_HINT)
        # Optimisers count their steps on the CPU, whatever the parameter's device.
        state.optimiser.state[parameter] = {
            key: value.clone() if key == "step" else value.to(parameter.device).clone() for key, value in values.items()
        }
    try:
        progress = checkpoint.about["progress"]
        state.tasks_done = int(progress["tasks_done"])
        state.seconds = float(progress.get("seconds", 0.0))
        state.halvings = int(progress.get("halvings", 0))
        best = progress["best_accuracy"]
        state.best_accuracy = -math.inf if best is None else float(best)
        state.history = [dict(entry) for entry in progress["history"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"the checkpoint does not say how far it came ({error}).", hint=_HINT) from error


def _name_of(optimiser: torch.optim.Optimizer) -> str:
    return type(optimiser).__name__.lower()


def _kept_by_the_optimiser(checkpoint: Checkpoint, start: str) -> dict[str, dict[str, Tensor]]:
    """What an optimiser of that name kept, by parameter; raises CheckpointError if another optimiser wrote it."""
    found: dict[str, dict[str, Tensor]] = {}
    for full, tensor in checkpoint.tensors.items():
        group, _, name = full.partition("/")
        if group == "parameters":
            continue
        optimiser, _, key = group.partition(".")
        if optimiser != start:
            raise CheckpointError(
                f"the checkpoint was written with the optimiser {optimiser}, but this method has {start}.",
                hint="resume it with the method and version that started it",
            )
        found.setdefault(name, {})[key] = tensor
    return found
