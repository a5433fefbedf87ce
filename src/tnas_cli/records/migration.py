"""Turns records of version 1 (tnas 0.1) into those of today."""

from __future__ import annotations

from collections.abc import Mapping

#: How version 1 stored the budget of training: the key, the unit, and what had that budget each.
_TRAINING = (
    ("train_tasks_per_genotype", "tasks", "genotype"),
    ("train_epochs", "epochs", "genotype"),
    ("inherit_tasks", "tasks", None),
)


#: Keys that mean nothing in the transfer setting, which has no tasks.
_OF_TASKS = ("way", "shot", "query", "tasks")


def migrate(values: Mapping[str, object]) -> dict[str, object]:
    """The same record in version 2. What cannot be understood stays as it is, and the reader refuses it."""
    found = {key: value for key, value in values.items() if key != "version"}
    if found.get("event") == "adapted":
        return _adapted(found)
    if found.get("event") == "genotype":
        return _counted(found)
    if found.get("event") != "result":
        return found
    setting = found.get("setting")
    if found.get("command") == "train-eval" and setting in ("supervised", "transfer"):
        found["command"] = setting
    if setting == "transfer":
        found = {key: value for key, value in found.items() if key not in _OF_TASKS}
    if isinstance(found.get("budget"), Mapping):
        found["budget"] = _budget(found["budget"])  # type: ignore[arg-type]
    # Version 1 names 4CONV, and its filters, although a relation network of other blocks was trained.
    if found.get("training") == "compare-nets" and found.get("network") is not None:
        found["network"] = "relation network"
    return found


def _budget(old: Mapping[str, object]) -> dict[str, object]:
    """The budgets of search and training, with their units."""
    named = ("search_tasks", *(key for key, _, _ in _TRAINING))
    found = {key: value for key, value in old.items() if key not in named}
    if old.get("search_tasks") is not None:
        found["search"] = {"amount": old["search_tasks"], "unit": "tasks"}
    for key, unit, each in _TRAINING:
        if old.get(key) is not None:
            found["training"] = {"amount": old[key], "unit": unit, **({"each": each} if each else {})}
    return found


def _adapted(found: dict[str, object]) -> dict[str, object]:
    """Version 1 does not say whether images were inverted; their size and normalisation are in `data`."""
    data = found.get("data")
    if isinstance(data, Mapping) and {"size", "channels", "mean", "std"} <= data.keys():
        found["preparation"] = {key: data[key] for key in ("size", "channels", "mean", "std")}
    return found


def _counted(found: dict[str, object]) -> dict[str, object]:
    """The network whose weights version 1 counted; unless it says otherwise: 5 classes, colour images, 16 channels."""
    data = found.get("data")
    colours = data.get("channels", 3) if isinstance(data, Mapping) else 3
    if found.get("parameters") is not None:
        found["counted_for"] = {
            "way": found.get("way", 5),
            "image_channels": colours,
            "channels": found.get("channels", 16),
        }
    return found
