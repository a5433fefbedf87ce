"""A small cache whose splits share their classes, as CIFAR-10's do, and one whose classes differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tnas_cli.episodes.cache import Attributes, ClassImages, ImageCache, open_cache, write_cache

SHARED = {"train": 24, "val": 6, "test": 10}


def cache(
    path: Path, counts: dict[str, int] | None = None, *, classes: int = 3, size: int = 20, shared: bool = True
) -> ImageCache:
    """Coloured noise around a level of its own for every class: easily told apart."""
    generator = np.random.default_rng(0)
    stored = []
    for split, count in (counts or SHARED).items():
        for k in range(classes):
            level = np.array([40 + 150 * k // max(1, classes - 1), 200 - 60 * k, 90])
            noise = generator.normal(0, 25, (count, size, size, 3))
            pixels = np.clip(level + noise, 0, 255).astype(np.uint8)
            # Sorted otherwise in every split, so that a class is known by its name alone.
            stored.append(ClassImages(f"c{k}" if shared else f"{split}-c{k}", split, pixels))
        stored[-classes:] = stored[-classes:][:: 1 if split == "train" else -1]
    write_cache(
        path,
        stored,
        Attributes("toy", "images", "none", "here", "as given", 0, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
    )
    return open_cache(path)
