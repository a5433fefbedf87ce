"""All spaces by name: tnas's own, and those that other packages declare as entry points of the group `tnas.spaces`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.runs.plug_ins import PlugIns

if TYPE_CHECKING:
    from tnas_cli.spaces.space import Space

GROUP = "tnas.spaces"

#: The default space, for example of records and checkpoints of version 0.1, which name none.
USUAL = "darts"

#: tnas's own spaces and their modules.
OWN = {USUAL: "tnas_cli.spaces.darts", "tiny": "tnas_cli.spaces.tiny", "enas": "tnas_cli.spaces.enas"}


def space(name: str = USUAL) -> Space:
    """The space of that name; raises SettingsError, with a suggestion, if there is none."""
    if name in OWN:
        found: Space = import_module(OWN[name]).SPACE
        return found
    added = _ADDED.get(name)
    if added is None:
        raise SettingsError(_ADDED.problem(name) or f"unknown space {name!r}.", hint=did_you_mean(name, spaces()))
    return added


def spaces() -> tuple[str, ...]:
    """Names of all spaces, without importing those of other packages."""
    return (*OWN, *_ADDED.names())


def added() -> dict[str, Space]:
    """The spaces of other packages by name; they are imported."""
    return _ADDED.all()


def _declaration() -> type[Space]:
    from tnas_cli.spaces.space import Space

    return Space


_ADDED: PlugIns[Space] = PlugIns(GROUP, _declaration, tuple(OWN))
