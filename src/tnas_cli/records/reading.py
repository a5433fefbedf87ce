"""The one reader of records: JSON lines as tnas writes them, and the forms that people turn them into.

`read` takes text in which JSON objects stand one after another (on lines, or indented as jq prints them) or in one
array; bytes may have a byte-order mark or be UTF-16. `parse` makes the record of one object.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, overload

from tnas_cli.errors import DataError
from tnas_cli.plain import MOST_BYTES, NotPlainError, check_json, check_texts, why
from tnas_cli.records import kinds, other_results, reported, results, run_list
from tnas_cli.records.codec import decode
from tnas_cli.records.kinds import VERSION, Record, Unknown
from tnas_cli.records.migration import migrate
from tnas_cli.records.readers import MisfitError

R = TypeVar("R", bound=Record)
Source = Path | str | bytes | IO[str]

_WORD = re.compile(r"\S")
_HINT = "pass what a tnas command printed with --json, or a run directory"

_BY_EVENT: dict[object, type[Record]] = {
    cls.event: cls
    for cls in (
        *(
            kinds.Adapted,
            kinds.Predicted,
            kinds.Decoded,
            kinds.ModelCard,
            kinds.FixedNetwork,
            kinds.Step,
            kinds.Validated,
            kinds.Halved,
            run_list.ListedRun,
        ),
        *(reported.Reference, reported.FigureFiles, reported.TableRecord, reported.Comparison, reported.Outcome),
    )
}
_BY_COMMAND: dict[object, type[results.Result]] = {
    (cls.command, bool(cls.further)): cls
    for cls in (
        *(results.AdaptResult, results.TrainResult, results.SupervisedResult, results.TransferResult),
        *(results.GrowResult, other_results.GrowEstimate),
        *(results.SearchResult, other_results.SearchEstimate, other_results.TrainEstimate, other_results.DecodeResult),
        *(other_results.PredictResult, other_results.ExportResult, other_results.PreparedData),
        *(other_results.DoctorResult, other_results.ModelsResult, reported.ReportResult, reported.CiteResult),
        *(reported.ReproduceResult, run_list.RunsResult, run_list.WatchResult),
    )
}


@dataclass(frozen=True)
class Found:
    """One JSON object of a source, and where it begins."""

    where: str
    values: Mapping[str, object]


def kind_of(values: Mapping[str, object]) -> type[Record]:
    """The class of a record by its event and command; Unknown for any other object."""
    event, command = (value if isinstance(value, str) else None for value in map(values.get, ("event", "command")))
    if event != results.Result.event:
        return _BY_EVENT.get(event, Unknown)
    if command == other_results.DataSets.command and "data_sets" in values:
        return other_results.DataSets
    if command == "train-eval" and values.get("setting") in ("supervised", "transfer"):
        command = str(values["setting"])  # version 1 names these commands so
    return _BY_COMMAND.get((command, values.get("dry_run") is True), Unknown)


def parse(values: Mapping[str, object], where: str = "the record") -> Record:
    """The record of one JSON object, of this version or an earlier one.

    Raises DataError that names `where`, the key and its value.
    """
    cls = kind_of(values)
    if cls is Unknown:
        return Unknown(values=values)
    version = values.get("version", 1)
    if version not in range(1, VERSION + 1) or isinstance(version, bool):
        raise DataError(
            f"{where} has version {version!r}, but this tnas reads versions up to {VERSION}.",
            hint="update tnas to the version that wrote it",
        )
    try:
        return decode(cls, migrate(values) if version == 1 else values)
    except MisfitError as error:
        what = f"the {values.get('event')}'s"
        raise DataError(f"{where}: {what} {error.key!r} is {_short(error.value)}.", hint=_HINT) from error


@overload
def read(source: Source, name: str = ..., *, log: bool = ...) -> list[Record]: ...
@overload
def read(source: Source, name: str = ..., *, kind: type[R] | tuple[type[R], ...], log: bool = ...) -> list[R]: ...
def read(
    source: Source, name: str = "", *, kind: type[Any] | tuple[type[Any], ...] = Record, log: bool = False
) -> list[Any]:
    """All records of a file (a Path), of text or bytes, or of a stream, in order.

    `name` is what errors call it. `kind`: only records of this class, or of one of these; others are passed over, even
    if something is wrong with them. `log`: an incomplete last line, as a killed run may leave it, is dropped. Raises
    DataError with the name and the line.
    """
    found = values_of(source, name, log=log)
    return [parse(entry.values, entry.where) for entry in found if issubclass(kind_of(entry.values), kind)]


def values_of(source: Source, name: str = "", *, log: bool = False) -> Iterator[Found]:
    """The JSON objects of a source; raises as `read` does."""
    name = name or (str(source) if isinstance(source, Path) else "the input")
    yield from _objects(text_of(source, name), name, log=log)


def text_of(source: Source, name: str) -> str:
    """The text of a source, without a byte-order mark. Raises DataError if it cannot be read or is not text."""
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                return _decoded(_whole(file, name))
        if isinstance(source, bytes):
            return _decoded(source)
        # The bytes of standard input show their encoding.
        raw = getattr(source, "buffer", None)
        return _decoded(_whole(raw, name)) if raw is not None else source.read().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not text ({error.reason}).", hint=_HINT) from error
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"cannot read {name}: {reason}.", hint=_HINT) from error


def _whole(file: IO[bytes], name: str) -> bytes:
    raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise DataError(f"{name} is larger than {MOST_BYTES / 2**20:.0f} MB.", hint="pass it in parts")
    return raw


def _decoded(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    if raw[:2].count(0) == 1:  # a JSON text begins with a character of ASCII
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le")
    return raw.decode("utf-8-sig")


def _objects(text: str, name: str, *, log: bool) -> Iterator[Found]:
    try:
        check_json(text)
    except NotPlainError as error:
        raise DataError(f"{name} cannot be read: {error}.", hint="pass it in parts") from error
    decoder = json.JSONDecoder()
    position, line = _next(text, 0, 1)
    while position < len(text):
        where = f"{name}, line {line}"
        try:
            value, end = decoder.raw_decode(text, position)
            check_texts(value, text[position:end])
        except (ValueError, RecursionError) as error:
            if log and "\n" not in text[position:]:
                return
            known = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            reason = known if isinstance(error, json.JSONDecodeError | NotPlainError) else why(error)
            raise DataError(f"{where}: not JSON ({reason}).", hint=_HINT) from error
        for entry in value if isinstance(value, list) else [value]:
            if not isinstance(entry, dict):
                raise DataError(f"{where}: {_short(entry)} is not a JSON object.", hint=_HINT)
            yield Found(where, entry)
        position, line = _next(text, end, line + text.count("\n", position, end))


def _next(text: str, position: int, line: int) -> tuple[int, int]:
    """The position of the next character that is not white space, and its line."""
    found = _WORD.search(text, position)
    end = found.start() if found is not None else len(text)
    return end, line + text.count("\n", position, end)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
