"""Everything random comes from (seed, purpose, index): the same in any process, whatever ran before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def entropy(seed: int, purpose: str, index: int = 0) -> int:
    """64 bits that depend on all three values and on nothing else."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def numpy_generator(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A NumPy generator of its own for (seed, purpose, index)."""
    return np.random.Generator(np.random.PCG64(entropy(seed, purpose, index)))


def torch_generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A torch CPU generator of its own for (seed, purpose, index)."""
    # Preparing data needs the generators above alone, and PyTorch takes seconds and hundreds of megabytes.
    import torch

    return torch.Generator().manual_seed(entropy(seed, purpose, index) & (2**63 - 1))
