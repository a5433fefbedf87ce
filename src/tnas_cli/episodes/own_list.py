"""A person's own list of images: which file each line names, and which lines cannot be used."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.formats import is_image_name
from tnas_cli.episodes.list_text import Line, read_lines
from tnas_cli.episodes.places import File, disk_file
from tnas_cli.episodes.split_names import split_of
from tnas_cli.episodes.twins import KEPT, LEFT
from tnas_cli.errors import DataError

LAYOUT = "a CSV with a header: path,label or path,label,split (train, val or test), paths relative to the CSV"
ENDINGS = (".csv", ".tsv", ".txt")
#: Endings that are tried for images that a list names without one.
TRIED = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".tif", ".bmp", ".webp", ".gif")
UNUSABLE_LINES = "lines that cannot be used"
AGAIN = "lines that name an image of their label again"

#: The images of each label, for each split; the split is '' in a list without splits.
Listed = dict[str, dict[str, list[File]]]


def is_list(path: Path) -> bool:
    """Whether a source is a list and not a folder or an archive."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def listed_classes(path: Path, account: Account, *, skip_bad: bool, keep_duplicates: bool) -> tuple[Listed, str | None]:
    """The images of a list by split and label, and the name of its column of splits, if it has one.

    Paths are relative to the list; where they lead nowhere, to a folder beside it. Raises DataError for lines that
    cannot be used (a missing value, a missing file, an unknown split), and counts them; with `skip_bad` they are left
    out.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is not a regular file.", hint=f"expected {LAYOUT}")
    places = _Places(path, account)
    text = read_lines(disk_file(path), lambda word: places.find(word) is not None, LAYOUT)
    if text.understood:
        account.understand(f"{path.name}: {text.understood}")
    found: Listed = {}
    problems: list[str] = []
    seen: set[tuple[Path, str, str]] = set()
    for line in text.lines:
        where, place = f"{path}, line {line.number},", places.find(line.path)
        problem = _problem(line, place, path.parent, has_split=text.split is not None)
        if problem or place is None:
            problems.append(f"{where} {problem}")
            continue
        split = split_of(line.split) or ""
        if (place, line.label, split) in seen:
            again = f"{AGAIN}{KEPT if keep_duplicates else LEFT}"
            account.duplicate(again, f"line {line.number}: {line.path}")
            if not keep_duplicates:
                continue
        seen.add((place, line.label, split))
        found.setdefault(split, {}).setdefault(line.label, []).append(disk_file(place))
    _settle(problems, path, account, skip_bad=skip_bad, left=bool(found))
    return {split: dict(sorted(classes.items())) for split, classes in found.items()}, text.split


def _problem(line: Line, place: Path | None, beside: Path, *, has_split: bool) -> str:
    """Why a line cannot be used; '' if it can."""
    for name, value in (("path", line.path), ("label", line.label), *((("split", line.split),) if has_split else ())):
        if not value:
            return f"lacks a {name}"
    if has_split and split_of(line.split) is None:
        return f"has the split {line.split!r}"
    return "" if place is not None else f"names {beside / line.path}, which is not a file"


def _settle(problems: list[str], path: Path, account: Account, *, skip_bad: bool, left: bool) -> None:
    if not problems:
        return
    if skip_bad and left:
        for problem in problems:
            account.left_out(UNUSABLE_LINES, problem.removeprefix(f"{path}, "))
        return
    more = f" {len(problems):,} lines cannot be used." if len(problems) > 1 else ""
    raise DataError(f"{problems[0]}.{more}", hint=f"complete the lines, or add --skip-bad; expected {LAYOUT}")


class _Places:
    """Finds the file that a path in a list means."""

    def __init__(self, path: Path, account: Account) -> None:
        self._list, self._account = path, account
        self._beside: list[Path] | None = None

    def find(self, word: str) -> Path | None:
        """The file, or None. Backslashes separate folders too, and an image's ending may be missing."""
        if not word:
            return None
        names = list(dict.fromkeys([word, PureWindowsPath(word).as_posix()]))
        for name in names:
            if (found := _file(self._list.parent / name)) is not None:
                return found
        for root in self._folders():
            for name in names:
                if (found := _file(root / name)) is not None:
                    self._account.understand(f"paths of {self._list.name} are relative to {root.name}/")
                    return found
        for root in (self._list.parent, *self._folders()):
            for ending in TRIED if not is_image_name(names[-1]) else ():
                if (found := _file(root / f"{names[-1]}{ending}")) is not None:
                    self._account.understand(f"paths of {self._list.name} lack the ending of their images ({ending})")
                    return found
        return None

    def _folders(self) -> list[Path]:
        if self._beside is None:
            try:
                self._beside = sorted(path for path in self._list.parent.iterdir() if path.is_dir())
            except OSError:
                self._beside = []
        return self._beside


def _file(path: Path) -> Path | None:
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):  # a name that is too long or holds a NUL, or a folder that may not be entered
        return None
