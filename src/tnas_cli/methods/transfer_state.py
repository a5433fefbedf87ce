"""A TransferState as a checkpoint and back, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tnas_cli.errors import CheckpointError
from tnas_cli.methods.transfer import TransferState
from tnas_cli.runs.checkpoint import TRANSFER_WEIGHTS, Checkpoint

KIND = TRANSFER_WEIGHTS


def to_checkpoint(state: TransferState, about: Mapping[str, Any]) -> Checkpoint:
    """Weights, running statistics, SGD's momentum, counters, history and `about`."""
    tensors = {f"network/{name}": tensor for name, tensor in state.network.state_dict().items()}
    for name, weight in state.network.named_parameters():
        momentum = state.optimiser.state.get(weight, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum
    best = state.best_accuracy if math.isfinite(state.best_accuracy) else None
    progress = {"steps": state.steps, "best_accuracy": best, "history": state.history}
    return Checkpoint(KIND, {**about, "progress": progress}, tensors)


def restore(checkpoint: Checkpoint, state: TransferState) -> None:
    """Put a checkpoint into a freshly started state, in place; raises CheckpointError if it is of another network."""
    try:
        state.network.load_state_dict(checkpoint.group("network"))
        progress = checkpoint.about["progress"]
        state.steps, best = int(progress["steps"]), progress["best_accuracy"]
        state.best_accuracy = -math.inf if best is None else float(best)
        state.history = [dict(entry) for entry in progress["history"]]
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(
            "the checkpoint holds a different network from its run.", hint="take an untouched copy of the run directory"
        ) from error
    momentum = checkpoint.group("momentum")
    for name, weight in state.network.named_parameters():
        if name in momentum:
            state.optimiser.state[weight]["momentum_buffer"] = momentum[name].to(weight.device).clone()
