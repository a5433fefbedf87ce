"""An adapted model in one file: network, weights, support set, class names and how images are prepared.

Batch norm takes its moments from the support set, and some methods compare with its images, so it is part of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.own_images import OwnImages
from tnas_cli.episodes.task_folder import FolderTask
from tnas_cli.errors import CheckpointError
from tnas_cli.methods.ensemble import Together
from tnas_cli.methods.learner import Labelled
from tnas_cli.methods.state_file import parameters_of
from tnas_cli.plain import NOT_AS_WRITTEN
from tnas_cli.recipes.learned import Learned, describe
from tnas_cli.records.codec import decode
from tnas_cli.records.parts import Preparation
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.called import argv
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.version import __version__


@dataclass(frozen=True)
class KeptModel:
    """A model that answers for images. `fitted` holds one task."""

    path: Path
    classes: tuple[str, ...]
    images: OwnImages
    learned: Learned
    fitted: Together
    engine: Engine
    device: torch.device

    def probabilities(self, x: Tensor) -> Tensor:
        """Images [N, C, H, W] -> probabilities [N, way]; each depends on its image alone."""
        logits = self.fitted.inductive(x.unsqueeze(0).to(self.device))[0]
        return (logits / self.learned.temperature).softmax(-1).cpu()


def save(path: Path, learned: Learned, fitted: Together, task: FolderTask, images: Preparation) -> None:
    """Write what was fitted to one task; raises TnasError for a path that cannot be written."""
    tensors: dict[str, Tensor] = {"support/x": task.support_x, "support/y": task.support_y}
    for number, member in enumerate(fitted.members):
        tensors |= {f"member{number}/{name}": tensor[0] for name, tensor in member.own.items()}
    about: dict[str, Any] = {
        "learned": {"kind": learned.kind, "about": _without_history(learned.about)},
        "members": len(fitted.members),
        "classes": list(task.class_names),
        "preparation": replace(images, account=None).to_json(),
        "task": str(task.path.resolve()),
        "shots": list(task.shots),
        "argv": argv(),
        "package_version": __version__,
    }
    checkpoint.save(path, checkpoint.Checkpoint(checkpoint.ADAPTED_MODEL, about, tensors))


def _without_history(about: Any) -> dict[str, Any]:
    """What a checkpoint says of itself, but for the course of its training."""
    return {**about, "progress": {"tasks_done": about["progress"]["tasks_done"]}}


def load_model(path: Path, machine: Machine = HERE, listener: events.Listener = events.ignore) -> KeptModel:
    """Read a model that `tnas adapt --save` wrote; raises CheckpointError."""
    device = machine.start()
    saved = checkpoint.load(path, checkpoint.ADAPTED_MODEL)
    try:
        about, of = saved.about, saved.about["learned"]
        classes, preparation = tuple(map(str, about["classes"])), decode(Preparation, about["preparation"])
        learned = describe(of["kind"], of["about"], path)
        network = learned.network(len(classes))
        specs = learned.own(network)
        members = [parameters_of(saved, specs, device, f"member{number}") for number in range(about["members"])]
        support = saved.tensors["support/x"].to(device), saved.tensors["support/y"].to(device)
    except NOT_AS_WRITTEN as error:
        raise CheckpointError(
            f"{path} does not describe its model ({type(error).__name__}: {error}).",
            hint="write it again: tnas adapt CHECKPOINT TASK --save MODEL.pt",
        ) from error
    name = machine.engine if learned.by_engine else "torch"
    engine = choose_engine(name, network, device, listener=listener)
    learner = learned.learner(engine, network)
    own = [{name: tensor.unsqueeze(0) for name, tensor in member.items()} for member in members]
    fitted = Together([learner.fitted(parameters, _one(support)) for parameters in own]).by(learned.classifier)
    return KeptModel(path, classes, images_as(preparation), learned, fitted, engine, device)


def images_as(seen: Preparation) -> OwnImages:
    """How images were prepared, to prepare others in the same way."""
    invert = "auto" if seen.invert is None else seen.invert
    return OwnImages(seen.size, seen.channels, seen.mean, seen.std, invert, seen.bright_ground)


def _one(support: Labelled) -> Labelled:
    """The support set of a single task, with a task dimension."""
    return support[0].unsqueeze(0), support[1].unsqueeze(0)
