"""All methods by name: tnas's own, and those that other packages declare as entry points of the group `tnas.methods`.

The facts about tnas's own methods need neither their import nor PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.methods.about import OWN, About
from tnas_cli.runs.plug_ins import PlugIns

if TYPE_CHECKING:
    from tnas_cli.methods.method import Method, SearchMethod, TrainMethod

GROUP = "tnas.methods"

#: Methods that are not asked for by `--method`, and how they are.
_ELSEWHERE = {"auto-meta": "its search is `tnas grow`, its published cell the genotype Auto-Meta of `tnas train-eval`"}


def method(name: str) -> Method[Any, Any, Any]:
    """The method of that name; raises SettingsError, with a suggestion, if there is none."""
    if name in OWN:
        found: Method[Any, Any, Any] = import_module(OWN[name][1]).METHOD
        return found
    added = _ADDED.get(name)
    if added is None:
        known = _ELSEWHERE.get(name) or did_you_mean(name, [*OWN, *_ADDED.names()])
        raise SettingsError(_ADDED.problem(name) or f"unknown method {name!r}.", hint=known)
    return added


def search_method(name: str) -> SearchMethod:
    """The search method of that name; raises SettingsError if there is none."""
    about_search(name)
    return cast("SearchMethod", method(name))


def training_method(name: str) -> TrainMethod:
    """The method of that name that trains a fixed network; raises SettingsError if there is none."""
    about_training(name)
    return cast("TrainMethod", method(name))


def about(name: str) -> About:
    """The facts about a method; raises SettingsError, with a suggestion, if there is none of that name."""
    return OWN[name][0] if name in OWN else method(name).about


def about_search(name: str) -> About:
    """The facts about a search method; raises SettingsError if there is none of that name."""
    found = about(name)
    if not found.searches:
        raise SettingsError(
            f"{name} trains a given network and does not search.",
            hint=f"`tnas search` has {', '.join(search_methods())}",
        )
    return found


def about_training(name: str) -> About:
    """The facts about a method that trains a fixed network; raises SettingsError if there is none of that name."""
    found = about(name)
    if found.searches:
        raise SettingsError(
            f"{name} searches and does not train a given network.",
            hint=f"`tnas train-eval` has {', '.join(training_methods())}",
        )
    return found


def readers(*, searches: bool) -> dict[str, frozenset[str]]:
    """What each method of `tnas search`, or of `tnas train-eval`, reads."""
    return {name: found.reads for name, found in all_about().items() if found.searches == searches}


def search_methods() -> tuple[str, ...]:
    """Names of the methods of `tnas search`."""
    return tuple(name for name, found in all_about().items() if found.searches)


def training_methods() -> tuple[str, ...]:
    """Names of the methods of `tnas train-eval`."""
    return tuple(name for name, found in all_about().items() if not found.searches)


def all_about() -> dict[str, About]:
    """The facts about every method, tnas's own first; those of other packages are imported."""
    own = {name: found for name, (found, _) in OWN.items()}
    return own | {name: found.about for name, found in _ADDED.all().items()}


def differs(name: str | None) -> dict[str, Any]:
    """The settings in which a method differs from a preset; none without a method."""
    return {} if name is None else dict(about(name).differs)


def added_citations(name: str) -> tuple[str, ...]:
    """What a method of another package cites; nothing for other names, without an import."""
    added = _ADDED.get(name)
    return () if added is None else added.about.citation


def title_of(name: str) -> str | None:
    """The name of a method's result; None for an unknown method."""
    try:
        return about(name).title
    except SettingsError:
        return None


def _declaration() -> type[Method[Any, Any, Any]]:
    from tnas_cli.methods.method import Method

    return Method


_ADDED: PlugIns[Method[Any, Any, Any]] = PlugIns(GROUP, _declaration, tuple(OWN))
