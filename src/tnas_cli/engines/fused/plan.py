"""A plan: the calls of kernels that compute a network for a batch of images, with every buffer's place in memory.

Planning happens once for a network and a number of images; what runs is a list of integers. Sizes are known before
anything is computed, and no kernel decides where it writes.

The images are divided into shares, which several threads can compute at the same time. What depends on one image alone
lies in buffers for all images. Each share has for itself: what is needed for the images at hand only, and sums over
images, which are added up in the order of the shares. So a result depends on the number of shares, which follows from
the images and what they are computed for, and not on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from tnas_cli.engines.fused.kernels import Constant, Kernel
from tnas_cli.engines.fused.norms import FIELDS
from tnas_cli.engines.fused.parameters import ALIGNMENT, filled_up
from tnas_cli.engines.fused.phases import ALONE, EVERY, Phases

#: Instead of a kernel's number: repeat the next calls for blocks of images.
LOOP = -1

#: Added to the address of a buffer that each share has for itself. Once: that of whichever share runs the call; n + 2
#: times: that of share n, whoever runs it. `Plan.arrays` replaces them.
OWN = 2**40

#: The address of the gradients to which a share adds those of its images.
GRADIENTS = 2**50

#: In the place of an argument: a share's first image, and the one after its last.
FIRST, END = 2**60, 2**60 + 1


@dataclass(frozen=True)
class Target:
    """What decides the block sizes: numbers in a vector register, and how many registers may hold sums.

    `lanes` is the widest vector that a register holds, 16 or 8. `line` is how many numbers are taken at once by kernels
    that need few registers: a whole cache line, also where that is two vectors. A matrix product computes up to
    `flat_tile` pixels at once for one vector of its columns, and fewer for up to `vectors` of them side by side: then a
    number that is loaded is used more often. A depthwise convolution computes up to `tile` pixels of a row.
    """

    lanes: int = 16
    flat_tile: int = 14
    tile: int = 14
    vectors: int = 1
    line: int = 16

    def lanes_for(self, channels: int) -> int:
        """The widest vector that divides the channels."""
        return self.lanes if channels % self.lanes == 0 else 8

    def line_for(self, channels: int) -> int:
        """How many channels are taken at once where registers are no concern."""
        return self.line if channels % self.line == 0 else 8

    def product_tile(self, columns: int, pixels: int) -> tuple[int, int, int]:
        """(lanes, vectors, pixels) of a matrix product with so many columns that are computed at once."""
        lanes, vectors, most = self._side_by_side(columns)
        tile = self.flat_tile_for(pixels, most)
        if vectors == 1 and tile < 7 and columns % (2 * lanes) == 0:
            vectors = 2
        return lanes, vectors, tile

    def weights_tile(self, depth: int, columns: int) -> tuple[int, int, int]:
        """(lanes, vectors, rows) of a matrix of weights [depth, columns] whose gradient is summed at once."""
        lanes, vectors, most = self._side_by_side(columns)
        if self.lanes == 16:
            vectors = 3 if columns % (3 * lanes) == 0 and columns <= 3 * lanes else 1
            most = (self.flat_tile + 10) // vectors
        return lanes, vectors, max(t for t in range(1, most + 1) if depth % t == 0)

    def sums_per_tap(self, kernel_size: int) -> int:
        """How many sums each tap's gradient is taken in: a multiply-add takes four cycles, and narrow registers begin
        two in each; 9 taps are enough for that, the 5 of one row are not."""
        return 2 if self.lanes == 8 and kernel_size == 5 else 1

    def _side_by_side(self, columns: int) -> tuple[int, int, int]:
        """(lanes, vectors, tile) at most: beside the sums, registers hold the vectors and one number more."""
        lanes = self.lanes_for(columns)
        vectors = max(v for v in range(1, self.vectors + 1) if columns % (v * lanes) == 0)
        return lanes, vectors, (self.flat_tile + 1 - vectors) // vectors

    def flat_tile_for(self, pixels: int, most: int) -> int:
        """How many of `pixels` pixels a matrix product computes at once: little is computed twice, and loops are few.

        There are few tiles to choose from, because each is a kernel to compile.
        """
        some = {most, most - 1, 2 * most // 3, most // 2, pixels}
        return min((t for t in some if 1 <= t <= min(most, pixels)), key=lambda t: (-(-pixels // t) * (t + 1), -t))

    def spans(self, width: int) -> list[tuple[int, int, int]]:
        """A row cut into (first pixel, pixels at once, pixels): one span where a tile divides the width, else two."""
        divisors = [t for t in range(4, self.tile + 1) if width % t == 0]
        tile = divisors[-1] if divisors else -(-width // -(-width // self.tile))
        whole = width // tile * tile
        rest = width - whole
        return [(0, tile, whole)] + ([(whole, rest, rest)] if rest else [])

    def tall_for(self, rows: int, tile: int) -> int:
        """Rows to compute at once, so that narrow images keep enough sums going."""
        return max(t for t in (1, 2, 4) if rows % t == 0 and (t == 1 or t * tile <= self.tile))


@dataclass(frozen=True)
class View:
    """Images in memory: the first true pixel, the step per image of the batch (0: only the images at hand are held),
    and the distances between images, rows and pixels."""

    at: int
    step: int
    image: int
    row: int
    pixel: int

    def moved(self, rows: int, pixels: int) -> View:
        """The same view from another first pixel."""
        return replace(self, at=self.at + rows * self.row + pixels * self.pixel)


@dataclass
class Loan:
    """Areas (begin, end) of memory that hold nothing for a while; other buffers are taken from them in that time."""

    areas: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, views: Iterable[View], images: int) -> Loan:
        """The memory of views of so many images, without margins."""
        return cls([(view.at, view.at + images * view.image) for view in views])

    def take(self, size: int, guard: int) -> int | None:
        """The offset of so many numbers, or None where they do not fit."""
        for number, (begin, end) in enumerate(self.areas):
            if begin + size <= end:
                self.areas[number] = filled_up(begin + size + guard, ALIGNMENT), end
                return begin
        return None


@dataclass(frozen=True)
class Norm:
    """A batch norm: its record, how many values a channel has in each share, and what its scale is multiplied by.

    sums: a record for sums over the images of a share; with a single share, the record itself.
    weight: a mixture's share; gain and bias: per channel; the gradients of these lie at the `_gradient` offsets.
    """

    record: int
    sums: int
    channels: int
    values: tuple[int, ...]
    weight: int | None = None
    weight_gradient: int = 0
    gain: int | None = None
    bias: int = 0

    @property
    def pixels(self) -> int:
        """How many values a channel has."""
        return sum(self.values)

    def sums_of(self, share: int) -> int:
        """The address of a share's sums."""
        return self.record if self.sums == self.record else self.sums + OWN * (share + 1)


