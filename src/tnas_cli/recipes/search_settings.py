"""Settings of `tnas search`: a preset, what its method changes in it, a file, and what the user gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tnas_cli.methods.registry import about_search, readers
from tnas_cli.settings.applies import refuse_settings
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.meta_learning import for_one_training
from tnas_cli.settings.preset import preset
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.registry import space

_METHOD = settings_of(SearchSettings)["method"]


def search_settings(
    preset_name: str, given: Mapping[str, Any], file: Mapping[str, Any] | None = None
) -> SearchSettings:
    """A preset, what method and space change in it, a file, and what the user gave; the later ones win.

    Raises SettingsError for an impossible value, and for a given one that the method does not read.
    """
    file = file or {}
    method = about_search(_METHOD.checked_in({**file, **given}))
    refuse_settings(given, SearchSettings, method.reads, method.name, readers(searches=True))
    named = for_one_training(given) if not file else dict(given)
    own = {**method.differs, **_nodes_of({**file, **named}.get("space"))}
    return SearchSettings.from_dict({**preset("search", preset_name), **own, **file, **named})


def _nodes_of(name: object) -> dict[str, int]:
    """The default number of nodes of a named space; raises SettingsError if there is no space of that name."""
    return {} if name is None else {"nodes": space(str(name)).nodes}
