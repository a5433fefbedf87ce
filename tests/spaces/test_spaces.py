"""Spaces other than DARTS's: their networks against a plain oracle, on both engines, and decoding their theta."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests import oracle
from tests.spaces import space_oracle
from tests.synthetic import each_task, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine, InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import GenotypeError
from tnas_cli.spaces import registry
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.decode import one_hot_theta
from tnas_cli.spaces.genotype import CELLS, Genotype
from tnas_cli.spaces.operations_table import AVG_POOL_3X3, CONV_1X1, NONE, SKIP_CONNECT, TABLE, Operation
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.tiny import TINY

pytestmark = pytest.mark.slow

#: Every row of the table, in another order; only some of them have kernels.
WHOLE = CellSpace("whole", "all operations", tuple(reversed(TABLE)), nodes=2)
LONG_SKIP = Operation("long_skip", "long skip", SKIP_CONNECT.form, "skip")
RULE = InnerRule(alpha=0.05, beta=3.0, steps=2)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers `WHOLE` as if another package had added it."""
    monkeypatch.setitem(registry._ADDED._loaded, "whole", WHOLE)


def a_genotype(space: CellSpace, seed: int = 0, nodes: int | None = None) -> Genotype:
    return space.random(np.random.default_rng(seed), nodes or space.nodes)


def search_oracle(space: CellSpace, nodes: int) -> Callable[[Parameters, Tensor], Tensor]:
    names = [row.name for row in space.operations]
    return lambda w, x: space_oracle.search_logits(w, x, names, nodes)


def decoded_oracle(genotype: Genotype) -> Callable[[Parameters, Tensor], Tensor]:
    cells = {name: genotype.cell(name) for name in CELLS}
    return lambda w, x: space_oracle.decoded_logits(w, x, cells)


@pytest.mark.parametrize(("space", "size"), [(TINY, 20), (TINY, 33), (WHOLE, 21), (WHOLE, 28)])
def test_the_search_network_is_that_of_the_oracle(space: CellSpace, size: int) -> None:
    network = space.search_network(3, 1, 4, space.nodes)
    own = [parameters_of(network, seed) for seed in (1, 2)]
    x, _ = labelled(2, 3, 1, 1, size, seed=size)
    found = network.logits({name: torch.stack([w[name] for w in own]) for name in own[0]}, x)
    plain = search_oracle(space, space.nodes)
    expected = torch.stack([plain(w, images) for w, images in zip(own, x, strict=True)])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("row", TABLE[1:], ids=lambda row: row.name)
