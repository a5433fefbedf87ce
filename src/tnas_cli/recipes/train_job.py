"""What a run of `tnas train-eval` has to do: from its records and settings, or from its folder to go on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.methods.meta_learn import Plan
from tnas_cli.methods.zoo import TRAIN
from tnas_cli.recipes.tasks_of import image_counts, open_data
from tnas_cli.recipes.trainable import Trainable, network_of
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import write_text
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale import processes as side_by_side
from tnas_cli.settings.few_shot import TrainSettings

Record = dict[str, Any]

#: More processes than this are not started unless asked for: each holds a network's memory of its own.
MOST_SIDE_BY_SIDE = 8

#: Trainings on fewer tasks than this do not make up for the seconds that starting processes takes.
LONG_ENOUGH = 500


@dataclass(frozen=True)
class Job:
    """What all networks of a run have in common, which they are with how many tasks decoded to each, and how many are
    trained at a time (`side_by_side`)."""

    settings: TrainSettings
    records: Sequence[Record]
    chosen: Sequence[tuple[Trainable, int]]
    limit: int | None
    cache: ImageCache
    device: torch.device
    machine: Machine
    engine: Engine
    side_by_side: int
    listener: events.Listener

    @property
    def plan(self) -> Plan:
        """How each network is trained. A limit of time ends the training of a single network; of several it decides
        how many are trained."""
        return Plan.of(self.settings if len(self.chosen) == 1 else self.settings.replace(hours=0.0))

    def write(self, run: RunDirectory) -> None:
        """Keep in the run's folder what `read` needs."""
        plan = {"settings": self.settings.to_dict(), "limit": self.limit, "fingerprint": self.cache.fingerprint}
        plan["engine"] = self.engine.name
        write_text(run.path / "genotypes.jsonl", "".join(json.dumps(record) + "\n" for record in self.records))
        write_text(run.path / "plan.json", json.dumps(plan) + "\n")


def prepare(
    records: Sequence[Record],
    settings: TrainSettings,
    limit: int | None,
    machine: Machine,
    listener: events.Listener,
    at_a_time: int | None = 1,
) -> Job:
    """The job of `genotype` records, or of a `network` record; what cannot be trained is refused now.

    at_a_time: None for as many as that is faster for. Raises SettingsError, DataError and GenotypeError.
    """
    network = network_of(records)
    device = machine.start()
    cache = open_data(settings, machine, listener)
    genotypes = Counter(map(Trainable.of, records))
    chosen = genotypes.most_common(limit)
    if network is not None:
        listener(events.Note(f"training {network}"))
    elif len(chosen) < len(genotypes):
        listener(events.Note(f"training {len(chosen)} of {len(genotypes)} distinct genotypes, the most frequent first"))
    else:
        listener(events.Note(f"training {len(chosen)} distinct of {len(records)} genotypes"))
    first = chosen[0][0].build(settings, cache)
    method = TRAIN[settings.method]
    method.start(first, settings, "check", torch.device("cpu"))
    engine = choose_engine(
        machine.engine if method.by_engine else "torch",
        first,
        device,
        second_order=settings.order == "second",
        side=cache.size,
        images=image_counts(settings),
        listener=listener,
    )
    if at_a_time is None and settings.tasks < LONG_ENOUGH:
        at_a_time = 1
    count = _at_a_time(at_a_time, engine, device, len(chosen))
    settings = settings.replace(protocol=cache.protocol)
    return Job(settings, records, chosen, limit, cache, device, machine, engine, count, listener)


def _at_a_time(asked: int | None, engine: Engine, device: torch.device, networks: int) -> int:
    """How many networks are trained at a time; raises SettingsError where they cannot be."""
    if asked is None:
        # One thread per network wastes nothing on waiting for the others; PyTorch's operations use all threads anyway.
        fast = engine.name == "fused" and side_by_side.AVAILABLE
        return min(networks, torch.get_num_threads(), MOST_SIDE_BY_SIDE) if fast else 1
    if asked > 1 and (device.type != "cpu" or not side_by_side.AVAILABLE):
        raise SettingsError(
            f"--side-by-side {asked} is for CPUs, and not for Windows; the device is {device.type}.",
            hint="leave it out",
        )
    return min(asked, networks)


def read(
    run_path: Path,
    machine: Machine,
    listener: events.Listener,
    *,
    hours: float | None = None,
    at_a_time: int | None = 1,
) -> Job:
    """The job of a run directory; `hours`: a new limit. Raises DataError where it is none, or its images changed."""
    try:
        plan = json.loads((run_path / "plan.json").read_text(encoding="utf-8"))
        lines = (run_path / "genotypes.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        settings, limit, fingerprint = TrainSettings.from_dict(plan["settings"]), plan["limit"], plan["fingerprint"]
        engine = plan.get("engine")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{run_path} is not a train-eval run.", hint="pass a folder that `tnas train-eval` made"
        ) from error
    if hours is not None:
        settings = settings.replace(hours=hours)
    job = prepare(records, settings, limit, machine.as_before(engine), listener, at_a_time)
    if job.cache.fingerprint != fingerprint:
        raise DataError(
            f"{job.cache.path} does not hold the images that {run_path} was trained on.",
            hint="prepare the data set again with the same protocol and seed",
        )
    return job
