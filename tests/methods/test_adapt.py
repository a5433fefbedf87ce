import statistics
from dataclasses import replace

import pytest
import torch

from tests import oracle
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.adapt import adapt, logits_by_step, with_way
from tnas_cli.methods.learner import GradientSteps, accuracies, interval, mean_and_interval
from tnas_cli.spaces.parameters import THETA, Spec
from tnas_cli.spaces.search_network import SearchNetwork

NETWORK = SearchNetwork(3, 1, channels=4, nodes=2)
RULE = InnerRule(0.05, 3.0, 2)


def batch(tasks: int, seed: int) -> TaskBatch:
    return TaskBatch(*labelled(tasks, 3, 1, 1, 20, seed=seed), *labelled(tasks, 3, 4, 1, 20, seed=seed + 50), way=3)


def test_algorithm_2_for_batches_of_different_sizes() -> None:
    """theta_i and predictions of each task are those of the oracle, and `accuracies` counts them."""
    w, batches = parameters_of(NETWORK), [batch(2, 1), batch(1, 2)]
    learner = GradientSteps(TorchEngine(), NETWORK, replace(RULE, steps=9), RULE)
    results = list(adapt(learner, w, batches))
    counted = list(accuracies(learner, w, batches))
    assert [len(values) for values in counted] == [2, 1]
    for tasks, adapted, measured in zip(batches, results, counted, strict=True):
        logits = adapted.transductive(tasks.query_x)
        for i in range(len(tasks)):
            own = oracle.inner_steps(
                lambda w, x: oracle.search_logits(w, x, nodes=2),
                w,
                (tasks.support_x[i], tasks.support_y[i]),
                lambda name: RULE.beta if name == THETA else RULE.alpha,
                RULE.steps,
            )
            torch.testing.assert_close(adapted.parameters[THETA][i].detach(), own[THETA], rtol=1e-10, atol=1e-12)
            expected = oracle.search_logits(own, tasks.query_x[i], nodes=2)
            torch.testing.assert_close(logits[i], expected, rtol=1e-9, atol=1e-10)
            right = sum(int(row.argmax()) == int(label) for row, label in zip(expected, tasks.query_y[i], strict=True))
            assert float(measured[i]) == pytest.approx(right / 12)


@pytest.mark.parametrize("alternating", [False, True])
def test_the_logits_of_every_step_are_those_of_an_adaptation_that_ends_there(alternating: bool) -> None:
    w, tasks, rule = parameters_of(NETWORK), batch(2, 1), replace(RULE, steps=3, alternating=alternating)
    support = tasks.support_x, tasks.support_y
    learner = GradientSteps(TorchEngine(), NETWORK, RULE, rule)
    found = logits_by_step(learner, w, support, tasks.support_x, tasks.query_x)
    assert [tuple(logits.shape) for logits in found] == [(2, 4, 3, 3), (2, 4, 12, 3)]
    for steps in range(4):
        own = learner.engine.adapt(NETWORK, w, support, replace(rule, steps=steps)).parameters
        for logits, x in zip(found, (tasks.support_x, tasks.query_x), strict=True):
            expected = learner.engine.predict(NETWORK, own, x)
            torch.testing.assert_close(logits[:, steps], expected, rtol=1e-9, atol=1e-10)
    assert not torch.allclose(found[1][:, 0], found[1][:, 1])


def test_interval_by_hand() -> None:
    """Values 0.2, 0.4, 0.9: mean 0.5, squared deviations 0.09 + 0.01 + 0.16 = 0.26, variance 0.13."""
    values = torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64)
    assert interval(values) == pytest.approx(1.96 * (0.13 / 3) ** 0.5, rel=1e-12)
    assert interval(values[:1]) == 0.0
    mean, half = mean_and_interval([values[:2], values[2:]])
    assert mean == pytest.approx(0.5)
    assert half == pytest.approx(interval(values))


def test_interval_of_many_float32_values_is_as_exact_as_pythons() -> None:
    values = 0.9 + 1e-3 * torch.rand(600, generator=torch.Generator().manual_seed(0))
    expected = 1.96 * statistics.stdev(values.tolist()) / 600**0.5
    assert interval(values) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("transductive", [False, True])
def test_the_last_logits_by_step_are_those_of_the_fitted_tasks(transductive: bool) -> None:
    w, tasks = parameters_of(NETWORK), batch(2, 1)
    learner = GradientSteps(TorchEngine(), NETWORK, RULE, RULE)
    (by_step,) = logits_by_step(learner, w, tasks.support, tasks.query_x, transductive=transductive)
    together, alone = learner.fit(w, tasks.support).both(tasks.query_x)
    torch.testing.assert_close(by_step[:, -1], together if transductive else alone, rtol=1e-9, atol=1e-10)
    assert not torch.allclose(together, alone)


def shapes(way: int) -> dict[str, Spec]:
    return SearchNetwork(way, 1, channels=4, nodes=2).specs()


@pytest.mark.parametrize("way", [2, 5])
def test_with_way_gives_every_class_the_mean_row(way: int) -> None:
    w = parameters_of(NETWORK)
    before = {name: tensor.clone() for name, tensor in w.items()}
    changed = with_way(w, shapes(way))
    weight, bias = changed["classifier.weight"], changed["classifier.bias"]
    assert weight.shape == (way, 16)
    assert bias.shape == (way,)
    for row in range(way):
        torch.testing.assert_close(weight[row], sum(w["classifier.weight"][i] for i in range(3)) / 3)
        torch.testing.assert_close(bias[row], sum(w["classifier.bias"][i] for i in range(3)) / 3)
    assert all(torch.equal(w[name], before[name]) for name in w)
    assert all(changed[name] is w[name] for name in w if not name.startswith("classifier"))


def test_with_way_of_the_checkpoint_changes_nothing() -> None:
    w = parameters_of(NETWORK)
    assert with_way(w, shapes(3)) == w


def test_a_classifier_of_another_way_tells_the_classes_apart_after_one_step() -> None:
    w = with_way(parameters_of(NETWORK), shapes(5))
    network = SearchNetwork(5, 1, channels=4, nodes=2)
    support = labelled(1, 5, 2, 1, 20, seed=3)
    engine = TorchEngine()
    before = engine.adapt(network, w, support, InnerRule(0.05, 3.0, 0))
    logits = engine.predict(network, before.parameters, support[0])
    torch.testing.assert_close(logits, logits[..., :1].expand_as(logits))
    after = engine.adapt(network, w, support, InnerRule(0.05, 3.0, 1))
    logits = engine.predict(network, after.parameters, support[0])
    assert float(logits.std(dim=-1).min()) > 1e-3
    assert float(after.support_losses[0, 1]) < float(after.support_losses[0, 0])
