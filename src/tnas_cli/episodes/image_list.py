"""Lists of images as CSV: `path,label[,split]` of your own, and the lists that come with data sets."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.episodes.places import File, disk_file
from tnas_cli.errors import DataError

LAYOUT = "a CSV with a header: path,label or path,label,split (train, val or test), paths relative to the CSV"


@dataclass(frozen=True)
class Row:
    """The requested values of one line, and where the line is ('list.csv, line 3')."""

    values: tuple[str, ...]
    where: str


def read_rows(file: File, columns: tuple[str, ...]) -> list[Row]:
    """The columns of a CSV with a header, line by line.

    Raises DataError when the file is not text, lacks a column, or a line lacks a value.
    """
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file.label} is not UTF-8 text.", hint=f"expected {LAYOUT}") from error
    lines = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    missing = [name for name in columns if name not in (lines.fieldnames or ())]
    if missing:
        raise DataError(
            f"{file.label} has no column {missing[0]!r}; its header is {', '.join(lines.fieldnames or ['empty'])}.",
            hint=f"the columns {', '.join(columns)} are needed",
        )
    rows = []
    try:
        for line in lines:
            where = f"{file.label}, line {lines.line_num},"
            values = tuple((line[name] or "").strip() for name in columns)
            if not all(values):
                raise DataError(f"{where} lacks a {columns[values.index('')]}.", hint="complete it, or leave it out")
            rows.append(Row(values, where))
    except csv.Error as error:
        raise DataError(f"{file.label}, line {lines.line_num}: {error}.", hint=f"expected {LAYOUT}") from error
    if not rows:
        raise DataError(f"{file.label} lists no image.", hint=f"expected {LAYOUT}")
    return rows


def listed_classes(path: Path, splits: tuple[str, ...]) -> list[tuple[str, str, list[File]]]:
    """The classes of your own list: (label, split, images) each; the split is '' where the list has none.

    A label may be in one split only: few-shot tasks are tested on classes never seen in training. Raises DataError for
    a line that names a missing file, an unknown split, or a label a second time in another split.
    """
    file = disk_file(path)
    header = csv.reader(file.read().decode("utf-8-sig", "replace").splitlines()[:1], skipinitialspace=True)
    has_split = "split" in [name.strip() for name in next(header, [])]
    columns = ("path", "label", "split") if has_split else ("path", "label")
    split_of: dict[str, str] = {}
    images: dict[str, list[File]] = {}
    for row in read_rows(file, columns):
        place, label = path.parent / row.values[0], row.values[1]
        split = row.values[2] if has_split else ""
        if has_split and split not in splits:
            raise DataError(f"{row.where} has the split {split!r}.", hint=f"the splits are {', '.join(splits)}")
        if not _is_file(place):
            raise DataError(f"{row.where} names {place}, which is not a file.", hint=f"expected {LAYOUT}")
        if split_of.setdefault(label, split) != split:
            raise DataError(
                f"{row.where} puts {label!r} into {split}; an earlier line puts it into {split_of[label]}.",
                hint="put all images of a label into one split, or leave the column split out",
            )
        images.setdefault(label, []).append(disk_file(place))
    return [(label, split_of[label], images[label]) for label in sorted(images)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be entered
        return False
