"""A frozen network that was trained on all training classes, with the nearest class mean: the baseline without tasks.

Its features f and a linear layer (V, c) over the K training classes learn by the cross-entropy of

    logits(x) = V f(x) + c

on batches of 64 images: ordinary classification. A task of new classes then takes the class whose mean support feature
is nearest, by squared Euclidean distance: -|f(x) - mean of f over the class|^2 are its logits. Nothing is learned from
tasks, and nothing adapts inside one. A batch takes the place of a training task, so `--tasks` counts batches.

Chen et al. (2019) and Chen et al. (2021, "Classifier-Baseline") measure such baselines, with another optimiser and
other comparisons. The choice of Adam and of the distance, which is that of prototypical networks, is ours.
"""

from __future__ import annotations

from torch import Tensor

from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.about import OWN
from tnas_cli.methods.all_classes import logits_of_all_classes
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import shapes
from tnas_cli.methods.proto_nets import ProtoNets
from tnas_cli.methods.streams import BatchesAsTasks
from tnas_cli.spaces.parameters import Parameters


class Frozen(ProtoNets):
    """Answers as prototypical networks do, and learns by classification of all training classes."""

    def judged(self, own: Parameters, batch: TaskBatch, progress: float) -> tuple[Tensor, Tensor]:
        """Logits [T, N, K] for the images of batches, and the loss of each batch."""
        scores = logits_of_all_classes(self.network, own, batch.query_x)
        return scores, self.losses(scores, batch.query_y)


METHOD = TrainMethod(
    about=OWN["frozen"][0],
    shapes=shapes,
    learner=Frozen.of,
    stream=BatchesAsTasks(),
)
