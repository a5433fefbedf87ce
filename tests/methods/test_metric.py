"""ProtoNets, matching nets, CompareNets: scores by hand, one image at a time, and gradients by finite differences."""

import math

import pytest
import torch

from tests.helpers import AUTO_MAML_1SHOT
from tests.synthetic import check_slope, labelled, parameters_of
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.compare_nets import CompareNets
from tnas_cli.methods.matching_nets import MatchingNets
from tnas_cli.methods.metric import MetricLearner
from tnas_cli.methods.proto_nets import ProtoNets
from tnas_cli.methods.registry import training_method
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, for_tasks
from tnas_cli.spaces.relation_network import RelationNetwork

NETWORK = FourConv(3, 1, 20, filters=4)
RELATION = RelationNetwork(3, 1, 20, filters=4)
SUPPORT_Y = torch.tensor([[0, 0, 1, 1, 2, 2]])


def test_prototypes_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = torch.randn(1, 6, 5, generator=generator), torch.randn(1, 2, 5, generator=generator)
    scores = ProtoNets(NETWORK, 3).scores({}, support, SUPPORT_Y, query)
    for q in range(2):
        for c in range(3):
            mean = [(float(support[0, 2 * c, f]) + float(support[0, 2 * c + 1, f])) / 2 for f in range(5)]
            distance = sum((float(query[0, q, f]) - mean[f]) ** 2 for f in range(5))
            assert float(scores[0, q, c]) == pytest.approx(-distance, rel=1e-5)


def test_attention_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = torch.randn(1, 6, 5, generator=generator), torch.randn(1, 2, 5, generator=generator)
    scores = MatchingNets(NETWORK, 3).scores({}, support, SUPPORT_Y, query)
    for q in range(2):
        alike = [math.exp(float(torch.cosine_similarity(query[0, q], support[0, s], dim=0))) for s in range(6)]
        for c in range(3):
            share = (alike[2 * c] + alike[2 * c + 1]) / sum(alike)
            assert float(scores[0, q, c]) == pytest.approx(math.log(share), rel=1e-5)


def test_relations_of_one_pair_at_a_time() -> None:
    """Batch norm over one pair differs from that over all pairs, so the test changes the order of the pairs instead."""
    w = for_tasks(parameters_of(RELATION), 1)
    x = labelled(1, 3, 4, 1, 20, seed=3)[0]  # [1, 12, 1, 20, 20]
    maps = RELATION.maps(w, x)  # [1, 12, 4, 5, 5]
    learner = CompareNets(RELATION, 3)
    scores = learner.scores(w, maps[:, :6], SUPPORT_Y, maps[:, 6:])
    assert scores.shape == (1, 6, 3)
    pairs = torch.stack(
        [torch.cat([maps[0, 2 * c] + maps[0, 2 * c + 1], maps[0, 6 + q]]) for c in reversed(range(3)) for q in range(6)]
    ).unsqueeze(0)
    one_by_one = RELATION.relations(w, pairs).view(3, 6).flip(0).T
    torch.testing.assert_close(scores[0], one_by_one, rtol=1e-10, atol=1e-12)
    loss = learner.losses(scores, torch.tensor([[0, 0, 1, 1, 2, 2]]))
    by_hand = (
        sum((float(scores[0, q, c]) - (1.0 if c == q // 2 else 0.0)) ** 2 for q in range(6) for c in range(3)) / 18
    )
    assert float(loss[0]) == pytest.approx(by_hand, rel=1e-10)


@pytest.mark.parametrize(
    "learner",
    [ProtoNets(NETWORK, 3), MatchingNets(NETWORK, 3), CompareNets(RELATION, 3),
     ProtoNets(DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4), 3)],
    ids=["protonets", "matching", "compare", "protonets on a genotype"],
)  # fmt: skip
def test_the_gradient_is_the_slope_of_the_loss(learner: MetricLearner) -> None:
    w = {name: t for name, t in parameters_of(learner.network).items() if not name.startswith("classifier.")}
    batch = TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)

    def loss(there: Parameters) -> float:
        answers = learner.fit(there, batch.support).transductive(batch.query_x)
        return float(learner.losses(answers, batch.query_y).sum())

    found = learner.meta_gradient(w, batch, 0.0)
    assert float(found.query_losses.sum()) == pytest.approx(loss(w), rel=1e-12)
    check_slope(found.gradients, loss, w)


def test_what_these_methods_hold_and_refuse() -> None:
    settings = TrainSettings("x", way=3)
    genotype = DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4)
    state = training_method("protonets").start(genotype, settings, torch.device("cpu"))
    assert not [name for name in state.parameters if name.startswith("classifier.")]
    with pytest.raises(SettingsError, match="architecture of its own") as caught:
        training_method("compare-nets").start(genotype, settings, torch.device("cpu"))
    assert "4conv" in caught.value.hint
    with pytest.raises(SettingsError, match="15 pixels"):
        RelationNetwork(3, 1, 15)
    assert isinstance(training_method("compare-nets").learner(TorchEngine(), NETWORK, settings), CompareNets)
