"""Soft pruning: the mixture at the start and the end, the final network, and what the outer gradient moves."""

from dataclasses import replace

import pytest
import torch

from tests import oracle
from tests.helpers import AUTO_MAML_1SHOT, OPERATIONS, random_genotype
from tests.synthetic import begun, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine, task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import GradientSteps, accuracies
from tnas_cli.methods.meta_learn import Tasks
from tnas_cli.methods.soft_pruning import SoftPruning, along, between, paths_of
from tnas_cli.methods.unrolled import InnerLoop, Unrolled
from tnas_cli.spaces.decode import decode, one_hot_theta
from tnas_cli.spaces.edges import theta_order
from tnas_cli.spaces.genotype import CELLS, Genotype
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.search_network import SearchNetwork

NETWORK = SearchNetwork(3, 1, channels=4, nodes=4)
RULE = InnerRule(0.05, 3.0, 2)
BASE = GradientSteps(TorchEngine(), NETWORK, RULE, RULE)
LEARNER = SoftPruning(TorchEngine(), NETWORK, BASE, prune_steps=3)


def batch() -> TaskBatch:
    return TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)


def test_a_mixture_of_a_genotype_by_hand() -> None:
    mixture = one_hot_theta(AUTO_MAML_1SHOT)
    rows = theta_order(4)
    for cell, name in enumerate(CELLS):
        kept = {
            (source, position // 2): operation
            for position, (operation, source) in enumerate(AUTO_MAML_1SHOT.cell(name))
        }
        for row, edge in enumerate(rows):
            expected = [0.0] * 8
            expected[OPERATIONS.index(kept.get(edge, "none"))] = 1.0
            assert mixture[cell, row].tolist() == expected


def test_decoding_a_genotypes_mixture_gives_it_back() -> None:
    for seed in range(20):
        genotype = random_genotype(seed)
        assert sorted(decode(100 * one_hot_theta(genotype)).normal) == sorted(genotype.normal)


def test_the_way_from_theta_to_the_chosen_mixture() -> None:
    theta = torch.randn(2, 2, 14, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen = one_hot_theta(AUTO_MAML_1SHOT).double().expand(2, -1, -1, -1)
    torch.testing.assert_close(between(theta, chosen, 0.0).softmax(-1), theta.softmax(-1))
    torch.testing.assert_close(between(theta, chosen, 0.25).softmax(-1), 0.75 * theta.softmax(-1) + 0.25 * chosen)
    torch.testing.assert_close(between(theta, chosen, 1.0).softmax(-1), chosen, rtol=0, atol=1e-15)


def test_a_pruned_task_computes_its_genotype_and_nothing_else() -> None:
    """Weights of operations that were not kept have no effect; those of kept ones do."""
    tasks, parameters = batch(), parameters_of(NETWORK)
    adapted = LEARNER.adapt(parameters, (tasks.support_x, tasks.support_y))
    assert adapted.support_losses.shape == (2, RULE.steps + 1 + 3)
    own = adapted.parameters
    kept = own[THETA].softmax(-1).round()
    torch.testing.assert_close(own[THETA].softmax(-1), kept, rtol=0, atol=1e-15)
    plain = TorchEngine().adapt(NETWORK, parameters, (tasks.support_x, tasks.support_y), RULE)
    for task in range(2):
        torch.testing.assert_close(kept[task].float(), one_hot_theta(decode(plain.parameters[THETA][task])))
    before = NETWORK.logits(own, tasks.query_x)
    for name in (n for n in own if ".dil_conv_5x5." in n):
        column = OPERATIONS.index("dil_conv_5x5")
        cell = CELLS.index(name.split(".")[0])
        changed = dict(own)
        changed[name] = own[name] * 1.5 + 0.1
        moved = (NETWORK.logits(changed, tasks.query_x) - before).abs().amax(dim=(1, 2)) > 1e-12
        assert moved.tolist() == (kept[:, cell, :, column].sum(-1) > 0).tolist()


def test_targets_decide_where_a_task_ends() -> None:
    tasks = batch()
    targets = (random_genotype(1), random_genotype(2))
    learner = SoftPruning(TorchEngine(), NETWORK, BASE, 2, paths_of(NETWORK.space, targets))
    own = learner.adapt(parameters_of(NETWORK), (tasks.support_x, tasks.support_y)).parameters
    for task, genotype in enumerate(targets):
        torch.testing.assert_close(own[THETA][task].softmax(-1).float(), one_hot_theta(genotype), rtol=0, atol=1e-6)


def test_tasks_are_pruned_along_the_paths_of_their_numbers() -> None:
    """In training and validation, and whichever tasks are computed together."""
    tasks, parameters = batch(), parameters_of(NETWORK)
    source = Tasks(lambda first, count: tasks.part(slice(0, count)), lambda: iter((tasks, tasks)))
    asked: list[int] = []

    def path(number: int) -> Genotype:
        asked.append(number)
        return random_genotype(number)

    found = along(source, NETWORK.space, path)
    together = LEARNER.meta_gradient(parameters, found.train(6, 2), 0.0)
    own = LEARNER.on(found.train(6, 2)).adapt(parameters, tasks.support).parameters
    for task, number in enumerate((6, 7)):
        expected = one_hot_theta(random_genotype(number))
        torch.testing.assert_close(own[THETA][task].softmax(-1).float(), expected, rtol=0, atol=1e-6)
    alone = [LEARNER.meta_gradient(parameters, found.train(6, 2).part(slice(n, n + 1)), 0.0) for n in range(2)]
    summed = {name: alone[0].gradients[name] + alone[1].gradients[name] for name in together.gradients}
    assert worst_relative_error(together.gradients, summed) < 1e-8
    other = LEARNER.meta_gradient(parameters, tasks, 0.0)
    assert worst_relative_error(together.gradients, other.gradients) > 1e-3

    asked.clear()
    measured = torch.cat(list(accuracies(LEARNER, parameters, found.validate())))
    assert asked == [0, 1, 2, 3]
    targets = paths_of(NETWORK.space, [random_genotype(number) for number in range(4)])
    for half in range(2):
        fitted = replace(LEARNER, paths=targets[2 * half : 2 * half + 2]).fit(parameters, tasks.support)
        expected = task_accuracies(fitted.as_trained(tasks.query_x), tasks.query_y)
        assert torch.equal(measured[2 * half : 2 * half + 2], expected)


def test_a_task_ends_with_few_skip_connections_where_they_are_limited() -> None:
    tasks, parameters = batch(), parameters_of(NETWORK)
    parameters[THETA][..., OPERATIONS.index("skip_connect")] += 9.0
    support = (tasks.support_x, tasks.support_y)
    thetas = TorchEngine().adapt(NETWORK, parameters, support, RULE).parameters[THETA]
    own = SoftPruning(TorchEngine(), NETWORK, BASE, 3, max_skips=1).adapt(parameters, support).parameters
    for task, theta in enumerate(thetas):
        assert decode(theta).without_weights["skip_connections"] > 2
        wanted = one_hot_theta(decode(theta, 1))
        torch.testing.assert_close(own[THETA][task].softmax(-1).float(), wanted, rtol=0, atol=1e-6)


def test_the_outer_gradient_is_the_querys_at_the_pruned_point() -> None:
    """Against the oracle at each task's pruned parameters; theta~ is not moved."""
    tasks, parameters = batch(), parameters_of(NETWORK)
    found = LEARNER.meta_gradient(parameters, tasks, 0.0)
    assert set(found.gradients) == set(parameters) - {THETA}
    own = LEARNER.adapt(parameters, (tasks.support_x, tasks.support_y)).parameters
    expected = {name: torch.zeros_like(tensor) for name, tensor in parameters.items() if name != THETA}
    for task in range(2):
        leaves = {name: tensor[task].detach().requires_grad_() for name, tensor in own.items()}
        logits = oracle.search_logits(leaves, tasks.query_x[task], nodes=4)
        loss = torch.nn.functional.cross_entropy(logits, tasks.query_y[task])
        for name, gradient in zip(expected, torch.autograd.grad(loss, [leaves[n] for n in expected]), strict=True):
            expected[name] += gradient
    assert worst_relative_error(found.gradients, expected) < 1e-8


@pytest.mark.parametrize("rates", ["step", "weight"])
def test_a_search_with_learned_rates_and_norms_per_step_is_pruned_by_them(rates: str) -> None:
    """T-NAS++: the further steps of w use the rates of the search's last step; norms per step stay, and the last row of
    them gets the outer gradient."""
    loop = InnerLoop(0.05, 2, 2, beta=3.0, learned_rates=rates, step_norms=True)
    base = Unrolled(TorchEngine(), NETWORK, loop)
    parameters = begun(loop, parameters_of(NETWORK))
    generator = torch.Generator().manual_seed(3)
    for name in (n for n in parameters if n.startswith("rate/")):
        parameters[name] = 0.5 + torch.rand(parameters[name].shape, generator=generator, dtype=torch.float64)
    learner, tasks = SoftPruning(TorchEngine(), NETWORK, base, prune_steps=1), batch()
    support = (tasks.support_x, tasks.support_y)
    own = learner.adapt(parameters, support).parameters

    searched = base.adapt(parameters, support).parameters
    chosen = torch.stack([one_hot_theta(decode(theta)) for theta in searched[THETA]]).double()
    at = searched | {THETA: between(searched[THETA], chosen, 1.0)}
    moving = {name: tensor.detach().requires_grad_() for name, tensor in at.items() if loop.moves(name)}
    losses = task_losses(NETWORK.logits(at | moving, tasks.support_x), tasks.support_y)
    gradients = dict(zip(moving, torch.autograd.grad(losses.sum(), list(moving.values())), strict=True))
    for name, tensor in own.items():
        expected = at[name]
        if loop.moves(name) and name != THETA:
            rate = parameters[f"rate/{name}"]
            expected = at[name] - 0.05 * (rate[-1] if rates == "step" else rate) * gradients[name]
        torch.testing.assert_close(tensor, expected, rtol=1e-9, atol=1e-12)

    found = learner.meta_gradient(parameters, tasks, 0.0).gradients
    assert set(found) == set(NETWORK.specs()) - {THETA}
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in own.items()}
    losses = task_losses(NETWORK.logits(leaves, tasks.query_x), tasks.query_y)
    wanted = torch.autograd.grad(losses.sum(), [leaves[name] for name in found])
    for (name, gradient), expected in zip(found.items(), wanted, strict=True):
        if gradient.shape != expected.shape[1:]:
            assert not gradient[:-1].any(), name
            gradient = gradient[-1]
        torch.testing.assert_close(gradient, expected.sum(0), rtol=1e-9, atol=1e-12)
