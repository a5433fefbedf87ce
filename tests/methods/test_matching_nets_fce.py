"""Full context embeddings: a plain form with one image and one step at a time, published sizes, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.glyph_tasks import SIDE
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.matching_nets_fce import MatchingNetsFCE, shapes_with_context
from tnas_cli.methods.registry import training_method
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, count, draw, for_tasks

Array = NDArray[np.float64]
NETWORK = FourConv(3, 1, 20, filters=4)
SETTINGS = TrainSettings("x", way=3)


def weights(seed: int, scale: float = 1.0) -> Parameters:
    """Random weights in float64; a scale above 1 moves the gates away from the middle."""
    drawn = draw(shapes_with_context(NETWORK, SETTINGS), torch.Generator().manual_seed(seed))
    return {name: tensor.double() * scale for name, tensor in drawn.items()}


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def plain_step(w: dict[str, Array], prefix: str, x: Array, state: Array, cell: Array) -> tuple[Array, Array]:
    """One LSTM step of one image; every gate by its own rows of the matrices."""
    width = len(cell)
    rows = [slice(gate * width, (gate + 1) * width) for gate in range(4)]
    of_x, of_state, bias = (w[f"{prefix}.{part}"] for part in ("input", "recurrent", "gate_bias"))
    enter, keep, candidate, leave = (of_x[r] @ x + of_state[r] @ state + bias[r] for r in rows)
    cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(candidate)
    return sigmoid(leave) * np.tanh(cell), cell


def plain_context(w: dict[str, Array], support: Array) -> list[Array]:
    """g(x_i) of each support image."""
    shots, width = support.shape
    found = [x.copy() for x in support]
    for prefix, order in (("context.forwards", range(shots)), ("context.backwards", range(shots - 1, -1, -1))):
        out, cell = np.zeros(width), np.zeros(width)
        for i in order:
            out, cell = plain_step(w, prefix, support[i], out, cell)
            found[i] = found[i] + out
    return found


def plain_probabilities(w: dict[str, Array], support: Array, labels: list[int], query: Array, way: int) -> Array:
    """The classes' probabilities for one query image, by the paper's equations."""
    g = plain_context(w, support)
    h, cell = np.zeros_like(query), np.zeros_like(query)
    for _ in range(3):
        alike = np.exp([h @ one for one in g])
        read = sum(share * one for share, one in zip(alike / alike.sum(), g, strict=True))
        out, cell = plain_step(w, "context.reading", query, np.concatenate([h, read]), cell)
        h = out + query
    alike = np.exp([h @ one / np.linalg.norm(h) / np.linalg.norm(one) for one in g])
    found = np.zeros(way)
    for label, share in zip(labels, alike / alike.sum(), strict=True):
        found[label] += share
    return found


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2]], ids=["1 shot", "2 shots", "mixed"])
def test_scores_are_those_of_the_equations(labels: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    support = torch.randn(2, len(labels), 4, generator=generator, dtype=torch.float64)
    query = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    each = [weights(seed, 2.0) for seed in (3, 4)]
    own = {name: torch.stack([w[name] for w in each]) for name in each[0]}
    scores = MatchingNetsFCE(NETWORK, 3).scores(own, support, torch.tensor([labels, labels]), query)
    for task, w in enumerate(each):
        arrays = {name: tensor.numpy() for name, tensor in w.items()}
        for q in range(3):
            expected = plain_probabilities(arrays, support[task].numpy(), labels, query[task, q].numpy(), 3)
            np.testing.assert_allclose(scores[task, q].exp().numpy(), expected + 1e-8, rtol=1e-12)


def test_the_lstms_are_those_of_pytorch() -> None:
    w, x = weights(5), torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    lstm = torch.nn.LSTM(4, 4, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for prefix, ending in (("context.forwards", ""), ("context.backwards", "_reverse")):
            getattr(lstm, f"weight_ih_l0{ending}").copy_(w[f"{prefix}.input"])
            getattr(lstm, f"weight_hh_l0{ending}").copy_(w[f"{prefix}.recurrent"])
            getattr(lstm, f"bias_ih_l0{ending}").copy_(w[f"{prefix}.gate_bias"])
            getattr(lstm, f"bias_hh_l0{ending}").zero_()
        both = lstm(x)[0][0]
    g = plain_context({name: tensor.numpy() for name, tensor in w.items()}, x[0].numpy())
    torch.testing.assert_close(both[:, :4] + both[:, 4:] + x[0], torch.from_numpy(np.stack(g)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("network", "embedding", "context"),
    [(FourConv(5, 3, 84, 64), 113_088, 71_699_200), (FourConv(5, 1, 28, 64), 111_936, 49_408 + 66_048)],
    ids=["mini-ImageNet", "Omniglot"],
)
def test_it_has_as_many_weights_as_published(network: FourConv, embedding: int, context: int) -> None:
    """71,812,288 in all in Ravi & Larochelle's code for mini-ImageNet."""
    assert count(shapes_with_context(network, SETTINGS)) == embedding + context


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    w, learner = weights(0), MatchingNetsFCE(NETWORK, 3)
    batch = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)

    def loss(there: Parameters) -> float:
        answers = learner.fit(there, batch.support).transductive(batch.query_x)
        return float(learner.losses(answers, batch.query_y).sum())

    found = learner.meta_gradient(w, batch, 0.0)
    assert float(found.query_losses.sum()) == pytest.approx(loss(w), rel=1e-12)
    assert all(bool(gradient.any()) for name, gradient in found.gradients.items() if name.startswith("context."))
    check_slope(found.gradients, loss, w)


def test_an_answer_depends_on_the_whole_support_set_and_on_no_other_query_image() -> None:
    generator = torch.Generator().manual_seed(6)
    own, labels = for_tasks(weights(7, 2.0), 1), torch.tensor([[0, 1, 2]])
    support, query = (torch.randn(1, n, 4, generator=generator, dtype=torch.float64) for n in (3, 5))
    learner = MatchingNetsFCE(NETWORK, 3)
    scores = learner.scores(own, support, labels, query)
    alone = torch.cat([learner.scores(own, support, labels, query[:, q : q + 1]) for q in range(5)], dim=1)
    torch.testing.assert_close(alone, scores, rtol=1e-12, atol=1e-12)
    # The similarities to classes 0 and 1 would keep their ratio if embeddings had no context.
    other = support.clone()
    other[0, 2] = torch.randn(4, generator=generator, dtype=torch.float64)
    moved = learner.scores(own, other, labels, query)
    assert not torch.allclose(moved[..., 0] - moved[..., 1], scores[..., 0] - scores[..., 1], rtol=1e-3)


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """Unseen classes, 3-way 1-shot: 5 points above the nearest neighbour in pixels."""
    values = {"query": 2, "alpha_outer": 5e-3, "tasks": 600, "validate_every": 200}
    assert above_nearest_neighbour("matching-nets-fce", FourConv(3, 1, SIDE, filters=16), values) > 0.05


def test_a_network_that_does_not_say_its_features_is_refused() -> None:
    class Bare:
        way, in_channels = 3, 1

        def specs(self) -> dict[str, object]:
            return {}

        def logits(self, parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
            return x

    class WithFeatures(Bare):
        def features(self, parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(2)

    for network, said in ((Bare(), "has no features"), (WithFeatures(), "how many features")):
        with pytest.raises(SettingsError, match=said) as caught:
            training_method("matching-nets-fce").shapes(network, SETTINGS)  # type: ignore[arg-type]
        assert caught.value.hint
