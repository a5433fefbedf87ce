"""Small image trees and caches that the tests of `episodes` share."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from tnas_cli.episodes.cache import Attributes, ClassImages, ImageCache, open_cache, write_cache

#: Characters that fill every split of protocol `vinyals`.
CHARACTERS = (
    "images_background/Armenian/character01",
    "images_background/Latin/character01",
    "images_background/Latin/character02",
    "images_evaluation/Gurmukhi/character41",
    "images_evaluation/Gurmukhi/character42",
    "images_evaluation/Tibetan/character01",
)


def random_classes(counts: dict[str, list[int]], size: int = 4, channels: int = 1) -> list[ClassImages]:
    """Classes of random pixels: for each split, the number of images of each class."""
    generator = np.random.default_rng(0)
    return [
        ClassImages(f"{split}{k}", split, generator.integers(0, 256, (n, size, size, channels), dtype=np.uint8))
        for split, sizes in counts.items()
        for k, n in enumerate(sizes)
    ]


def attributes(**changes: object) -> Attributes:
    """Attributes of a test cache, with changes."""
    values = {
        "dataset": "toy",
        "protocol": "plain",
        "licence": "none",
        "source": "here",
        "split_note": "as given",
        "seed": 0,
        "mean": (0.0,),
        "std": (1.0,),
    }
    return Attributes(**(values | changes))  # type: ignore[arg-type]


def small_cache(path: Path, counts: dict[str, list[int]], channels: int = 1, **changes: object) -> ImageCache:
    """A cache of random pixels."""
    write_cache(path, random_classes(counts, channels=channels), attributes(**changes))
    return open_cache(path)


def drawing(number: int) -> Image.Image:
    """A 1-bit 105 x 105 drawing, black on white: an L, which no quarter turn leaves as it is."""
    pixels = np.full((105, 105), 255, dtype=np.uint8)
    pixels[20:80, 30 : 33 + number % 3] = 0
    pixels[77:80, 30 : 60 + number % 5] = 0
    return Image.fromarray(pixels).convert("1")


def omniglot_tree(root: Path, drawings: int = 2) -> Path:
    """An Omniglot folder of six characters in the official layout."""
    for character, key in enumerate(CHARACTERS):
        folder = root / key
        folder.mkdir(parents=True)
        for k in range(1, drawings + 1):
            drawing(character).save(folder / f"{character + 1:04d}_{k:02d}.png")
    return root


def zip_of(tree: Path, part: str, target: Path) -> Path:
    """The archive `<target>/<part>.zip` of one part of a tree."""
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target / f"{part}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tree / part).rglob("*.png")):
            archive.write(path, path.relative_to(tree))
    return target / f"{part}.zip"


def picture(path: Path, value: int | tuple[int, ...], size: tuple[int, int] = (12, 12)) -> Path:
    """An image file of one colour (a number: gray)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(value, int) else "RGB", size, value).save(path)
    return path


def truncated(path: Path, keep: float = 0.5) -> Path:
    """Cut a file's end off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path
