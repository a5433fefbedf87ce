"""Nothing in a cell's picture covers anything else: tested on published, random and larger cells."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype
from tnas_cli.report.cell_layout import LABEL_HEIGHT, LABEL_WIDTH, STATE_RADIUS, CellLayout, Line, lay_out
from tnas_cli.spaces.genotype import Edge

CELLS = [genotype.cell(name) for genotype in (AUTO_MAML_1SHOT, AUTO_MAML_5SHOT) for name in ("normal", "reduce")]
CELLS += [random_genotype(seed).normal for seed in range(10)]
CELLS += [random_genotype(seed, nodes=nodes).reduce for nodes in (1, 2, 6) for seed in range(3)]
CELLS += [(("skip_connect", 0), ("max_pool_3x3", 0)) * 4]


@pytest.fixture(params=range(len(CELLS)), ids=lambda index: f"cell{index}")
def edges(request: pytest.FixtureRequest) -> tuple[Edge, ...]:
    return CELLS[request.param]


def layouts(edges: tuple[Edge, ...]) -> list[CellLayout]:
    """With an output that joins all nodes, also both inputs, or only the first input and the last node."""
    nodes = len(edges) // 2
    return [lay_out(edges, joined) for joined in ((), tuple(range(nodes + 2)), (0, nodes + 1))]


def fine(line: Line) -> list[tuple[float, float]]:
    """Points at most 0.02 apart along a line."""
    points = [line.points[0]]
    for (x0, y0), (x1, y1) in zip(line.points, line.points[1:], strict=False):
        steps = max(1, int(max(abs(x1 - x0), abs(y1 - y0)) / 0.02) + 1)
        points += [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(1, steps + 1)]
    return points


def test_every_edge_has_one_label_and_ends_at_its_states(edges: tuple[Edge, ...]) -> None:
    layout = lay_out(edges)
    assert Counter(label.operation for label in layout.labels) == Counter(operation for operation, _ in edges)
    assert found_edges(layout) == Counter(
        (operation, source, index // 2 + 2) for index, (operation, source) in enumerate(edges)
    )


def found_edges(layout: CellLayout) -> Counter[tuple[str, int, int]]:
    """Edges as a reader follows them: a line from a state to a label, and a line from that label to a state."""
    found: Counter[tuple[str, int, int]] = Counter()
    for label in layout.labels:
        coloured = [line for line in layout.lines if line.operation == label.operation]
        into = [line for line in coloured if on_rim_of_label(line.points[-1], label.x, label.y)]
        out = [line for line in coloured if on_rim_of_label(line.points[0], label.x, label.y)]
        assert len(into) == len(out) == 1
        found[label.operation, state_at(layout, into[0].points[0]), state_at(layout, out[0].points[-1])] += 1
    return found


def on_rim_of_label(point: tuple[float, float], x: float, y: float) -> bool:
    dx, dy = abs(point[0] - x) - LABEL_WIDTH / 2, abs(point[1] - y) - LABEL_HEIGHT / 2
    return max(dx, dy) == pytest.approx(0, abs=1e-9)


def state_at(layout: CellLayout, point: tuple[float, float]) -> int:
    distances = [((state.x - point[0]) ** 2 + point[1] ** 2) ** 0.5 for state in layout.states]
    nearest = min(range(len(distances)), key=distances.__getitem__)
    assert distances[nearest] == pytest.approx(STATE_RADIUS, abs=1e-9)
    return nearest


def test_labels_and_states_stand_apart(edges: tuple[Edge, ...]) -> None:
    layout = lay_out(edges)
    for one, other in combinations(layout.labels, 2):
        assert abs(one.x - other.x) > LABEL_WIDTH or abs(one.y - other.y) > LABEL_HEIGHT
    for label in layout.labels:
        for state in layout.states:
            assert abs(label.x - state.x) > LABEL_WIDTH / 2 + STATE_RADIUS


def test_no_line_passes_through_a_label_or_a_state(edges: tuple[Edge, ...]) -> None:
    for layout, line in ((one, line) for one in layouts(edges) for line in one.lines):
        for x, y in fine(line):
            for label in layout.labels:
                inside = abs(x - label.x) < LABEL_WIDTH / 2 - 1e-6 and abs(y - label.y) < LABEL_HEIGHT / 2 - 1e-6
                assert not inside, f"{line.operation} runs through {label}"
            for state in layout.states:
                assert (x - state.x) ** 2 + y**2 > (STATE_RADIUS - 0.01) ** 2, f"{line.operation} covers {state}"


def test_lanes_do_not_run_on_top_of_each_other(edges: tuple[Edge, ...]) -> None:
    """The lines of two edges never run together: where they come close, they cross."""
    layout = lay_out(edges)
    drawn = [line for line in layout.lines if line.operation is not None]
    for one, other in combinations(drawn, 2):
        points = {(round(x, 2), round(y, 2)) for x, y in fine(one)}
        shared = [point for point in fine(other) if (round(point[0], 2), round(point[1], 2)) in points]
        assert len(shared) < 6, f"{one.operation} and {other.operation} share {shared}"


def test_every_joined_state_feeds_the_output(edges: tuple[Edge, ...]) -> None:
    nodes = len(edges) // 2
    for layout, joined in zip(layouts(edges), (range(2, nodes + 2), range(nodes + 2), (0, nodes + 1)), strict=True):
        ways = [line for line in layout.lines if line.operation is None]
        assert sorted(state_at(layout, way.points[0]) for way in ways) == list(joined)
        assert {state_at(layout, way.points[-1]) for way in ways} == {nodes + 2}


def test_everything_lies_within_the_stated_bounds(edges: tuple[Edge, ...]) -> None:
    for layout, line in ((one, line) for one in layouts(edges) for line in one.lines):
        for x, y in line.points:
            assert layout.left - 1e-9 <= x <= layout.right + 1e-9
            assert layout.bottom - 1e-9 <= y <= layout.top + 1e-9
