"""The Neural Statistician (Edwards & Storkey, "Towards a Neural Statistician", ICLR 2017): a generative model of sets,
in which two sets are alike if their contexts are. Table 2 quotes it.

A set D of images has a context c, an image x a latent variable z (`spaces/statistician_network.py`). What is learned is
the lower bound of the likelihood of sets, each of images of one class (Equation 4 there):

    -E[sum over x of log p(x | z, c)] + sum over x of KL(q(z | x, c) || p(z | c)) + KL(q(c | D) || N(0, I))

over the number of images, c and z drawn from q. As in the published code the first term counts (1 + a) times, the
others 1 / (1 + a) times, with a = 1 at first and halved 300 times in a training. Labels are used to form sets alone.

A query image x takes the class with the smallest KL(q(c | {x}) || q(c | D_k)), x alone as a set and D_k the class's
support images (Section 5.3). That divergence with a minus sign is the class's logit.

A training task's images, support and query, are cut class by class into sets of about five, the published number. The
statistic network sees each image of a set with the probability 0.5, and at least the first (the publication does not
say how often); it is told how many they are. Pixels are brought to 0 ... 1, from the darkest to the brightest of the
task, and drawn as black or white with that probability each time. Published are Adam at 1e-3 and gradients that are cut
at 0.5, number by number. As everywhere in tnas, batch norms take the moments of the images at hand; the published code
has running moments in tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import task_noise
from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import one_hot
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import MetricLearner
from tnas_cli.methods.optimiser import outer_adam
from tnas_cli.methods.own_network import in_place_of_4conv
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.spaces.statistician_network import LATENT, Normal, StatisticianNetwork
from tnas_cli.update.outer import clamped_at

IMAGES_IN_A_SET = 5
KEPT = 0.5  # share of a set's images that the statistic network sees, beside the first
HALVINGS = 300  # of a in a training: an epoch each
LARGEST = 0.5  # number of an outer gradient


@dataclass(frozen=True)
class NeuralStatistician(MetricLearner):
    """A class's logit is minus the divergence of a query image's context from that of its support images. seed: of
    what is drawn in a training task."""

    network: StatisticianNetwork
    way: int
    seed: int = 0

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.features(parameters, x)

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        classes = one_hot(support_y, self.way, support).mT  # [T, way, S]
        alone = torch.eye(query.shape[1], dtype=query.dtype, device=query.device).expand(len(query), -1, -1)
        # All sets pass together, so that batch norms have one set of moments.
        member = torch.cat([F.pad(classes, (0, query.shape[1])), F.pad(alone, (support.shape[1], 0))], dim=1)
        found = self.network.context(parameters, torch.cat([support, query], dim=1), member)
        of_classes = Normal(found.mean[:, None, : self.way], found.log_variance[:, None, : self.way])
        of_images = Normal(found.mean[:, self.way :, None], found.log_variance[:, self.way :, None])
        return -of_images.divergence(of_classes)

    def judged(self, own: Parameters, batch: TaskBatch, progress: float) -> tuple[Tensor, Tensor]:
        x = torch.cat([batch.support_x, batch.query_x], dim=1)
        labels = torch.cat([batch.support_y, batch.query_y], dim=1)
        h, count = self.embed(own, x), batch.support_y.shape[1]
        with torch.no_grad():
            scores = self.scores(own, h[:, :count], batch.support_y, h[:, count:])
        return scores, self._bound(own, x, h, sets_of(labels, self.way), progress)

    def _bound(self, own: Parameters, x: Tensor, h: Tensor, sets: Tensor, progress: float) -> Tensor:
        """The loss of each task [T], from its images [T, N, C, H, W], their features, and their sets [T, N]."""
        drawing = task_noise.generators(x, self.seed, "statistician")
        number = int(sets.max()) + 1
        member = one_hot(sets, number, h).mT  # [T, K, N]
        seen = task_noise.uniform(drawing, tuple(sets.shape[1:]), h) < KEPT
        first = member.cumsum(-1).mul(member) == 1
        of_sets = self.network.context(own, h, member * (seen.unsqueeze(1) | first))
        c = of_sets.drawn(task_noise.normal(drawing, tuple(of_sets.mean.shape[1:]), h))  # [T, K, 8 F]
        of_image = torch.bmm(member.mT, c)  # [T, N, 8 F]
        latent = self.network.latent(own, h, of_image)
        z = latent.drawn(task_noise.normal(drawing, (x.shape[1], LATENT), h))
        target = (task_noise.uniform(drawing, tuple(x.shape[1:]), x) < bright(x)).to(x.dtype)
        logits = self.network.pixels(own, z, of_image)
        unlikely = F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)  # [T]
        usual = Normal(torch.zeros_like(c), torch.zeros_like(c))
        apart = latent.divergence(self.network.prior(own, of_image)).sum(1) + of_sets.divergence(usual).sum(1)
        a = math.pow(0.5, HALVINGS * progress)
        return ((1 + a) * unlikely + apart / (1 + a)) / x.shape[1]


def sets_of(labels: Tensor, way: int) -> Tensor:
    """The set of each image [T, N], of which all are equally large and of one class, from labels [T, N] with as many
    images of each class: of the sizes that divide this number, the one nearest to five."""
    each = labels.shape[1] // way
    size = min((n for n in range(1, each + 1) if each % n == 0), key=lambda n: abs(n - IMAGES_IN_A_SET))
    before = one_hot(labels, way, labels).cumsum(1).gather(2, labels.unsqueeze(2)).squeeze(2) - 1  # [T, N]
    return labels * (each // size) + before // size


def bright(x: Tensor) -> Tensor:
    """Images [T, N, C, H, W] from 0, the darkest value of a task, to 1, the brightest."""
    low, high = x.flatten(1).amin(1), x.flatten(1).amax(1)
    spread = (high - low).clamp(min=torch.finfo(x.dtype).tiny)
    return (x - low[:, None, None, None, None]) / spread[:, None, None, None, None]


def statistician_network(network: Network) -> StatisticianNetwork:
    """The Neural Statistician's networks for the same images as 4CONV; raises SettingsError for any other network."""
    return in_place_of_4conv(network, "neural-statistician", StatisticianNetwork)


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The weights of all five networks."""
    return statistician_network(network).specs()


def learner(engine: Engine, network: Network, settings: TrainSettings) -> NeuralStatistician:
    """The networks that take the place of 4CONV."""
    return NeuralStatistician(statistician_network(network), settings.way, settings.seed)


def optimiser(parameters: Parameters, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam, on outer gradients whose numbers are cut at 0.5."""
    return clamped_at(outer_adam(parameters, settings), LARGEST)


METHOD = TrainMethod(
    about=OWN["neural-statistician"][0],
    optimiser=optimiser,
    shapes=shapes,
    learner=learner,
)
