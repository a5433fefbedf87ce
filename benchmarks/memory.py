"""Memory of this process and of the machine, in bytes.

On Linux the values come from /proc, because the peak in `resource` starts at the peak of the parent process. Elsewhere
they come from `resource`, and the peak also serves as the current memory.
"""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path


def high_water() -> int:
    """The most memory that this process has held."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def resident() -> int:
    """The memory that this process holds now."""
    return _status("VmRSS") or high_water()


def available() -> float:
    """The memory that the machine has left for new processes; infinite if it is unknown."""
    return _line(Path("/proc/meminfo"), "MemAvailable") or math.inf


def give_way() -> None:
    """Let the system end this process first if the machine runs out of memory (Linux)."""
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _status(name: str) -> int:
    return _line(Path("/proc/self/status"), name)


def _line(path: Path, name: str) -> int:
    """The value of a line 'name: 123 kB', or 0."""
    if not path.is_file():
        return 0
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return 0
