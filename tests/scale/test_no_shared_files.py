"""Workers that see no files of the client: their kernel shows them an empty folder in place of the tests'.

What a unit needs is sent to them, and its checkpoints come back; the results are those of this machine, to the bit.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SEARCH, Pipeline
from tests.methods import class_pictures as pictures
from tests.recipes.test_recipes_supervised import TINY
from tests.running import succeeding, task_folder, until
from tests.scale.cluster_works import Count
from tests.scale.dask_cluster import Cluster, dask_cluster
from tests.scale.test_cluster import LONG as TRAINED
from tests.scale.test_cluster import equal, here
from tests.scale.test_kinds_on_a_cluster import BUDGET, options, signs, told
from tests.scale.test_torchrun import same
from tnas_cli.recipes import sent
from tnas_cli.runs import checkpoint
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Progress, ignore
from tnas_cli.runs.interrupt import StoppedError, ask_to_stop, stop_request
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.run_file import NAME
from tnas_cli.scale.over_cluster import over_cluster

SEPARATE = ["unshare", "-rm", "true"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(subprocess.run(SEPARATE, check=False).returncode != 0, reason="needs Linux namespaces"),
]

__all__ = ["here", "signs"]


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    base = tmp_path_factory.getbasetemp()
    with dask_cluster(tmp_path_factory.mktemp("apart"), 2, hidden=base) as cluster:
        yield cluster


def there(cluster: Cluster) -> tuple[str | Path, ...]:
    return ("--cluster", cluster.file, "--no-shared-files")


def validations(run: Path) -> list[dict[str, Any]]:
    """What the log says of validations, by the networks and in their order."""
    lines = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    found = [line for line in lines if line["event"] == "validated"]
    return sorted(found, key=lambda line: line["stage"])


def test_a_killed_workers_training_goes_on_from_what_it_has_sent(
    pipeline: Pipeline, here: Path, apart: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings that end after each checkpoint, on workers of which one is killed in the middle."""
    monkeypatch.setattr(sent, "SECONDS_BETWEEN_CHECKPOINTS", 0.1)
    outcomes: list[str] = []
    receive = sent.Sent.receive

    def receiving(self: sent.Sent, files: Any) -> None:
        outcomes.append(" ".join(sorted(place.rpartition("/")[2] for place in files)))
        receive(self, files)

    def kill() -> None:
        until(lambda: list((tmp_path / "runs").glob("*/*/last.pt")))
        apart.worker()
        apart.processes[1].kill()

    monkeypatch.setattr(sent.Sent, "receive", receiving)
    thread = threading.Thread(target=kill)
    thread.start()
    words = ("train-eval", "-", *TRAINED, "--runs", tmp_path / "runs", *there(apart), *pipeline.here)
    succeeding(*words, stdin=pipeline.decoded.stdout)
    thread.join()
    (run,) = (tmp_path / "runs").iterdir()
    assert equal(run, here)
    assert validations(run) == validations(here)
    assert len([files for files in outcomes if "last.pt" in files and "result.json" not in files]) >= 3, outcomes


