"""Equation 6 against central differences of the outer loss itself, which knows nothing of gradients through steps."""

import pytest

from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine, task_losses
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.search_network import SearchNetwork

# The outer loss has kinks (ReLU, max-pool) and, because these also affect the inner gradients, small jumps. A wide step
# crosses some of them, which makes the slope many times too large. A narrow step loses digits by rounding. With this
# step, the chosen entries cross none.
STEP = 5e-8
NETWORK = SearchNetwork(3, 1, channels=4)
SUPPORT, QUERY = labelled(2, 3, 1, 1, 20, seed=1), labelled(2, 3, 2, 1, 20, seed=2)


def outer_loss(w: Parameters, rule: InnerRule) -> float:
    """Sum over tasks of the query loss after the inner steps."""
    adapted = TorchEngine().adapt(NETWORK, w, SUPPORT, rule)
    return float(task_losses(TorchEngine().predict(NETWORK, adapted.parameters, QUERY[0]), QUERY[1]).sum())


def central(w: Parameters, name: str, entry: int, rule: InnerRule, step: float) -> float:
    ends = []
    for sign in (1, -1):
        moved = {**w, name: w[name].clone()}
        moved[name].view(-1)[entry] += sign * step
        ends.append(outer_loss(moved, rule))
    return (ends[0] - ends[1]) / (2 * step)


NAMES = [
    "theta",
    "stem.0.conv",
    "stem.1.gain",
    "normal.input0",
    "normal.sep_conv_3x3.0.depthwise",
    "normal.dil_conv_5x5.0.pointwise",
    "reduce.sep_conv_5x5.1.depthwise",
    "reduce.skip",
    "classifier.weight",
    "classifier.bias",
]


@pytest.mark.parametrize("alternating", [False, True], ids=["equation 7", "equation 5"])
def test_equation_6_is_the_slope_of_the_outer_loss(alternating: bool) -> None:
    rule = InnerRule(alpha=0.05, beta=3.0, steps=2, alternating=alternating)
    w = parameters_of(NETWORK, seed=0)
    exact = TorchEngine().meta_gradient(NETWORK, w, SUPPORT, QUERY, rule, second_order=True).gradients
    first = TorchEngine().meta_gradient(NETWORK, w, SUPPORT, QUERY, rule).gradients
    differs = []
    for name in NAMES:
        # The steepest entry and one in the middle: the relative error of a slope near zero says little.
        order = exact[name].abs().flatten().argsort(descending=True).tolist()
        for entry in (order[0], order[len(order) // 4]):
            slope = central(w, name, entry, rule, STEP)
            found = float(exact[name].flatten()[entry])
            assert found == pytest.approx(slope, rel=1e-5, abs=5e-8), (name, entry)
            differs.append(abs(float(first[name].flatten()[entry]) / found - 1))
    # The first-order gradient would not pass: the test can tell the two apart.
    assert sorted(differs)[len(differs) // 2] > 1e-3
