"""The fused engine against the plain oracle in float64, and properties that hold for any numbers."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests import oracle
from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, OPERATIONS, random_genotype
from tests.synthetic import Labelled, each_task, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused.machine import target
from tnas_cli.engines.fused.program import Program
from tnas_cli.engines.fused_engine import FusedEngine, describe
from tnas_cli.engines.interface import InnerRule, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import TnasError
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import Parameters, for_tasks
from tnas_cli.spaces.search_network import SearchNetwork

RULE = InnerRule(alpha=0.05, beta=3.0, steps=2)
ALTERNATING = replace(RULE, alternating=True)


@pytest.fixture(scope="module")
def engine() -> FusedEngine:
    return FusedEngine(threads=2)


def rate(name: str) -> float:
    return RULE.beta if name == "theta" else RULE.alpha


def plain_logits(network: Network) -> Callable[[Parameters, Tensor], Tensor]:
    """The oracle of a network."""
    if isinstance(network, SearchNetwork):
        return lambda w, x: oracle.search_logits(w, x, network.nodes)
    if isinstance(network, DecodedNetwork):
        genotype = network.genotype
        return lambda w, x: oracle.decoded_logits(w, x, list(genotype.normal), list(genotype.reduce))
    return oracle.four_conv_logits


def tasks_for(
    network: Network, side: int, *, shot: int = 1, query: int = 2, tasks: int = 2
) -> tuple[Labelled, Labelled]:
    way, channels = network.way, network.in_channels  # type: ignore[attr-defined]
    return (
        labelled(tasks, way, shot, channels, side, seed=1),
        labelled(tasks, way, query, channels, side, seed=2),
    )


def without_bias_before_norm(tensors: Parameters) -> Parameters:
    """All except the biases that batch norm removes: their gradient is rounding, or exactly zero."""
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("conv_bias")}


def agrees_with_the_oracle(engine: FusedEngine, network: Network, side: int, rule: InnerRule, **size: int) -> None:
    w = parameters_of(network)
    support, query = tasks_for(network, side, **size)
    found = engine.meta_gradient(network, w, support, query, rule)
    pairs = list(zip(each_task(support), each_task(query), strict=True))
    gradients, losses = oracle.meta_gradient(
        plain_logits(network), w, pairs, rate, rule.steps, alternating=rule.alternating
    )
    expected = without_bias_before_norm(gradients)
    assert worst_relative_error(without_bias_before_norm(found.gradients), expected) < 1e-8
    torch.testing.assert_close(found.query_losses, torch.tensor(losses, dtype=torch.float64), rtol=1e-10, atol=0)


SEARCH_NETWORKS = [
    (SearchNetwork(3, 1, channels=8), 20),
    (SearchNetwork(2, 3, channels=16), 28),
    (SearchNetwork(3, 3, channels=24, nodes=2), 33),
    (SearchNetwork(2, 1, channels=8, nodes=3), 60),
]


@pytest.mark.parametrize(("network", "side"), SEARCH_NETWORKS, ids=lambda value: str(value))
def test_meta_gradient_of_the_search_network(engine: FusedEngine, network: SearchNetwork, side: int) -> None:
    agrees_with_the_oracle(engine, network, side, RULE)


def test_equation_5_moves_theta_at_the_new_w(engine: FusedEngine) -> None:
    agrees_with_the_oracle(engine, SearchNetwork(3, 1, channels=8), 20, ALTERNATING)


def test_more_images_than_a_block(engine: FusedEngine) -> None:
    agrees_with_the_oracle(engine, SearchNetwork(3, 1, channels=8), 20, RULE, shot=5, query=9, tasks=3)


@pytest.mark.parametrize("genotype", [AUTO_MAML_1SHOT, AUTO_MAML_5SHOT], ids=["1-shot", "5-shot"])
def test_meta_gradient_of_the_published_genotypes(engine: FusedEngine, genotype: Genotype) -> None:
    agrees_with_the_oracle(engine, DecodedNetwork(genotype, 3, 3), 28, RULE)


@pytest.mark.parametrize("operation", OPERATIONS[1:])
def test_every_operation_alone(engine: FusedEngine, operation: str) -> None:
    """Both inputs of every node are the cell's inputs, so that in the reduction cell every edge halves the size."""
    edges = tuple((operation, source) for _ in range(2) for source in (0, 1))
    agrees_with_the_oracle(engine, DecodedNetwork(Genotype(edges, edges), 2, 1, channels=8), 28, RULE)


