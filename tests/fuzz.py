"""Reads damaged and hostile files without end: `python tests/fuzz.py --seconds 60 --seed 0 --kind caches`.

Each input is a good file with changes, and depends on nothing but (seed, kind, index). It must end in success or in a
TnasError with a documented exit code, within 5 seconds of computing and 1 GB of memory, and execute nothing. A worker
reads the inputs; if one kills it, that is a finding too. Findings are kept, each with the command that repeats it, and
the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KINDS = ("caches", "checkpoints", "records", "genotypes", "images", "archives", "lists", "settings")
SECONDS_BETWEEN_LINES = 60
PATIENCE = 120  # seconds without an answer, of a worker that waits for something instead of computing


class Worker:
    """A process that reads inputs of one kind; a new one is started after it died."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed
        self.folder = tempfile.mkdtemp(prefix="fuzz-worker-")
        self.process: subprocess.Popen[str] | None = None

    def read(self, index: int) -> dict[str, Any]:
        """How an input ended; a worker that dies is a finding."""
        if self.process is None:
            self.start()
        assert self.process is not None and self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{index}\n")
            self.process.stdin.flush()
        line = self._line()
        if line:
            return json.loads(line)  # type: ignore[no-any-return]
        code = self.stop()
        ends = {-27: "more than 5 seconds", -9: f"no answer in {PATIENCE} seconds"}
        return {"index": index, "finding": ends.get(code, f"the process died (exit code {code})")}

    def start(self) -> None:
        """Start the process, and wait until it is ready."""
        environment = os.environ | {
            "TMPDIR": self.folder,
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "TNAS_CACHE": f"{self.folder}/cache",
            "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fuzzing" / "worker.py"), self.kind, str(self.seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if self._line() != "ready\n":
            raise SystemExit(f"the worker for {self.kind} cannot start (exit code {self.stop()})")

    def _line(self) -> str:
        assert self.process is not None and self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        return self.process.stdout.readline() if ready else ""

    def stop(self) -> int:
        """End the process, and remove what it left; returns its exit code."""
        if self.process is None:
            return 0
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()  # one that waits for the next input ends
        try:
            code = self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(self.folder).mkdir(exist_ok=True)
        return code


def run(kind: str, seed: int, indices: Iterator[int], seconds: float, keep: Path) -> tuple[Counter[str], Counter[str]]:
    """Read inputs until the time is over; returns how many ended in which way, and the findings."""
    ends: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    worker = Worker(kind, seed)
    try:
        worker.start()
        told = time.monotonic()
        until = told + seconds
        for index in indices:
            how = worker.read(index)
            finding = how.get("finding")
            if finding is None:
                ends[how["end"]] += 1
            else:
                findings[finding] += 1
                if findings[finding] <= 3:
                    _keep(keep, kind, seed, how)
            now = time.monotonic()
            if now > until:
                break
            if now > told + SECONDS_BETWEEN_LINES:
                told = now
                done = ends.total() + findings.total()
                print(f"{kind}: {done:,} inputs, {findings.total():,} findings", file=sys.stderr, flush=True)
    finally:
        worker.stop()
        shutil.rmtree(worker.folder, ignore_errors=True)
    return ends, findings


def _keep(keep: Path, kind: str, seed: int, how: dict[str, Any]) -> None:
    """Keep a finding: what happened, the input, and how to repeat it."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "src")]
    from tests.fuzzing.examples import KINDS as MAKERS
    from tests.fuzzing.examples import made

    example, content = made(kind, seed, how["index"], MAKERS[kind]())
    folder = keep / f"{kind}-{seed}-{how['index']}"
    for name, data in {**example.beside, example.name: content}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    again = f"python tests/fuzz.py --kind {kind} --seed {seed} --first {how['index']} --inputs 1"
    (folder / "finding.txt").write_text(f"{how['finding']}\n{how.get('text', '')}\n{again}\n", encoding="utf-8")
    print(f"{kind}: {how['finding']}: {how.get('text', '')}\n  {folder}\n  {again}", file=sys.stderr, flush=True)


def main() -> int:
    """Read the command line, and the inputs that it asks for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--kind", choices=KINDS, action="append", help="default: all, one after the other")
    asked.add_argument("--seconds", type=float, default=60.0, help="for each kind (default: 60)")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--first", type=int, default=0, help="number of the first input")
    asked.add_argument("--inputs", type=int, default=10**9, help="at most so many of each kind")
    asked.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where findings are kept")
    given = asked.parse_args()
    failed = False
    for kind in given.kind or KINDS:
        indices = iter(range(given.first, given.first + given.inputs))
        ends, findings = run(kind, given.seed, indices, given.seconds, given.keep)
        shown = ", ".join(f"{count:,} {end}" for end, count in ends.most_common())
        print(f"{kind}: {ends.total() + findings.total():,} inputs: {shown}; {findings.total():,} findings", flush=True)
        for finding, count in findings.most_common():
            print(f"  {count:,} x {finding}", flush=True)
        failed = failed or bool(findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
