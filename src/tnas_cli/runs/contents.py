"""The files of a run that are read and written by more than one module, and what makes a folder a run."""

from __future__ import annotations

import os
from pathlib import Path

#: What happened, a record per line.
LOG = "events.jsonl"
SETTINGS, ENVIRONMENT = "settings.toml", "environment.json"
#: The genotypes or networks that the run was given, and what it came to.
GIVEN, RESULT = "genotypes.jsonl", "result.json"
#: Its recipe and options; runs of version 0.1 have none.
RUN = "run.json"


def is_run(path: Path) -> bool:
    """Whether a folder that somebody named is a run, or what is left of one."""
    return _holds(path, RUN, SETTINGS, LOG)


def is_surely_run(path: Path) -> bool:
    """The same of a folder that was only met: settings alone may be those of another program."""
    return is_run(path) and _holds(path, RUN, ENVIRONMENT, LOG)


def _holds(path: Path, *names: str) -> bool:
    """One of these files; no for any text that cannot be a path either, of which pathlib raises an error."""
    return any(os.path.isfile(path / name) for name in names)  # noqa: PTH113
