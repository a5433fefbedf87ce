"""Inner loops with learned rates: against automatic differentiation, plain MAML, finite differences, and by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.synthetic import begun, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import t_nas
from tnas_cli.methods.anil import is_head
from tnas_cli.methods.learner import GradientSteps
from tnas_cli.methods.unrolled import RATE, InnerLoop, Unrolled
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.search_network import SearchNetwork

SMALL = SearchNetwork(2, 1, channels=8, nodes=2)
LOOPS = {
    "plain": InnerLoop(0.05, 2, 2, beta=3.0),
    "rates per step": InnerLoop(0.05, 3, 3, beta=3.0, learned_rates="step"),
    "theta bounded": InnerLoop(0.05, 2, 2, beta=1e4, learned_rates="step"),
    "rates per weight": InnerLoop(0.05, 2, 2, beta=3.0, learned_rates="weight"),
    "norms per step": InnerLoop(0.05, 2, 2, beta=3.0, step_norms=True),
    "head": InnerLoop(0.05, 2, 2, beta=3.0, adapts=is_head, learned_rates="step"),
    "all of MAML++": InnerLoop(0.05, 3, 3, beta=3.0, learned_rates="step", step_norms=True, multi_step=0.5),
}


@pytest.fixture(scope="module", params=["torch", "fused"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return TorchEngine() if request.param == "torch" else FusedEngine(threads=2)


def batch(way: int = 2, channels: int = 1, side: int = 20) -> TaskBatch:
    support, query = (labelled(2, way, n, channels, side, seed=n) for n in (1, 3))
    return TaskBatch(*support, *query, way=way)


def shaken(loop: InnerLoop, parameters: Parameters) -> Parameters:
    """Start values whose rates and norms differ from step to step, as after some training."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: tensor * (1 + 0.2 * torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype))
        for name, tensor in begun(loop, parameters).items()
    }


