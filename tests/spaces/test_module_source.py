"""A genotype's network as a file of plain PyTorch: it needs nothing of tnas, and computes the same in float64."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch

from tests.helpers import random_genotype
from tests.synthetic import parameters_of
from tnas_cli.errors import GenotypeError
from tnas_cli.spaces import module_source as source
from tnas_cli.spaces.architecture import Architecture
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.known_genotypes import KNOWN
from tnas_cli.spaces.registry import space

GENOTYPES = {
    **{f"random {seed}": random_genotype(seed, 4) for seed in range(4)},
    **{known.name: known.architecture for known in KNOWN},
}


def loaded(text: str) -> dict[str, Any]:
    """What a file of this text defines."""
    names: dict[str, Any] = {}
    exec(compile(text, "net.py", "exec"), names)
    return names


def cells_of(architecture: Architecture) -> Cells:
    return architecture if isinstance(architecture, Cells) else Cells.of(architecture)


def equal(genotype: Architecture, side: int) -> None:
    network = DecodedNetwork(genotype, 3, 1, channels=8)
    w = parameters_of(network)
    text = source.module_source(cells_of(genotype), genotype.digest)
    module = loaded(text)["Network"](way=3, image_channels=1, channels=8).double()
    tensors = [part for name, tensor in w.items() for part in (tensor if name.endswith(".skip") else (tensor,))]
    with torch.no_grad():
        for parameter, tensor in zip(module.parameters(), tensors, strict=True):
            parameter.copy_(tensor.reshape(parameter.shape))
    x = torch.rand(5, 1, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = network.logits({name: tensor.unsqueeze(0) for name, tensor in w.items()}, x.unsqueeze(0))[0]
    torch.testing.assert_close(module.train()(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", GENOTYPES)
def test_it_computes_what_tnas_computes(name: str) -> None:
    equal(GENOTYPES[name], 28)


@pytest.mark.parametrize("side", [20, 21, 35])
def test_sides_of_all_kinds(side: int) -> None:
    equal(random_genotype(7, 4), side)
    equal(GENOTYPES["AmoebaNet-B"], side)


def test_another_space() -> None:
    equal(random_of("tiny"), 28)


def random_of(name: str) -> Genotype:
    import numpy as np

    return space(name).random(np.random.default_rng(0), space(name).nodes)


def test_the_file_imports_pytorch_alone_and_every_line_is_short() -> None:
    for genotype in GENOTYPES.values():
        text = source.module_source(cells_of(genotype), genotype.digest)
        imported = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert imported == {"torch", "torch.nn.functional"}
        lines = [line for line in text.splitlines() if not line.startswith("Genotype(")]
        assert max(map(len, lines)) <= 120
        assert genotype.digest in text


def test_an_operation_without_text_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Row:
        class form:  # noqa: N801
            @staticmethod
            def constructor(stride: int) -> None:
                return None

    monkeypatch.setattr(source, "operation", lambda name: Row)
    with pytest.raises(GenotypeError, match="has no text"):
        source.module_source(Cells.of(random_genotype(0)), "x")
