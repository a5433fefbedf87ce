"""Meta-Baseline (Chen et al., 2021): a classifier of all training classes, then few-shot tasks by cosine similarity.

It shows everything that a method may declare: a phase before the meta-learning, a further meta-parameter (the
temperature of the similarities), and its own optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.methods.about import About
from tnas_cli.methods.class_means import one_hot
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import Embedding, MetricLearner, embedding, shapes
from tnas_cli.methods.phase import Phase
from tnas_cli.settings import features
from tnas_cli.spaces.parameters import Parameters, Spec

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


METHOD = TrainMethod(
    about=About(
        name="meta-baseline",
        title="Meta-Baseline",
        searches=False,
        reads=frozenset({features.OUTER_LOOP, features.ENSEMBLE, features.CELLS, features.PRETRAINING}),
        differs={"pretrain": 50},
        citation=(BIBTEX,),
    ),
    before=Phase(optimiser=lambda weights: torch.optim.SGD(weights.values(), 0.05, momentum=0.9, weight_decay=5e-4)),
    shapes=lambda network, settings: shapes(network, settings) | {"temperature": Spec((1,), "ones")},
    optimiser=lambda parameters, settings: torch.optim.SGD(parameters.values(), settings.alpha_outer, momentum=0.9),
    learner=lambda engine, network, settings: MetaBaseline(embedding(network), settings.way),
)
