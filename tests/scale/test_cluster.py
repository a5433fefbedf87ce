"""Units on a real Dask cluster: done, failed, set aside; workers, schedulers and clients that go away."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import start, succeeding, tnas, until
from tests.scale.cluster_works import Break, Die, Fail, Refuse, Wait, Write
from tests.scale.dask_cluster import Cluster, dask_cluster
from tests.scale.test_torchrun import same
from tnas_cli.errors import DataError, SettingsError, TnasError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Note, Progress, ignore
from tnas_cli.runs.interrupt import StoppedError, ask_to_stop, stop_request
from tnas_cli.runs.run_file import NAME
from tnas_cli.scale import cluster as module
from tnas_cli.scale import over_cluster as units
from tnas_cli.scale.cluster import check_workers
from tnas_cli.scale.contents import digest
from tnas_cli.scale.over_cluster import over_cluster

pytestmark = pytest.mark.slow
MAKE_CERTIFICATE = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a run's folder must have."""
    (tmp_path / NAME).write_text("{}")
    return tmp_path


def all_done(cluster: Cluster, work: Write, items: int, heard: Callable[[int, Event], None] | None = None) -> Any:
    """The errors that were set aside."""
    return over_cluster(
        cluster.address, work, iter(range(items)), work.folder / NAME, heard or (lambda *_: None), ignore
    )


def test_units_are_done_and_heard(two_workers: Cluster, run: Path) -> None:
    """More units than workers; short units of a run share a process."""
    heard: list[tuple[int, Event]] = []
    work = Write(run)
    assert all_done(two_workers, work, 12, lambda item, event: heard.append((item, event))) == {}
    assert work.done() == set(range(12))
    assert {item for item, event in heard if isinstance(event, Note)} <= set(range(12))
    assert len({process for item in range(12) for process in work.tried(item)}) <= 2


@pytest.mark.parametrize(("kind", "said"), [(Fail, "no luck."), (Break, "unexpected ZeroDivisionError: by zero")])
def test_a_unit_that_fails_three_times_is_set_aside(
    kind: type[Write], said: str, two_workers: Cluster, run: Path
) -> None:
    work, notes = kind(run), list[Event]()
    aside = over_cluster(two_workers.address, work, iter(range(5)), run / NAME, lambda *_: None, notes.append)
    assert {item: error.message for item, error in aside.items()} == {1: said}
    assert work.done() == {0, 2, 3, 4}
    assert len(work.tried(1)) == 3
    assert Note(f"unit 2 is set aside after 3 tries: {said}") in notes


def test_a_process_that_dies_is_tried_again(two_workers: Cluster, run: Path) -> None:
    work = Die(run)
    assert all_done(two_workers, work, 3) == {}
    assert work.done() == {0, 1, 2}


