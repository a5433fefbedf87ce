"""A plan: the calls of kernels that compute a network for a batch of images, with every buffer's place in memory.

Planning happens once for a network and a number of images; what runs is a list of integers. Sizes are known before
anything is computed, and no kernel decides where it writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from tnas_cli.engines.fused.kernels import Constant, Kernel
from tnas_cli.engines.fused.norms import FIELDS, TOTAL
from tnas_cli.engines.fused.parameters import ALIGNMENT, filled_up

#: Instead of a kernel's number: repeat the next calls for blocks of images.
LOOP = -1


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


@dataclass(frozen=True)
class Norm:
    """A batch norm: its record, how many values a channel has, and what its scale is multiplied by.

    weight: a mixture's share; gain and bias: per channel; the gradients of these lie at the `_gradient` offsets.
    """

    record: int
    channels: int
    pixels: int
    weight: int | None = None
    weight_gradient: int = 0
    gain: int | None = None
    bias: int = 0

    @property
    def totals(self) -> int:
        """Where the sums of the gradient lie."""
        return self.record + TOTAL * self.channels


@dataclass
class Plan:
    """Memory and calls. `gradients` is how far a parameter's gradient lies after the parameter.

    given_moments: batch norms find their moments in memory, and do not take them from the images at hand.
    support: how many images at the front give batch norms their moments, while the others give none; 0: all give some.
    """

    target: Target
    parameters: int
    images: int
    guard: int = 0
    given_moments: bool = False
    support: int = 0
    size: int = 0
    code: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    kernels: dict[Kernel, int] = field(default_factory=dict)
    buffers: list[tuple[int, int]] = field(default_factory=list)
    norms: list[Norm] = field(default_factory=list)
    start: int = 0

    @property
    def gradients(self) -> int:
        """The gradient of the parameter at offset p lies at p + gradients."""
        return self._gradients

    @property
    def measured(self) -> int:
        """How many images, from the first on, give batch norms their moments."""
        return self.support or self.images

    def __post_init__(self) -> None:
        self.start = self.buffer(self.parameters)
        self._gradients = self.buffer(self.parameters) - self.start

    def buffer(self, size: int) -> int:
        """The offset of a new buffer."""
        at = self.size + self.guard
        self.buffers.append((at, size))
        self.size = filled_up(at + size + self.guard, ALIGNMENT)
        return at

    def emit(self, name: str, constants: tuple[Constant, ...], *arguments: int) -> None:
        """Append a call."""
        number = self.kernels.setdefault(Kernel(name, constants), len(self.kernels))
        self.rows.append(len(self.code))
        self.code += [number, *arguments]

    @contextmanager
    def blocks(self, pixels: int) -> Iterator[None]:
        """The calls made inside are repeated for blocks of images, each of about BLOCK_PIXELS pixels."""
        at = len(self.code)
        self.rows.append(at)
        self.code += [LOOP, self.images, self.block(pixels), 0]
        begin = len(self.rows)
        yield
        self.code[at + 3] = len(self.rows) - begin

    def block(self, pixels: int) -> int:
        """How many images of `pixels` pixels make a block; blocks are about equally large."""
        blocks = max(1, round(self.images * pixels / BLOCK_PIXELS))
        return -(-self.images // blocks)

    def batch(self, height: int, width: int, channels: int) -> View:
        """A buffer for all images, without margins."""
        size = height * width * channels
        return View(self.buffer(self.images * size), size, size, width * channels, channels)

    def local(self, height: int, width: int, channels: int, pixels: int) -> View:
        """A buffer for the images of a block (of `pixels` pixels each), without margins."""
        size = height * width * channels
        return View(self.buffer(self.block(pixels) * size), 0, size, width * channels, channels)

    def padded(self, height: int, width: int, channels: int, margin: int, pixels: int | None) -> View:
        """A buffer with margins of zeros, for the images of a block, or for all if `pixels` is None.

        Neighbouring rows and images share their margins.
        """
        count = self.images if pixels is None else self.block(pixels)
        row = (width + margin) * channels
        image = (height + margin) * row
        before = margin * row + margin * channels
        size = before + count * image
        at = self.buffer(size)
        self.zero(at, size)
        return View(at + before, image if pixels is None else 0, image, row, channels)

    def zero(self, at: int, size: int) -> None:
        """Fill a buffer with zeros when the plan begins to run."""
        self.emit("fill_zero", (8,), at, 0, size)

    def norm(self, channels: int, pixels: int, **scale: int) -> Norm:
        """A new norm over the measured images of `pixels` pixels; given moments are already divided by their number."""
        values = 1 if self.given_moments else pixels * self.measured
        self.norms.append(Norm(self.buffer(FIELDS * channels), channels, values, **scale))
        return self.norms[-1]

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The code and the rows' places in it."""
        return np.array(self.code, np.int64), np.array(self.rows, np.int64)


#: Pixels that a block of images has, so that what is at hand stays in the nearest caches.
BLOCK_PIXELS = 200
