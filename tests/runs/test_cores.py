"""Cores that may be used: those that the process is bound to, within its control groups' shares of time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tnas_cli.runs import cores
from tnas_cli.runs.cores import usable_cores

V1, V2 = "12:memory:/m\n4:cpu,cpuacct:{}\n", "0::{}\n"


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "MOUNT", tmp_path / "fs")


def group(tmp_path: Path, groups: str, path: str, files: dict[str, dict[str, str]]) -> None:
    (tmp_path / "cgroup").write_text(groups.format(path))
    for folder, values in files.items():
        (tmp_path / "fs" / folder).mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            (tmp_path / "fs" / folder / name).write_text(value)


def v1(quota: int) -> dict[str, str]:
    return {"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "path", "files", "found"),
    [
        (V2, "/", {}, 8),
        (V2, "/", {"": {"cpu.max": "max 100000\n"}}, 8),
        (V2, "/", {"": {"cpu.max": "300000 100000\n"}}, 3),
        (V2, "/", {"": {"cpu.max": "350000 100000\n"}}, 3),
        (V2, "/", {"": {"cpu.max": "50000 100000\n"}}, 1),
        (V2, "/", {"": {"cpu.max": "9000000 100000\n"}}, 8),
        (V2, "/a/b", {"a/b": {"cpu.max": "400000 100000"}, "a": {"cpu.max": "200000 100000"}}, 2),
        (V2, "/a/b", {"a/b": {"cpu.max": "max 100000"}, "a": {"cpu.max": "200000 100000"}}, 2),
        (V2, "/seen/from/outside", {"": {"cpu.max": "100000 100000"}}, 1),
        (V2, "/", {"": {"cpu.max": "what is this"}}, 8),
        (V2, "/", {"": {"cpu.max": ""}}, 8),
        (V1, "/", {"cpu": v1(-1)}, 8),
        (V1, "/", {"cpu": v1(250000)}, 2),
        (V1, "/docker/x", {"cpu,cpuacct/docker/x": v1(400000), "cpu,cpuacct": v1(-1)}, 4),
        (V1, "/docker/x", {"cpu": v1(100000)}, 1),
        (V1 + "0::/\n", "/", {"cpu": v1(300000), "unified": {}}, 3),
        ("nonsense", "/", {}, 8),
    ],
)
def test_the_smallest_share_counts(
    tmp_path: Path, groups: str, path: str, files: dict[str, dict[str, str]], found: int
) -> None:
    group(tmp_path, groups, path, files)
    assert usable_cores() == found


def test_without_control_groups_it_is_the_cores_that_the_process_is_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_cores() == 1


@pytest.mark.parametrize(("given", "expected"), [(None, 1), ("2", 2)])
def test_threads_are_those_cores_unless_the_user_says_otherwise(given: str | None, expected: int) -> None:
    code = (
        "from tnas_cli.runs import device; device.usable_cores = lambda: 1\n"
        "import torch; device.Machine('cpu').start(); print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {} if given is None else {"OMP_NUM_THREADS": given}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(ran.stdout) == expected
