"""Where the parts of a cell's picture go, so that no label, node or line covers another.

States stand on one line from left to right; the gap before an intermediate node holds the labels of its two edges, one
above and one below the line. An edge from the state next door goes straight to its label. Every other edge rises above
its source, runs along a lane of its own outside the labels, and comes down on its label: nothing stands in its way,
because only states stand below a riser and only the label below a descent. Lengths are inches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tnas_cli.spaces.genotype import Edge

LABEL_WIDTH, LABEL_HEIGHT = 1.26, 0.32
STATE_RADIUS = 0.25
INPUT_STEP = 1.0
GAP_BEFORE, GAP_AFTER = 0.42, 0.4
LABEL_OFFSET = 0.4
FIRST_LANE, LANE_STEP = 0.84, 0.24
PORT_STEP = 0.13
CORNER = 0.12

Point = tuple[float, float]


@dataclass(frozen=True)
class State:
    """An input, an intermediate node or the output, drawn around (x, 0)."""

    name: str
    x: float


@dataclass(frozen=True)
class Label:
    """An edge's operation, in a box of LABEL_WIDTH x LABEL_HEIGHT around (x, y)."""

    operation: str
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """A drawn line as dense points; `operation` is None for a line into the output."""

    operation: str | None
    points: tuple[Point, ...]
    arrow: bool = False


@dataclass(frozen=True)
class CellLayout:
    """All parts of one cell; it lies within left..right and bottom..top."""

    states: tuple[State, ...]
    labels: tuple[Label, ...]
    lines: tuple[Line, ...]
    left: float
    right: float
    bottom: float
    top: float
    output_lane: float


@dataclass(frozen=True)
class _Route:
    """An edge that needs a lane: from state `source` to the label of `node` on one side (+1 above, -1 below)."""

    source: int
    node: int
    operation: str
    side: int


def state_names(nodes: int) -> tuple[str, ...]:
    """Names of a cell's states from left to right, the output last."""
    return ("c_{k-2}", "c_{k-1}", *(str(node) for node in range(nodes)), "c_{k}")


def as_drawn(name: str) -> str:
    """The name of a state with its index as a subscript: 'cₖ₋₂' for 'c_{k-2}'."""
    letter, _, index = name.partition("_")
    return letter + index.strip("{}").translate(_SUBSCRIPTS)


_SUBSCRIPTS = str.maketrans("k-12", "ₖ₋₁₂")


def lay_out(edges: tuple[Edge, ...], joined: tuple[int, ...] = ()) -> CellLayout:
    """Place the states, labels and lines of a cell with two edges per node; joined: the states that the output
    concatenates, all nodes if it is empty."""
    nodes = len(edges) // 2
    joined = joined or tuple(range(2, 2 + nodes))
    positions = _state_positions(nodes)
    sides = _choose_sides(edges)
    labels, lines, routes = [], [], []
    for index, (operation, source) in enumerate(edges):
        node, side = index // 2, sides[index]
        label = Label(operation, _label_x(positions, node), side * LABEL_OFFSET)
        labels.append(label)
        start = (label.x + LABEL_WIDTH / 2, label.y)
        end_x = positions[node + 2] - STATE_RADIUS * math.cos(0.5)
        lines.append(Line(operation, _s_curve(start, (end_x, side * STATE_RADIUS * math.sin(0.5))), arrow=True))
        if source == node + 1:
            start = (positions[source] + STATE_RADIUS * math.cos(0.5), side * STATE_RADIUS * math.sin(0.5))
            lines.append(Line(operation, _s_curve(start, (label.x - LABEL_WIDTH / 2, label.y))))
        else:
            routes.append(_Route(source, node, operation, side))
    lanes = _assign_lanes(routes)
    depth = {side: max((lane for route, lane in lanes.items() if route.side == side), default=-1) for side in (1, -1)}
    output_lane = -(FIRST_LANE + LANE_STEP * (depth[-1] + 1))
    lines += _lane_lines(lanes, positions, joined)
    lines += _output_lines(lanes, positions, joined, output_lane)
    return CellLayout(
        states=tuple(State(name, x) for name, x in zip(state_names(nodes), positions, strict=True)),
        labels=tuple(labels),
        lines=tuple(lines),
        left=positions[0] - STATE_RADIUS,
        right=positions[-1] + STATE_RADIUS,
        bottom=output_lane,
        top=max(FIRST_LANE + LANE_STEP * depth[1], LABEL_OFFSET + LABEL_HEIGHT / 2),
        output_lane=output_lane,
    )


def _state_positions(nodes: int) -> list[float]:
    step = 2 * STATE_RADIUS + GAP_BEFORE + LABEL_WIDTH + GAP_AFTER
    inner = [INPUT_STEP + step * (node + 1) for node in range(nodes)]
    return [0.0, INPUT_STEP, *inner, inner[-1] + INPUT_STEP]


