"""Workers that are jobs of a batch queue: the real classes of dask-jobqueue, and a `sbatch` that starts jobs here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import dask
import distributed
import pytest
import yaml

from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import tnas
from tests.scale.cluster_works import Write
from tests.scale.test_torchrun import same
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Note, ignore
from tnas_cli.runs.run_file import NAME
from tnas_cli.scale import batch_queue
from tnas_cli.scale.batch_queue import QUIET, Jobs, _quietly, jobs_of, quiet_environment
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.over_cluster import over_cluster

SUBMITS = """#!/bin/bash
cp "$1" "$JOBS/script.$$"
echo "$$" >> "$JOBS/submitted"
bash "$JOBS/script.$$" > "$JOBS/log.$$" 2>&1 < /dev/null &
echo "Submitted batch job $!"
"""
CANCELS = """#!/bin/bash
echo "$1" >> "$JOBS/cancelled"
pkill -TERM -P "$1"
"""
REFUSES = """#!/bin/bash
echo "asked" >> "$JOBS/asked"
if [ -e "$JOBS/open" ]; then exec "$JOBS/submits" "$@"; fi
echo "sbatch: error: Batch job submission failed: Invalid account" >&2
exit 1
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the commands of Slurm, and what was submitted; a job is a process."""
    for name, script in (("sbatch", SUBMITS), ("submits", SUBMITS), ("scancel", CANCELS)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / NAME).write_text("{}")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("JOBS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("address", "jobs"),
    [
        ("slurm:workers=40", Jobs("slurm", 40, {"cores": 1, "memory": "2GB", "processes": 1})),
        ("sge:workers=40,cores=16", Jobs("sge", 40, {"cores": 16, "memory": "32GB", "processes": 1})),
        (
            "Slurm:queue=gpu, workers=40,walltime=04:00:00",
            Jobs("slurm", 40, {"cores": 1, "memory": "2GB", "processes": 1, "queue": "gpu", "walltime": "04:00:00"}),
        ),
        (
            "pbs:workers=32,cores=16,memory=9GB,job-extra=x",
            Jobs("pbs", 32, {"cores": 16, "memory": "9GB", "processes": 1, "job_extra": "x"}),
        ),
        ("tcp://node0:8786", None),
        ("tls://node0:8786", None),
        ("/shared/dask.json", None),
        ("C:\\dask.json", None),
        ("dask.json", None),
        ("localhost:8786", None),
    ],
)
def test_addresses(address: str, jobs: Jobs | None) -> None:
    assert jobs_of(address) == jobs


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("slrm:workers=2", "no batch queue 'slrm'"),
        ("slurm:", "no workers"),
        ("slurm:queue=gpu", "no workers"),
        ("slurm:workers=0", "workers=0"),
        ("slurm:workers=many", "workers=many"),
        ("slurm:workers=2,cores=-1", "cores=-1"),
        ("slurm:workers", "'workers' in"),
        ("slurm:workers=2,queue=", "'queue=' in"),
        ("slurm:workers=2,walltime=30:00", "walltime=30:00 in"),
        ("slurm:workers=2,walltime=240", "walltime=240 in"),
    ],
)
def test_addresses_that_say_too_little(address: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        jobs_of(address)


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [("04:00:00", 14280), ("4:00", None), ("1-00:00:00", 86280), ("00:02:00", 60), ("soon", None), (None, None)],
)
def test_workers_leave_before_their_time_is_up(walltime: str | None, seconds: int | None) -> None:
    assert batch_queue._lifetime(walltime) == seconds


def test_a_machine_without_the_queue_says_so() -> None:
    with pytest.raises(SettingsError, match="no sbatch, which submits jobs to slurm"):
        check_cluster(ClusterAddress("slurm:workers=2"))


def test_ctrl_c_stays_ours_when_the_library_is_loaded() -> None:
    """In a process of its own: the library sets its handler when it is first imported."""
    code = (
        "import signal, sys; before = signal.getsignal(signal.SIGINT);"
        "from tnas_cli.scale.batch_queue import require_jobqueue; require_jobqueue('local');"
        "assert 'dask_jobqueue' in sys.modules; assert signal.getsignal(signal.SIGINT) is before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_jobs_are_submitted_and_cancelled(slurm: Path) -> None:
    address = ClusterAddress("slurm:workers=2,queue=cpu,account=lab,walltime=00:10:00,memory=3GB")
    check_cluster(address)
    work, notes = Write(slurm), list[Event]()
    assert over_cluster(address, work, iter(range(5)), slurm / NAME, lambda *_: None, notes.append) == {}
    assert work.done() == set(range(5))
    assert Note("waiting for the first of 2 job(s) of slurm") in notes
    scripts = [script.read_text() for script in slurm.glob("script.*")]
    assert len(scripts) == 2
    for line in ("#SBATCH -p cpu", "#SBATCH -A lab", "#SBATCH -t 00:10:00", "#SBATCH --mem=3G", "--lifetime 480s"):
        assert all(line in script for script in scripts)
    assert len((slurm / "cancelled").read_text().split()) == 2


@pytest.mark.filterwarnings("ignore:env_extra has been renamed:FutureWarning")
@pytest.mark.parametrize("name", ["job-script-prologue", "env-extra"])
def test_a_job_with_two_cores_does_two_units_and_what_is_configured_is_kept(slurm: Path, name: str) -> None:
    with dask.config.set(
        {
            "jobqueue.slurm.walltime": "00:20:00",
            "jobqueue.slurm.worker-extra-args": ["--no-dashboard"],
            f"jobqueue.slurm.{name}": ["module load python"],
        }
    ):
        work = Write(slurm)
        notes = list[Event]()
        address = ClusterAddress("slurm:workers=2,cores=2")
        assert over_cluster(address, work, iter(range(4)), slurm / NAME, lambda *_: None, notes.append) == {}
    assert Note("1 worker(s), 2 unit(s) at a time") in notes
    (script,) = (script.read_text() for script in slurm.glob("script.*"))
    for words in (
        "--nthreads 2",
        "--no-dashboard",
        "--lifetime 1080s",
        "#SBATCH --cpus-per-task=2",
        "module load python",
        *_quietly(),
    ):
        assert words in script


def test_dasks_processes_do_not_watch_themselves_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask has settings of these names, and a job's script leaves what its environment says."""
    usual = yaml.safe_load((Path(distributed.__file__).parent / "distributed.yaml").read_text())
    for name, value in quiet_environment().items():
        monkeypatch.setenv(name, value)
    read = dask.config.collect_env()
    for name, value in QUIET.items():
        assert dask.config.get(name, config=usual) != value
        assert dask.config.get(name, config=read) == value
    monkeypatch.setenv("DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL", "5s")
    monkeypatch.delenv("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED")
    script = "\n".join([*_quietly(), "env"])
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL=5s" in said
    assert "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False" in said


