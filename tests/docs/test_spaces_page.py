"""docs/spaces.md lists all spaces and operations, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tnas_cli.engines.choose import choose_engine, why_not_fused
from tnas_cli.spaces import registry
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.operations_table import TABLE
from tnas_cli.spaces.parameters import draw, for_tasks

TEXT = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text(encoding="utf-8")
CPU = torch.device("cpu")


def rows(pattern: str) -> list[tuple[str, ...]]:
    return re.findall(f"^{pattern}$", TEXT, re.MULTILINE)


def test_every_space_is_listed_with_its_operations() -> None:
    listed = {
        name: (int(nodes), tuple(re.findall(r"`(\w+)`", operations)))
        for name, nodes, operations in rows(r"\| `(\w+)` \| (\d+) \| (.*) \|")
    }
    spaces = {name: registry.space(name) for name in registry.OWN}
    assert listed == {n: (s.nodes, tuple(row.name for row in s.operations)) for n, s in spaces.items()}


def test_every_operation_is_listed() -> None:
    listed = rows(r"\| `(\w+)` \| (.+?) \| .+? \| (\w+) \| (yes|no|-) \|")
    assert [row[:3] for row in listed] == [(row.name, row.title, row.family) for row in TABLE]
    for row, (*_, kernel) in zip(TABLE, listed, strict=True):
        if row.is_none:
            assert kernel == "-"
            continue
        space = CellSpace("mine", "mine", (TABLE[0], row), nodes=1)
        reason = why_not_fused(space.search_network(3, 1, 8, 1), CPU)
        assert (reason is None) == (kernel == "yes"), row.name
        assert reason is None or row.name in reason


def test_the_example_works_on_both_engines() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    known: dict[str, object] = {}
    exec(example, known)
    space = known["SPACE"]
    assert isinstance(space, CellSpace)
    network = space.search_network(3, 1, 8, space.nodes)
    assert choose_engine("auto", network, CPU).name == "fused"
    w = for_tasks(draw(network.specs(), torch.Generator().manual_seed(0)), 1)
    x = torch.rand(1, 4, 1, 20, 20, generator=torch.Generator().manual_seed(1))
    found = [choose_engine(engine, network, CPU).predict(network, w, x) for engine in ("torch", "fused")]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("group", ["tnas.spaces", "tnas.networks"])
def test_both_groups_of_entry_points_are_named(group: str) -> None:
    assert group in TEXT
