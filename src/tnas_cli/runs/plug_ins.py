"""What other packages add through entry points: listed by name, loaded on demand. Broken ones are left out.

    [project.entry-points."tnas.methods"]
    reptile = "my_package.reptile:METHOD"

Names are known without an import. `problems` says what was left out, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Declared = TypeVar("Declared")

_problems: dict[tuple[str, str], str] = {}


def problems() -> tuple[str, ...]:
    """A sentence for each plug-in that was left out so far, in the order in which they were found."""
    return tuple(_problems.values())


@dataclass(frozen=True)
class PlugIns(Generic[Declared]):
    """The declarations of one group of entry points; names in `taken` are tnas's own.

    kind: gives their type when the first one is loaded, so that names alone need no import.
    """

    group: str
    kind: Callable[[], type[Declared]]
    taken: Collection[str] = ()
    _loaded: dict[str, Declared | None] = field(default_factory=dict, repr=False)

    def names(self) -> tuple[str, ...]:
        """Names in alphabetical order, without those that were found to be broken; nothing is imported."""
        return tuple(sorted(name for name in self._entries() if self._loaded.get(name, self) is not None))

    def get(self, name: str) -> Declared | None:
        """The declaration of that name; None where there is none, or where it is broken."""
        if name not in self._loaded:
            entry = self._entries().get(name)
            self._loaded[name] = None if entry is None else self._load(entry)
        return self._loaded[name]

    def all(self) -> dict[str, Declared]:
        """Every declaration that can be used, by name; imports the packages."""
        found = {name: self.get(name) for name in self.names()}
        return {name: declared for name, declared in found.items() if declared is not None}

    def problem(self, name: str) -> str | None:
        """Why the plug-in of that name was left out; None if there is none, or nothing is wrong with it."""
        return next((said for (group, of), said in _problems.items() if (group, of) == (self.group, name)), None)

    def _entries(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in _declared(self.group):
            if entry.name in self.taken:
                self._leave_out(entry, "tnas has one of that name")
            elif entry.name in found and found[entry.name].value != entry.value:
                self._leave_out(entry, f"{found[entry.name].value} has the same name")
            else:
                found.setdefault(entry.name, entry)
        return found

    def _load(self, entry: EntryPoint) -> Declared | None:
        try:
            declared = entry.load()
        except (Exception, SystemExit) as error:  # whatever another package does, tnas goes on
            self._leave_out(entry, f"{type(error).__name__}: {error}")
            return None
        own = getattr(declared, "name", entry.name)
        kind = self.kind()
        if isinstance(declared, kind) and own == entry.name:
            return declared
        wrong = f"it calls itself {own!r}" if own != entry.name else f"it is not a {kind.__name__}"
        self._leave_out(entry, wrong)
        return None

    def _leave_out(self, entry: EntryPoint, why: str) -> None:
        package = (entry.dist.name if entry.dist is not None else None) or entry.value
        said = f"{entry.name!r} ({self.group}) of the package {package} is left out: {why.rstrip('.')}."
        _problems.setdefault((self.group, entry.name), said)


def _declared(group: str) -> Iterable[EntryPoint]:
    """The entry points of a group; a package whose entry points cannot be read is left out, and named."""
    from importlib.metadata import distributions, entry_points  # 20 ms that `tnas --help` need not wait for

    try:
        return entry_points(group=group)
    except Exception:  # one malformed package would hide all others: read them one by one
        found: list[EntryPoint] = []
        for package in distributions():
            try:
                found += package.entry_points.select(group=group)
            except Exception as error:
                said = f"the entry points of the package {package.name} cannot be read: {type(error).__name__}: {error}"
                _problems.setdefault(("", package.name), said.rstrip(".") + ".")
        return found
