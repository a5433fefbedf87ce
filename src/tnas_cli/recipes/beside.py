"""What a person would take otherwise: a large frozen network, whose features are compared with the class means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tnas_cli.episodes.images import read_image
from tnas_cli.episodes.places import File
from tnas_cli.episodes.task_folder import FolderTask
from tnas_cli.errors import DataError, SettingsError, did_you_mean
from tnas_cli.runs.files import cannot_read
from tnas_cli.runs.paths import expanded

#: Images that pass the network at a time.
TOGETHER = 32


@dataclass(frozen=True)
class Beside:
    """A frozen network of torchvision by name, and how it wants its images."""

    name: str
    network: nn.Module
    transform: Any

    def answers(self, task: FolderTask) -> list[int]:
        """For each query image the class whose support images' mean feature is nearest, by cosine similarity."""
        support = self._features(task.support_files)  # [S, F]
        means = torch.stack([support[task.support_y == label].mean(0) for label in range(len(task.class_names))])
        alike = self._features(task.query_files) @ F.normalize(means, dim=-1).T  # [Q, way]
        return [int(label) for label in alike.argmax(-1)]

    @torch.no_grad()
    def _features(self, files: Sequence[File]) -> Tensor:
        """Features [N, F] of length 1."""
        found = []
        for first in range(0, len(files), TOGETHER):
            images = [read_image(file.read(), file.label).convert("RGB") for file in files[first : first + TOGETHER]]
            found.append(self.network(torch.stack([self.transform(image) for image in images])))
        return F.normalize(torch.cat(found), dim=-1)


def load_beside(wanted: str) -> Beside:
    """NAME, with the weights that torchvision has downloaded before, or NAME=FILE with a state_dict of the user's own.

    Raises SettingsError for a name that torchvision does not have, and DataError where the weights are missing or are
    those of another network. Nothing is downloaded.
    """
    from torchvision import models

    name, _, file = wanted.partition("=")
    known = models.list_models(module=models)
    if name not in known:
        raise SettingsError(f"torchvision has no network {name!r}.", hint=did_you_mean(name, known))
    weights = models.get_model_weights(name).DEFAULT
    path = Path(expanded(file)) if file else Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not path.is_file():
        raise DataError(
            f"the weights of {name} are not in {path}.",
            hint=f"download {weights.url} to that place, or give --beside {name}=FILE",
        )
    network = models.get_model(name, weights=None)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise cannot_read(path, error) from error
    except Exception as error:  # any bytes may stand in the file, and torch's reader fails on them in many ways
        raise DataError(f"{path} does not hold the weights of {name}.", hint=f"download {weights.url} again") from error
    return Beside(name, _without_classifier(network).eval(), weights.transforms())


def _without_classifier(network: nn.Module) -> nn.Module:
    """The network whose last linear layer gives its input."""
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    parent, _, last = names[-1].rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return network