@dataclass(frozen=True)
class Arrays:
    """The integers that the driver reads.

    code: kernels' numbers and arguments, once for each share; rows: where a call begins in it; phases: for each share,
    and then for one thread, the rows of a phase from ... to.
    """

    code: np.ndarray
    rows: np.ndarray
    phases: np.ndarray
    shares: int


@dataclass
class Plan:
    """Memory and calls. `gradients` is how far a parameter's gradient lies after the parameter, and `own_gradients` how
    far that to which a share adds. The first share adds to the gradient itself; the others have one each, in
    `more_gradients`, which is added to it in the end and is zero then. All are zero before the plan runs.

    lends: whether buffers may lie in the memory of others, while these hold nothing; `borrowed` are those that do.
    given_moments: batch norms find their moments in memory, and do not take them from the images at hand.
    support: how many images at the front give batch norms their moments, while the others give none; 0: all give some.
    """

    target: Target
    parameters: int
    images: int
    guard: int = 0
    given_moments: bool = False
    support: int = 0
    shares: int = 1
    lends: bool = False
    size: int = 0
    own_size: int = 0
    code: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    kernels: dict[Kernel, int] = field(default_factory=dict)
    buffers: list[tuple[int, int]] = field(default_factory=list)
    borrowed: list[tuple[int, int]] = field(default_factory=list)
    norms: list[Norm] = field(default_factory=list)
    start: int = 0

    def __post_init__(self) -> None:
        self._phases = Phases(self.shares)
        self._inside = False
        self.start = self.buffer(self.parameters)
        self.gradients = self.buffer(self.parameters) - self.start
        self.own_gradients = GRADIENTS - self.start
        self.more_gradients = [self.buffer(self.parameters) for _ in range(1, self.shares)]

    @property
    def measured(self) -> int:
        """How many images, from the first on, give batch norms their moments."""
        return self.support or self.images

    @property
    def cuts(self) -> list[int]:
        """The first image of each share, and the number of images: the first shares have one more than the others."""
        each, more = divmod(self.images, self.shares)
        return [share * each + min(share, more) for share in range(self.shares + 1)]

    def buffer(self, size: int, *, own: bool = False) -> int:
        """The offset of a new buffer; `own` if each share has one for itself."""
        at = (self.own_size if own else self.size) + self.guard
        end = filled_up(at + size + self.guard, ALIGNMENT)
        if own:
            at, self.own_size = at + OWN, end
        else:
            self.size = end
        self.buffers.append((at, size))
        return at

    def emit(self, name: str, constants: tuple[Constant, ...], *arguments: int, by: int = ALONE) -> None:
        """Append a call, which inside `blocks` every share runs, and elsewhere whom `by` names."""
        number = self.kernels.setdefault(Kernel(name, constants), len(self.kernels))
        if not self._inside:
            self._phases.add(len(self.rows), by)
        self.rows.append(len(self.code))
        self.code += [number, *arguments]

    def mark(self) -> int:
        """How many phases there are so far; what follows begins a new one."""
        return self._phases.mark()

    @contextmanager
    def blocks(self, pixels: int) -> Iterator[None]:
        """The calls made inside are repeated for blocks of images, each of about BLOCK_PIXELS pixels."""
        at = len(self.code)
        self._phases.add(len(self.rows), EVERY, loop=True)
        self.rows.append(at)
        self.code += [LOOP, FIRST, END, self.block(pixels), 0]
        begin, self._inside = len(self.rows), True
        yield
        self._inside = False
        self.code[at + 4] = len(self.rows) - begin

    def block(self, pixels: int) -> int:
        """How many images of `pixels` pixels make a block; blocks are about equally large."""
        images = self.cuts[1]
        blocks = max(1, round(images * pixels / BLOCK_PIXELS))
        return -(-images // blocks)

    def batch(self, height: int, width: int, channels: int, *loans: Loan) -> View:
        """A buffer for all images, without margins: from the first loan that has room, where the plan lends, or new."""
        size = height * width * channels
        for loan in loans if self.lends else ():
            at = loan.take(self.images * size, self.guard)
            if at is not None:
                self.borrowed.append((at, self.images * size))
                return View(at, size, size, width * channels, channels)
        return View(self.buffer(self.images * size), size, size, width * channels, channels)

    def local(self, height: int, width: int, channels: int, pixels: int) -> View:
        """A buffer for the images of a block (of `pixels` pixels each), without margins."""
        size = height * width * channels
        return View(self.buffer(self.block(pixels) * size, own=True), 0, size, width * channels, channels)

    def padded(self, height: int, width: int, channels: int, margin: int, pixels: int | None) -> View:
        """A buffer with margins of zeros, for the images of a block, or for all if `pixels` is None.

        Neighbouring rows and images share their margins.
        """
        count = self.images if pixels is None else self.block(pixels)
        row = (width + margin) * channels
        image = (height + margin) * row
        before = margin * row + margin * channels
        size = before + count * image
        at = self.buffer(size, own=pixels is not None)
        self.zero(at, size)
        return View(at + before, image if pixels is None else 0, image, row, channels)

    def zero(self, at: int, size: int) -> None:
        """Fill a buffer with zeros."""
        if at >= OWN:
            self.emit("fill_zero", (8,), at, 0, size, by=EVERY)
            return
        for share, begin, length in self.pieces(size):
            self.emit("fill_zero", (8,), at + begin, 0, length, by=share)

    def pieces(self, size: int) -> list[tuple[int, int, int]]:
        """(share, begin, length) of the pieces into which the shares divide so many numbers, if that is worth it."""
        piece = filled_up(-(-max(size, SMALLEST_PIECE * self.shares) // self.shares), ALIGNMENT)
        starts = range(0, size, piece)
        return [(share, begin, min(piece, size - begin)) for share, begin in enumerate(starts)]

    def norm(self, channels: int, pixels: int, **scale: int) -> Norm:
        """A new norm over the measured images of `pixels` pixels; given moments are already divided by their number."""
        measured = [min(end, self.measured) - min(begin, self.measured) for begin, end in pairwise(self.cuts)]
        values = (1,) if self.given_moments else tuple(pixels * count for count in measured)
        record = sums = self.buffer(FIELDS * channels)
        if self.shares > 1:
            sums = self.buffer(FIELDS * channels, own=True)
        self.norms.append(Norm(record, sums, channels, values, **scale))
        return self.norms[-1]

    def arrays(self) -> Arrays:
        """What the driver runs: the calls of each share with its own addresses and images, then those of one thread."""
        code = np.array(self.code, np.int64)
        owner = (code + OWN // 2) // OWN  # 0: nobody's, 1: of whoever runs the call, then share by share
        of_gradients = np.abs(code - GRADIENTS) < GRADIENTS // 2
        copies = []
        for share, (begin, end) in enumerate(pairwise(self.cuts)):
            whose = np.where(owner == 1, share, owner - 2)
            moved = np.where(owner > 0, code - owner * OWN + self._own_from(whose), code)
            gradients = (self.start + self.gradients, *self.more_gradients)[share]
            moved[of_gradients] = code[of_gradients] - GRADIENTS + gradients
            moved[code == FIRST], moved[code == END] = begin, end
            copies.append(moved)
        rows: list[int] = []
        phases = []
        for phase in self._phases.all:
            for share, part in enumerate([*phase.parts, phase.alone]):
                begin, copied = len(rows), share % self.shares * len(code)
                for number in part:
                    rows += [self.rows[row] + copied for row in self._phases.rows_of(number, len(self.rows))]
                phases += [begin, len(rows)]
        return Arrays(np.concatenate(copies), np.array(rows, np.int64), np.array(phases, np.int64), self.shares)

    def places(self) -> list[tuple[int, int]]:
        """(begin, size) of every buffer, in the order of memory."""
        found = []
        for at, size in self.buffers:
            if at < OWN:
                found.append((at, size))
            else:
                found += [(at - OWN + self._own_from(share), size) for share in range(self.shares)]
        return sorted(found)

    @property
    def memory(self) -> int:
        """How many numbers all buffers take."""
        return int(self._own_from(self.shares))

    def _own_from(self, share: Any) -> Any:
        """Where the buffers begin that a share has for itself: behind all others, share by share."""
        return self.size + share * self.own_size


#: Pixels that a block of images has, so that what is at hand stays in the nearest caches.
BLOCK_PIXELS = 200

#: Numbers that are worth another thread.
SMALLEST_PIECE = 2048
