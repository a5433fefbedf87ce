"""`tnas train-eval --protocol transfer`: decoded or published cells on CIFAR-10 or ImageNet (Appendix D)."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.labelled_images import LabelledImages, labelled_images
from tnas_cli.episodes.registry import dataset_of
from tnas_cli.errors import DataError, Interrupted, SettingsError
from tnas_cli.methods import transfer as training
from tnas_cli.methods.transfer import Transferred
from tnas_cli.methods.transfer_state import KIND, restore, to_checkpoint
from tnas_cli.recipes.open_cache import open_for
from tnas_cli.recipes.setting import plan_of, write_plan
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.files import write_text
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.checked import preset
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.darts_network import weights

Record = dict[str, Any]

SETTING = "transfer"


@dataclass(frozen=True)
class _Job:
    settings: TransferSettings
    records: Sequence[Record]
    chosen: Sequence[tuple[Cells, int]]
    cache: ImageCache
    train: LabelledImages
    validation: LabelledImages | None
    test: LabelledImages
    device: torch.device
    machine: Machine
    listener: events.Listener


def transfer_settings(preset_name: str, given: Mapping[str, Any]) -> TransferSettings:
    """A preset for the data set, and what the user gave, the later winning; raises SettingsError."""
    dataset = str(given.get("dataset", ""))
    name = dataset_of(Path(dataset)) if dataset.endswith((".h5", ".hdf5")) else dataset
    values = preset(SETTING, preset_name, name)
    return TransferSettings.from_dict(values | dict(given))


def transfer(
    records: Sequence[Record],
    settings: TransferSettings,
    *,
    limit: int | None = None,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Train a network of each distinct record's cells from scratch, and measure it on the test images.

    limit: only the most frequent cells. Returns the `result` record. Raises GenotypeError, SettingsError, DataError,
    and Interrupted with everything saved.
    """
    job = _prepare(records, settings, limit, machine, listener)
    name = f"train-eval-{job.cache.dataset}-transfer-{_method(records)}"
    run = RunDirectory.create(runs, name, job.settings.to_toml(), environment(job.device))
    write_plan(run, SETTING, job.settings.to_dict(), records, limit=limit, fingerprint=job.cache.fingerprint)
    return _run(job, run)


def resume(run_path: Path, *, machine: Machine = HERE, listener: events.Listener = events.ignore) -> Record:
    """Continue a stopped run to the numbers of one without a stop. Returns the `result` record."""
    run, plan, records = plan_of(run_path, SETTING)
    settings = TransferSettings.from_dict(plan["settings"])
    job = _prepare(records, settings, plan["limit"], machine.as_before(None), listener)
    if job.cache.fingerprint != plan["fingerprint"]:
        raise DataError(
            f"{job.cache.path} does not hold the images that {run_path} was trained on.",
            hint="prepare the data set again with the same protocol and seed",
        )
    return _run(job, run, resumed=True)


def _method(records: Sequence[Record]) -> str:
    methods = {record.get("method", "genotype") for record in records}
    return str(methods.pop()) if len(methods) == 1 else "mixed"


def _prepare(
    records: Sequence[Record],
    settings: TransferSettings,
    limit: int | None,
    machine: Machine,
    listener: events.Listener,
) -> _Job:
    if any("genotype" not in record for record in records):
        raise SettingsError(
            "the transfer setting trains cells, and was given a network of another kind.",
            hint="name a genotype: tnas train-eval DARTS_V2 --protocol transfer --dataset cifar10",
        )
    chosen = Counter(Cells.from_json(record["genotype"]) for record in records).most_common(limit)
    device = machine.start()
    cache = open_for(settings.dataset, settings.protocol, machine, listener)
    both = settings.train_split == "train+val"
    return _Job(
        settings.replace(protocol=cache.protocol),
        records,
        chosen,
        cache,
        labelled_images(cache, settings.train_split),
        None if both else labelled_images(cache, "val"),
        labelled_images(cache, "test"),
        device,
        machine,
        listener,
    )


def _run(job: _Job, run: RunDirectory, *, resumed: bool = False) -> Record:
    begin = time.monotonic()
    if job.machine.tensorboard:
        run.to_tensorboard()
    command = f"tnas train-eval --resume {run.path}{job.machine.data_options}"
    job.listener(events.Note(f"training {len(job.chosen)} network(s) on {len(job.train):,} images in {run.path}"))
    try:
        trained = [_one(job, run, cells, times, command) for cells, times in job.chosen]
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; everything so far is saved in {run.path}.", hint=f"continue with: {command}"
        ) from None
    first, settings = job.records[0], job.settings
    result: Record = {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "setting": SETTING,
        "run": str(run.path),
        "method": _method(job.records),
        "name": first.get("name") if len(job.records) == 1 else None,
        "network": None,
        "dataset": job.cache.dataset,
        "protocol": job.cache.protocol,
        "fingerprint": job.cache.fingerprint,
        "split": "test",
        "train_split": settings.train_split,
        **training.summarise(trained),
        "transductive": False,
        "weights": "from-scratch",
        "genotypes": len(job.records),
        "genotypes_trained": len(job.chosen),
        "layers": settings.layers,
        "channels": settings.channels,
        "seed": settings.seed,
        "wall_seconds": time.monotonic() - begin,
        "resumed": resumed,
        "budget": {"search_tasks": first.get("search_tasks"), "train_epochs": settings.epochs},
        "engine": "torch",
        **environment(job.device),
    }
    run.log(result)
    return result


def _one(job: _Job, run: RunDirectory, cells: Cells, times: int, resume_command: str) -> Transferred:
    """Train one network, or go on where it stopped, and test it; a finished one is read."""
    folder = run.path / cells.digest
    state = training.start(cells, training.shape_of(job.settings, job.train), job.settings, job.device)
    number = weights(state.network)
    done = folder / "result.json"
    if done.is_file():
        kept = json.loads(done.read_text(encoding="utf-8"))
        return Transferred(cells.digest, times, number, kept["validation"], torch.tensor(kept["right"]))
    best, last = folder / "best.pt", folder / "last.pt"
    if last.is_file():
        restore(checkpoint.load(last, KIND), state)
    about = {"settings": job.settings.to_dict(), "genotype": cells.to_json(), "run": str(run.path)}

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(state, about))

    def forward(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            event = events.Progress(event.stage, event.done, event.total, "batches", event.values)
        job.listener(event)

    drive(
        training.train(state, job.train, job.validation, job.settings, job.device),
        run,
        Saving(last=lambda: save(last), best=lambda: save(best)),
        forward,
        stage=cells.digest,
        resume=resume_command,
    )
    validation = None
    if job.validation is not None:
        validation = state.best_accuracy
        restore(checkpoint.load(best, KIND), state)
    right = training.measure(state.network, job.test, job.device)
    write_text(done, json.dumps({"validation": validation, "right": right.tolist()}) + "\n")
    return Transferred(cells.digest, times, number, validation, right)
