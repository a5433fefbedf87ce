"""A MetaState as a checkpoint and back, to the last bit.

What the optimiser keeps for a parameter is stored under the optimiser's name: `adam.exp_avg/stem.0.conv`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from tnas_cli.errors import CheckpointError
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.runs.checkpoint import Checkpoint
from tnas_cli.spaces.parameters import Parameters, Spec

#: The group of the layer over all classes in a phase before the meta-learning.
PHASE = "phase"

_HINT = "the checkpoint was changed after it was written: take an untouched copy"


def to_checkpoint(kind: str, state: MetaState, about: Mapping[str, Any]) -> Checkpoint:
    """Parameters, what the optimiser keeps for them, counters, history and `about`."""
    tensors: dict[str, Tensor] = {f"parameters/{name}": tensor for name, tensor in state.parameters.items()}
    head = {} if state.phase is None else state.phase.head
    tensors |= {f"{PHASE}/{name}": tensor for name, tensor in head.items()}
    for start, optimiser in _optimisers(state).items():
        for name, tensor in (state.parameters | head).items():
            for key, value in optimiser.state.get(tensor, {}).items():
                if value is not None:
                    # A number becomes a float64 without dimensions, which holds every count that a training reaches.
                    kept = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
                    tensors[f"{start}.{key}/{name}"] = kept
    best = state.best_accuracy if math.isfinite(state.best_accuracy) else None
    progress: dict[str, Any] = {
        "tasks_done": state.tasks_done,
        "seconds": state.seconds,
        "best_accuracy": best,
        "history": state.history,
    }
    # Written only where they say something: other checkpoints stay as they have always been.
    progress |= {} if state.phase is None else {"phase_batches": state.phase.done}
    progress |= {"phase_seconds": state.phase_seconds} if state.phase_seconds else {}
    progress |= {"halvings": state.halvings} if state.halvings else {}
    progress |= {"kept_classes": state.kept} if state.kept else {}
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
    """Put a checkpoint's numbers into a freshly started state, in place."""
    progress = checkpoint.about.get("progress")
    if not isinstance(progress, Mapping) or "phase_batches" not in progress:
        state.phase = None  # it has ended
    groups = {"parameters": state.parameters} | ({} if state.phase is None else {PHASE: state.phase.head})
    for group, tensors in groups.items():
        for name, tensor in parameters_of(checkpoint, shapes_of(tensors), torch.device("cpu"), group).items():
            tensors[name].copy_(tensor)
    moved = {name: tensor for tensors in groups.values() for name, tensor in tensors.items()}
    kept = _kept_by_optimisers(checkpoint, _optimisers(state))
    for (start, name), values in kept.items():
        if name not in moved:
            raise CheckpointError(f"the checkpoint's optimiser has moved {name}, which is not a parameter.", hint=_HINT)
        parameter = moved[name]
        if any(value.shape not in (torch.Size(), parameter.shape) for value in values.values()):
            raise CheckpointError(f"the checkpoint's optimiser keeps other shapes for {name}.", hint=_HINT)
        # Optimisers count their steps on the CPU, whatever the parameter's device.
        _optimisers(state)[start].state[parameter] = {
            key: value.clone() if key == "step" else value.to(parameter.device).clone() for key, value in values.items()
        }
    try:
        progress = checkpoint.about["progress"]
        if state.phase is not None:
            state.phase.done = int(progress["phase_batches"])
        state.phase_seconds = float(progress.get("phase_seconds", 0.0))
        state.tasks_done = int(progress["tasks_done"])
        state.seconds = float(progress.get("seconds", 0.0))
        state.halvings = int(progress.get("halvings", 0))
        state.kept = [int(number) for number in progress.get("kept_classes", ())]
        best = progress["best_accuracy"]
        state.best_accuracy = -math.inf if best is None else float(best)
        state.history = [dict(entry) for entry in progress["history"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"the checkpoint does not say how far it came ({error}).", hint=_HINT) from error


def _optimisers(state: MetaState) -> dict[str, torch.optim.Optimizer]:
    """What moves the parameters, by the names under which a checkpoint has what they keep."""
    found = {_name_of(state.optimiser): state.optimiser}
    return found if state.phase is None else found | {f"phase-{_name_of(state.phase.optimiser)}": state.phase.optimiser}


def _name_of(optimiser: torch.optim.Optimizer) -> str:
    return type(optimiser).__name__.lower()


def _kept_by_optimisers(checkpoint: Checkpoint, known: Collection[str]) -> dict[tuple[str, str], dict[str, Tensor]]:
    """What optimisers kept, by their name and the parameter's; raises CheckpointError if another optimiser wrote it."""
    found: dict[tuple[str, str], dict[str, Tensor]] = {}
    for full, tensor in checkpoint.tensors.items():
        group, _, name = full.partition("/")
        if group in ("parameters", PHASE):
            continue
        optimiser, _, key = group.partition(".")
        if optimiser not in known:
            raise CheckpointError(
                f"the checkpoint was written with the optimiser {optimiser}, but this method has "
                f"{' and '.join(known)}.",
                hint="resume it with the method and version that started it",
            )
        found.setdefault((optimiser, name), {})[key] = tensor
    return found
