"""R2-D2 against a plain form without the Woodbury identity, one task at a time; its slopes; what it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import SIDE
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.r2d2 import LAMBDA, OWN_SPECS, R2D2, SCALE, SHIFT, ridge
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.network import Embedding
from tnas_cli.spaces.parameters import Parameters, for_tasks

NETWORK = FourConv(3, 1, 20, filters=8)
BATCH = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)


def parameters(network: Embedding) -> dict[str, Tensor]:
    """The embedding's weights, and a lambda, scale and bias away from their starts."""
    w = {name: t for name, t in parameters_of(network).items() if not name.startswith("classifier.")}
    return w | {
        name: torch.tensor([value], dtype=torch.float64)
        for name, value in zip(OWN_SPECS, (-0.7, 0.4, 0.3), strict=True)
    }


def solved(matrix: list[list[float]], right: list[list[float]]) -> list[list[float]]:
    """Gauss-Jordan elimination with the largest pivot: matrix [n, n], right [n, k] -> [n, k]."""
    rows, n = [[*left, *other] for left, other in zip(matrix, right, strict=True)], len(matrix)
    for column in range(n):
        pivot = max(range(column, n), key=lambda i: abs(rows[i][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for i in range(n):
            if i != column:
                factor = rows[i][column]
                rows[i] = [value - factor * other for value, other in zip(rows[i], rows[column], strict=True)]
    return [row[n:] for row in rows]


@pytest.mark.parametrize(("count", "features"), [(6, 4), (3, 7)], ids=["more images", "more features"])
def test_the_solution_is_that_of_the_normal_equations(count: int, features: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, count, features, generator=generator, dtype=torch.float64)
    y = torch.randn(2, count, 3, generator=generator, dtype=torch.float64)
    found = ridge(x, y, torch.tensor([[0.2], [3.0]], dtype=torch.float64))
    for task, penalty in enumerate((0.2, 3.0)):
        a = [[*row, 1.0] for row in x[task].tolist()]
        left = [[sum(row[i] * row[j] for row in a) for j in range(features + 1)] for i in range(features + 1)]
        for i in range(features + 1):
            left[i][i] += count * penalty
        labels = y[task].tolist()
        right = [[sum(a[s][i] * labels[s][k] for s in range(count)) for k in range(3)] for i in range(features + 1)]
        expected = torch.tensor(solved(left, right), dtype=torch.float64)
        torch.testing.assert_close(found[task], expected, rtol=1e-10, atol=1e-12)


def test_the_outer_gradient_is_that_of_the_plain_form() -> None:
    w = parameters(NETWORK)
    found = R2D2(NETWORK, 3).meta_gradient(w, BATCH, 0.0)
    at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    losses = []
    for task in range(2):
        images = torch.cat([BATCH.support_x[task], BATCH.query_x[task]])
        same = {"classifier.weight": torch.eye(8, dtype=torch.float64), "classifier.bias": torch.zeros(8).double()}
        features = oracle.four_conv_logits({**at, **same}, images)
        x = torch.cat([features, torch.ones(12, 1, dtype=torch.float64)], dim=1)
        support, y = x[:6], torch.eye(3, dtype=torch.float64)[BATCH.support_y[task]]
        penalised = support.T @ support + 6 * 10 ** at[LAMBDA] * torch.eye(9, dtype=torch.float64)
        layer = torch.inverse(penalised) @ support.T @ y
        losses.append(F.cross_entropy(10 ** at[SCALE] * (x[6:] @ layer) + at[SHIFT], BATCH.query_y[task]))
    total = losses[0] + losses[1]
    expected = dict(zip(at, torch.autograd.grad(total, list(at.values())), strict=True))
    torch.testing.assert_close(found.query_losses, torch.stack(losses).detach(), rtol=1e-10, atol=0)
    assert worst_relative_error(found.gradients, expected) < 1e-7


@pytest.mark.parametrize(
    "network", [NETWORK, DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4)], ids=["4conv", "genotype"]
)
@pytest.mark.parametrize("moved", ["all", LAMBDA, SCALE])
def test_the_gradient_is_the_slope_of_the_loss(network: Embedding, moved: str) -> None:
    w, learner = parameters(network), R2D2(network, 3)

    def loss(there: Parameters) -> float:
        answers = learner.fit(there, BATCH.support).transductive(BATCH.query_x)
        return float(learner.losses(answers, BATCH.query_y).sum())

    gradients = learner.meta_gradient(w, BATCH, 0.0).gradients
    check_slope(gradients, loss, w, step=1e-7, moved=None if moved == "all" else (moved,))


def test_as_a_network_it_gives_the_same_logits() -> None:
    w, learner = for_tasks(parameters(NETWORK), 2), R2D2(NETWORK, 3)
    network, own = learner.as_network(w, BATCH.support)
    assert network is NETWORK and set(own) == set(NETWORK.specs())
    fitted = learner.fitted(w, BATCH.support)
    answers = TorchEngine().answering(NETWORK, own, BATCH.support_x)(BATCH.query_x)
    torch.testing.assert_close(fitted.inductive(BATCH.query_x), answers, rtol=1e-9, atol=1e-10)


def test_what_it_holds_and_refuses() -> None:
    network, settings = FourConv(5, 3, 84), TrainSettings("x", method="r2d2")
    shapes = training_method("r2d2").shapes(network, settings)
    assert weight_count(shapes) == 32_901 - (800 * 5 + 5) + 3
    state = training_method("r2d2").start(network, settings, torch.device("cpu"))
    assert [float(state.parameters[name]) for name in OWN_SPECS] == [0, 1, 0]

    class Featureless:
        way, in_channels = 3, 1

        def specs(self) -> dict[str, object]:
            return {}

    with pytest.raises(SettingsError, match="has no features") as caught:
        training_method("r2d2").shapes(Featureless(), settings)  # type: ignore[arg-type]
    assert "features" in caught.value.hint


def test_without_a_solution_the_numbers_say_so() -> None:
    alike = torch.zeros(1, 2, 3)
    assert not bool(ridge(alike, torch.eye(2).unsqueeze(0), torch.zeros(1, 1)).isfinite().all())


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    values = {"query": 5, "alpha_outer": 5e-3, "tasks": 400, "validate_every": 200}
    assert above_nearest_neighbour("r2d2", FourConv(5, 1, SIDE, filters=16), values) > 0.05
