"""Real Dask schedulers and workers on the loopback interface, which are gone when a test ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tnas_cli.runs.cluster_address import ClusterAddress

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@dataclass
class Cluster:
    """A scheduler, which wrote `file`, and the workers that were started."""

    folder: Path
    file: Path = field(init=False)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    tls: Sequence[str] = ()
    #: Of every process.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: A folder that the workers see empty.
    hidden: Path | None = None

    def __post_init__(self) -> None:
        self.file = self.folder / "scheduler.json"

    @property
    def address(self) -> ClusterAddress:
        return ClusterAddress(str(self.file))

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        return self.processes[0]

    def start(self) -> None:
        """The scheduler, on a free port."""
        self._run("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(self.file))
        begun = time.monotonic()
        while not (self.file.is_file() and self.file.read_text()):  # it is created empty
            assert self.scheduler.poll() is None, "the scheduler ended"
            assert time.monotonic() - begun < PATIENCE
            time.sleep(0.05)

    def worker(self, *options: str, nanny: bool = False) -> subprocess.Popen[bytes]:
        """A worker of one thread."""
        address = json.loads(self.file.read_text())["address"]
        words = (address, "--nthreads", "1", "--host", "127.0.0.1", *options)
        return self._run("dask_worker", *words, "--nanny" if nanny else "--no-nanny", before=self._hiding())

    def _hiding(self) -> Sequence[str]:
        """What runs a command in a mount namespace of its own."""
        if self.hidden is None:
            return ()
        return ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(self.hidden))

    def _run(self, program: str, *words: str, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))),
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
            **self.environment,
        }
        command = [*before, sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard", *words, *self.tls]
        log = (self.folder / f"{program}-{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                command,
                cwd=self.folder if self.hidden is None else "/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End all of it, the workers first."""
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def dask_cluster(
    folder: Path,
    workers: int,
    *,
    nanny: bool = False,
    tls: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    hidden: Path | None = None,
) -> Iterator[Cluster]:
    """A scheduler with so many workers, which see the folder `hidden` empty."""
    cluster = Cluster(folder, tls=tls, environment=environment or {}, hidden=hidden)
    try:
        cluster.start()
        for _ in range(workers):
            cluster.worker(nanny=nanny)
        yield cluster
    finally:
        cluster.end()
