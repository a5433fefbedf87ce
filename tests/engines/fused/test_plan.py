"""A plan's memory, phases and block sizes: buffers are separate and aligned, blocks of all shares cover all images and
wait for what they need, spans cover a row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.fused.calling import FEW
from tests.helpers import random_genotype
from tnas_cli.engines.describe import describe
from tnas_cli.engines.fused.catalogue import FACTORIES
from tnas_cli.engines.fused.description import Description, description_key
from tnas_cli.engines.fused.network import NetworkPlan, plan_network
from tnas_cli.engines.fused.parameters import ALIGNMENT
from tnas_cli.engines.fused.phases import ALONE, EVERY, Phases
from tnas_cli.engines.fused.plan import BLOCK_PIXELS, LOOP, OWN, Loan, Plan, Target, View
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.search_network import SearchNetwork

TARGETS = {"wide": Target(16, 14, 14), "narrow": Target(8, 14, 11, vectors=3), "few registers": Target(8, 6, 6, line=8)}

SEARCH = SearchNetwork(way=3, in_channels=1, channels=8, nodes=2)
GENOTYPE = random_genotype(3, 3)
DECODED = DecodedNetwork(GENOTYPE, way=5, in_channels=3, channels=16)
FOUR = FourConv(5, 3, 36, filters=12)


#: Networks, and the sides of the images that they are planned for.
NETWORKS = {
    "search": (describe(SEARCH), 21),
    "decoded": (describe(DECODED), 28),
    "4CONV": (Description(description_key({n: spec.shape for n, spec in FOUR.specs().items()}), 5, 3, 12), 36),
}


def assert_apart(buffers: list[tuple[int, int]] | tuple[tuple[int, int], ...], size: int, guard: int) -> None:
    """Buffers begin at whole vectors, in order, with `guard` numbers around each, inside the memory."""
    assert all(at % ALIGNMENT == 0 for at, _ in buffers)
    ends = [(-guard, 0), *buffers, (size, 0)]
    assert all(at + length + guard <= next_ for (at, length), (next_, _) in pairwise(ends))


@FEW
@given(
    sizes=st.lists(st.tuples(st.integers(1, 100), st.booleans()), max_size=8),
    parameters=st.integers(1, 100),
    guard=st.sampled_from([0, 16, 64]),
    shares=st.integers(1, 3),
)
def test_buffers_are_apart_and_aligned(sizes: list[tuple[int, bool]], parameters: int, guard: int, shares: int) -> None:
    """Those that a share has for itself are there once for each."""
    plan = Plan(Target(), parameters, 3, guard, shares=shares)
    places = [plan.buffer(size, own=own) for size, own in sizes]
    assert [at >= OWN for at in places] == [own for _, own in sizes]
    assert plan.buffers[:2] == [(plan.start, parameters), (plan.start + plan.gradients, parameters)]
    assert len(plan.places()) == 1 + shares + sum(shares if own else 1 for _, own in sizes)
    assert_apart(plan.places(), plan.memory, guard)


@pytest.mark.parametrize("guard", [0, 32])
@pytest.mark.parametrize("shares", [1, 2, 4])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_buffers_are_apart_and_aligned(name: str, target: str, guard: int, shares: int) -> None:
    what, side = NETWORKS[name]
    plan = plan_network(what, 7, side, TARGETS[target], guard, shares=shares)
    assert_apart(plan.buffers, plan.size, guard)


@FEW
@given(
    areas=st.lists(st.integers(1, 300), max_size=4),
    asked=st.lists(st.integers(1, 10), max_size=12),
    guard=st.sampled_from([0, 32]),
)
def test_what_is_lent_is_lent_once(areas: list[int], asked: list[int], guard: int) -> None:
    """Buffers lie apart from each other inside the lent ones; what does not fit gets new memory, and so does all where
    the plan does not lend."""
    plan = Plan(Target(), 16, 3, guard, lends=True)
    lenders = [plan.batch(1, size, 4) for size in areas]
    loan, before = Loan.of(lenders, plan.images), len(plan.buffers)
    views = [plan.batch(1, size, 4, loan) for size in asked]
    assert len(plan.borrowed) + len(plan.buffers) - before == len(views)
    assert_apart(sorted(plan.borrowed), plan.size, guard)
    for at, size in plan.borrowed:
        assert any(view.at <= at and at + size <= view.at + plan.images * view.image for view in lenders)
    plan.lends = False
    assert plan.batch(1, 1, 4, Loan.of(lenders, plan.images)).at == plan.buffers[-1][0]


def parts_of(plan: NetworkPlan) -> list[list[list[tuple[int, ...]]]]:
    """For each phase, the rows of each share, then those of one thread: a kernel's number or LOOP, and arguments."""
    arrays = plan.arrays
    ends = dict(pairwise(sorted([*{int(at) for at in arrays.rows}, len(arrays.code)])))
    borders = arrays.phases.reshape(-1, arrays.shares + 1, 2).tolist()

    def row(at: int) -> tuple[int, ...]:
        return tuple(arrays.code[at : ends[at]].tolist())

    return [[[row(int(at)) for at in arrays.rows[begin:end]] for begin, end in phase] for phase in borders]


