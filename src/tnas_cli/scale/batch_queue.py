"""A Dask cluster whose workers are jobs of a batch queue (Slurm, PBS, SGE, LSF, OAR, Moab, HTCondor), by dask-jobqueue.

The scheduler is a part of this process. Jobs that end, as all do that have a time limit, are submitted again.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tnas_cli.errors import SettingsError, TnasError, did_you_mean
from tnas_cli.runs.interrupt import handlers_kept

#: The classes of dask-jobqueue by the names that people type. `local` starts processes here, to try it out.
QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
    "local": "local.LocalCluster",
}

EXAMPLE = "slurm:workers=40,queue=cpu,walltime=04:00:00"
INSTALL = "pip install 'tnas-cli[cluster]'"

#: A unit needs about 1 GB.
GIGABYTES_PER_UNIT = 2

#: How long before its time limit a job begins to save and leave.
SECONDS_BEFORE_THE_END = 120

#: A queue that refuses a job is asked again: it may be busy, or have as many of ours as it takes.
SECONDS_BETWEEN_TRIES = 60.0
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_CLOSE = 10

#: Dask's processes look at themselves 50 to 100 times a second; with these settings, once.
QUIET: Mapping[str, Any] = {"distributed.admin.tick.interval": "1s", "distributed.worker.profile.enabled": False}

_NUMBERS = ("workers", "cores")
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)")


@dataclass(frozen=True)
class Jobs:
    """Jobs of a queue that do `workers` units at a time, one on each of a job's cores. `options` are those of the
    queue's class in dask-jobqueue, such as queue, account, memory and walltime."""

    queue: str
    workers: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of jobs."""
        return math.ceil(self.workers / int(self.options["cores"]))


def jobs_of(address: str) -> Jobs | None:
    """What an address such as `slurm:workers=40,queue=cpu` asks for; None for other addresses. Raises SettingsError."""
    queue, colon, rest = address.partition(":")
    if not colon or rest.startswith("//") or rest.isdigit() or not re.fullmatch(r"[A-Za-z_]{2,}", queue):
        return None
    if queue.lower() not in QUEUES:
        raise SettingsError(f"there is no batch queue {queue!r}.", hint=did_you_mean(queue, QUEUES))
    options: dict[str, Any] = {"cores": 1}
    for word in filter(None, map(str.strip, rest.split(","))):
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise SettingsError(f"{word!r} in --cluster {address} has no value.", hint=f"write it like {EXAMPLE}")
        options[name.strip().replace("-", "_")] = value.strip()
    for name in _NUMBERS:
        options[name] = _number(name, options.get(name, ""), address)
    if queue.lower() != "lsf" and "walltime" in options and _seconds(options["walltime"]) is None:
        raise SettingsError(
            f"walltime={options['walltime']} in --cluster {address} cannot be read.", hint="write it as HH:MM:SS"
        )
    workers, memory = options.pop("workers"), f"{GIGABYTES_PER_UNIT * options['cores']}GB"
    return Jobs(queue.lower(), workers, {"memory": memory, **options, "processes": 1})


def _number(name: str, text: object, address: str) -> int:
    if not str(text).isascii() or not str(text).isdigit() or int(str(text)) < 1:
        said = f"{name}={text}" if text else f"no {name}"
        raise SettingsError(f"{said} in --cluster {address}.", hint=f"say how many, like {EXAMPLE}")
    return int(str(text))


def require_jobqueue(queue: str) -> Any:
    """The queue's class; raises SettingsError where dask-jobqueue or the queue's command is not installed."""
    module, _, name = f"dask_jobqueue.{QUEUES[queue]}".rpartition(".")
    try:
        with handlers_kept():
            found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise SettingsError(f"--cluster {queue}:... needs the package dask-jobqueue.", hint=INSTALL) from error
    submits = found.job_cls.submit_command
    if submits is not None and shutil.which(submits.split()[0]) is None:
        raise SettingsError(
            f"this machine has no {submits.split()[0]}, which submits jobs to {queue}.",
            hint="call tnas where jobs are submitted; `local:workers=2` tries it out without a queue",
        )
    return found


@dataclass(frozen=True)
class Submitted:
    """Jobs that were submitted, by their cluster."""

    asked: Jobs
    cluster: Any

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(self.cluster.scheduler_address)

    def keep_up(self) -> None:
        """Submit the jobs that are missing: all of them at the beginning, and later those that have ended. Raises
        TnasError if the queue has refused all of them."""
        self.cluster.scale(self.asked.count)
        job = self.cluster.job_cls
        if len(job.refusals) >= self.asked.count and not job.taken:
            *_, last = job.refusals[-1].strip().splitlines() or ["it gives no reason"]
            raise TnasError(
                f"the queue {self.asked.queue} takes no job: {last}.", hint="change the options in --cluster"
            )


@contextmanager
def submitted(jobs: Jobs, security: Any) -> Iterator[Submitted]:
    """The jobs, which are cancelled at the end; raises SettingsError for options that the queue does not have, and
    TnasError if no scheduler can be started."""
    cluster = _cluster(jobs, security)
    try:
        yield Submitted(jobs, cluster)
    finally:
        cluster.job_cls.ending = True
        with suppress(Exception):  # a queue that does not answer must not hide how the work ended
            cluster.close(timeout=SECONDS_TO_CLOSE)


def _asking_again(job: Any) -> Any:
    """The queue's kind of job, which a refusal does not end. `taken`: how many were; `refusals`: what was said;
    `ending`: whether nobody wants the jobs any more."""

    class Asking(job):  # type: ignore[misc]
        taken, ending = 0, False
        refusals: ClassVar[list[str]] = []

        async def _submit_job(self, script_filename: str) -> Any:
            while True:
                try:
                    answer = await super()._submit_job(script_filename)
                except (OSError, RuntimeError) as error:
                    Asking.refusals.append(str(error))
                    again = time.monotonic() + SECONDS_BETWEEN_TRIES
                    while time.monotonic() < again:
                        if Asking.ending:
                            raise asyncio.CancelledError from error
                        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
                else:
                    Asking.taken += 1
                    return answer

    return Asking


def _cluster(jobs: Jobs, security: Any) -> Any:
    import dask

    make = require_jobqueue(jobs.queue)
    configured = _configured(make)
    leave = _lifetime(jobs.options.get("walltime", configured.get("walltime")))
    extra = [*(configured.get("worker-extra-args") or ()), *(["--lifetime", f"{leave}s"] if leave else ())]
    # dask-jobqueue reads the older name where the newer one is empty.
    own = configured.get("job-script-prologue") or configured.get("env-extra") or ()
    prologue = [*own, *_quietly()]
    try:
        with dask.config.set(QUIET):  # for the scheduler, which is a part of this process
            return make(
                job_cls=_asking_again(make.job_cls),
                **jobs.options,
                python=sys.executable,
                security=security,
                worker_extra_args=extra,
                job_script_prologue=prologue,
                scheduler_options={"dashboard_address": ":0"},  # the usual port may be taken
            )
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"the queue {jobs.queue} cannot be used like this: {str(error).partition('. ')[0]}.",
            hint=f"options are those of dask-jobqueue's {QUEUES[jobs.queue]}, such as account, memory, walltime",
        ) from error
    except (OSError, RuntimeError) as error:
        raise TnasError(f"no Dask scheduler can be started here ({error}).", hint="is its port taken?") from error


def quiet_environment() -> dict[str, str]:
    """`QUIET` as Dask reads it from the environment of its processes."""
    return {f"DASK_{name.upper().replace('.', '__')}": str(value) for name, value in QUIET.items()}


def _quietly() -> list[str]:
    """Lines of a job's script; what its environment already says stays."""
    return [f'export {name}="${{{name}:-{value}}}"' for name, value in quiet_environment().items()]


def _configured(make: Any) -> Mapping[str, Any]:
    """What dask-jobqueue's configuration says of the queue."""
    import dask

    found: Mapping[str, Any] = dask.config.get(f"jobqueue.{make.job_cls.default_config_name()}", {})
    return found


def _lifetime(walltime: object) -> int | None:
    """Seconds after which a worker saves and leaves, before its job is killed; None where no limit can be read."""
    whole = _seconds(walltime)
    return None if whole is None else max(whole - SECONDS_BEFORE_THE_END, whole // 2)


def _seconds(walltime: object) -> int | None:
    """Of HH:MM:SS or D-HH:MM:SS; shorter forms mean minutes in one queue and hours in another."""
    found = _TIME.fullmatch(str(walltime))
    if found is None:
        return None
    days, hours, minutes, seconds = (int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
