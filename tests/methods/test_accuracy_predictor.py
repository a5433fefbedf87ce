"""Accuracies of cells, predicted from those of smaller ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tnas_cli.methods.accuracy_predictor import encoded, predicted
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.growing import with_one_more, with_one_node

ONE = with_one_node(DARTS)
TWO = with_one_more(ONE[0], DARTS)


def worth(cell: Genotype) -> float:
    """A rule to learn: convolutions are good, and max pools bad."""
    names = [name for name, _ in cell.normal]
    good, bad = (sum(part in name for name in names) for part in ("conv", "max_pool"))
    return 0.6 + 0.3 * (good - bad) / len(names)


def test_the_shares_of_a_cells_nodes_by_hand() -> None:
    cell = Genotype(
        (("skip_connect", 0), ("skip_connect", 0), ("max_pool_3x3", 1), ("skip_connect", 2)), (("skip_connect", 0),) * 4
    )
    (found,) = encoded([cell], DARTS, 4).unflatten(1, (8, 5))
    skip, pool = (DARTS.column(name) for name in ("skip_connect", "max_pool_3x3"))
    assert (found[skip, 0], found[skip, 2], found[pool, 1], found.sum()) == (1.0, 0.5, 0.5, 2.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_rule_is_learned_and_holds_for_cells_with_a_node_more(seed: int) -> None:
    learned = ONE[::2]  # 53 of 105
    for asked, least in ((ONE[1::2], 0.9), (TWO, 0.7)):
        found = predicted(learned, [worth(cell) for cell in learned], asked, DARTS, seed)
        assert np.corrcoef(found, [worth(cell) for cell in asked])[0, 1] > least


def test_it_is_a_function_of_its_arguments() -> None:
    accuracies = [worth(cell) for cell in ONE[:20]]
    torch.manual_seed(1)
    first = predicted(ONE[:20], accuracies, TWO[:9], DARTS, 0)
    torch.manual_seed(2)
    assert predicted(ONE[:20], accuracies, TWO[:9], DARTS, 0) == first
    assert predicted(ONE[:20], accuracies, TWO[:9], DARTS, 1) != first


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_cells_and_equal_accuracies_are_no_trouble(count: int) -> None:
    found = predicted(ONE[:count], [0.5] * count, TWO[:3], DARTS, 0)
    assert found == pytest.approx([0.5] * 3, abs=1e-4)
