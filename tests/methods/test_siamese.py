"""Siamese networks: pairs judged one at a time, the loss of balanced pairs, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.glyph_tasks import SIDE
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.siamese import ALPHA, BIAS, Siamese, shapes_with_judge
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, count, draw

NETWORK = FourConv(3, 1, 20, filters=4)
GENOTYPE = DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4)
SETTINGS = TrainSettings("x", way=3)
MIXED = [0, 1, 1, 1, 2]


def plain_judgement(alpha: Tensor, bias: Tensor, one: Tensor, other: Tensor) -> float:
    """z of one pair, feature by feature."""
    return float(bias) + sum(float(alpha[j]) * abs(float(one[j]) - float(other[j])) for j in range(len(alpha)))


def judge(tasks: int, width: int) -> Parameters:
    """Another judge for each task, in float64."""
    generator = torch.Generator().manual_seed(3)
    return {
        ALPHA: torch.randn(tasks, width, generator=generator, dtype=torch.float64),
        BIAS: torch.randn(tasks, 1, generator=generator, dtype=torch.float64),
    }


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 1, 1, 2, 2], MIXED], ids=["1 shot", "2 shots", "mixed"])
def test_scores_and_losses_are_those_of_single_pairs(labels: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    support = torch.randn(2, len(labels), 6, generator=generator, dtype=torch.float64)
    query = torch.randn(2, 4, 6, generator=generator, dtype=torch.float64)
    own, asked = judge(2, 6), [2, 0, 1, 1]
    learner = Siamese(NETWORK, 3)
    given = torch.tensor([labels, labels]), torch.tensor([asked, asked])
    scores, losses = learner.compared(own, (support, given[0]), (query, given[1]))
    torch.testing.assert_close(learner.scores(own, support, given[0], query), scores, rtol=0, atol=0)
    for task in range(2):
        same, different = [], []
        for q, right in enumerate(asked):
            z = [plain_judgement(own[ALPHA][task], own[BIAS][task], query[task, q], one) for one in support[task]]
            for c in range(3):
                of_class = [value for value, label in zip(z, labels, strict=True) if label == c]
                assert float(scores[task, q, c]) == pytest.approx(sum(of_class) / len(of_class), rel=1e-12)
            for value, label in zip(z, labels, strict=True):
                p = 1 / (1 + math.exp(-value))
                (same if label == right else different).append(-math.log(p if label == right else 1 - p))
        expected = (sum(same) / len(same) + sum(different) / len(different)) / 2
        assert float(losses[task]) == pytest.approx(expected, rel=1e-10)


def test_the_loss_begins_at_the_logarithm_of_two() -> None:
    start = draw(shapes_with_judge(NETWORK, SETTINGS), torch.Generator().manual_seed(0))
    batch = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1, dtype=torch.float32),
                      *labelled(2, 3, 2, 1, 20, seed=2, dtype=torch.float32), way=3)  # fmt: skip
    found = Siamese(NETWORK, 3).meta_gradient(start, batch, 0.0)
    assert found.query_losses.tolist() == pytest.approx([math.log(2)] * 2)
    assert bool(found.gradients[ALPHA].all())


def test_probabilities_are_those_of_exactly_one_class_among_independent_pairs() -> None:
    z = [0.3, -1.2, 2.0]
    p = [1 / (1 + math.exp(-value)) for value in z]
    joint = [math.prod(p[k] if k == c else 1 - p[k] for k in range(3)) for c in range(3)]
    expected = torch.tensor([value / sum(joint) for value in joint])
    torch.testing.assert_close(torch.tensor(z).softmax(-1), expected)


@pytest.mark.parametrize("network", [NETWORK, GENOTYPE], ids=["4CONV", "genotype"])
@pytest.mark.parametrize("shot", [1, 2])
def test_the_gradient_is_the_slope_of_the_loss(network: FourConv | DecodedNetwork, shot: int) -> None:
    learner, shapes = Siamese(network, 3), shapes_with_judge(network, SETTINGS)
    w = {name: tensor.double() for name, tensor in draw(shapes, torch.Generator().manual_seed(0)).items()}
    w |= {name: tensor[0] for name, tensor in judge(1, shapes[ALPHA].shape[0]).items()}
    batch = TaskBatch(*labelled(2, 3, shot, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)

    def loss(there: Parameters) -> float:
        return float(learner.meta_gradient(there, batch, 0.0).query_losses.sum())

    check_slope(learner.meta_gradient(w, batch, 0.0).gradients, loss, w)


def test_the_judge_has_a_weight_per_feature_and_a_bias() -> None:
    embedding = count(NETWORK.specs()) - 3 * (4 + 1)
    assert count(shapes_with_judge(NETWORK, SETTINGS)) == embedding + 4 + 1


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """Unseen classes, 3-way 1-shot: 5 points above the nearest neighbour in pixels."""
    values = {"query": 8, "alpha_outer": 1e-2, "meta_batch": 2, "cosine_to": 0.02}
    values |= {"tasks": 800, "validate_every": 400}
    assert above_nearest_neighbour("siamese", FourConv(3, 1, SIDE, filters=16), values) > 0.05