def test_states_that_nothing_reads(engine: FusedEngine) -> None:
    """Only input 1 is used by the normal cell, only input 0 by the reduction cell: the normal cell gets no gradient."""
    normal = (("sep_conv_3x3", 1), ("max_pool_3x3", 1))
    reduce = (("dil_conv_3x3", 0), ("avg_pool_3x3", 0))
    agrees_with_the_oracle(engine, DecodedNetwork(Genotype(normal, reduce), 2, 1, channels=8), 28, RULE)


@pytest.mark.timeout(900)  # its many sizes have kernels of their own, which a slow machine compiles first
@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    nodes=st.integers(1, 4),
    side=st.sampled_from([20, 23, 37]),
    channels=st.sampled_from([8, 16]),
    in_channels=st.sampled_from([1, 3]),
)
def test_any_genotype_at_any_size(seed: int, nodes: int, side: int, channels: int, in_channels: int) -> None:
    network = DecodedNetwork(random_genotype(seed, nodes), 2, in_channels, channels=channels)
    agrees_with_the_oracle(shared_engine(), network, side, RULE)


_SHARED: list[FusedEngine] = []


def shared_engine() -> FusedEngine:
    """One engine for all of hypothesis's examples, which cannot take a fixture."""
    if not _SHARED:
        _SHARED.append(FusedEngine(threads=2))
    return _SHARED[0]


@pytest.mark.parametrize(("filters", "side"), [(32, 28), (8, 33)])
def test_meta_gradient_of_4conv(engine: FusedEngine, filters: int, side: int) -> None:
    agrees_with_the_oracle(engine, FourConv(3, 1, side, filters), side, RULE)


@pytest.mark.parametrize("rule", [RULE, ALTERNATING], ids=["equation 7", "equation 5"])
@pytest.mark.parametrize("network", [SearchNetwork(3, 1, channels=8), FourConv(3, 1, 20, 8)], ids=["search", "4conv"])
def test_adapt_and_predict_as_pytorch_does(engine: FusedEngine, network: Network, rule: InnerRule) -> None:
    w = parameters_of(network)
    support, (x, _) = tasks_for(network, 20)
    found, plain = (by.adapt(network, w, support, rule) for by in (engine, TorchEngine()))
    assert worst_relative_error(found.parameters, plain.parameters) < 1e-10
    torch.testing.assert_close(found.support_losses, plain.support_losses, rtol=1e-10, atol=0)
    predicted, expected = (by.predict(network, plain.parameters, x) for by in (engine, TorchEngine()))
    torch.testing.assert_close(predicted, expected, rtol=1e-10, atol=1e-12)


# -- float32 ----------------------------------------------------------------------------------------------------------


def single(values: Parameters) -> Parameters:
    return {name: tensor.float() for name, tensor in values.items()}


def test_float32_is_as_near_to_float64_as_the_plain_loop(engine: FusedEngine) -> None:
    """Rounding may decide a maximum or a ReLU differently, so single seeds differ; errors are compared over seeds."""
    network, seeds = SearchNetwork(3, 1, channels=8, nodes=2), range(12)
    errors: dict[str, list[float]] = {"fused": [], "plain": []}
    for seed in seeds:
        w = parameters_of(network, seed)
        (sx, sy), (qx, qy) = labelled(1, 3, 1, 1, 20, seed=2 * seed), labelled(1, 3, 3, 1, 20, seed=2 * seed + 1)
        exact = engine.meta_gradient(network, w, (sx, sy), (qx, qy), RULE)
        support, query = (sx.float(), sy), (qx.float(), qy)
        fused = engine.meta_gradient(network, single(w), support, query, RULE)
        pairs = list(zip(each_task(support), each_task(query), strict=True))
        plain, _ = oracle.meta_gradient(plain_logits(network), single(w), pairs, rate, RULE.steps)
        assert fused.query_losses.dtype == torch.float32
        for name, gradients in (("fused", fused.gradients), ("plain", plain)):
            doubled = {key: tensor.double() for key, tensor in gradients.items()}
            errors[name].append(worst_relative_error(doubled, exact.gradients))
    fused_error, plain_error = (float(np.median(errors[name])) for name in ("fused", "plain"))
    assert fused_error < 3 * plain_error, errors
    assert max(errors["fused"]) < 3 * max(errors["plain"]), errors


