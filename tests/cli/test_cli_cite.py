"""`tnas cite` as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.results import a_result, a_run
from tests.running import Argument, succeeding, tnas
from tnas_cli.version import __version__

ALWAYS = ["lian2020tnas", "tnas"]
SEARCH = {"event": "result", "version": 1, "command": "search", "method": "t-nas", "dataset": "omniglot"}
SEARCH |= {"protocol": "vinyals", "checkpoint": "best.pt", "way": 5, "shot": 1, "seed": 0, "tasks": 8}
SEARCH |= {"validation_accuracy": 0.9}


def keys(*arguments: Argument, stdin: str = "") -> list[str]:
    return re.findall(r"^@\w+\{(\w+),$", succeeding("cite", *arguments, stdin=stdin).stdout, re.MULTILINE)


def test_without_a_run_the_paper_and_the_version_of_tnas() -> None:
    ran = succeeding("cite")
    assert keys() == ALWAYS
    assert f"Version {__version__}" in ran.stdout and ran.stderr == ""


def test_a_run_that_measured(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", a_result(dataset="fc100", protocol="superclasses"))
    assert keys(run) == [*ALWAYS, "liu2019darts", "finn2017maml", "oreshkin2018tadam", "krizhevsky2009cifar"]
    ran = succeeding("cite", run)
    assert ran.stderr == "6 references for t-nas, fc100\n"


def test_a_search_run_and_its_split(tmp_path: Path) -> None:
    assert keys(a_run(tmp_path / "run", SEARCH))[-2:] == ["vinyals2016matching", "lake2015omniglot"]


def test_a_run_that_is_not_finished_has_its_settings(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('method = "maml"\ndataset = "cifar-fs"\nprotocol = "bertinetto"\n')
    (tmp_path / "genotypes.jsonl").write_text(json.dumps({"event": "network", "network": "4conv-32"}) + "\n")
    assert keys(tmp_path) == [*ALWAYS, "finn2017maml", "bertinetto2019closedform", "krizhevsky2009cifar"]


def test_what_trained_the_weights_is_cited_too(tmp_path: Path) -> None:
    assert "antoniou2019mamlpp" in keys(a_run(tmp_path / "run", a_result(training="maml++")))


def test_records_from_stdin_name_the_data_of_their_search() -> None:
    record: dict[str, Any] = {"event": "genotype", "genotype": {}, "method": "auto-maml"}
    record["data"] = {"channels": 1, "dataset": "omniglot", "protocol": "random"}
    assert keys("-", stdin=json.dumps(record)) == [*ALWAYS, "liu2019darts", "finn2017maml", "lake2015omniglot"]


def test_json_ends_with_the_result(tmp_path: Path) -> None:
    *references, result = succeeding("cite", a_run(tmp_path / "run", a_result()), "--json").records
    assert {record["event"] for record in references} == {"reference"}
    assert (result["event"], result["command"], result["references"]) == ("result", "cite", len(references))
    assert (result["methods"], result["datasets"]) == (["t-nas"], ["omniglot"])


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        ("", "names no method and no data set"),
        ('{"event": "step"}', "names no method and no data set"),
        ("{broken", "line 1: not JSON"),
        ("[1]", "line 1: 1 is not a JSON object"),
        (b"\xff\xfe\x00", "is not text"),
    ],
)
def test_what_cannot_be_cited_is_named(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "source"
    if content is not None:
        write(path, content)
    ran = tnas("cite", path)
    assert (ran.code, ran.stdout) == (3, "")
    assert words in ran.stderr and str(path) in ran.stderr and "hint:" in ran.stderr


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    assert tnas("cite", tmp_path).code == 3
