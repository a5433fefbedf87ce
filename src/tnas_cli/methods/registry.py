"""All methods by name: tnas's own, and those that other packages declare as entry points of the group `tnas.methods`.

Names are known without importing a method, or torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.runs.plug_ins import PlugIns

if TYPE_CHECKING:
    from tnas_cli.methods.method import Method, SearchMethod, TrainMethod

GROUP = "tnas.methods"

_SEARCH = {
    "t-nas": "t_nas",
    "t-nas++": "t_nas_plus_plus",
    "auto-maml": "auto_maml",
}
_TRAINING = {
    "maml": "maml",
    "maml++": "maml_plus_plus",
    "meta-sgd": "meta_sgd",
    "anil": "anil",
    "protonets": "proto_nets",
    "matching-nets": "matching_nets",
    "compare-nets": "compare_nets",
}
_OWN = _SEARCH | _TRAINING


def method(name: str) -> Method[Any, Any, Any]:
    """The method of that name; raises SettingsError, with a suggestion, where there is none."""
    if name in _OWN:
        found: Method[Any, Any, Any] = import_module(f"tnas_cli.methods.{_OWN[name]}").METHOD
        return found
    added = _ADDED.get(name)
    if added is None:
        raise SettingsError(f"unknown method {name!r}.", hint=did_you_mean(name, [*_OWN, *_ADDED.names()]))
    return added


def search_method(name: str) -> SearchMethod:
    """The method of that name that searches; raises SettingsError where there is none."""
    found = method(name)
    if not found.searches:
        raise SettingsError(f"{name} trains a given network.", hint=f"tnas search has {', '.join(search_methods())}")
    return cast("SearchMethod", found)


def training_method(name: str) -> TrainMethod:
    """The method of that name that trains a fixed network; raises SettingsError where there is none."""
    found = method(name)
    if found.searches:
        raise SettingsError(f"{name} searches.", hint=f"tnas train-eval has {', '.join(training_methods())}")
    return cast("TrainMethod", found)


def search_methods() -> tuple[str, ...]:
    """Names of the methods of `tnas search`; those of other packages have to be imported to tell."""
    return (*_SEARCH, *_added_names(searches=True))


def training_methods() -> tuple[str, ...]:
    """Names of the methods of `tnas train-eval`; those of other packages have to be imported to tell."""
    return (*_TRAINING, *_added_names(searches=False))


def title_of(name: str) -> str | None:
    """What a method's result is called; None for a name that is no method's."""
    try:
        return method(name).title
    except SettingsError:
        return None


def _declaration() -> type[Method[Any, Any, Any]]:
    from tnas_cli.methods.method import Method

    return Method


_ADDED: PlugIns[Method[Any, Any, Any]] = PlugIns(GROUP, _declaration, tuple(_OWN))


def _added_names(*, searches: bool) -> tuple[str, ...]:
    return tuple(name for name, found in _ADDED.all().items() if found.searches == searches)