def test_float32_loss_at_the_meta_parameters(engine: FusedEngine) -> None:
    network = SearchNetwork(3, 1, channels=8)
    rule = replace(RULE, steps=0)
    for seed in range(8):
        w = parameters_of(network, seed)
        x, y = labelled(2, 3, 3, 1, 20, seed=seed)
        exact = engine.meta_gradient(network, w, (x, y), (x, y), rule).query_losses
        found = engine.meta_gradient(network, single(w), (x.float(), y), (x.float(), y), rule).query_losses
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0)


# -- memory, threads, stops -------------------------------------------------------------------------------------------

GUARD = 64


def guarded(network: Network, side: int, engine: FusedEngine) -> Program:
    """A separate program whose buffers are all surrounded by unused numbers."""
    what = describe(network)
    assert what is not None
    return Program(what, side, target(), engine._library("float64"), engine._workers, guard=GUARD)


@pytest.mark.parametrize(
    ("network", "side"),
    [
        (SearchNetwork(2, 1, channels=8), 20),
        (SearchNetwork(2, 1, channels=8, nodes=2), 44),
        (DecodedNetwork(random_genotype(3), 2, 3, channels=8), 28),
        (FourConv(2, 1, 33, 8), 33),
    ],
    ids=["search 20", "search 44", "decoded", "4conv"],
)
@pytest.mark.parametrize("alone", [False, True], ids=["one share", "two shares"])
@pytest.mark.parametrize("large", [False, True], ids=["", "large"])
def test_nothing_is_read_or_written_outside_a_buffer(
    engine: FusedEngine, network: Network, side: int, alone: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory starts as NaN: a read before a write, or beside a buffer, would change the numbers."""
    if large:
        monkeypatch.setattr("tnas_cli.engines.fused.network.LARGE", 0)
    program = guarded(network, side, engine)
    flat = np.concatenate([tensor.numpy().ravel() for tensor in parameters_of(network).values()])
    ready = program.ready(2 * 3, alone=alone)
    plan, mem = ready.plan, np.full(ready.plan.size, np.nan)
    mem[plan.parameters :][: program.layout.size] = program.layout.pack(flat)
    mem[plan.gradients :][: program.layout.size] = 0
    mem[plan.rates : plan.rates + 2] = 0.05, 3.0
    x, y = (tensor[0].numpy() for tensor in labelled(1, 2, 3, network.in_channels, side, seed=1))  # type: ignore[attr-defined]
    program._put_images(mem, plan, x, y)
    assert plan.arrays.shares == 1 + alone
    program._run(mem, ready, 0, plan.backward)
    gradient = program.layout.unpack(mem[plan.gradients :][: program.layout.size])
    assert np.isfinite(gradient).all()
    program._run(mem, ready, plan.backward, plan.end)
    program._run(mem, ready, 0, plan.backward)
    assert np.isfinite(mem[plan.logits :][: plan.count * 2]).all()

    inside = np.zeros(plan.size, bool)
    for at, size in plan.buffers:
        assert not inside[max(at - GUARD, 0) : at + size].any(), "two buffers overlap"
        inside[at : at + size] = True
    assert np.isnan(mem[~inside]).all()
    assert inside.sum() > 0.5 * plan.size

    w = parameters_of(network)
    rule = replace(RULE, steps=0)
    task = (torch.from_numpy(x)[None], torch.from_numpy(y)[None])
    plain = TorchEngine().meta_gradient(network, w, task, task, rule).gradients
    parts = torch.split(torch.from_numpy(gradient), [tensor.numel() for tensor in w.values()])
    found = {name: part.reshape(w[name].shape) for name, part in zip(w, parts, strict=True)}
    assert worst_relative_error(without_bias_before_norm(found), without_bias_before_norm(plain)) < 1e-8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_do_not_depend_on_threads(dtype: torch.dtype) -> None:
    network = SearchNetwork(3, 1, channels=8)
    w = {name: tensor.to(dtype) for name, tensor in parameters_of(network).items()}
    support, query = (labelled(5, 3, n, 1, 20, seed=n, dtype=dtype) for n in (1, 3))
    found = [FusedEngine(threads=n).meta_gradient(network, w, support, query, RULE) for n in (1, 2, 3)]
    for other in found[1:]:
        assert torch.equal(other.query_losses, found[0].query_losses)
        assert all(torch.equal(other.gradients[name], found[0].gradients[name]) for name in w)


@pytest.mark.parametrize(
    ("network", "side"),
    [
        (SearchNetwork(3, 1, channels=8), 20),
        (DecodedNetwork(AUTO_MAML_5SHOT, 3, 3, channels=8), 28),
        (FourConv(3, 3, 28, 8), 28),
    ],
    ids=["search", "decoded", "4conv"],
)
@pytest.mark.parametrize(
    ("query", "many", "large"),
    [(1, 200_000, 4_000_000), (7, 200_000, 0), (7, 1, 0)],
    ids=["3", "21", "21 in four shares"],
)
def test_several_threads_compute_one_task(
    network: Network, side: int, query: int, many: int, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit what one thread does, and what the oracle says; also by the support's moments, which some shares
    have no image of; also where buffers lie on top of each other."""
    monkeypatch.setattr("tnas_cli.engines.fused.network.LARGE", large)
    monkeypatch.setattr("tnas_cli.engines.fused.program.FEW_PIXELS", 0)
    monkeypatch.setattr("tnas_cli.engines.fused.program.MANY_PIXELS", many)
    w, (support, queried) = parameters_of(network), tasks_for(network, side, query=query, tasks=1)
    engines = [FusedEngine(threads=n) for n in (1, 2, 3, 4)]
    agrees_with_the_oracle(engines[1], network, side, RULE, query=query, tasks=1)
    shares = {ready.plan.arrays.shares for ready in engines[1]._program(network, side, "float64")._ready.values()}
    assert shares == ({2} if many > 1 else {3, 4})
    plain = TorchEngine().meta_gradient(network, w, support, queried, RULE, by_support=True).gradients
    found = engines[3].meta_gradient(network, w, support, queried, RULE, by_support=True).gradients
    assert worst_relative_error(without_bias_before_norm(found), without_bias_before_norm(plain)) < 1e-8
    for ask in (
        lambda engine: engine.meta_gradient(network, w, support, queried, RULE).gradients,
        lambda engine: engine.meta_gradient(network, w, support, queried, RULE, by_support=True).gradients,
        lambda engine: engine.adapt(network, w, support, ALTERNATING).parameters,
        lambda engine: engine.gradients(network, for_tasks(w, 1), queried, support[0]).gradients,
    ):
        found = [ask(engine) for engine in engines]
        assert all(torch.equal(other[name], found[0][name]) for other in found[1:] for name in w)


@pytest.mark.parametrize(
    "network",
    [SearchNetwork(3, 1, channels=8), DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, channels=8), FourConv(3, 1, 28, 8)],
)
@pytest.mark.parametrize("large", [4_000_000, 0])
def test_shares_of_the_images_need_nothing_of_each_other(
    engine: FusedEngine, network: Network, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every phase they are computed in other orders, by one thread: nothing changes. Nor where one share's images
    might lie on top of another's."""
    monkeypatch.setattr("tnas_cli.engines.fused.network.LARGE", large)
    program = guarded(network, 28, engine)
    monkeypatch.setattr("tnas_cli.engines.fused.program.shares_of", lambda images, side, alone: 4)
    ready, w = program.ready(40), parameters_of(network)
    assert ready.plan.arrays.shares == 4
    flat = program.layout.pack(np.concatenate([tensor.numpy().ravel() for tensor in w.values()]))
    x, y = (tensor[0].numpy()[:40] for tensor in labelled(1, 3, 14, 1, 28, seed=1))
    found = []
    for preferred in range(4):
        mem = np.full(ready.plan.size, np.nan)
        mem[ready.plan.parameters :][: program.layout.size] = flat
        mem[ready.plan.gradients :][: program.layout.size] = 0
        program._put_images(mem, ready.plan, x, y)
        program._run_part(mem, ready, 0, ready.plan.backward, np.zeros(1))(preferred, 4)
        found.append(mem[ready.plan.gradients :][: program.layout.size].copy())
    assert np.isfinite(found[0]).all()
    assert all(np.array_equal(other, found[0]) for other in found[1:])


def test_results_do_not_depend_on_where_buffers_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """On top of each other, with the first convolution computed twice: every bit stays."""
    network = SearchNetwork(3, 3, channels=8)
    w, (support, query) = parameters_of(network), tasks_for(network, 44)
    found, sizes = [], []
    for large in (4_000_000, 0):
        monkeypatch.setattr("tnas_cli.engines.fused.network.LARGE", large)
        engine = FusedEngine(threads=2)
        found.append(engine.meta_gradient(network, w, support, query, RULE))
        sizes.append(sum(ready.plan.size for ready in engine._program(network, 44, "float64")._ready.values()))
    assert sizes[1] < 0.9 * sizes[0]
    assert torch.equal(found[0].query_losses, found[1].query_losses)
    assert all(torch.equal(found[0].gradients[name], found[1].gradients[name]) for name in w)


def test_results_do_not_depend_on_what_ran_before(engine: FusedEngine) -> None:
    network, other = SearchNetwork(3, 1, channels=8), DecodedNetwork(AUTO_MAML_1SHOT, 2, 3, channels=8)
    w, (support, query) = parameters_of(network), tasks_for(network, 20)
    before = engine.meta_gradient(network, w, support, query, RULE)
    spoiled = {name: 1e200 * tensor for name, tensor in parameters_of(other).items()}
    engine.meta_gradient(other, spoiled, *tasks_for(other, 28), RULE)
    after = engine.meta_gradient(network, w, support, query, RULE)
    assert all(torch.equal(after.gradients[name], before.gradients[name]) for name in w)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_reported(engine: FusedEngine, value: float) -> None:
    network = SearchNetwork(3, 1, channels=8)
    w, (support, query) = parameters_of(network), tasks_for(network, 20)
    query[0][1, 2, 0, 3, 4] = value
    with pytest.raises(TnasError, match="task 1 of a batch has images that are not all finite"):
        engine.meta_gradient(network, w, support, query, RULE)
    with pytest.raises(TnasError, match="task 1 of a batch has images that are not all finite"):
        engine.predict(network, {}, query[0])


def test_parameters_that_are_not_finite_are_reported(engine: FusedEngine) -> None:
    network = SearchNetwork(3, 1, channels=8)
    w, (support, query) = parameters_of(network), tasks_for(network, 20)
    w["stem.1.gain"][0] = float("nan")
    with pytest.raises(TnasError, match=r"stem\.1\.gain"):
        engine.meta_gradient(network, w, support, query, RULE)


@pytest.mark.parametrize("network", [SearchNetwork(3, 1, channels=8), FourConv(3, 1, 20, 8)], ids=["search", "4conv"])
def test_a_task_that_diverges_has_a_loss_that_says_so(engine: FusedEngine, network: Network) -> None:
    """ReLU and maximum pass NaN on."""
    w, (support, query) = parameters_of(network), tasks_for(network, 20)
    found = engine.meta_gradient(network, w, support, query, replace(RULE, alpha=1e200))
    assert not found.query_losses.isfinite().any()


def test_second_order_is_refused(engine: FusedEngine) -> None:
    network = SearchNetwork(3, 1, channels=8)
    with pytest.raises(ValueError, match="first-order"):
        engine.meta_gradient(network, parameters_of(network), *tasks_for(network, 20), RULE, second_order=True)


@pytest.fixture
def pressed() -> Iterator[threading.Timer]:
    """Ctrl-C after a moment."""
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    yield timer
    timer.cancel()


def test_ctrl_c_during_a_step_leaves_cleanly(engine: FusedEngine, pressed: threading.Timer) -> None:
    network = SearchNetwork(3, 1, channels=8)
    w, (support, query) = parameters_of(network), tasks_for(network, 20, tasks=3)
    expected = engine.meta_gradient(network, w, support, query, RULE)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pressed.start()
        engine.meta_gradient(network, w, support, query, replace(RULE, alpha=1e-9, beta=1e-9, steps=10**6))
    assert time.monotonic() - begin < 10
    again = engine.meta_gradient(network, w, support, query, RULE)
    assert all(torch.equal(again.gradients[name], expected.gradients[name]) for name in w)


def test_ctrl_c_ends_all_threads_of_a_task(engine: FusedEngine, pressed: threading.Timer) -> None:
    network = SearchNetwork(3, 1, channels=8)
    w, (support, _) = parameters_of(network), tasks_for(network, 20, tasks=1)
    expected = engine.adapt(network, w, support, RULE).parameters
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pressed.start()
        engine.adapt(network, w, support, replace(RULE, alpha=1e-9, beta=1e-9, steps=10**6))
    assert time.monotonic() - begin < 10
    again = engine.adapt(network, w, support, RULE).parameters
    assert all(torch.equal(again[name], expected[name]) for name in w)