def test_what_comes_back_is_kept_in_an_order_that_a_kill_does_not_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log, then checkpoints, of which `last` is the last one, then the result; and what was removed is removed."""
    order: list[str] = []
    write = sent.write_bytes
    monkeypatch.setattr(sent, "write_bytes", lambda path, data: (order.append(path.name), write(path, data)))
    units = sent.Sent.__new__(sent.Sent)
    units.client = (None, RunDirectory(tmp_path))  # type: ignore[assignment]
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "top-2.pt").write_bytes(b"old")
    names = ("result.json", "last.pt", "top-4.pt", "best.pt")
    files = {f"run/n/{name}": name.encode() for name in names} | {"run/events.jsonl": b'{"event": "step"}\n'}
    units.receive({**files, "run/n/top-2.pt": None})
    assert order[-2:] == ["last.pt", "result.json"] and len(order) == 4
    assert {path.name: path.read_bytes() for path in (tmp_path / "n").iterdir()} == {n: n.encode() for n in names}
    assert (tmp_path / "events.jsonl").read_text() == '{"event": "step"}\n'


def test_a_stop_brings_back_what_is_under_way(apart: Cluster, tmp_path: Path) -> None:
    """Also what has not been saved before; what the unit removes is removed here."""
    (tmp_path / NAME).write_text("{}")
    where = ClusterAddress(str(apart.file), shared_files=False)

    def heard(item: int, event: Event) -> None:
        if isinstance(event, Progress) and event.done >= 3:
            ask_to_stop()

    with stop_request(), pytest.raises(StoppedError):
        over_cluster(where, Count(tmp_path, 10_000), iter([0]), tmp_path / NAME, heard, ignore)
    saved = int((tmp_path / "0.saved").read_text())
    assert saved >= 3
    seen: list[int] = []
    done = Count(tmp_path, saved + 2)

    def goes_on(item: int, event: Event) -> None:
        seen.extend([event.done] if isinstance(event, Progress) else [])

    assert over_cluster(where, done, iter([0]), tmp_path / NAME, goes_on, ignore) == {}
    assert min(seen) > saved
    assert {path.name for path in tmp_path.iterdir()} == {NAME, "0.done"}


def test_inherited_weights_of_a_data_set_by_its_path(
    pipeline: Pipeline, apart: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of the search and the data are sent; tests, here of all tasks, read what the training has left."""
    (data,) = pipeline.cache.glob("shapes-*.h5")
    words = ("train-eval", "-", "--weights", "inherited", "--checkpoint", pipeline.best, *BUDGET, "--dataset", data)
    words += ("--all-tasks", "--test-tasks", 2, "--runs", tmp_path, "--threads", 1, "--json")
    one = succeeding(*words, stdin=pipeline.decoded.stdout).result
    other = succeeding(*words, *there(apart), stdin=pipeline.decoded.stdout).result
    assert told(other) == told(one)
    assert same(Path(one["run"]) / "best.pt", Path(other["run"]) / "best.pt")
    assert about(Path(other["run"]) / "best.pt")["run"] == str(Path(other["run"]).resolve())
    assert about(Path(other["run"]) / "best.pt")["settings"]["dataset"] == str(data)


def about(path: Path) -> dict[str, Any]:
    return checkpoint.load(path, *checkpoint.KINDS).about


def test_seeds(pipeline: Pipeline, apart: Cluster, tmp_path: Path) -> None:
    """Files of several runs come back to the right one."""
    words = ("search", *SEARCH, "--seeds", 2, "--runs", tmp_path, *pipeline.here, "--json")
    one, other = (succeeding(*words, *more).result["runs"] for more in ((), there(apart)))
    assert all(
        same(Path(first) / "last.pt", Path(second) / "last.pt") for first, second in zip(one, other, strict=True)
    )


def test_tasks(pipeline: Pipeline, apart: Cluster, tmp_path: Path) -> None:
    """Of a data set, and of folders."""
    folders = [task_folder(tmp_path / f"task-{first}", range(first, first + 3)) for first in (0, 3, 6)]
    for what in (folders, ["--dataset", "shapes", "--tasks", 10]):
        words = ("adapt", pipeline.best, *what, *pipeline.here, "--json")
        one, other = succeeding(*words), succeeding(*words, *there(apart))
        assert [told(record) for record in other.records] == [told(record) for record in one.records]


def test_searches_and_trainings_of_single_tasks(signs: Path, apart: Cluster, tmp_path: Path) -> None:
    """S2: the trainings read what the searches of the stage before have found."""
    words = ("supervised", "--dataset", signs, "--method", "s2", *options({**TINY, "epochs": 1, "search_epochs": 1}))
    words += ("--threads", 1, "--runs", tmp_path, "--json")
    one, other = succeeding(*words), succeeding(*words, *there(apart))
    assert told(other.result) == told(one.result)


def test_cells(apart: Cluster, tmp_path: Path) -> None:
    """`transfer`: running statistics and momentum are sent, too."""
    pictures.cache(data := tmp_path / "toy-images-20.h5")
    words = ("transfer", "DARTS_V2", "--dataset", data, "--layers", 3, "--channels", 4, "--epochs", 1, "--batch", 24)
    words += ("--threads", 1, "--device", "cpu", "--runs", tmp_path, "--json")
    one, other = succeeding(*words).result, succeeding(*words, *there(apart)).result
    assert told(other) == told(one)
    first, second = (next(Path(result["run"]).glob("*/last.pt")) for result in (one, other))
    assert same(first, second)
