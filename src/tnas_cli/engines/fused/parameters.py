"""Where each parameter lies in the flat memory, and the way from the networks' tensors there and back.

Kernels want the output channel last, and every tensor to begin at a whole vector. Channel counts that are not
whole vectors (the stem's first) are filled up with zeros, which stay zero: nothing flows into them or out of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

Shape = tuple[int, ...]

#: Every tensor and buffer begins at a multiple of this many numbers: 64 bytes of float32.
ALIGNMENT = 16

#: Channels are filled up to a multiple of this.
CHANNEL_MULTIPLE = 8


def filled_up(count: int, multiple: int) -> int:
    """The smallest multiple that is not below count."""
    return -(-count // multiple) * multiple


class Layout:
    """Offsets of named tensors in a flat vector of `size` numbers, in the order of `shapes`.

    `offsets[name]` is where a tensor begins, `strides[name]` how far apart its leading entries are (edges, mostly).
    """

    def __init__(self, shapes: Mapping[str, Shape], image_features: tuple[int, int] | None = None) -> None:
        """image_features: (channels, pixels) when the classifier sees whole images [channels, pixels], not means."""
        self.offsets: dict[str, int] = {}
        self.strides: dict[str, int] = {}
        self.flat_size = sum(math.prod(shape) for shape in shapes.values())
        pieces, begin, self.size = [], 0, 0
        for name, shape in shapes.items():
            indices = begin + np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
            begin += indices.size
            arranged = _arranged(name, indices, image_features)
            self.offsets[name] = self.size
            self.strides[name] = arranged[0].size if arranged.ndim > 1 else 1
            pieces.append(np.pad(arranged.ravel(), (0, -arranged.size % ALIGNMENT), constant_values=-1))
            self.size += pieces[-1].size
        self._from_flat = np.concatenate(pieces)
        own = np.flatnonzero(self._from_flat >= 0)
        self._to_flat = np.empty(self.flat_size, np.int64)
        self._to_flat[self._from_flat[own]] = own

    def inputs_of(self, name: str) -> np.ndarray:
        """For a matrix [O, I] that is not filled up: where the memory has each of its inputs, in the tensor's order."""
        return np.argsort(self._from_flat[self.offsets[name] :][: self.strides[name]])

    def pack(self, flat: np.ndarray) -> np.ndarray:
        """[..., flat_size] in the tensors' own order -> [..., size]."""
        nothing = np.zeros((*flat.shape[:-1], 1), flat.dtype)
        return np.take(np.concatenate([flat, nothing], axis=-1), self._from_flat, axis=-1, mode="wrap")

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """[..., size] -> [..., flat_size]."""
        return np.take(packed, self._to_flat, axis=-1)


def _arranged(name: str, indices: np.ndarray, image_features: tuple[int, int] | None) -> np.ndarray:
    """A tensor's indices in the order of the memory; -1 where a number is filled in."""
    kind = name.rpartition(".")[2]
    if kind == "conv":  # [O, I, 3, 3] -> [3, 3, I, O], but an image's own channels are not filled up
        indices = indices.transpose(2, 3, 1, 0)
        inputs = 0 if name.endswith("0.conv") else -indices.shape[2] % CHANNEL_MULTIPLE
        return _filled(indices, (0, 0, inputs, -indices.shape[3] % CHANNEL_MULTIPLE))
    if kind == "depthwise":  # [..., C, k, k] -> [..., k, k, C]
        return np.moveaxis(indices, -3, -1)
    if kind in ("pointwise", "skip", "input0", "input1"):  # [..., O, I] -> [..., I, O]
        return indices.swapaxes(-1, -2)
    if kind in ("gain", "bias") and name.startswith(("stem.", "block.")):
        return _filled(indices, (-indices.shape[0] % CHANNEL_MULTIPLE,))
    if name == "classifier.weight" and image_features is not None:
        way = indices.shape[0]
        return indices.reshape(way, *image_features).swapaxes(1, 2).reshape(way, -1)
    return indices


def _filled(indices: np.ndarray, more: Shape) -> np.ndarray:
    return np.pad(indices, [(0, count) for count in more], constant_values=-1)
