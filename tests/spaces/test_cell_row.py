"""A row of cells against plain operations one task at a time, and the rows behind Auto-Meta's numbers of weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.oracle import conv, norm
from tests.spaces.space_oracle import step, steps, weightless
from tests.synthetic import labelled, parameters_of
from tnas_cli.errors import SettingsError
from tnas_cli.spaces.cell_row import CellRow
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.known_genotypes import AUTO_META, known
from tnas_cli.spaces.networks import AUTO_META_ROWS, fixed_network
from tnas_cli.spaces.parameters import Parameters, count


def plain(w: Parameters, x: Tensor, cells: Cells, layers: int) -> Tensor:
    """Logits [N, way] of one task: x [N, C, H, W]."""

    def normed(prefix: str, y: Tensor) -> Tensor:
        return norm(y, w[f"{prefix}.gain"], w[f"{prefix}.bias"])

    def edge(prefix: str, operation: str, s: Tensor, stride: int) -> Tensor:
        found = weightless(operation, s, stride)
        if found is not None:
            return norm(found) if "pool" in operation else found
        own = {name.removeprefix(f"{prefix}."): t for name, t in w.items() if name.startswith(f"{prefix}.")}
        for i in range(steps(operation)):
            part = "" if operation == "skip_connect" else f"{i}."
            s = norm(step(operation, own, i, s, stride), own[f"{part}gain"], own[f"{part}bias"])
        return s

    reductions = {layers // 3, 2 * layers // 3}
    before = previous = normed("stem", conv(x, w["stem.conv"], padding=1))
    for position in range(layers):
        name, reduces = f"cell.{position}", position in reductions
        if before.shape[-1] > previous.shape[-1]:
            first = oracle.reduce_skip(before, w[f"{name}.input0"])
        else:
            first = conv(F.relu(before), w[f"{name}.input0"][:, :, None, None])
        second = conv(F.relu(previous), w[f"{name}.input1"][:, :, None, None])
        states = [normed(f"{name}.input0", first), normed(f"{name}.input1", second)]
        cell = cells.reduce if reduces else cells.normal
        for node in range(cell.nodes):
            total: Tensor | float = 0.0
            for place in (2 * node, 2 * node + 1):
                operation, source = cell.edges[place]
                stride = 2 if reduces and source < 2 else 1
                total = total + edge(f"{name}.{place}", operation, states[source], stride)
            states.append(total)  # type: ignore[arg-type]
        kept = [
            edge(f"{name}.join{state}", "skip_connect", states[state], 2 if reduces and state < 2 else 1)
            for state in cell.concat
        ]
        before, previous = previous, torch.cat(kept, dim=1)
    return oracle.classify(w, previous)


def named(name: str) -> Cells:
    found = known(name)
    assert found is not None
    return found.cells


@pytest.mark.parametrize(
    ("cells", "layers", "size", "in_channels"),
    [("Auto-Meta", 3, 20, 1), ("Auto-Meta", 5, 13, 3), ("NASNet-A", 4, 9, 1), ("DARTS_V2", 6, 8, 3)],
)
def test_logits_are_those_of_plain_operations(cells: str, layers: int, size: int, in_channels: int) -> None:
    network = CellRow(3, in_channels, size, named(cells), layers, 4)
    own = [parameters_of(network, seed) for seed in (1, 2)]
    x, _ = labelled(2, 3, 2, in_channels, size, seed=size)
    found = network.logits({name: torch.stack([w[name] for w in own]) for name in own[0]}, x)
    expected = [plain(w, images, named(cells), layers) for w, images in zip(own, x, strict=True)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)


def weights(layers: int, channels: int) -> int:
    """By the shapes of the operations alone: each cell's inputs and edges, the joined inputs of reductions."""
    reductions, c = {layers // 3, 2 * layers // 3}, channels
    once, crossed = c * (9 + c) + 2 * c, 10 * c * c + 2 * c
    total, before, previous = 3 * c * 27 + 6 * c, 3 * c, 3 * c
    for position in range(layers):
        total += (before + previous) * c + 4 * c + 5 * once + 3 * crossed
        total += 2 * (c * c + 2 * c) if position in reductions else 0
        before, previous = previous, 7 * c
    return total + 5 * 7 * c + 5


@pytest.mark.parametrize(
    ("name", "printed", "found"),
    [("small", 28_000, 28_255), ("large-1shot", 98_700, 99_577), ("large-5shot", 94_000, 94_445)],
)
def test_no_other_row_of_auto_metas_cell_has_a_number_of_weights_nearer_to_the_printed_one(
    name: str, printed: int, found: int
) -> None:
    network = fixed_network(f"auto-meta-{name}").build(5, 3, 84)
    assert count(network.specs()) == found == weights(*AUTO_META_ROWS[name])
    rows = [(layers, channels) for layers in range(3, 21) for channels in range(2, 61, 2)]
    assert min(rows, key=lambda row: abs(weights(*row) - printed)) == AUTO_META_ROWS[name]


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(SettingsError, match="a row of cells cannot take images of 3 pixels"):
        CellRow(5, 1, 3, AUTO_META, 5, 10)
    for layers, channels in ((2, 10), (5, 9)):
        with pytest.raises(ValueError, match=f"a row of {layers} cells with {channels} channels"):
            CellRow(5, 1, 20, AUTO_META, layers, channels)
