"""The embedded data set: characters drawn from random stroke programs, for a first run without a download.

A class is a program (two to four strokes, each a cubic Bezier curve); a drawing of it jitters the control points and
draws with its own slant, scale, thickness and position. Only additions, multiplications, divisions, square roots and
minima of float64 are used, one element at a time: IEEE 754 fixes their results, so a seed gives the same pixels on any
machine. Sines, exponentials, sums over axes and matrix products would not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.cache_writer import Attributes, ClassImages
from tnas_cli.episodes.dataset import Built, Request
from tnas_cli.runs.events import Listener, Progress, ignore
from tnas_cli.runs.seeds import numpy_generator

CLASSES = {"train": 160, "val": 30, "test": 50}
DRAWINGS = 20
POINTS = 32  # per stroke
SPLIT_NOTE = "programs in the order of their numbers: 160 train, 30 val, 50 test"

# In units of the picture's side; together they set how alike two drawings of a class are.
JITTER = 0.08
SHIFT = 0.09
SLANT = 0.35
SCALE = 0.25
THICKNESS = (0.022, 0.040)  # radius of the pen

Array = npt.NDArray[np.float64]


def build(request: Request) -> Built:
    """The data set of a seed."""
    # Ink is bright on dark and needs no more than scaling to 0..1.
    attributes = Attributes(
        request.name, request.protocol, "MIT", "drawn by tnas", SPLIT_NOTE, request.seed, (0.0,), (1.0,)
    )
    images = sum(CLASSES.values()) * DRAWINGS
    return Built(
        draw_classes(request.seed, request.size, request.listener), attributes, request.size, images * request.size**2
    )


def draw_classes(seed: int, size: int, listener: Listener = ignore) -> Iterator[ClassImages]:
    """The 240 classes of a seed, 20 drawings each, uint8 [20, size, size, 1], ink bright on dark."""
    total, number = sum(CLASSES.values()), 0
    for split, classes in CLASSES.items():
        for _ in range(classes):
            yield ClassImages(f"glyph{number:03d}", split, draw_class(seed, number, size))
            number += 1
        listener(Progress("draw glyphs", number, total, "classes"))


def stroke_program(seed: int, number: int) -> Array:
    """The control points of a class, [strokes, 4, 2] as (x, y) in the unit square.

    A stroke starts on the one before it or anywhere, and bends on its way to an end that is not near its start.
    """
    generator = numpy_generator(seed, "glyphs/program", number)
    strokes = 2 + int(generator.random() * 3)
    program = np.empty((strokes, 4, 2))
    for s in range(strokes):
        start = 0.2 + 0.6 * generator.random(2)
        if s and generator.random() < 0.6:
            start = program[s - 1, (0, 1, 3)[int(generator.random() * 3)]]
        end = 0.2 + 0.6 * generator.random(2)
        while abs(end[0] - start[0]) + abs(end[1] - start[1]) < 0.35:
            end = 0.2 + 0.6 * generator.random(2)
        bend = (generator.random((2, 2)) - 0.5) * (0.9 if generator.random() < 0.6 else 0.1)
        program[s] = start, start + (end - start) / 3 + bend[0], end - (end - start) / 3 + bend[1], end
    return program


def draw_class(seed: int, number: int, size: int) -> npt.NDArray[np.uint8]:
    """Twenty drawings of one class, uint8 [20, size, size, 1]."""
    program = stroke_program(seed, number)
    generator = numpy_generator(seed, "glyphs/drawings", number)

    def spread(*shape: int) -> Array:
        """Triangular noise in -1..1: mostly small, never wild."""
        return generator.random(shape) - generator.random(shape)

    control = program + JITTER * spread(DRAWINGS, *program.shape)  # [D, strokes, 4, 2]
    curve = _bezier(control).reshape(DRAWINGS, -1, 2)  # [D, P, 2]
    scale, slant = 1 + SCALE * spread(DRAWINGS, 1, 2), SLANT * spread(DRAWINGS, 1)
    shift = 0.5 + SHIFT * spread(DRAWINGS, 1, 2)
    centred = (curve - 0.5) * scale  # [D, P, 2]
    x = (centred[..., 0] + slant * centred[..., 1] + shift[..., 0]) * size  # [D, P]
    y = (centred[..., 1] + shift[..., 1]) * size  # [D, P]
    radius = (THICKNESS[0] + (THICKNESS[1] - THICKNESS[0]) * generator.random(DRAWINGS)) * size  # [D]
    distance = np.sqrt(_nearest_squared(x, y, size))  # [D, H, W]
    cover = np.clip(radius[:, None, None] + 0.5 - distance, 0.0, 1.0)  # [D, H, W]
    return np.floor(cover * 255 + 0.5).astype(np.uint8)[..., None]  # [D, H, W, 1]


def _bezier(control: Array) -> Array:
    """Points on cubic Bezier curves: control [..., 4, 2] -> [..., POINTS, 2]."""
    t = (np.arange(POINTS) / (POINTS - 1))[:, None]  # [POINTS, 1]
    u = 1 - t
    a, b, c, d = (control[..., None, i, :] for i in range(4))  # [..., 1, 2] each
    return np.asarray(u * u * u * a + 3 * (u * u * t) * b + 3 * (u * t * t) * c + t * t * t * d)


def _nearest_squared(x: Array, y: Array, size: int) -> Array:
    """Squared distance of every pixel's centre to the nearest of P points: [D, P], [D, P] -> [D, H, W]."""
    centres = np.arange(size) + 0.5  # [size]
    across = (centres[None, :, None] - x[:, None, :]) ** 2  # [D, W, P]
    down = (centres[None, :, None] - y[:, None, :]) ** 2  # [D, H, P]
    nearest = np.full((len(x), size, size), np.inf)  # [D, H, W]
    for p in range(x.shape[1]):
        np.minimum(nearest, down[:, :, None, p] + across[:, None, :, p], out=nearest)  # [D, H, W]
    return nearest
