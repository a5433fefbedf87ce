"""Settings of `tnas train-eval`: a preset, what the records say of themselves, and what the user gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.recipes.trainable import TrainableRecord, network_of
from tnas_cli.records.kinds import Decoded
from tnas_cli.settings.few_shot import TrainSettings, for_one_training, of_method, preset


def settings_for(
    records: Sequence[TrainableRecord], preset_name: str, given: Mapping[str, Any], *, trainings: int | None = None
) -> TrainSettings:
    """Settings from a preset, the genotypes' own data set, way and shot, and what the user gave, the later winning.

    trainings: how many there will be at most (None: one for each distinct genotype); of a single one, hours alone are a
    length. Raises SettingsError when the genotypes come from different settings, or name none and none is given, and
    for channels of a network that has none to choose.
    """
    network = network_of(records)
    if network is not None and "channels" in given:
        raise SettingsError(
            f"--channels has no meaning for {network}.", hint="its name says how many filters: 4conv-32 or 4conv-64"
        )
    own: dict[str, Any] = {}
    for name, value_of in _OWN.items():
        values = {value for value in map(value_of, records) if value is not None}
        if len(values) > 1 and name not in given:
            raise SettingsError(
                f"the genotypes come from different settings: {name} is {', '.join(map(str, sorted(values)))}.",
                hint=f"give --{name}, or pass them one kind at a time",
            )
        if len(values) == 1:
            own[name] = values.pop()
    if given.get("dataset", own.get("dataset")) != own.get("dataset"):
        own.pop("protocol", None)
    method = of_method("train_eval", given.get("method"))
    distinct = len({json.dumps(getattr(record, "genotype", None)) for record in records})
    single = min(distinct, distinct if trainings is None else trainings) == 1
    merged = preset("train_eval", preset_name) | method | own | (for_one_training(given) if single else dict(given))
    if "dataset" not in merged:
        raise SettingsError(
            f"{network or 'the genotype'} does not say which data set it is for.",
            hint="add --dataset, --way and --shot",
        )
    return TrainSettings.from_dict(merged)


def _data(record: TrainableRecord, name: str) -> str | None:
    """A data set's property: that of the task where it names its own, else that of the search."""
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
