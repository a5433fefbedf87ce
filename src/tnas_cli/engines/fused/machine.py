"""What this processor can do, and where its compiled kernels are kept."""

from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba

from tnas_cli.engines.fused.plan import Target
from tnas_cli.errors import SettingsError
from tnas_cli.runs.paths import from_environment, own_cache


class UnavailableError(Exception):
    """The kernels cannot be compiled or kept here; the message says why."""


def features() -> str:
    """The processor's features as LLVM names them, or those that NUMBA_CPU_FEATURES asks for."""
    return str(numba.config.CPU_FEATURES or llvmlite.binding.get_host_cpu_features().flatten())


def instruction_set() -> str:
    """The widest vector instructions that the kernels are compiled for."""
    has = set(features().split(","))
    for feature, name in (("+avx512f", "AVX-512"), ("+avx2", "AVX2"), ("+neon", "NEON")):
        if feature in has:
            return name
    return "NEON" if platform.machine() in ("arm64", "aarch64") else "SSE2"


#: Block sizes by instruction set: 32 wide registers, 16 or 32 narrow ones.
TARGETS = {
    "AVX-512": Target(lanes=16, flat_tile=14, tile=14),
    "AVX2": Target(lanes=8, flat_tile=14, tile=11, vectors=3),
    "NEON": Target(lanes=8, flat_tile=12, tile=11, line=8),
    "SSE2": Target(lanes=8, flat_tile=6, tile=6, line=8),
}


def target() -> Target:
    """The block sizes for this processor."""
    return TARGETS[instruction_set()]


@cache
def sources_digest() -> str:
    """A hash of all kernel sources: compiled code is only valid for the sources that it came from."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def kernel_folder() -> Path:
    """Where compiled kernels are kept: $TNAS_KERNELS or the user's cache folder, then processor, versions, sources."""
    root = from_environment("TNAS_KERNELS") or own_cache() / "kernels"
    cpu = numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    processor = f"{cpu}-{hashlib.sha256(features().encode()).hexdigest()[:8]}"
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return root / f"{processor}-{python}-numba{numba.__version__}-llvmlite{llvmlite.__version__}-{sources_digest()}"


@contextmanager
def kernels_kept() -> Iterator[Path]:
    """Within the block, compiled functions are looked for and kept in `kernel_folder()`.

    Raises UnavailableError if nothing can be written there.
    """
    try:
        folder = kernel_folder()
    except SettingsError as error:
        raise UnavailableError("compiled kernels cannot be kept: there is no home folder") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
    except OSError as error:
        reason = error.strerror or error
        raise UnavailableError(f"compiled kernels cannot be kept in {folder} ({reason})") from error
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield folder
    except OSError as error:
        reason = error.strerror or error
        raise UnavailableError(f"compiled kernels cannot be kept in {folder} ({reason})") from error
    finally:
        numba.config.CACHE_DIR = before
