"""Meta-Baseline (Chen et al., 2021): a classifier of all training classes, then few-shot tasks by cosine similarity.

It shows everything that a method may declare: a phase before the meta-learning, a further meta-parameter (the
temperature of the similarities), and its own optimiser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.torch_engine import task_losses
from tnas_cli.episodes.labelled_images import Batches
from tnas_cli.methods.about import About
from tnas_cli.methods.class_means import one_hot
from tnas_cli.methods.method import Phase, TrainMethod
from tnas_cli.methods.metric import Embedding, MetricLearner, embedding, shapes
from tnas_cli.methods.streams import LabelledBatches
from tnas_cli.runs.events import Event, Progress
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings import features
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec, draw, for_tasks
from tnas_cli.update.outer import step

BIBTEX = """@inproceedings{chen2021metabaseline,
  title={Meta-Baseline: Exploring Simple Meta-Learning for Few-Shot Learning},
  author={Chen, Yinbo and Liu, Zhuang and Xu, Huijuan and Darrell, Trevor and Wang, Xiaolong},
  booktitle={ICCV}, year={2021}
}"""


@dataclass(frozen=True)
class MetaBaseline(MetricLearner):
    """A class's logit is the cosine similarity to the mean of its support features, times a learned temperature."""

    network: Embedding
    way: int

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.features(parameters, x)

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        member = one_hot(support_y, self.way, support)  # [T, S, way]
        means = torch.bmm(member.transpose(1, 2), support)  # [T, way, F]
        alike = torch.bmm(F.normalize(query, dim=-1), F.normalize(means, dim=-1).transpose(1, 2))  # [T, Q, way]
        return 10 * parameters["temperature"].unsqueeze(-1) * alike


def classify(network: Any, settings: TrainSettings, parameters: Parameters, batches: Batches) -> Iterator[Event]:
    """Train the network with a classifier of all training classes, which is then dropped."""
    wide = replace(network, way=len(batches.images.classes))
    drawn = draw(wide.specs(), torch_generator(settings.seed, "meta-baseline"))
    weights = {name: parameters.get(name, tensor.to(batches.device)) for name, tensor in drawn.items()}
    optimiser = torch.optim.SGD(weights.values(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for number, (x, y) in enumerate(batches, start=1):
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
        loss = task_losses(wide.logits(for_tasks(leaves, 1), x), y).mean()
        step(optimiser, weights, dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True)))
        yield Progress("classify", number, len(batches), "batches", {"loss": float(loss.detach())})


METHOD = TrainMethod(
    about=About(
        name="meta-baseline",
        title="Meta-Baseline",
        searches=False,
        reads=frozenset({features.OUTER_LOOP, features.ENSEMBLE, features.CELLS}),
        citation=(BIBTEX,),
    ),
    before=Phase(LabelledBatches(size=64, epochs=5), classify),
    shapes=lambda network, settings: shapes(network, settings) | {"temperature": Spec((1,), "ones")},
    optimiser=lambda parameters, settings: torch.optim.SGD(parameters.values(), settings.alpha_outer, momentum=0.9),
    learner=lambda engine, network, settings: MetaBaseline(embedding(network), settings.way),
)
