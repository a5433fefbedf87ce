"""DARTS's evaluation network: published numbers of weights, its arithmetic against plain functions, drop-path."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.helpers import random_genotype
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.spaces.cells import Cell, Cells
from tnas_cli.spaces.darts_network import DartsCell, DartsNetwork, DartsShape, initialise, weights
from tnas_cli.spaces.darts_operations import AuxiliaryHead, FactorisedReduce
from tnas_cli.spaces.known_genotypes import known
from tnas_cli.spaces.operations_table import operation

IMAGENET = DartsShape(1000, channels=48, layers=14, stem="imagenet")


def cells(name: str) -> Cells:
    found = known(name)
    assert found is not None
    return found.cells


def network(of: Cells, shape: DartsShape, seed: int = 0) -> DartsNetwork:
    built = DartsNetwork(of, shape)
    initialise(built, torch_generator(seed, "test"))
    return built


@pytest.mark.parametrize(
    ("name", "shape", "published"),
    [
        # Printed by DARTS's own training scripts; its README says 3.349 and 4.719 MB.
        ("DARTS_V2", DartsShape(10), 3_349_342),
        ("DARTS_V2", IMAGENET, 4_718_752),
        # Counted by hand from the sources of each row, by DARTS's rules: 3.2M, 3.2M, 3.1M of Table 7 and DARTS's paper.
        ("PNASNet-5", DartsShape(10, channels=48, layers=9), 3_176_602),
        ("AmoebaNet-A-Real", DartsShape(10), 3_207_106),
        ("AmoebaNet-C", DartsShape(10), 3_972_646),
        ("NASNet-A", DartsShape(10, channels=32), 3_061_738),
        ("BASE-CIFAR", DartsShape(10, channels=40), 3_145_490),
        ("BASE-ImageNet", IMAGENET, 4_872_640),
        # 2.8M in Table 7; 2,789,794 by another count, which is 1.3% less.
        ("AmoebaNet-B", DartsShape(10), 2_826_082),
    ],
)
def test_number_of_weights_is_the_published_one(name: str, shape: DartsShape, published: int) -> None:
    with torch.device("meta"):
        assert weights(DartsNetwork(cells(name), shape)) == published


def test_amoebanet_has_the_weights_of_table_7() -> None:
    with torch.device("meta"):
        assert weights(DartsNetwork(cells("AmoebaNet-A"), DartsShape(10))) / 1e6 == pytest.approx(3.2, abs=0.06)


def test_the_auxiliary_heads_weights_are_not_counted() -> None:
    with torch.device("meta"):
        with_head, without = (DartsNetwork(cells("DARTS"), DartsShape(10, auxiliary=on)) for on in (True, False))
    assert weights(with_head) == weights(without) == sum(p.numel() for p in without.parameters())
    # 1 x 1 to 128, norm, 2 x 2 to 768, norm, linear; the second reduction cell has 4 * 144 channels.
    head = 576 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 10 + 10
    assert sum(p.numel() for p in with_head.parameters()) - weights(with_head) == head


@pytest.mark.parametrize("name", ["DARTS_V1", "NASNet-A", "AmoebaNet-B", "Auto-Meta"])
@pytest.mark.parametrize(("stem", "side"), [("cifar", 32), ("cifar", 21), ("imagenet", 64)])
def test_every_published_cell_runs_on_every_stem(name: str, stem: str, side: int) -> None:
    shape = DartsShape(7, 1, 4, 3, stem)  # type: ignore[arg-type]
    built = network(cells(name), shape)
    logits, second = built(torch.randn(2, 1, side, side))
    assert logits.shape == (2, 7)
    assert second is not None and second.shape == (2, 7)
    logits, second = built.eval()(torch.randn(2, 1, side, side))
    assert logits.shape == (2, 7) and second is None


@pytest.mark.slow
def test_reductions_stand_at_one_and_two_thirds() -> None:
    built = network(cells("DARTS"), DartsShape(10, 3, 4, 20))
    widths = [cell.channels // 4 for cell in built.cells if isinstance(cell, DartsCell)]
    assert widths == [4] * 6 + [8] * 7 + [16] * 7
    halving = [
        position
        for position, cell in enumerate(built.cells)
        if cell(torch.randn(1, built_fed(cell, 0), 8, 8), torch.randn(1, built_fed(cell, 1), *sides(cell)), None).shape[
            -1
        ]
        < sides(cell)[0]
    ]
    assert halving == [6, 13]


def built_fed(cell: torch.nn.Module, which: int) -> int:
    """Channels that an input of a cell takes."""
    part = (cell.before, cell.previous)[which]
    return next(m.in_channels for m in part.modules() if isinstance(m, torch.nn.Conv2d))  # type: ignore[union-attr]


def sides(cell: torch.nn.Module) -> tuple[int, int]:
    """Size of the second input where the first one is 8 x 8."""
    return (4, 4) if isinstance(cell.before, FactorisedReduce) else (8, 8)


def plain_cell(cell: DartsCell, edges: tuple[tuple[str, int], ...], states: list[Tensor], reduction: bool) -> Tensor:
    """A cell with ordinary functions and the weights of `cell`; batch norm of this batch, gain 1 and bias 0."""

    def edge(position: int, name: str, x: Tensor, stride: int) -> Tensor:
        if name == "max_pool_3x3":
            return F.max_pool2d(x, 3, stride, 1)
        if name == "avg_pool_3x3":
            return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
        convolutions = [m.weight for m in cell.operations[position].modules() if isinstance(m, torch.nn.Conv2d)]
        if name == "skip_connect":
            if stride == 1:
                return x
            return oracle.norm(oracle.reduce_skip(x, torch.stack(convolutions)[..., 0, 0]))
        dilation, repeats = oracle.KINDS[name]
        for i in range(repeats):
            taps, weight = convolutions[2 * i][:, 0], convolutions[2 * i + 1][..., 0, 0]
            x = oracle.norm(oracle.separable(x, taps, weight, stride if i == 0 else 1, dilation))
        return x

    states = list(states)
    for node in range(len(edges) // 2):
        total: Tensor | float = 0.0
        for position in (2 * node, 2 * node + 1):
            name, source = edges[position]
            total = total + edge(position, name, states[source], 2 if reduction and source < 2 else 1)
        assert isinstance(total, Tensor)
        states.append(total)
    return torch.cat([states[state] for state in cell.concat], dim=1)


@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_cell_is_that_of_plain_functions(seed: int, reduction: bool) -> None:
    one = Cells.of(random_genotype(seed))
    chosen = one.reduce if reduction else one.normal
    cell = DartsCell(chosen, (5, 6), 4, reduction, False).double()
    initialise(cell, torch_generator(seed, "cell"))
    before, previous = torch.randn(3, 5, 7, 7).double(), torch.randn(3, 6, 7, 7).double()
    states = [
        oracle.norm(oracle.conv(F.relu(x), part[1].weight))  # type: ignore[index]
        for x, part in ((before, cell.before), (previous, cell.previous))
    ]
    expected = plain_cell(cell, chosen.edges, states, reduction)
    torch.testing.assert_close(cell(before, previous, None), expected)


def test_the_two_operations_of_other_spaces() -> None:
    x = torch.randn(2, 4, 9, 9)
    wide = operation("conv_7x1_1x7").form.torch().module(4, 2)
    rows, columns = wide[1].weight, wide[2].weight  # type: ignore[index]
    assert rows.shape == (4, 4, 1, 7) and columns.shape == (4, 4, 7, 1)
    expected = F.conv2d(F.conv2d(F.relu(x), rows, None, (1, 2), (0, 3)), columns, None, (2, 1), (3, 0))
    torch.testing.assert_close(wide(x), oracle.norm(expected), rtol=1e-4, atol=1e-5)
    taps = [m for m in operation("sep_conv_7x7").form.torch().module(4, 1).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.kernel_size for m in taps] == [(7, 7), (1, 1), (7, 7), (1, 1)]


@pytest.mark.parametrize(("side", "stride"), [(8, 3), (7, 2)])
def test_the_auxiliary_heads_first_pooling(side: int, stride: int) -> None:
    head = AuxiliaryHead(4, 3, last_norm=True).eval()
    x = torch.rand(2, 4, side, side)
    pooled = F.avg_pool2d(x, 5, stride)
    torch.testing.assert_close(head(x), head.classifier(head.wide(head.narrow(pooled)).flatten(1)))


@pytest.mark.slow
def test_drop_path_multiplies_whole_edges_of_whole_images() -> None:
    built = network(Cells.of(random_genotype(5)), DartsShape(4, 1, 4, 3)).eval()
    x = torch.randn(6, 1, 20, 20)
    assert built.draw_keep(0.0, 6, torch_generator(0, "keep")) is None
    ones = torch.ones(3, 8, 6)
    torch.testing.assert_close(built(x, ones)[0], built(x)[0])
    # In evaluation mode images are independent, so dropping the edges of one image changes only that one.
    dropped = ones.clone()
    dropped[:, :, 2] = 0
    changed = (built(x, dropped)[0] - built(x)[0]).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [False, False, True, False, False, False]


def test_drop_path_keeps_identities() -> None:
    edges = (("skip_connect", 0), ("avg_pool_3x3", 1))
    cell = DartsCell(Cell(edges, (2,)), (4, 4), 4, False, False).eval()
    initialise(cell, torch_generator(0, "cell"))
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(cell(x, x, torch.zeros(2, 2)), cell.before(x))
    reducing = DartsCell(Cell(edges, (2,)), (4, 4), 4, True, False).eval()
    assert not reducing(x, x, torch.zeros(2, 2)).any()  # there a skip has weights of its own


def test_drop_path_keeps_the_expectation() -> None:
    built = network(cells("DARTS"), DartsShape(4, 1, 4, 3))
    keep = built.draw_keep(0.25, 4000, torch_generator(1, "keep"))
    assert keep is not None and keep.shape == (3, 8, 4000)
    torch.testing.assert_close(keep.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert float(keep.mean()) == pytest.approx(1, abs=0.01)
    again = built.draw_keep(0.25, 4000, torch_generator(1, "keep"))
    assert again is not None and torch.equal(keep, again)


def test_initial_weights_follow_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = network(cells("DARTS"), DartsShape(4, 1, 4, 3)).state_dict()
    torch.manual_seed(2)
    second = network(cells("DARTS"), DartsShape(4, 1, 4, 3)).state_dict()
    other = network(cells("DARTS"), DartsShape(4, 1, 4, 3), seed=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    assert float(first["classifier.weight"].abs().max()) <= 64**-0.5