def pairs(tasks: TaskBatch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return (tasks.support_x, tasks.support_y), (tasks.query_x, tasks.query_y)


@pytest.mark.parametrize("name", LOOPS)
def test_the_course_of_an_adaptation_ends_where_it_does_with_fewer_steps(engine: Engine, name: str) -> None:
    loop, tasks = LOOPS[name], batch()
    parameters = shaken(loop, parameters_of(SMALL))
    support, _ = pairs(tasks)
    course = list(Unrolled(engine, SMALL, loop).course(parameters, support))
    assert len(course) == loop.test_steps + 1
    for steps, found in enumerate(course):
        expected = Unrolled(engine, SMALL, replace(loop, test_steps=steps)).adapt(parameters, support).parameters
        assert set(found) == set(expected)
        assert worst_relative_error(found, expected) < 1e-10


@pytest.mark.parametrize("name", LOOPS)
def test_first_order_is_autograd_with_constant_inner_gradients(engine: Engine, name: str) -> None:
    loop, tasks = LOOPS[name], batch()
    parameters = shaken(loop, parameters_of(SMALL))
    learner = Unrolled(engine, SMALL, loop)
    found = learner.meta_gradient(parameters, tasks, 0.1)
    expected = learner.by_autograd(parameters, *pairs(tasks), loop.weights(0.1), create_graph=False)
    assert set(found.gradients) == set(parameters)
    assert worst_relative_error(found.gradients, expected.gradients) < 1e-8
    torch.testing.assert_close(found.query_losses, expected.query_losses, rtol=1e-10, atol=0)
    torch.testing.assert_close(found.query_accuracies, expected.query_accuracies)


def test_a_learned_rate_moves_theta_no_further_than_its_bound() -> None:
    loop, tasks = LOOPS["theta bounded"], batch()
    parameters = shaken(loop, parameters_of(SMALL))
    before, after = list(Unrolled(TorchEngine(), SMALL, loop).course(parameters, pairs(tasks)[0]))[:2]
    moved = (after[THETA] - before[THETA]).flatten(1).abs().amax(1)
    torch.testing.assert_close(moved, torch.full_like(moved, 0.5), rtol=1e-9, atol=0)
    free = replace(loop, furthest_theta=1e12)
    _, farther = list(Unrolled(TorchEngine(), SMALL, free).course(parameters, pairs(tasks)[0]))[:2]
    directions = [(after[THETA] - before[THETA]).flatten(1), (farther[THETA] - before[THETA]).flatten(1)]
    assert torch.cosine_similarity(*directions).tolist() == pytest.approx([1, 1])
    assert all(torch.equal(after[name], farther[name]) for name in after if name != THETA)


def test_the_bound_leaves_the_other_tasks_of_a_batch_as_they_are() -> None:
    loop = InnerLoop(0.05, 2, 2, beta=3.0, learned_rates="step")
    theta = torch.randn(2, 2, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theta *= torch.tensor([1e-3, 1e3], dtype=torch.float64).view(2, 1, 1, 1)
    found = loop.bounded({RATE + THETA: torch.ones(2, dtype=torch.float64)}, {THETA: theta}, 0)[THETA]
    assert torch.equal(found[0], theta[0])
    assert float(3 * found[1].abs().max()) == pytest.approx(0.5)


def test_without_anything_learned_it_is_t_nas(engine: Engine) -> None:
    loop, tasks, parameters = LOOPS["plain"], batch(), parameters_of(SMALL)
    settings = SearchSettings("x", alpha_inner=0.05, beta_inner=3.0, inner_steps=2, test_steps=2)
    plain: GradientSteps = t_nas.steps(engine, SMALL, settings)
    found, expected = (
        learner.meta_gradient(parameters, tasks, 0.0).gradients for learner in (Unrolled(engine, SMALL, loop), plain)
    )
    assert worst_relative_error(found, expected) < 1e-9
    ours, theirs = (
        learner.adapt(parameters, (tasks.support_x, tasks.support_y))
        for learner in (Unrolled(engine, SMALL, loop), plain)
    )
    assert worst_relative_error(ours.parameters, theirs.parameters) < 1e-9
    torch.testing.assert_close(ours.support_losses, theirs.support_losses, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", ["rates per step", "all of MAML++"])
def test_second_order_is_the_slope_of_the_outer_loss(name: str) -> None:
    """Central differences of the weighted query losses along a random direction of all meta-parameters."""
    loop = replace(LOOPS[name], second_order_from=0.0, steps=2, test_steps=2)
    network, tasks = FourConv(2, 1, 16, filters=4), batch(side=16)
    parameters = shaken(loop, parameters_of(network))
    learner = Unrolled(TorchEngine(), network, loop)
    generator = torch.Generator().manual_seed(5)
    along = {n: torch.randn(t.shape, generator=generator, dtype=t.dtype) for n, t in parameters.items()}

    def outer_loss(at: float) -> float:
        moved = {name: tensor + at * along[name] for name, tensor in parameters.items()}
        total = 0.0
        for step, weight in enumerate(loop.weights(0.1), start=1):
            if weight:
                shorter = Unrolled(TorchEngine(), network, replace(loop, test_steps=step))
                logits = shorter.fit(moved, tasks.support).transductive(tasks.query_x)
                losses = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), tasks.query_y.flatten(), reduction="sum"
                )
                total += weight * float(losses) / tasks.query_y.shape[1]
        return total

    found = learner.meta_gradient(parameters, tasks, 0.1).gradients
    slope = sum(float((found[name] * along[name]).sum()) for name in parameters)
    step = 1e-5
    assert slope == pytest.approx((outer_loss(step) - outer_loss(-step)) / (2 * step), rel=1e-5)


def test_weights_of_the_multi_step_loss_by_hand() -> None:
    loop = InnerLoop(0.1, 4, 4, multi_step=0.5)
    assert loop.weights(0.0) == [0.25] * 4
    assert loop.weights(0.25) == pytest.approx([0.125, 0.125, 0.125, 0.625])
    assert loop.weights(0.499) == pytest.approx([0.0075, 0.0075, 0.0075, 0.9775])
    assert loop.weights(0.5) == [0, 0, 0, 1]
    assert InnerLoop(0.1, 3, 3).weights(0.0) == [0, 0, 1]


def test_only_the_head_moves_and_norms_never_do(engine: Engine) -> None:
    tasks, parameters = batch(), parameters_of(SMALL)
    support = (tasks.support_x, tasks.support_y)
    head = Unrolled(engine, SMALL, LOOPS["head"])
    adapted = head.adapt(begun(LOOPS["head"], parameters), support).parameters
    moved = {name for name in parameters if not torch.equal(adapted[name][0], parameters[name])}
    assert moved == {"classifier.weight", "classifier.bias"}
    loop = LOOPS["norms per step"]
    start = shaken(loop, parameters)
    adapted = Unrolled(engine, SMALL, loop).adapt(start, support).parameters
    assert torch.equal(adapted["stem.0.gain"][0], start["stem.0.gain"][-1])
    assert not torch.equal(adapted["stem.0.conv"][0], start["stem.0.conv"])


def test_more_test_steps_than_were_trained_use_the_last_rate(engine: Engine) -> None:
    loop = replace(LOOPS["rates per step"], test_steps=5)
    parameters = parameters_of(SMALL)
    tasks = batch()
    found = Unrolled(engine, SMALL, loop).adapt(shaken(loop, parameters), (tasks.support_x, tasks.support_y))
    assert found.support_losses.shape == (2, 6)
    assert bool(found.support_losses.isfinite().all())


def test_outer_rates_of_rates() -> None:
    """A rate of w moves by alpha_outer in its own units, and a rate of theta by the same share of its value."""
    settings = SearchSettings("x", way=2, channels=8, nodes=2, learned_rates="step", alpha_inner=0.05)
    state = t_nas.METHOD.start(SMALL, settings, torch.device("cpu"))
    rates = {id(tensor): group["lr"] for group in state.optimiser.param_groups for tensor in group["params"]}
    assert rates[id(state.parameters[RATE + "stem.0.conv"])] == pytest.approx(1e-3 / 0.05)
    assert rates[id(state.parameters[RATE + THETA])] == pytest.approx(1e-3 / 0.05)
    assert rates[id(state.parameters["stem.0.conv"])] == 1e-3
    assert state.parameters[RATE + THETA].tolist() == [1.0] * 5
