"""JSON and TOML of anybody's: what a short text may ask for is bounded, and every failure is the same error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tnas_cli.errors import DataError
from tnas_cli.plain import MOST_OF_TOML, NotPlainError, as_written, json_value, toml_values
from tnas_cli.records import reading
from tnas_cli.settings import file
from tnas_cli.settings.search import SearchSettings


def test_what_is_plain_is_read() -> None:
    value = {"a": [1, 2.5, None, True, "ü\u0000"], "b": {"c": "\ud83d\ude00"}}
    assert json_value(json.dumps(value)) == json.loads(json.dumps(value))
    assert toml_values('a = 1\n[b.c]\nd = "x.y.z"') == {"a": 1, "b": {"c": {"d": "x.y.z"}}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("{", "Expecting"),
        ("[" * 100_000, "too deeply"),
        ('{"a":' * 100_000, "too deeply"),
        ("[" * 2000 + "]" * 2000, "too deeply"),
        ("9" * 5000, "digits"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ("[" + "[]," * 3_100_000 + "1]", "millions"),
        ("[" + "{}," * 1_600_000 + "1]", "millions"),
    ],
    ids=["empty", "cut", "deep", "deep objects", "closed", "digits", "half", "half key", "lists", "objects"],
)
def test_json_that_no_program_should_read(text: str, words: str) -> None:
    with pytest.raises(NotPlainError, match=words):
        json_value(text)
    with pytest.raises(DataError):
        reading.read(text or "{")  # no text holds no record


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "Expected"),
        ("a = " + "[" * 100_000, "too deeply"),
        ("a = " + "{b=" * 100_000, "too deeply"),
        ("a = " + "9" * 5000, "digits"),
        ("a = 0x" + "f" * 5000, "digits"),
        (".".join("a" * 100_000) + " = 1", "parts"),
        ("[" + ".".join("a" * 100_000) + "]", "parts"),
        ("#" * (MOST_OF_TOML + 1), "too long"),
    ],
    ids=["cut", "deep", "deep tables", "digits", "hexadecimal", "parts", "parts of a table", "long"],
)
def test_toml_that_no_program_should_read(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(NotPlainError, match=words):
        toml_values(text)
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(Exception, match=r"settings\.toml") as caught:
        file.read(SearchSettings, tmp_path / "settings.toml")
    assert type(caught.value).__name__ == "SettingsError"


@pytest.mark.parametrize("value", [{}, None, [], {"a": {}}, {"a": "x"}, {"a": 10**400}])
def test_a_file_with_other_values(value: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kept\.json"), as_written(tmp_path / "kept.json"):
        float(value["a"])  # type: ignore[index]


def test_a_file_that_is_larger_than_records_are(tmp_path: Path) -> None:
    with (tmp_path / "log.jsonl").open("wb") as log:
        log.truncate(reading.MOST_BYTES + 1)  # takes no space on the disk
    with pytest.raises(DataError, match=r"log\.jsonl is larger than 100 MB"):
        reading.read(tmp_path / "log.jsonl")


def test_white_space_without_end_takes_no_time() -> None:
    assert reading.read(" \n" * 20_000_000 + '{"event": "x"}')[0].to_json() == {"event": "x"}