def loops_and_calls(rows: list[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
    """(rows, integers) of what follows one another in a part: a loop with its body, or a call."""
    found, row = [], 0
    while row < len(rows):
        inside = rows[row][4] if rows[row][0] == LOOP else 0
        assert inside > 0 or rows[row][0] != LOOP
        assert all(number >= 0 for number, *_ in rows[row + 1 : row + 1 + inside])
        found.append((1 + inside, rows[row]))
        row += 1 + inside
    assert row == len(rows)
    return found


@pytest.mark.parametrize("shares", [1, 2, 3])
@pytest.mark.parametrize("images", [3, 5, 15, 75])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_loop_covers_all_images_once(name: str, images: int, shares: int) -> None:
    """Each share its own, in the same loops. Kernels are of the catalogue, and the calls of one thread are no loops."""
    what, side = NETWORKS[name]
    plan = plan_network(what, images, side, Target(), shares=shares)
    assert all(kernel.name in FACTORIES for kernel in plan.kernels)
    phases = parts_of(plan)
    assert len(phases) == plan.end
    for *parts, alone in phases:
        assert all(0 <= number < len(plan.kernels) for number, *_ in alone)
        loops = [[row[1:4] for _, row in loops_and_calls(rows) if row[0] == LOOP] for rows in parts]
        for each in zip(*loops, strict=True):
            covered = []
            for begin, end, block in each:
                for first in range(begin, end, block):
                    covered += range(first, min(first + block, end))
            assert covered == list(range(images))


def test_a_phase_begins_where_a_call_needs_what_another_share_does() -> None:
    """Loops follow each other; what one thread does comes behind them; and a loop behind what shares have divided."""
    phases = Phases(shares=2)
    for row, by in enumerate([EVERY, EVERY, EVERY, ALONE, ALONE, 1, EVERY, 0]):
        phases.add(row, by, loop=row in (1, 2, 6))
    assert [(phase.parts, phase.alone) for phase in phases.all] == [
        ([[0, 1, 2], [0, 1, 2]], [3, 4]),
        ([[], [5]], []),
        ([[6], [6]], []),
        ([[7], []], []),
    ]
    assert phases.mark() == 4


def test_one_share_needs_no_phases() -> None:
    phases = Phases(shares=1)
    for row, by in enumerate([EVERY, ALONE, 0, EVERY, ALONE]):
        phases.add(row, by)
    assert phases.mark() == 1
    phases.add(5, EVERY, loop=True)
    assert [(phase.parts, phase.alone) for phase in phases.all] == [([[0, 1, 2, 3, 4]], []), ([[5]], [])]


@FEW
@given(images=st.integers(1, 200), pixels=st.integers(1, 2000))
def test_blocks_are_about_equal_and_fit_the_caches(images: int, pixels: int) -> None:
    plan = Plan(Target(), 16, images)
    block = plan.block(pixels)
    count = -(-images // block)
    assert 1 <= block <= images
    assert block == 1 or block * pixels <= 2 * BLOCK_PIXELS + pixels
    assert count == 1 or (count * block - images) < block
    assert Plan(Target(), 16, 3 * images, shares=3).block(pixels) == block


@FEW
@given(images=st.integers(1, 200), shares=st.integers(1, 8))
def test_shares_are_about_equal(images: int, shares: int) -> None:
    cuts = Plan(Target(), 16, images, shares=shares).cuts
    sizes = [end - begin for begin, end in pairwise(cuts)]
    assert (cuts[0], cuts[-1], len(sizes)) == (0, images, shares)
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_a_block_repeats_the_calls_inside() -> None:
    plan = Plan(Target(), 16, 10)
    plan.emit("fill_zero", (8,), 1, 2, 3)
    with plan.blocks(BLOCK_PIXELS // 4):
        plan.emit("transpose", (), 4)
        plan.emit("fill_zero", (8,), 5)
    plan.emit("fill_zero", (16,), 6)
    arrays = plan.arrays()
    assert arrays.code.tolist() == [0, 1, 2, 3, LOOP, 0, 10, 5, 2, 1, 4, 0, 5, 2, 6]
    assert arrays.rows.tolist() == [0, 4, 9, 11, 13]
    assert arrays.phases.tolist() == [0, 5, 5, 5]
    assert [(kernel.name, kernel.constants) for kernel in plan.kernels] == [
        ("fill_zero", (8,)),
        ("transpose", ()),
        ("fill_zero", (16,)),
    ]


def places(view: View, count: int, height: int, width: int, channels: int) -> np.ndarray:
    """The offset of every number of images [count, height, width, channels]."""
    distances = (view.image, view.row, view.pixel, 1)
    axes = np.indices((count, height, width, channels))
    return view.at + sum(axis * distance for axis, distance in zip(axes, distances, strict=True))


@pytest.mark.parametrize(("height", "width", "channels", "images"), [(1, 1, 8, 1), (5, 7, 8, 4), (6, 3, 24, 9)])
def test_views_without_margins(height: int, width: int, channels: int, images: int) -> None:
    plan, pixels = Plan(Target(), 16, images), height * width
    batch, local = plan.batch(height, width, channels), plan.local(height, width, channels, 150)
    assert local.at >= OWN > batch.at
    assert (batch.step, local.step) == (pixels * channels, 0)
    for view, count, (at, size) in zip((batch, local), (images, plan.block(150)), plan.buffers[-2:], strict=True):
        found = places(view, count, height, width, channels)
        np.testing.assert_array_equal(found.ravel(), np.arange(at, at + size))


@pytest.mark.parametrize("margin", [1, 2, 4])
@pytest.mark.parametrize("pixels", [None, 100])
@pytest.mark.parametrize(("height", "width", "images"), [(1, 1, 1), (5, 7, 4), (6, 3, 9)])
def test_views_with_margins(height: int, width: int, images: int, pixels: int | None, margin: int) -> None:
    """Pixels do not overlap, and everything up to `margin` pixels beside one is inside its buffer and no other."""
    plan = Plan(Target(), 16, images)
    view = plan.padded(height, width, 8, margin, pixels)
    count = images if pixels is None else plan.block(pixels)
    at, size = plan.buffers[-1]
    inside = places(view, count, height, width, 8)
    around = places(view.moved(-margin, -margin), count, height + 2 * margin, width + 2 * margin, 8)
    assert at <= around.min()
    assert around.max() < at + size
    assert np.unique(inside).size == inside.size
    true = np.zeros(size, bool)
    true[inside - at] = True
    around = true[around - at]
    around[:, margin : margin + height, margin : margin + width] = False
    assert not around.any()
    assert view.step == (view.image if pixels is None else 0)
    assert plan.code[-3:] == [at, 0, size]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_spans_cover_a_row(target: Target) -> None:
    """Exactly, from left to right, in whole tiles that the registers hold."""
    for width in range(1, 43):
        spans, covered = target.spans(width), []
        for begin, tile, count in spans:
            assert 0 < tile <= target.tile
            for first in range(begin, begin + count, tile):
                covered += range(first, first + tile)
        assert covered == list(range(width))
        assert len(spans) <= 2


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_tile_that_divides_the_width_is_taken(target: Target) -> None:
    for tile in range(4, target.tile + 1):
        (span,) = target.spans(3 * tile)
        assert span[1] >= tile


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@FEW
@given(rows=st.integers(1, 42), tile=st.integers(1, 14))
def test_tall_for(target: Target, rows: int, tile: int) -> None:
    """Whole strips of rows, and as many sums as fit into the registers."""
    tall = target.tall_for(rows, tile)
    assert rows % tall == 0
    assert tall == 1 or tall * tile <= target.tile
    assert tall == 4 or rows % (2 * tall) or 2 * tall * tile > target.tile


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_flat_tile_for(target: Target) -> None:
    """No more pixels are computed than with the largest tile, which is used if no pixel is computed twice."""

    def computed(pixels: int, tile: int) -> int:
        return -(-pixels // tile) * tile

    for most in {target.flat_tile, 6, 4}:
        for pixels in range(1, 500):
            tile = target.flat_tile_for(pixels, most)
            assert min(pixels, most // 2) <= tile <= min(pixels, most)
            assert computed(pixels, tile) <= computed(pixels, most)
            assert tile == min(pixels, most) or pixels % most


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("columns", [8, 16, 24, 32, 40, 48, 64, 96])
def test_tiles_of_a_product_fit_into_the_registers(target: Target, columns: int) -> None:
    """Beside the sums there is room for a row of the right side and one number of the left side."""
    registers = {16: 32, 8: 16}[target.lanes]
    for pixels in range(1, 200):
        lanes, vectors, tile = target.product_tile(columns, pixels)
        assert columns % (lanes * vectors) == 0
        assert 1 <= tile <= pixels
        assert (tile + 1) * vectors + 1 <= registers
    for depth in (3, 8, 9, 16, 24, 27, 32, 48):
        lanes, vectors, rows = target.weights_tile(depth, columns)
        assert columns % (lanes * vectors) == 0
        assert depth % rows == 0
        assert (rows + 1) * vectors + 1 <= registers


@pytest.mark.parametrize(("channels", "expected"), [(8, 8), (16, 16), (24, 8), (32, 16), (40, 8), (48, 16), (64, 16)])
def test_lanes_for(channels: int, expected: int) -> None:
    assert TARGETS["wide"].lanes_for(channels) == expected
    assert TARGETS["narrow"].lanes_for(channels) == 8
    assert TARGETS["narrow"].line_for(channels) == expected
