"""Drawn polygons and stars: a data set without a source. A class is a shape; its images differ in position, size and
rotation."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from tnas_cli.episodes.catalogue import ClassPictures, Picture
from tnas_cli.episodes.dataset import Built, DatasetSpec, Request, built
from tnas_cli.runs.seeds import numpy_generator

CORNERS = range(3, 16)
IMAGES = 20
#: The classes are assigned to these splits in turn.
SPLITS = ("train", "train", "val", "train", "test")


def draw(corners: int, star: bool, seed: int, number: int, size: int) -> Image.Image:
    """White on black, on a canvas of four times the size, which is then scaled down."""
    generator = numpy_generator(seed, f"polygons/{corners}/{star}", number)
    wide, turn = 4 * size, float(generator.random()) * 2 * math.pi
    radius = wide * (0.3 + 0.12 * float(generator.random()))
    x, y = (wide * (0.5 + 0.1 * (float(generator.random()) - 0.5)) for _ in range(2))
    points = []
    for corner in range(2 * corners if star else corners):
        angle = turn + 2 * math.pi * corner / (2 * corners if star else corners)
        reach = radius * (0.45 if star and corner % 2 else 1.0)
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    image = Image.new("RGB", (wide, wide))
    ImageDraw.Draw(image).polygon(points, fill="white")
    return image.resize((size, size), Image.Resampling.BOX)


def build(request: Request) -> Built:
    """The classes, each picture drawn when it is asked for."""
    classes = []
    for number, (corners, star) in enumerate((corners, star) for corners in CORNERS for star in (False, True)):
        name = f"{'star' if star else 'polygon'}-{corners:02d}"
        pictures = [
            Picture(
                f"{name}/{image}",
                lambda size, corners=corners, star=star, image=image: draw(corners, star, request.seed, image, size),
            )
            for image in range(IMAGES)
        ]
        classes.append(ClassPictures(name, SPLITS[number % len(SPLITS)], pictures))
    note = "of five classes three to train, one to val, one to test, in turn"
    return built(request, classes, note, DATASET.licence, "drawn by tnas-extension", ((0.0,), (1.0,)))


DATASET = DatasetSpec(
    name="polygons",
    about="polygons and stars of 3 to 15 corners, drawn",
    protocols=("drawn",),
    size=28,
    channels=1,
    licence="MIT",
    build=build,
    embedded=True,
)
