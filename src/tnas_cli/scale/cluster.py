"""A Dask cluster, which somebody else started, or whose workers are jobs of a queue: connecting, and who may work."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Listener, Note
from tnas_cli.runs.interrupt import StoppedError, StopRequest
from tnas_cli.scale.batch_queue import EXAMPLE, INSTALL, Submitted, jobs_of, require_jobqueue, submitted
from tnas_cli.scale.contents import digest

#: Packages whose versions must be the same everywhere.
PACKAGES = ("tnas-cli", "torch", "numba", "numpy")

SECONDS_TO_CONNECT = 30
SECONDS_FOR_WORKERS = 300
SECONDS_BETWEEN_LOOKS = 0.2


def require_dask() -> Any:
    """The module `distributed`; raises SettingsError where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise SettingsError("--cluster needs the package distributed.", hint=INSTALL) from error
    return distributed


def check_cluster(address: ClusterAddress | None) -> None:
    """Raises SettingsError for a cluster that cannot be asked: for want of a package, or of a file. None: there is no
    cluster to ask."""
    if address is None:
        return
    require_dask()
    jobs = jobs_of(address.address)
    if jobs is not None:
        require_jobqueue(jobs.queue)
    elif _is_file(address) and not Path(address.address).is_file():
        raise SettingsError(
            f"there is no scheduler file {address.address}.",
            hint=f"name the FILE of: dask scheduler --scheduler-file FILE; or tcp://HOST:PORT; or {EXAMPLE}",
        )
    for file in (address.tls_ca, address.tls_cert, address.tls_key):
        if file is not None and not file.is_file():
            raise SettingsError(f"there is no file {file}.", hint="--tls-ca, --tls-cert and --tls-key name PEM files")


def _is_file(address: ClusterAddress) -> bool:
    return "://" not in address.address


@contextmanager
def connected(address: ClusterAddress) -> Iterator[tuple[Any, Submitted | None]]:
    """A client of the scheduler at an address; or of one in this process, and the jobs that it submitted. Raises
    TnasError if there is none."""
    distributed, asked = require_dask(), jobs_of(address.address)
    security = _security(address, ("client",) if asked is None else ("client", "scheduler", "worker"))
    with ExitStack() as stack:
        jobs = None
        if asked is not None:
            jobs = stack.enter_context(submitted(asked, security))
            where = {"address": jobs.address}
        else:
            where = {"scheduler_file" if _is_file(address) else "address": address.address}
        try:
            client = distributed.Client(**where, security=security, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise TnasError(
                f"no Dask scheduler answers at {address.address} ({str(error)[:200] or type(error).__name__}).",
                hint="start one with: dask scheduler; and workers with: dask worker ADDRESS --nthreads 1 --nworkers N",
            ) from error
        try:
            yield client, jobs
        finally:
            with suppress(Exception):  # the scheduler may have gone
                client.close(timeout=5)


def _security(address: ClusterAddress, roles: Sequence[str]) -> Any:
    """Dask's description of the certificates, for each role that this process gives to somebody; None where there are
    none."""
    if address.tls_ca is None and address.tls_cert is None and address.tls_key is None:
        return None
    return require_dask().Security(
        require_encryption=True,
        tls_ca_file=_text(address.tls_ca),
        **{f"tls_{role}_cert": _text(address.tls_cert) for role in roles},
        **{f"tls_{role}_key": _text(address.tls_key) for role in roles},
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def wait_for_workers(client: Any, listener: Listener, stop: StopRequest, jobs: Submitted | None = None) -> None:
    """Until there is a worker; raises TnasError if none comes, and StoppedError. Jobs of a queue may take any time."""
    listener(Note(f"Dask cluster at {client.scheduler.address}; dashboard: {client.dashboard_link}"))
    if jobs is not None:
        listener(Note(f"waiting for the first of {jobs.asked.count} job(s) of {jobs.asked.queue}"))
    began = time.monotonic()
    while not client.nthreads():
        if stop:
            raise StoppedError
        if jobs is not None:
            jobs.keep_up()
        elif time.monotonic() - began > SECONDS_FOR_WORKERS:
            raise no_workers(client.scheduler.address)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    threads = client.nthreads()
    listener(Note(f"{len(threads)} worker(s), {sum(threads.values())} unit(s) at a time"))


def no_workers(address: str) -> TnasError:
    """What to do without any."""
    return TnasError(
        f"the Dask cluster at {address} has no workers.",
        hint="start some with: dask worker ADDRESS --nthreads 1 --nworkers N",
    )


@cache
def versions() -> Mapping[str, str]:
    """Of this process: what a worker must have, too."""
    return {package: metadata.version(package) for package in PACKAGES} | {"Python": platform.python_version()}


def check_workers(client: Any, seen: Path | None) -> None:
    """Raises TnasError that names a worker with other versions than this process, or one that does not see the file
    `seen`, if there is one."""
    found: dict[str, Mapping[str, Any]] = {
        package: client.run(metadata.version, package, on_error="return") for package in PACKAGES
    }
    found["Python"] = client.run(platform.python_version, on_error="return")
    ours = versions()
    for package, theirs in found.items():
        for worker, version in theirs.items():
            if version != ours[package]:
                raise other_version(worker, package, version if isinstance(version, str) else None, ours[package])
    if seen is None:
        return
    mine = digest(seen)
    for worker, theirs in client.run(digest, seen, on_error="return").items():
        if theirs != mine:
            raise does_not_see(worker, seen)


def does_not_see(worker: str, file: Path) -> TnasError:
    """A worker lacks a file, or has another one of that name."""
    return TnasError(
        f"worker {worker} does not see {file}.",
        hint="put the runs (--runs), the data (--cache-dir) and what you name where all workers find them, or add "
        "--no-shared-files",
    )


def other_version(worker: str, package: str, theirs: str | None, ours: str) -> TnasError:
    """A worker cannot do what this process would do."""
    has = f"no {package}" if theirs is None else f"{package} {theirs}"
    return TnasError(
        f"worker {worker} has {has}, but this process has {ours}.",
        hint="install the same versions everywhere; Dask's worker must run in the environment of tnas",
    )
