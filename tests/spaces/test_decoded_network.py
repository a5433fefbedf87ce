import pytest
import torch

from tests import oracle
from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, OPERATIONS, random_genotype
from tests.spaces import space_oracle
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.choose import why_not_fused
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import CELLS, Genotype
from tnas_cli.spaces.known_genotypes import KNOWN, Known
from tnas_cli.spaces.parameters import count


@pytest.mark.parametrize(("genotype", "weights"), [(AUTO_MAML_1SHOT, 23_213), (AUTO_MAML_5SHOT, 26_061)])
def test_golden_parameter_counts(genotype: Genotype, weights: int) -> None:
    """The 23.2K and 26.1K of Table 3, from the genotypes that Auto-MAML's authors published."""
    assert count(DecodedNetwork(genotype, way=5, in_channels=3).specs()) == weights


CASES = [(AUTO_MAML_1SHOT, 20, 1), (AUTO_MAML_5SHOT, 21, 3), (AUTO_MAML_5SHOT, 54, 1), (AUTO_MAML_1SHOT, 39, 3)]
RANDOM = enumerate([4, 4, 3, 2, 4])
CASES += [(random_genotype(seed, nodes), 20 + 3 * seed, 1 + 2 * (seed % 2)) for seed, nodes in RANDOM]


@pytest.mark.parametrize(("genotype", "size", "in_channels"), CASES)
def test_logits_are_those_of_the_oracle(genotype: Genotype, size: int, in_channels: int) -> None:
    network = DecodedNetwork(genotype, 3, in_channels, channels=4)
    own = [parameters_of(network, seed) for seed in (1, 2)]
    x, _ = labelled(2, 3, 2, in_channels, size, seed=size)
    found = network.logits({name: torch.stack([w[name] for w in own]) for name in own[0]}, x)
    expected = [
        oracle.decoded_logits(w, images, genotype.normal, genotype.reduce) for w, images in zip(own, x, strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("one", [one for one in KNOWN if not one.cells.in_search_space], ids=lambda one: one.name)
def test_published_cells_outside_of_the_space_are_those_of_the_oracle(one: Known) -> None:
    """Their own operations, the states that they join, and inputs that a reduction cell joins at half the size."""
    network = DecodedNetwork(one.cells, 3, 1, channels=4)
    w = parameters_of(network, 5)
    x, _ = labelled(1, 3, 2, 1, 25, seed=2)
    found = network.logits({name: tensor.unsqueeze(0) for name, tensor in w.items()}, x)[0]
    edges, joined = ({name: of(name) for name in CELLS} for of in (one.cells.cell, one.cells.joined))
    torch.testing.assert_close(found, space_oracle.decoded_logits(w, x[0], edges, joined), rtol=1e-9, atol=1e-9)
    assert why_not_fused(DecodedNetwork(one.cells, 3, 1, channels=16), torch.device("cpu")) is not None


@pytest.mark.parametrize("operation", OPERATIONS[1:])
@pytest.mark.parametrize("cell", ["normal", "reduce"])
def test_every_operation_in_either_cell(operation: str, cell: str) -> None:
    """From an input and from an intermediate node, so with both strides of the reduction cell."""
    plain = (("skip_connect", 0), ("avg_pool_3x3", 1), ("max_pool_3x3", 2), ("skip_connect", 1))
    chosen = ((operation, 0), (operation, 1), (operation, 2), (operation, 1))
    genotype = Genotype(chosen, plain) if cell == "normal" else Genotype(plain, chosen)
    network = DecodedNetwork(genotype, 2, 1, channels=4)
    w = parameters_of(network, 3)
    x, _ = labelled(1, 2, 2, 1, 25, seed=0)
    found = network.logits({name: tensor.unsqueeze(0) for name, tensor in w.items()}, x)[0]
    expected = oracle.decoded_logits(w, x[0], genotype.normal, genotype.reduce)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
