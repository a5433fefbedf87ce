"""Settings of `tnas train-eval`: a preset, what the records name, a file, and what the user gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.methods.about import About
from tnas_cli.methods.registry import about_training, readers
from tnas_cli.recipes.trainable import TrainableRecord, network_of
from tnas_cli.recipes.weights import Weights, preset_for, weights_read
from tnas_cli.records.kinds import Decoded
from tnas_cli.settings.applies import Readers, refuse_settings
from tnas_cli.settings.features import CELLS, SCRATCH_READS
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.meta_learning import for_one_training
from tnas_cli.settings.train import TrainSettings

_SETTINGS = settings_of(TrainSettings)


def settings_for(
    records: Sequence[TrainableRecord],
    preset_name: str,
    given: Mapping[str, Any],
    file: Mapping[str, Any] | None = None,
    *,
    trainings: int | None = None,
    weights: Weights = "scratch",
) -> TrainSettings:
    """A preset, what its method or the weights change in it, the genotypes' own data set, way and shot, a file, and
    what the user gave; the later ones win.

    trainings: how many there will be at most (None: one for each distinct genotype); the length of a single one may be
    given in hours alone. Raises SettingsError if the genotypes come from different settings, or if neither they nor the
    user name a data set, and for a given value that the method or the network does not read.
    """
    file = file or {}
    asked = {**file, **given}
    network, method = network_of(records), about_training(_SETTINGS["method"].checked_in(asked))
    check_given(given, method, network, weights)
    own = _own_settings(records, asked)
    distinct = len({json.dumps(getattr(record, "genotype", None)) for record in records})
    single = not file and min(distinct, distinct if trainings is None else trainings) == 1
    merged = {**preset_for(preset_name, method, weights), **own, **asked}
    if "dataset" not in merged:
        raise SettingsError(
            f"{network or 'the genotype'} does not say which data set it is for.",
            hint="add --dataset, --way and --shot",
        )
    return TrainSettings.from_dict(merged | for_one_training(given) if single else merged)


def check_given(given: Mapping[str, Any], method: About, network: str | None, weights: Weights) -> None:
    """Raises SettingsError for a setting that was given and that the weights, the network or the method do not read."""
    if weights != "scratch":
        refuse_settings(given, TrainSettings, weights_read(weights), "--weights inherited", _other_weights())
        return
    if network is not None:
        everything = frozenset(about.needs for about in _SETTINGS.values() if about.needs is not None)
        refuse_settings(given, TrainSettings, everything - {CELLS}, network, {"a genotype": everything})
    refuse_settings(given, TrainSettings, method.reads | SCRATCH_READS, method.name, readers(searches=False))


def _other_weights() -> Readers:
    return {"--weights scratch": weights_read("scratch"), "--all-tasks": weights_read("inherited, all tasks")}


def _own_settings(records: Sequence[TrainableRecord], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the records name; raises SettingsError if they disagree and the user does not decide."""
    own: dict[str, Any] = {}
    for name, value_of in _OWN.items():
        values = {value for value in map(value_of, records) if value is not None}
        if len(values) > 1 and name not in asked:
            raise SettingsError(
                f"the genotypes come from different settings: {name} is {', '.join(map(str, sorted(values)))}.",
                hint=f"give --{name}, or pass them one kind at a time",
            )
        if len(values) == 1:
            own[name] = values.pop()
    if asked.get("dataset", own.get("dataset")) != own.get("dataset"):
        own.pop("protocol", None)
    return own


def _data(record: TrainableRecord, name: str) -> str | None:
    """A data set's property: that of the task if it names its own, else that of the search."""
    if not isinstance(record, Decoded):
        return None
    own = None if record.task is None else getattr(record.task, name)
    return own if own is not None else getattr(record.data, name, None)


def _way(record: TrainableRecord) -> int | None:
    return record.way if isinstance(record, Decoded) else None


def _shot(record: TrainableRecord) -> int | None:
    return record.shot if isinstance(record, Decoded) and isinstance(record.shot, int) else None


_OWN: dict[str, Callable[[TrainableRecord], Any]] = {
    "dataset": lambda record: _data(record, "dataset"),
    "protocol": lambda record: _data(record, "protocol"),
    "way": _way,
    "shot": _shot,
    "channels": lambda record: record.channels,
}
