"""The one reader, with files of records in the forms that people give them."""

from __future__ import annotations

import codecs
import io
import json
from pathlib import Path

import pytest

from tests.records.examples import EVERY, a_decoded, a_training, an_adapted
from tnas_cli.errors import DataError
from tnas_cli.records import kinds, results, writing
from tnas_cli.records.reading import read, values_of

LINES = "".join(map(writing.line, EVERY))


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", "\n\n  \n"),
        "\n".join(json.dumps(record.to_json(), indent=2) for record in EVERY),
        json.dumps([record.to_json() for record in EVERY]),
        json.dumps([record.to_json() for record in EVERY], indent=4, ensure_ascii=False),
    ],
    ids=["lines", "of Windows", "empty lines", "indented", "array", "indented array"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_form_gives_the_same_records(tmp_path: Path, text: str, encoding: str) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(text.encode(encoding))
    assert read(file) == EVERY
    assert read(file.read_bytes(), "x") == EVERY
    assert read(io.TextIOWrapper(io.BytesIO(file.read_bytes())), "standard input") == EVERY


def test_a_big_endian_mark_is_known() -> None:
    assert read(codecs.BOM_UTF16_BE + LINES.encode("utf-16-be")) == EVERY
    assert read("\ufeff" + LINES) == EVERY and read(io.StringIO("\ufeff" + LINES)) == EVERY


def test_only_the_kind_that_is_asked_for_is_checked() -> None:
    broken = json.dumps(an_adapted().to_json() | {"theta": "x"}) + "\n"
    (found,) = read(broken + writing.line(a_training()), kind=results.Measured)
    assert found.mean == 0.9876
    with pytest.raises(DataError, match="'theta' is 'x'"):
        read(broken, kind=kinds.Adapted)


def test_a_half_last_line_is_dropped_from_a_log_alone() -> None:
    text = writing.line(a_training()) + '{"event": "step", "stage": "se'
    assert read(text, "log", log=True) == [a_training()]
    with pytest.raises(DataError, match="x, line 2: not JSON"):
        read(text, "x")
    with pytest.raises(DataError, match="log, line 1: not JSON"):
        read("nonsense\n" + text, "log", log=True)


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(json.dumps(a_decoded().to_json(), indent=1) + '\n{"event": "result", "command": "cite"}\n')
    lines = len(json.dumps(a_decoded().to_json(), indent=1).splitlines())
    with pytest.raises(DataError) as caught:
        read(file)
    assert caught.value.message == f"{file}, line {lines + 1}: the result's 'methods' is None."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[1, 2]\n", "line 1: 1 is not a JSON object"),
        (b"7\n", "line 1: 7 is not a JSON object"),
        (b"\n{}\n]", "line 3: not JSON"),
        (b"[" * 100_000, "line 1: not JSON (nested too deeply)"),
        (b"\x80\x81\x82", "is not text"),
        (b"\xff\xfe\x00\xd8", "is not text"),
    ],
)
def test_what_cannot_be_read_is_named(raw: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(raw, "x")
    assert caught.value.message.startswith("x") and message in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*missing.jsonl: No such file"):
        read(tmp_path / "missing.jsonl")


def test_where_each_object_begins() -> None:
    found = list(values_of('\n{"a": 1} {"b":\n 2}\n{"c": 3}', "x"))
    assert [entry.where for entry in found] == ["x, line 2", "x, line 2", "x, line 4"]
    assert [dict(entry.values) for entry in found] == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_nothing_is_no_record() -> None:
    assert read("") == read(b"") == read(" \n\n") == read("[]") == []
