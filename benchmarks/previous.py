"""Another version of tnas, measured beside this one: its own sources and benchmark cases, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

#: Version 0.1.0.
RELEASE = "de741401901e43d6ec3462555a7320a562ff4aee"

#: Answers each name of a case with the best of three times, in seconds; its first call is not counted.
_SERVE = """
import sys
from benchmarks.cases import CASES, seconds
from tnas_cli.engines.fused_engine import FusedEngine
engine, ways = FusedEngine(), {}
for line in sys.stdin:
    name = line.strip()
    if name not in ways:
        ways[name] = next(case for case in CASES if case.name == name).by_engine(engine)
        ways[name]()
    print(min(seconds(ways[name]) for _ in range(3)), flush=True)
"""


class Previous:
    """The fused engine of a commit of this repository. Use it as a context."""

    def __init__(self, root: Path, commit: str = RELEASE) -> None:
        self._folder = tempfile.TemporaryDirectory()
        tree = Path(self._folder.name)
        archive = subprocess.run(["git", "-C", str(root), "archive", commit], capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree)))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, case: str) -> float:
        """The best of three calls of a case."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> Previous:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()