def test_what_no_other_try_can_help_ends_the_work(two_workers: Cluster, run: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        all_done(two_workers, Refuse(run), 20)
    assert sum(len(Refuse(run).tried(item)) for item in range(20)) < 20


def test_a_stop_saves_what_is_under_way(two_workers: Cluster, run: Path) -> None:
    work = Wait(run)

    def heard(item: int, event: Event) -> None:
        if isinstance(event, Progress) and all(map(work.tried, (0, 1))):
            ask_to_stop()

    with stop_request(), pytest.raises(StoppedError):
        all_done(two_workers, work, 6, heard)
    assert {file.name for file in run.glob("*.saved")} == {"0.saved", "1.saved"}
    (run / "go").write_text("")
    assert all_done(two_workers, work, 6) == {}, "the next call does what is left, on the same workers"


def disturbed(folder: Path, work: Wait, disturb: Callable[[Cluster], None]) -> None:
    """One unit on a worker that is disturbed when it has the unit and another worker begins."""
    folder.mkdir()
    with dask_cluster(folder, 1) as cluster:

        def disturbing() -> None:
            until(lambda: work.tried(0))
            cluster.worker()
            disturb(cluster)
            (work.folder / "go").write_text("")

        thread = threading.Thread(target=disturbing)
        thread.start()
        assert all_done(cluster, work, 1) == {}
        thread.join()


def test_a_killed_workers_unit_goes_on_elsewhere(tmp_path: Path, run: Path) -> None:
    """Its process ends with it."""
    work = Wait(run)

    def kill(cluster: Cluster) -> None:
        cluster.processes[1].kill()
        until(lambda: len(work.tried(0)) == 2)

    disturbed(tmp_path / "dask", work, kill)
    first, second = work.tried(0)
    assert first != second
    assert not alive(first)


def test_a_worker_that_is_told_to_end_saves_first(tmp_path: Path, run: Path) -> None:
    """As at the end of a batch queue's time: SIGTERM."""
    work = Wait(run)

    def terminate(cluster: Cluster) -> None:
        cluster.processes[1].terminate()
        until((run / "0.saved").is_file)

    disturbed(tmp_path / "dask", work, terminate)
    assert work.done() == {0}


def test_a_lost_scheduler_is_named(tmp_path: Path, run: Path) -> None:
    """What was under way is saved by its worker, which ends."""
    work = Wait(run)
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask", 1) as cluster:

        def disturb() -> None:
            until(lambda: work.tried(0))
            cluster.scheduler.kill()

        threading.Thread(target=disturb).start()
        with pytest.raises(TnasError, match="no longer answers; everything that was finished is kept"):
            all_done(cluster, work, 2)
        until(lambda: not alive(work.tried(0)[0]))


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_other_versions_are_refused_by_name(two_workers: Cluster, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = module.versions()
    monkeypatch.setattr(module, "versions", lambda: {**versions, "Python": "3.99.1"})
    with pytest.raises(TnasError, match=r"worker tcp://127.0.0.1:\d+ has Python 3.* but this process has 3.99.1"):
        all_done(two_workers, Write(run), 1)
    assert Write(run).done() == set()


def test_a_worker_that_comes_late_is_checked_too(
    two_workers: Cluster, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = module.versions()
    monkeypatch.setattr(units, "check_workers", lambda *_: None)
    monkeypatch.setattr(units, "versions", lambda: {**versions, "torch": "1.0"})
    with pytest.raises(TnasError, match=r"worker tcp://127.0.0.1:\d+ has torch 2.* but this process has 1.0"):
        all_done(two_workers, Write(run), 4)
    assert Write(run).done() == set()


#: What a worker runs before it begins.
UNFIT = {
    "has torch 1.0": "was = unit.versions()\nunit.versions = lambda: was | {'torch': '1.0'}\n",
    "does not see": "unit.digest = lambda file: 'of another file'\n",
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_late_worker_that_cannot_do_the_work_is_not_used(why: str, two_workers: Cluster, run: Path) -> None:
    """It is named; its units go to the others."""
    work, notes = Wait(run), list[str]()
    (run / "preload.py").write_text("from tnas_cli.scale import unit\n" + UNFIT[why])
    late = []

    def heard(item: int, event: Event) -> None:
        if not late and isinstance(event, Progress):
            late.append(two_workers.worker("--preload", str(run / "preload.py")))

    def listener(event: Event) -> None:
        if isinstance(event, Note) and "not used: worker tcp://" in event.text:
            notes.append(event.text)
            (run / "go").write_text("")

    try:
        assert over_cluster(two_workers.address, work, iter(range(9)), run / NAME, heard, listener) == {}
    finally:
        late[0].terminate()
    assert work.done() == set(range(9))
    (note,) = notes
    assert why in note


class Told:
    """A client whose workers answer as the test says."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers

    def run(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
        if function is digest:
            return {"tcp://a": self.answers["text"]}
        return {"tcp://a": self.answers.get(arguments[0] if arguments else "", function(*arguments))}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"tnas-cli": ModuleNotFoundError()}, "worker tcp://a has no tnas-cli, but this process has"),
        ({"torch": "1.0"}, "worker tcp://a has torch 1.0, but this process has"),
        ({"text": FileNotFoundError()}, "worker tcp://a does not see"),
        ({"text": "another run's"}, "worker tcp://a does not see"),
    ],
)
def test_workers_that_cannot_do_the_work_are_refused(answers: Mapping[str, Any], said: str, run: Path) -> None:
    with pytest.raises(TnasError, match=said):
        check_workers(Told({"text": digest(run / NAME), **answers}), run / NAME)


def test_an_address_without_a_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_CONNECT", 1)
    ran = tnas("train-eval", "DARTS_V2", "--dataset", "glyphs", "--cluster", tmp_path / "none.json", "--runs", tmp_path)
    assert ran.code == SettingsError.exit_code
    assert "there is no scheduler file" in ran.stderr
    with pytest.raises(TnasError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        over_cluster(
            ClusterAddress("tcp://127.0.0.1:9"), Write(tmp_path), iter([0]), tmp_path / NAME, lambda *_: None, ignore
        )


def test_certificates_without_a_cluster(tmp_path: Path) -> None:
    ran = tnas("train-eval", "DARTS_V2", "--dataset", "glyphs", "--tls-ca", tmp_path / "ca.pem")
    assert ran.code == SettingsError.exit_code
    assert "--tls-ca, --tls-cert and --tls-key need --cluster" in ran.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
def test_tls(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster with certificates is used with one, and not without."""
    folder = tmp_path / "dask"
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-keyout",
            ],
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    words = ("--tls-ca-file", str(certificate), "--tls-cert", str(certificate), "--tls-key", str(key))
    with dask_cluster(folder, 1, tls=(*words, "--protocol", "tls")) as cluster:
        address = json.loads(cluster.file.read_text())["address"]
        assert address.startswith("tls://")
        where = ClusterAddress(address, certificate, certificate, key)
        assert over_cluster(where, Write(run), iter([0]), run / NAME, lambda *_: None, ignore) == {}
        monkeypatch.setattr(module, "SECONDS_TO_CONNECT", 2)
        with pytest.raises(TnasError, match="no Dask scheduler answers"):
            over_cluster(ClusterAddress(address), Write(run), iter([1]), run / NAME, lambda *_: None, ignore)
    assert Write(run).done() == {0}


@pytest.fixture(scope="module")
def here(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Genotypes that were trained on this machine."""
    runs = tmp_path_factory.mktemp("here")
    succeeding("train-eval", "-", *LONG, "--runs", runs, *pipeline.here, stdin=pipeline.decoded.stdout)
    return next(runs.iterdir())


LONG = (*TRAINING, *TESTING, "--limit", 3, "--tasks", 40, "--validate-every", 20)


def equal(run: Path, other: Path) -> bool:
    """Whether two runs trained the same networks to the same end."""
    networks = sorted(path.parent.name for path in other.glob("*/result.json"))
    assert networks == sorted(path.parent.name for path in run.glob("*/result.json"))
    one, two = (json.loads((path / "result.json").read_text()) for path in (run, other))
    kept = ("mean", "interval", "per_genotype", "genotypes_trained", "inductive")
    return all(one[key] == two[key] for key in kept) and all(
        same(run / name / "last.pt", other / name / "last.pt") for name in networks
    )


def test_genotypes_are_trained_by_workers(pipeline: Pipeline, here: Path, two_workers: Cluster, tmp_path: Path) -> None:
    """To the same bits as on this machine, from a relative folder of runs."""
    words = ("train-eval", "-", *LONG, "--runs", tmp_path / "runs", "--cluster", two_workers.file, *pipeline.here)
    ran = succeeding(*words, stdin=pipeline.decoded.stdout)
    (run,) = (tmp_path / "runs").iterdir()
    assert equal(run, here)
    assert "Dask cluster at tcp://127.0.0.1:" in ran.stderr
    assert "unit(s) at a time" in ran.stderr
    assert re.search(r"workers 2  networks done \d  tasks/s [\d.]+", ran.stderr)
    assert not list(run.rglob("*.lock*"))


def test_a_killed_client_goes_on_where_it_was(
    pipeline: Pipeline, here: Path, two_workers: Cluster, tmp_path: Path
) -> None:
    """Its units end with it, or are found again by the client that resumes the run."""
    genotypes = tmp_path / "genotypes.jsonl"
    genotypes.write_text(pipeline.decoded.stdout)
    (data,) = pipeline.cache.glob("shapes-*.h5")
    shutil.copy(data, tmp_path / "shapes.h5")  # which the workers, elsewhere, know by another name than the client
    words = (
        "train-eval",
        genotypes,
        "--dataset",
        "shapes.h5",
        *LONG,
        "--runs",
        tmp_path / "runs",
        "--cluster",
        two_workers.file,
    )
    client = start(*words, *pipeline.here, cwd=tmp_path)
    until(lambda: client.poll() is not None or list((tmp_path / "runs").glob("*/*/last.pt")))
    os.kill(client.pid, signal.SIGKILL)
    client.communicate()
    (run,) = (tmp_path / "runs").iterdir()
    assert not (run / "result.json").is_file()
    succeeding("resume", run, "--cluster", two_workers.file)
    assert equal(run, here)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--side-by-side", 2), "--side-by-side 2 has no effect with --cluster"),
        (("--hours", 1), "--hours has no effect on several trainings with --cluster"),
        (("--dry-run",), "--cluster has no effect with --dry-run"),
    ],
)
def test_options_without_an_effect(words: tuple[str | int, ...], said: str, pipeline: Pipeline, tmp_path: Path) -> None:
    here = ("--runs", tmp_path, "--cluster", "tcp://127.0.0.1:9", *pipeline.here)
    ran = tnas("train-eval", "-", *TRAINING, *TESTING, *here, *words, stdin=pipeline.decoded.stdout)
    assert ran.code == SettingsError.exit_code
    assert said in ran.stderr
    assert not list(tmp_path.iterdir())
