"""A MetaState as a checkpoint and back, to the last bit."""

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

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def to_checkpoint(kind: str, state: MetaState, about: Mapping[str, Any]) -> Checkpoint:
    """Parameters, Adam's moments, counters and history, with `about` beside them."""
    tensors: dict[str, Tensor] = {f"parameters/{name}": tensor for name, tensor in state.parameters.items()}
    for name, tensor in state.parameters.items():
        for moment, value in state.optimiser.state[tensor].items():
            tensors[f"adam.{moment}/{name}"] = value
    best = state.best_accuracy if math.isfinite(state.best_accuracy) else None
    progress = {
        "tasks_done": state.tasks_done,
        "seconds": state.seconds,
        "best_accuracy": best,
        "history": state.history,
    }
    return Checkpoint(kind, {**about, "progress": progress}, tensors)


def parameters_of(checkpoint: Checkpoint, specs: Mapping[str, Spec], device: torch.device) -> Parameters:
    """The meta-parameters; raises CheckpointError when names or shapes are not those of the network."""
    found = checkpoint.group("parameters")
    for name, spec in specs.items():
        shape = tuple(found[name].shape) if name in found else None
        if shape != spec.shape:
            raise CheckpointError(
                f"the checkpoint's {name} has shape {shape}, the network needs {spec.shape}.",
                hint="the checkpoint was changed after it was written: take an untouched copy",
            )
    return {name: found[name].to(device) for name in specs}


def shapes_of(parameters: Parameters) -> dict[str, Spec]:
    """The shapes of meta-parameters, which for some methods are more, or fewer, than the network's."""
    return {name: Spec(tuple(tensor.shape)) for name, tensor in parameters.items()}


def restore(checkpoint: Checkpoint, state: MetaState) -> None:
    """Put a checkpoint's numbers into a freshly started state, in place."""
    for name, tensor in parameters_of(checkpoint, shapes_of(state.parameters), torch.device("cpu")).items():
        state.parameters[name].copy_(tensor)
    moments = {moment: checkpoint.group(f"adam.{moment}") for moment in _MOMENTS}
    for name, tensor in state.parameters.items():
        if name in moments["step"]:
            state.optimiser.state[tensor] = {
                moment: values[name].clone() if moment == "step" else values[name].to(tensor.device).clone()
                for moment, values in moments.items()
            }
    progress = checkpoint.about["progress"]
    state.tasks_done = progress["tasks_done"]
    state.seconds = progress.get("seconds", 0.0)
    state.best_accuracy = -math.inf if progress["best_accuracy"] is None else progress["best_accuracy"]
    state.history = list(progress["history"])
