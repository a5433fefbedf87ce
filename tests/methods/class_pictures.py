"""A small cache whose splits share their classes, as CIFAR-10's do, and one whose classes differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tnas_cli.episodes.cache import Attributes, ClassImages, ImageCache, open_cache, write_cache

SHARED = {"train": 24, "val": 6, "test": 10}


def cache(
    path: Path, counts: dict[str, int] | None = None, *, classes: int = 3, size: int = 20, shared: bool = True
) -> ImageCache:
    """Coloured noise around a different level for every class, so that classes are easy to tell apart."""
    generator = np.random.default_rng(0)
    stored = []
    for split, count in (counts or SHARED).items():
        for k in range(classes):
            level = np.array([40 + 150 * k // max(1, classes - 1), 200 - 60 * k, 90])
            noise = generator.normal(0, 25, (count, size, size, 3))
            pixels = np.clip(level + noise, 0, 255).astype(np.uint8)
            # Sorted differently in every split, so that only its name identifies a class.
            stored.append(ClassImages(f"c{k}" if shared else f"{split}-c{k}", split, pixels))
        stored[-classes:] = stored[-classes:][:: 1 if split == "train" else -1]
    write_cache(
        path,
        stored,
        Attributes("toy", "images", "none", "here", "as given", 0, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
    )
    return open_cache(path)


def characters(path: Path, counts: dict[str, int] | None = None, *, images: int = 12) -> ImageCache:
    """Gray classes of 20 x 20 pixels: a coarse random pattern each, with much noise. Every split has other classes."""
    generator = np.random.default_rng(1)
    stored = []
    for split, classes in (counts or {"train": 4, "val": 3, "test": 4}).items():
        for k in range(classes):
            pattern = np.kron(generator.random((5, 5)) > 0.5, np.ones((4, 4)))[..., None]
            noise = generator.normal(0, 60, (images, 20, 20, 1))
            pixels = np.clip(150 * pattern + noise, 0, 255).astype(np.uint8)
            stored.append(ClassImages(f"{split}-{k}", split, pixels))
    write_cache(path, stored, Attributes("signs", "drawn", "none", "here", "as drawn", 0, (0.25,), (0.5,)))
    return open_cache(path)
