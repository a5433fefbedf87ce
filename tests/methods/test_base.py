"""BASE against a plain form, one step at a time; the Gumbel sample against closed forms and slopes; what it learns."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import VALIDATION, glyph_tasks
from tests.methods.learning import CPU, SHIFT
from tests.synthetic import labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import t_nas, task_noise
from tnas_cli.methods.base_softmax import COLDEST, Base, Gumbel, gumbel, temperature
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.runs.events import Validated
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.search_network import SearchNetwork

NAMES = ("base-softmax", "base-gumbel-softmax")
NETWORK = SearchNetwork(3, 1, channels=4, nodes=2)
#: 3 classes of 1 + 2 images: the fourth of the mini-batches of 3 begins anew.
BATCH = TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)
STEPS, ALPHA, BETA, SEED = 4, 0.05, 3.0, 7

#: Training tasks; noise makes learning slower.
LENGTHS = {"base-softmax": 160, "base-gumbel-softmax": 900}


def settings_of(name: str, **values: object) -> SearchSettings:
    given: dict[str, object] = {"way": 3, "query": 2, "channels": 4, "nodes": 2, "inner_steps": STEPS, "test_steps": 2}
    given |= {"alpha_inner": ALPHA, "beta_inner": BETA, "seed": SEED, "meta_batch": 2}
    return SearchSettings.from_dict({"dataset": "x", **given, **values, "method": name})


def learner(name: str, engine: Engine | None = None, network: SearchNetwork = NETWORK) -> Base:
    made = search_method(name).learner(engine or TorchEngine(), network, settings_of(name))
    assert isinstance(made, Base)
    return made


def plain(w: Parameters, task: int, noise: Tensor | None, tau: float) -> Parameters:
    """Where a task of BATCH ends: the support set, then the first, then the second query image of each class, and the
    support set again; the sample of a step is written out as exp over its sum."""
    x = torch.cat([BATCH.support_x[task], BATCH.query_x[task]])
    y = torch.cat([BATCH.support_y[task], BATCH.query_y[task]])
    now = {name: tensor.clone() for name, tensor in w.items()}
    for chosen in ([0, 1, 2], [3, 5, 7], [4, 6, 8], [0, 1, 2]):
        at = {name: tensor.clone().requires_grad_() for name, tensor in now.items()}
        seen = dict(at)
        if noise is not None:
            weights = torch.exp((at[THETA] + noise) / tau)
            # The oracle takes the softmax of what it is given: that of the logarithm of shares is the shares.
            seen[THETA] = (weights / weights.sum(-1, keepdim=True)).log()
        loss = F.cross_entropy(oracle.search_logits(seen, x[chosen], nodes=2), y[chosen])
        for name, gradient in zip(at, torch.autograd.grad(loss, list(at.values())), strict=True):
            now[name] = now[name] - (BETA if name == THETA else ALPHA) * gradient
    return now


def noise_of(task: int) -> Tensor:
    """The noise of a task of BATCH, from uniform numbers of its own generator."""
    x = torch.cat([BATCH.support_x, BATCH.query_x], dim=1)[task : task + 1]
    shape = NETWORK.specs()[THETA].shape
    (drawing,) = task_noise.generators(x, SEED, "gumbel noise")
    return -(-torch.rand(shape, generator=drawing).double().log()).log()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("progress", [0.0, 0.4])
def test_the_start_moves_towards_where_tasks_end(name: str, progress: float) -> None:
    w, tau = parameters_of(NETWORK), 0.1**progress
    found = learner(name).meta_gradient(w, BATCH, progress)
    sampled = name == "base-gumbel-softmax"
    ends = [plain(w, task, noise_of(task) if sampled else None, tau) for task in range(2)]
    expected = {name: sum((w[name] - end[name] for end in ends), torch.zeros(())) for name in w}
    assert worst_relative_error(found.gradients, expected) < 1e-8


@pytest.mark.parametrize("name", NAMES)
def test_the_fused_engine_gives_the_same(name: str) -> None:
    network = SearchNetwork(3, 1, channels=8, nodes=2)  # kernels need a multiple of 8
    w, engines = parameters_of(network), (FusedEngine(threads=1), TorchEngine())
    fused, plainly = (learner(name, engine, network).meta_gradient(w, BATCH, 0.3) for engine in engines)
    assert worst_relative_error(fused.gradients, plainly.gradients) < 1e-8


def test_a_new_task_takes_plain_steps_and_answers_by_the_softmax() -> None:
    w, alone = parameters_of(NETWORK), settings_of("t-nas")
    expected = t_nas.steps(TorchEngine(), NETWORK, alone).adapt(w, BATCH.support).parameters
    for name in NAMES:
        own = learner(name).fit(w, BATCH.support).own
        assert all(torch.equal(own[key], tensor) for key, tensor in expected.items())


def test_noise_follows_from_the_seed_and_the_images_alone() -> None:
    theta, drawn = torch.zeros(2, 5, 8), Gumbel(3)
    both = drawn.noise(BATCH.query_x, theta)
    for task in range(2):
        assert torch.equal(drawn.noise(BATCH.query_x[task : task + 1], theta)[0], both[task])
    assert not torch.equal(both[0], both[1])
    assert not torch.equal(Gumbel(4).noise(BATCH.query_x, theta), both)


def test_gumbel_noise_has_its_mean_and_variance() -> None:
    """Euler's constant and pi^2 / 6, within five standard errors; a uniform number of 0 gives a number."""
    u = torch.rand(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn, error = gumbel(u), math.pi / math.sqrt(6 * len(u))
    assert float(drawn.mean()) == pytest.approx(0.5772156649, abs=5 * error)
    assert float(drawn.var()) == pytest.approx(math.pi**2 / 6, rel=5 * math.sqrt(4.4 / len(u)))  # kurtosis 5.4
    assert bool(gumbel(torch.zeros(1)).isfinite().all())


def test_the_cold_sample_is_an_operation_drawn_by_the_softmax() -> None:
    """At tau -> 0 one operation has the whole share, each with the probability softmax(theta); and the largest share
    belongs to an operation with that probability at any tau."""
    theta, tasks = torch.tensor([1.0, 0.0, -1.0, 0.5], dtype=torch.float64), 20_000
    u = torch.rand(tasks, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = theta.softmax(-1)
    for tau in (1e-4, COLDEST, 1.0):
        shares = ((theta + gumbel(u)) / tau).softmax(-1)
        counts = F.one_hot(shares.argmax(-1), 4).double().mean(0)
        deviation = (expected * (1 - expected) / tasks).sqrt()
        assert bool(((counts - expected).abs() < 4 * deviation).all())
    cold = ((theta + gumbel(u)) / 1e-4).softmax(-1)
    assert float((cold.amax(-1) > 0.999).double().mean()) > 0.998
    torch.testing.assert_close(cold.mean(0), expected, atol=4 * float(deviation.max()), rtol=0)


def test_the_gradient_through_the_sample_is_the_slope_with_the_noise_held_fixed() -> None:
    w, made, tau = parameters_of(NETWORK), learner("base-gumbel-softmax"), 0.5
    assert made.relaxation is not None
    own = {name: tensor.expand(2, *tensor.shape).clone() for name, tensor in w.items()}
    noise = made.relaxation.noise(BATCH.query_x, w[THETA])
    found = made.gradients(own, BATCH.query, noise, tau)
    along = torch.randn(own[THETA].shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def loss(distance: float) -> float:
        moved = {**own, THETA: own[THETA] + distance * along}
        return float(made.gradients(moved, BATCH.query, noise, tau).losses.sum())

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    assert float((found.gradients[THETA] * along).sum()) == pytest.approx(slope, rel=1e-5)


def test_the_temperature_falls_from_1_to_a_tenth() -> None:
    assert [temperature(progress) for progress in (0.0, 0.5, 1.0, 1.5)] == pytest.approx([1, 0.1**0.5, 0.1, 0.1])


def learning(name: str, **values: object) -> tuple[SearchSettings, Tasks, Callable[[], MetaState]]:
    settings = settings_of(name, **values)
    network = t_nas.search_network(settings, 1)

    def train(first: int, count: int) -> TaskBatch:
        return glyph_tasks(first, count, way=settings.way, query=settings.query, shift=SHIFT)

    def validate() -> list[TaskBatch]:
        return [glyph_tasks(10_000, 48, classes=VALIDATION, way=settings.way, query=5, shift=SHIFT)]

    return settings, Tasks(train, lambda: iter(validate())), lambda: search_method(name).start(network, settings, CPU)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_that_was_stopped_goes_on_to_the_same_bits(name: str) -> None:
    settings, tasks, start = learning(name, tasks=8, validate_every=4)
    network = t_nas.search_network(settings, 1)
    declared, made = search_method(name), search_method(name).learner(TorchEngine(), network, settings)
    whole, first, second = start(), start(), start()
    list(declared.learn(network, settings, made, whole, tasks, Plan.of(settings)))
    for event in declared.learn(network, settings, made, first, tasks, Plan.of(settings)):
        if isinstance(event, Validated):
            break
    restore(to_checkpoint("meta-architecture", first, {}), second)
    assert second.tasks_done == 4
    list(declared.learn(network, settings, made, second, tasks, Plan.of(settings)))
    assert all(torch.equal(tensor, whole.parameters[key]) for key, tensor in second.parameters.items())


def searched(name: str, seed: int) -> float:
    """What a search's validation accuracy is above that of the nearest neighbour in pixels."""
    values: dict[str, object] = {"way": 5, "query": 5, "inner_steps": 5, "test_steps": 5, "alpha_inner": 0.1}
    values |= {"beta_inner": 30.0, "alpha_outer": 1e-2, "beta_outer": 1e-2, "cosine_to": 0.1, "meta_batch": 4}
    values |= {"tasks": LENGTHS[name], "validate_every": LENGTHS[name], "seed": seed}
    settings, tasks, start = learning(name, **values)
    network, state, declared = t_nas.search_network(settings, 1), start(), search_method(name)
    made = declared.learner(TorchEngine(), network, settings)
    for _ in declared.learn(network, settings, made, state, tasks, Plan.of(settings)):
        pass
    return state.best_accuracy - nearest_neighbour(tasks.validate())[0]


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_more_than_the_nearest_neighbour_knows(name: str) -> None:
    """By at least 5 points on 5-way 1-shot tasks of moved glyphs of other classes."""
    assert searched(name, 0) > 0.05