def test_a_queue_that_takes_no_job(slurm: Path) -> None:
    (slurm / "sbatch").write_text(REFUSES)
    with pytest.raises(TnasError, match="takes no job: sbatch: error: Batch job submission failed: Invalid account"):
        over_cluster(
            ClusterAddress("slurm:workers=2"), Write(slurm), iter(range(2)), slurm / NAME, lambda *_: None, ignore
        )


def test_a_queue_that_takes_one_job_is_asked_again(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_queue, "SECONDS_BETWEEN_TRIES", 0.5)
    (slurm / "sbatch").write_text(REFUSES.replace("if [ -e", 'if mkdir "$JOBS/first" 2> /dev/null || [ -e'))
    (slurm / "open").symlink_to(slurm / "later")
    work = Write(slurm)

    def heard(item: int, event: Event) -> None:
        if item == 3:
            (slurm / "later").write_text("")
        if item > 3:
            time.sleep(0.3)  # until the second job is there

    assert over_cluster(ClusterAddress("slurm:workers=2"), work, iter(range(20)), slurm / NAME, heard, ignore) == {}
    assert work.done() == set(range(20))
    assert len((slurm / "submitted").read_text().split()) == 2


def test_a_training_by_jobs_is_that_of_this_machine(pipeline: Pipeline, slurm: Path) -> None:
    words = ("train-eval", "-", *TRAINING, *TESTING, *pipeline.here, "--json", "--runs", slurm / "runs")
    ran = tnas(*words, "--cluster", "slurm:workers=2", stdin=pipeline.decoded.stdout)
    assert ran.code == 0, ran.stderr
    assert ran.result["mean"] == pipeline.trained.result["mean"]
    for network in ran.result["per_genotype"]:
        one, other = (Path(run.result["run"]) / network["digest"] / "last.pt" for run in (ran, pipeline.trained))
        assert same(one, other)
