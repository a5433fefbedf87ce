"""The text of a list of images as people's programs write it: encodings, separators, and the names of columns."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from tnas_cli.episodes.places import File
from tnas_cli.episodes.split_names import split_of
from tnas_cli.errors import DataError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Names of columns without case and signs; earlier ones go before later ones.
PATHS = (
    *("path", "filepath", "imagepath", "imgpath", "file", "filename", "imagefile", "imagefilename", "imagename"),
    *(
        "imgname",
        "image",
        "img",
        "photo",
        "picture",
        "imageid",
        "imgid",
        "id",
        "datei",
        "dateiname",
        "bild",
        "fichier",
        "archivo",
        "name",
    ),
)
LABELS = (
    *("label", "labels", "class", "classname", "classlabel", "labelname", "category", "categoryname", "target"),
    *(
        "species",
        "breed",
        "tag",
        "y",
        "classid",
        "labelid",
        "klasse",
        "kategorie",
        "classe",
        "clase",
        "etiqueta",
        "name",
    ),
)
SPLITS = ("split", "datasplit", "subset", "partition", "set", "phase", "usage", "datasettype", "dataset", "fold")
_MARKS = (
    *((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)


@dataclass(frozen=True)
class Line:
    """A line of a list: what its columns say ('' for a missing value), and its number in the file."""

    path: str
    label: str
    split: str
    number: int


@dataclass(frozen=True)
class Lines:
    """The lines of a list, the name of its column of splits if it has one, and how the text was understood."""

    lines: list[Line]
    split: str | None
    understood: str


def read_lines(file: File, is_path: Callable[[str], bool], layout: str) -> Lines:
    """Read a list; `is_path` tells whether a text names a file, for lists without a header.

    Raises DataError for what is no text, has no column of paths and labels, or no line.
    """
    text, encoding = _decoded(file)
    if text.lower().startswith("sep="):  # a first line that tells a spreadsheet the separator
        text = text.partition("\n")[2]
    columns: tuple[int, int, int | None] | None
    for separator in SEPARATORS:
        top = _rows("\n".join([line for line in text.splitlines() if line.strip()][:2]), separator, file.label, layout)
        header, first = ([row for row, _ in top] + [[], []])[:2]
        if len(header) > 1 and is_path(header[0]):
            header, columns = [], (0, 1, 2 if len(header) > 2 and split_of(header[2]) else None)
            break
        columns = _columns(header, [bool(cell) and is_path(cell) for cell in first])
        if columns is not None:
            break
    else:
        raise DataError(_no_columns(file.label, text), hint=f"expected {layout}")
    rows = _rows(text, separator, file.label, layout)[1 if header else 0 :]
    path, label, split_at = columns
    lines = [Line(_value(row, path), _value(row, label), _value(row, split_at), number) for row, number in rows]
    if not lines:
        raise DataError(f"{file.label} lists no image.", hint=f"expected {layout}")
    lines, split = _with_splits(lines, header, split_at)
    return Lines(lines, split, _understood(header, columns, SEPARATORS[separator], encoding, split))


def _decoded(file: File) -> tuple[str, str]:
    """The text, and its encoding if that is not UTF-8."""
    data = file.read()
    known = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    if known is None and len(data) > 1 and 0 in data[:2]:
        known = "utf-16-be" if data[0] == 0 else "utf-16-le"
    for encoding in (known,) if known else ("utf-8", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, "" if encoding.startswith("utf-8") else encoding
    raise DataError(f"{file.label} is no text.", hint="save the list as UTF-8 text")


def _rows(text: str, separator: str, label: str, layout: str) -> list[tuple[list[str], int]]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows = []
    try:
        for row in lines:
            if any(cell.strip() for cell in row):
                rows.append(([cell.strip() for cell in row], lines.line_num))
    except csv.Error as error:
        raise DataError(f"{label}, line {lines.line_num}: {error}.", hint=f"expected {layout}") from error
    return rows


def _columns(header: list[str], paths: list[bool]) -> tuple[int, int, int | None] | None:
    """The positions of path, label and split by their names; None without the first two.

    `paths` tells where the first line names a file. If no name is that of a path, the only one of these is; and of two
    columns the other one is the label.
    """
    plain = _plain(header)
    path = next((plain.index(name) for name in PATHS if name in plain), None)
    if (path is None or not any(paths[path : path + 1])) and sum(paths) == 1 and paths.index(True) < len(header):
        path = paths.index(True)
    label = next((plain.index(name) for name in LABELS if name in plain and plain.index(name) != path), None)
    if label is None and path is not None and len(header) == 2 and sum(paths) == 1:
        label = 1 - path
    split = next((plain.index(name) for name in SPLITS if name in plain), None)
    return None if path is None or label is None else (path, label, None if split in (path, label) else split)


def _plain(header: list[str]) -> list[str]:
    """Names of columns without case, accents and signs."""
    bare = (unicodedata.normalize("NFKD", name.lower()) for name in header)
    return [re.sub(r"[^a-z0-9]", "", name) for name in bare]


def _with_splits(lines: list[Line], header: list[str], column: int | None) -> tuple[list[Line], str | None]:
    """The lines with their splits; a column that is not called split is one only if its values are."""
    if column is None:
        return lines, None
    name = header[column] if header else "split"
    if name.lower() != "split" and not all(split_of(line.split) for line in lines):
        return [Line(line.path, line.label, "", line.number) for line in lines], None
    return lines, name


def _value(row: list[str], column: int | None) -> str:
    return "" if column is None or column >= len(row) else row[column]


def _no_columns(label: str, text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=separator, skipinitialspace=True), [])]
    lacks = "label" if any(name in _plain(header) for name in PATHS) else "path"
    return f"{label} has no column {lacks!r}; its header is {', '.join(header) or 'empty'}."


def _understood(
    header: list[str], columns: tuple[int, int, int | None], called: str, encoding: str, split: str | None
) -> str:
    """How the list was read; '' for one in the form that the documentation shows."""
    words = []
    if not header:
        words.append("without a header: path, label" + (", split" if split else ""))
    elif [header[column].lower() for column in columns[:2]] != ["path", "label"]:
        words.append(f"{header[columns[0]]} is the path and {header[columns[1]]} the label")
    if header and split and split.lower() != "split":
        words.append(f"{split} is the split")
    used = {columns[0], columns[1], columns[2] if split else None}
    unused = [name for number, name in enumerate(header) if number not in used and name]
    if unused:
        words.append(f"not used: {', '.join(unused[:5])}{', ...' if len(unused) > 5 else ''}")
    if called != "commas":
        words.append(f"separated by {called}")
    if encoding:
        words.append(f"encoded in {encoding}")
    return "; ".join(words)