@pytest.mark.parametrize("cell", CELLS)
def test_every_row_in_a_decoded_network(row: Operation, cell: str) -> None:
    """From an input and from a node, so with both strides of the reduction cell."""
    plain = (("skip_connect", 0), ("avg_pool_3x3", 1), ("max_pool_3x3", 2), ("skip_connect", 1))
    chosen = ((row.name, 0), (row.name, 1), (row.name, 2), (row.name, 1))
    genotype = Genotype(*((chosen, plain) if cell == "normal" else (plain, chosen)), space="whole")
    network = WHOLE.decoded_network(genotype, 2, 1, 4)
    w = parameters_of(network, 3)
    x, _ = labelled(1, 2, 2, 1, 25, seed=0)
    found = network.logits({name: tensor.unsqueeze(0) for name, tensor in w.items()}, x)[0]
    torch.testing.assert_close(found, decoded_oracle(genotype)(w, x[0]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_row_as_a_module_is_the_decoded_form(row: Operation, stride: int) -> None:
    """With the same weights, and the norms' statistics of the batch; modules of pools have no norm either."""
    channels, x = 4, torch.randn(3, 4, 9, 8, dtype=torch.float64)
    module = row.form.torch().module(channels, stride).double().train()
    specs = row.form.weights(channels, stride)
    weights = iter(module.parameters())
    w: dict[str, Tensor] = {}
    if row.is_skip and stride == 2:
        halves = [next(weights), next(weights)]
        w["e.skip"] = torch.stack([half[:, :, 0, 0] for half in halves]).unsqueeze(0)
    for name, spec in specs.items():
        if f"e.{name}" not in w:
            w[f"e.{name}"] = next(weights).detach().reshape(spec.shape).unsqueeze(0)
    assert not list(weights)
    found = row.form.torch().decoded(x.transpose(0, 1)[None, None], w, "e", stride)  # [1, 1, C, N, H', W']
    torch.testing.assert_close(found[0, 0].transpose(0, 1), module(x))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@pytest.mark.parametrize("stride", [1, 2])
def test_weights_and_arithmetic_of_every_row_are_those_of_its_module(row: Operation, stride: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    module, channels = row.form.torch().module(6, stride), 6
    specs = row.form.weights(channels, stride).values()
    assert sum(int(np.prod(spec.shape)) for spec in specs) == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, channels, 8, 8))
    assert counter.get_total_flops() == 2 * row.form.multiply_adds(channels, (8 // stride) ** 2, stride)


@pytest.fixture(scope="module", params=["torch", "fused"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return TorchEngine() if request.param == "torch" else FusedEngine(threads=2)


def test_meta_gradient_of_the_small_space(engine: Engine) -> None:
    network = TINY.search_network(3, 1, 8, 3)
    w = parameters_of(network)
    support, query = labelled(2, 3, 1, 1, 20, seed=1), labelled(2, 3, 2, 1, 20, seed=2)
    found = engine.meta_gradient(network, w, support, query, RULE)
    pairs = list(zip(each_task(support), each_task(query), strict=True))

    def rate(name: str) -> float:
        return RULE.beta if name == THETA else RULE.alpha

    gradients, losses = oracle.meta_gradient(search_oracle(TINY, 3), w, pairs, rate, RULE.steps)
    assert worst_relative_error(found.gradients, gradients) < 1e-8
    torch.testing.assert_close(found.query_losses, torch.tensor(losses, dtype=torch.float64), rtol=1e-10, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_answers_of_a_genotype_of_the_small_space(engine: Engine, seed: int) -> None:
    genotype = a_genotype(TINY, seed)
    network = TINY.decoded_network(genotype, 3, 1, 8)
    w = parameters_of(network, seed)
    x, _ = labelled(1, 3, 2, 1, 28, seed=seed)
    found = engine.predict(network, {name: tensor.unsqueeze(0) for name, tensor in w.items()}, x)
    torch.testing.assert_close(found[0], decoded_oracle(genotype)(w, x[0]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("space", [TINY, WHOLE], ids=lambda space: space.name)
def test_what_decodes_is_what_was_mixed(space: CellSpace) -> None:
    """Against a search through all edges and operations; and the mixture of a genotype decodes to it."""
    nodes = 4
    theta = torch.randn(2, 14, len(space.operations), generator=torch.Generator().manual_seed(5))
    found = space.decode(theta)
    assert found.space == space.name
    for cell, edges in zip(theta.softmax(-1), (found.normal, found.reduce), strict=True):
        first = 0
        for node in range(nodes):
            best = []
            for source in range(node + 2):
                kept = [(float(p), row.name) for p, row in zip(cell[first + source], space.operations, strict=True)]
                best.append((*max((p, name) for p, name in kept if name != "none"), source))
            expected = sorted(sorted(best, reverse=True)[:2], key=lambda one: one[2])
            assert list(edges[2 * node : 2 * node + 2]) == [(name, source) for _, name, source in expected]
            first += node + 2
    genotype = a_genotype(space, 7)
    assert space.decode((one_hot_theta(genotype) + 1e-9).log()) == genotype


def test_a_genotype_of_another_space_says_so_in_every_form() -> None:
    genotype = a_genotype(TINY)
    assert genotype.to_json()["space"] == "tiny"
    assert Genotype.parse(genotype.to_darts()) == Genotype.from_json(genotype.to_json()) == genotype
    plain = Genotype(genotype.normal, genotype.reduce)
    assert "space" not in plain.to_json() and "space" not in plain.to_darts()
    assert plain.digest != genotype.digest


def test_a_space_holds_its_own_operations_only() -> None:
    edges = (("max_pool_3x3", 0), ("skip_connect", 1))
    assert Genotype(edges, edges)
    with pytest.raises(GenotypeError, match="unknown operation 'max_pool_3x3'") as caught:
        Genotype(edges, edges, space="tiny")
    assert "avg_pool_3x3" in caught.value.hint
    with pytest.raises(GenotypeError, match="unknown space 'tinny'") as caught:
        Genotype(edges, edges, space="tinny")
    assert "did you mean 'tiny'?" in caught.value.hint


@pytest.mark.parametrize(
    ("operations", "nodes", "words"),
    [
        ((NONE, CONV_1X1, CONV_1X1), 2, "twice"),
        ((CONV_1X1, AVG_POOL_3X3), 2, "needs no connection exactly once"),
        ((NONE,), 2, "and other operations"),
        ((NONE, SKIP_CONNECT, LONG_SKIP), 2, "more than one skip connection"),
        ((NONE, CONV_1X1), 0, "0 nodes"),
    ],
)
def test_what_is_no_space_is_refused(operations: tuple[Operation, ...], nodes: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CellSpace("mine", "mine", operations, nodes)
