"""How many cores this process may use: those that it is bound to, and no more than its container's share of time.

A container with half of a machine's time sees all of its cores. With a thread for each, the threads would be stopped in
the middle of their work and wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: Which control groups this process is in, and where they lie.
GROUPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Whole cores, at least one."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(int(share) for share in _shares())]))


def _shares() -> Iterator[float]:
    """The cores' worth of time that each control group above this process gets, where it is limited."""
    for folder in _folders():
        quota = _numbers(folder / "cpu.max")  # version 2: '50000 100000', or 'max 100000'
        if not quota:
            quota = _numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us")
        if len(quota) == 2 and min(quota) > 0:  # version 1 has -1 for no limit
            yield quota[0] / quota[1]


def _folders() -> Iterator[Path]:
    """The folder of each group of this process that may limit its time, and those of the groups above it.

    A container may see its own group as the root, but know it by the name that it has outside.
    """
    try:
        lines = GROUPS.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "", "/")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in (MOUNT / controllers, MOUNT / "cpu") if controllers else (MOUNT, MOUNT / "unified"):
            inside = root / path.lstrip("/")
            yield from (folder for folder in (inside, *inside.parents) if folder.is_relative_to(root))


def _numbers(file: Path) -> list[float]:
    """The numbers in a file; nothing if it is missing or holds anything else."""
    try:
        return [float(word) for word in file.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        return []
