"""Facts about a data set's pixels, measured on the way: fingerprint, mean and spread, duplicates across splits."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


class PixelFacts:
    """Sees every class once: `begin` it, then `add` its images piece by piece."""

    def __init__(self, channels: int) -> None:
        self._digest = hashlib.sha256()
        self._split = ""
        self._levels = np.zeros((channels, 256), dtype=np.int64)  # how often each value occurs in training images
        self._contents: list[npt.NDArray[np.uint64]] = []
        self._splits: list[tuple[str, int]] = []
        self._bright = 0  # training images whose border is bright
        self._train = 0

    def begin(self, name: str, split: str, shape: tuple[int, ...]) -> None:
        """Begin a class; `shape` is [n, H, W, C] of all its images."""
        self._split = split
        self._digest.update(f"{name}\0{split}\0{shape}\0".encode())

    def add(self, images: npt.NDArray[np.uint8]) -> None:
        """Add images uint8 [n, H, W, C] of the class that was begun."""
        self._digest.update(images.data)
        hashes = [int.from_bytes(hashlib.blake2b(image.data, digest_size=8).digest()) for image in images]
        self._contents.append(np.array(hashes, dtype=np.uint64))
        self._splits.append((self._split, len(images)))
        if self._split == "train":
            self._train += len(images)
            self._bright += int((borders(images) > 127).all(-1).sum())
            for channel, levels in enumerate(self._levels):
                levels += np.bincount(images[..., channel].ravel(), minlength=256)

    def fingerprint(self) -> str:
        """SHA-256 over names, splits and pixels."""
        return self._digest.hexdigest()

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of the training images per channel, with 255 as 1."""
        values = np.arange(256) / 255.0
        count = self._levels.sum(1)  # [C]
        mean = self._levels @ values / count
        # A data set of one flat colour has no spread to divide by.
        std = np.sqrt(np.maximum(self._levels @ values**2 / count - mean**2, 1e-12))
        return mean.tolist(), std.tolist()

    def bright_ground(self) -> float:
        """The share of the training images whose border is bright, as that of drawings on paper is."""
        return self._bright / max(self._train, 1)

    def duplicates(self) -> int:
        """How many images have exactly the pixels of an image in another split."""
        if not self._contents:
            return 0
        names = sorted({split for split, _ in self._splits})
        splits = np.concatenate([np.full(n, names.index(split)) for split, n in self._splits])
        _, group = np.unique(np.concatenate(self._contents), return_inverse=True)
        seen = np.zeros((group.max() + 1, len(names)), dtype=bool)
        seen[group, splits] = True
        return int((seen.sum(1) > 1)[group].sum())


def borders(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Median colour of the outermost pixels of images [n, H, W, C]: [n, C]."""
    sides = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    found: npt.NDArray[np.float64] = np.median(np.concatenate(sides, axis=1), axis=1)
    return found