def _label_x(positions: list[float], node: int) -> float:
    return positions[node + 2] - STATE_RADIUS - GAP_AFTER - LABEL_WIDTH / 2


def _choose_sides(edges: tuple[Edge, ...]) -> list[int]:
    """+1 (above) or -1 (below) per edge: node by node, the choice that needs the fewest and shortest lanes."""
    sides: list[int] = []
    for node in range(len(edges) // 2):
        known = edges[: 2 * node + 2]
        options = [[*sides, 1, -1], [*sides, -1, 1]]
        sides = min(options, key=lambda option: _cost(known, option))
    return sides


def _cost(edges: tuple[Edge, ...], sides: list[int]) -> tuple[int, int]:
    """(Sum of the lanes used, lanes needed above): the picture stays flat, and lanes go below if it makes no
    difference."""
    routes = [
        _Route(source, index // 2, operation, sides[index])
        for index, (operation, source) in enumerate(edges)
        if source != index // 2 + 1
    ]
    lanes = _assign_lanes(routes)
    return sum(lane + 1 for lane in lanes.values()), sum(route.side > 0 for route in routes)


def _assign_lanes(routes: list[_Route]) -> dict[_Route, int]:
    """Lane number per route, 0 next to the labels: short routes inside, none overlapping another of its lane."""
    lanes: dict[_Route, int] = {}
    for route in sorted(routes, key=lambda r: (r.node + 1 - r.source, r.node)):
        taken = {
            lane
            for other, lane in lanes.items()
            if other.side == route.side and route.source <= other.node + 1 and other.source <= route.node + 1
        }
        lanes[route] = next(lane for lane in range(len(routes)) if lane not in taken)
    return lanes


def _ports(positions: list[float], source: int, count: int, rank: int) -> Point:
    """Where the `rank`-th of `count` lines leaves the upper rim of a state."""
    offset = (rank - (count - 1) / 2) * PORT_STEP
    offset = max(-0.8 * STATE_RADIUS, min(0.8 * STATE_RADIUS, offset))
    return positions[source] + offset, math.sqrt(STATE_RADIUS**2 - offset**2)


def _lane_lines(lanes: dict[_Route, int], positions: list[float], joined: tuple[int, ...]) -> list[Line]:
    lines = []
    for route, lane in lanes.items():
        # Outer lanes leave further left, so that no lane crosses the riser of another line from the same state.
        outer_first = sorted(
            (other for other in lanes if (other.source, other.side) == (route.source, route.side)),
            key=lambda other: -lanes[other],
        )
        # Below a joined state, the first port belongs to the line into the output.
        shift = int(route.side < 0 and route.source in joined)
        x, rim = _ports(positions, route.source, len(outer_first) + shift, outer_first.index(route) + shift)
        y = FIRST_LANE + LANE_STEP * lane
        end = (_label_x(positions, route.node), LABEL_OFFSET + LABEL_HEIGHT / 2)
        corners = [(x, rim), (x, y), (end[0], y), end]
        lines.append(Line(route.operation, _rounded([(px, route.side * py) for px, py in corners])))
    return lines


def _output_lines(
    lanes: dict[_Route, int], positions: list[float], joined: tuple[int, ...], output_lane: float
) -> list[Line]:
    lines = []
    for state in joined:
        below = sum((route.source, route.side) == (state, -1) for route in lanes)
        x, rim = _ports(positions, state, below + 1, 0)
        end = positions[-1]
        lines.append(
            Line(None, _rounded([(x, -rim), (x, output_lane), (end, output_lane), (end, -STATE_RADIUS)]), arrow=True)
        )
    return lines


def _s_curve(start: Point, end: Point, steps: int = 16) -> tuple[Point, ...]:
    """A cubic Bezier curve that leaves and arrives horizontally."""
    (x0, y0), (x3, y3) = start, end
    middle = (x0 + x3) / 2
    points = []
    for i in range(steps + 1):
        t = i / steps
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        points.append((a * x0 + (b + c) * middle + d * x3, (a + b) * y0 + (c + d) * y3))
    return tuple(points)


def _rounded(corners: list[Point], steps: int = 6) -> tuple[Point, ...]:
    """The polygon line through `corners` with quarter turns of radius CORNER, or less where there is no room."""
    points = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        start, end = (_towards(corner, other, radius) for other in (before, after))
        for i in range(steps + 1):
            t = i / steps
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            points.append(
                (a * start[0] + b * corner[0] + c * end[0], a * start[1] + b * corner[1] + c * end[1]),
            )
    return (*points, corners[-1])


def _towards(start: Point, end: Point, distance: float) -> Point:
    share = distance / math.dist(start, end)
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
