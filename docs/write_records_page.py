"""Writes the tables of docs/records.md from the dataclasses of `tnas_cli.records`: `make docs`, or run this file."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tnas_cli.records import account, kinds, other_results, parts, reported, results, run_list
from tnas_cli.records.codec import Part
from tnas_cli.records.fields import LARGEST, Range

PAGE = Path(__file__).with_name("records.md")
MARK = "## All records\n"

HEAD = """
Written by `make docs` from the classes in `tnas_cli.records`; a test compares the two. Every record has `event` and
`version`, every result `command` too. A key that is written *always* may be null where its value says so; any other is
left out where it is not known or has nothing to say.
"""

RECORDS: tuple[type[Part], ...] = (
    *(kinds.Adapted, kinds.Predicted, kinds.Decoded, kinds.FixedNetwork, kinds.Step, kinds.Validated, kinds.Halved),
    kinds.ModelCard,
    run_list.ListedRun,
    *(results.Measured, results.AdaptResult, results.TrainResult, results.SupervisedResult, results.TransferResult),
    *(results.GrowResult, other_results.GrowEstimate),
    *(results.SearchResult, other_results.SearchEstimate, other_results.TrainEstimate, other_results.DecodeResult),
    *(
        other_results.PredictResult,
        other_results.ExportResult,
        other_results.PreparedData,
        other_results.DataSets,
        other_results.DoctorResult,
        other_results.ModelsResult,
        run_list.RunsResult,
        run_list.WatchResult,
        reported.ReportResult,
        reported.ReproduceResult,
        reported.CiteResult,
    ),
    *(reported.TableRecord, reported.Comparison, reported.Outcome, reported.FigureFiles, reported.Reference),
)

#: Said once, and not again for every result that has them.
EVERY = tuple(field.name for field in dataclasses.fields(results.Measured))


def page() -> str:
    """The hand-written part as it is, and the tables after it."""
    written = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    known = [cls for room in (account, parts) for cls in vars(room).values() if isinstance(cls, type)]
    own = [cls for cls in dict.fromkeys(known) if issubclass(cls, Part) and cls is not Part]
    own += [
        reported.Side,
        reported.Difference,
        reported.ReproducedCell,
        other_results.KnownDataSet,
        other_results.UnreadableCache,
    ]
    return "\n".join([written + MARK + HEAD, *map(section, RECORDS), "## Parts of records\n", *map(section, own)])


def section(cls: type[Part]) -> str:
    """The heading, what the class says of itself, and a row per key."""
    lines = [f"### {title(cls)}", "", inspect.getdoc(cls) or "", ""]
    hidden = EVERY if issubclass(cls, results.Measured) and cls is not results.Measured else ("extra",)
    hints = get_type_hints(cls, include_extras=True)
    rows = [
        f"| {key(field)} | {words(shown(hints[field.name], field))} | {when(field)} |"
        for field in dataclasses.fields(cls)
        if field.name not in ("extra", *(n for n in hidden if n not in vars(cls).get("__annotations__", {})))
    ]
    return "\n".join([*lines, "| key | value | written |", "| --- | --- | --- |", *rows, ""])


def title(cls: type[Part]) -> str:
    """A record by its event, a result by its command, a part by its class."""
    if cls is results.Measured:
        return "Every measured `result`"
    if issubclass(cls, results.Result):
        further = ", `dry_run`" if cls.further else ""
        return f"`result` of `{cls.command}`{further}: {cls.__name__}"
    if issubclass(cls, kinds.Record):
        return f"`{cls.event}`: {cls.__name__}"
    return cls.__name__


def key(field: dataclasses.Field[Any]) -> str:
    """The key, or what stands flat among the others."""
    name = field.name.rstrip("_")
    return f"keys of its {name}" if field.metadata.get("flat") else f"`{name}`"


def when(field: dataclasses.Field[Any]) -> str:
    """Whether a key is always written."""
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return "always"
    if isinstance(field.default, str):
        return f"unless {field.default}"
    return "where known" if field.default is None else "where it says something"


def shown(hint: Any, field: dataclasses.Field[Any]) -> Any:
    """The type, without None for a key that is left out instead."""
    kinds_of = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()
    if field.default is None and types.NoneType in kinds_of:
        return Union[tuple(kind for kind in kinds_of if kind is not types.NoneType)]  # noqa: UP007  made of a tuple
    return hint


def words(hint: Any) -> str:
    """A type in plain words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return ranged(words(arguments[0]), arguments[1])
    if origin in (Union, types.UnionType):
        kinds_of = sorted(arguments, key=lambda kind: kind is types.NoneType)
        return " or ".join(words(kind) for kind in kinds_of)
    if origin is Literal:
        return ", ".join(f'"{value}"' for value in arguments)
    if origin is tuple:
        return f"list of {listed(arguments)}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "an object" if arguments[1] is object else f"{words(arguments[1])} by name"
    if isinstance(hint, type) and issubclass(hint, Part):
        name = hint.__name__
        return name if issubclass(hint, kinds.Record) else f"[{name}](#{name.lower()})"
    names: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", object: "any"}
    return "null" if hint in (None, types.NoneType) else names[hint]


def listed(arguments: Iterable[Any]) -> str:
    """What a list holds."""
    texts = [words(kind) for kind in arguments if kind is not ...]
    return ", ".join(re.sub(r"^(list|whole number|number|text)", r"\1s", text) for text in texts)


def ranged(name: str, within: Range) -> str:
    """A number with its range."""
    if within.most < LARGEST:
        return f"{name}, {within.least:g} to {within.most:g}"
    return f"{name} from {within.least:g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
