"""`tnas transfer`: decoded or published cells on CIFAR-10 or ImageNet (Appendix D)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.labelled_images import LabelledImages, labelled_images
from tnas_cli.episodes.registry import dataset_of
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.methods import transfer as training
from tnas_cli.methods.calibration import Bins
from tnas_cli.methods.registry import title_of
from tnas_cli.methods.transfer import Share, Transferred, TransferState
from tnas_cli.methods.transfer_state import KIND, restore, to_checkpoint
from tnas_cli.plain import as_written
from tnas_cli.recipes.data import open_data, settled
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.trainable import TrainableRecord, found_by, search_budget, space_of, trainables
from tnas_cli.recipes.units import Units, UnitsWork, do_all, set_aside
from tnas_cli.records.kinds import Decoded, Record
from tnas_cli.records.parts import Amount, Budget
from tnas_cli.records.results import TransferResult
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine, environment
from tnas_cli.runs.drive import Saving
from tnas_cli.runs.endings import CACHES, has_ending
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.cluster import check_address
from tnas_cli.scale.in_step import leading
from tnas_cli.scale.shards import OverRanks
from tnas_cli.settings.applies import refuse, refuse_together
from tnas_cli.settings.features import ENGINE
from tnas_cli.settings.preset import preset
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.darts_network import weights


def transfer_settings(
    preset_name: str, given: Mapping[str, Any], file: Mapping[str, Any] | None = None
) -> TransferSettings:
    """A preset for the data set, a file, and what the user gave; the later ones win. Raises SettingsError, also for a
    given value that another setting switches off."""
    asked = {**(file or {}), **given}
    dataset = str(asked.get("dataset", ""))
    name = dataset_of(Path(dataset)) if has_ending(dataset, CACHES) else dataset
    settings = TransferSettings.from_dict({**preset("transfer", preset_name, name), **asked})
    refuse_together(given, settings)
    return settings


@dataclass(frozen=True)
class Transfer(Recipe):
    """A network of many cells for each distinct genotype, trained from scratch on one data set and measured on its test
    images. limit: only the most frequent cells."""

    settings: TransferSettings
    given: Sequence[TrainableRecord]
    limit: int | None = None
    kind: ClassVar[str] = "transfer"

    @property
    def options(self) -> Mapping[str, Any]:
        return {"limit": self.limit}

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        return cls(TransferSettings.from_dict(settings), trainables(given), options["limit"])

    def prepare(self, machine: Machine, listener: events.Listener) -> TransferWork:
        """Raises GenotypeError, SettingsError and DataError."""
        if machine.cluster is not None:
            check_address(machine.cluster)
        if machine.engine == "fused":
            refuse(["engine"], {"engine": ENGINE}, frozenset(), "tnas transfer, which PyTorch computes", {})
        genotypes = [record for record in self.given if isinstance(record, Decoded)]
        if len(genotypes) < len(self.given) or not genotypes:
            raise SettingsError(
                "the transfer setting trains cells, but was given another kind of network.",
                hint="name a genotype: tnas transfer DARTS_V2 --dataset cifar10",
            )
        chosen = Counter(Cells.from_json(record.genotype) for record in genotypes).most_common(self.limit)
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        settings = settled(self.settings, cache)
        train = labelled_images(cache, settings.train_split)
        validation = None if settings.train_split == "train+val" else labelled_images(cache, "val")
        test = labelled_images(cache, "test")
        return TransferWork(self, settings, genotypes, chosen, cache, train, validation, test, device, machine)


@dataclass(frozen=True)
class TransferWork(UnitsWork):
    """Cells that are ready to be trained: `chosen`, each with how many records decoded to it; each is one unit."""

    recipe: Transfer
    settings: TransferSettings
    genotypes: Sequence[Decoded]
    chosen: Sequence[tuple[Cells, int]]
    cache: ImageCache
    train: LabelledImages
    validation: LabelledImages | None
    test: LabelledImages
    device: torch.device
    machine: Machine
    engine: None = None

    @property
    def name(self) -> str:
        return f"transfer-{self.cache.dataset}-{found_by(self.genotypes)}"

    def run(self, life: Life) -> TransferResult:
        what = f"training {len(self.chosen)} network(s) on {len(self.train):,} images in {life.run.path}"
        life.listener(events.Note(what))
        aside = do_all(self, "networks", life)
        reached = [self._finished(life.run, item) for item in range(len(self.chosen))]
        trained = [one for one in reached if one is not None]
        if not trained:
            raise next(iter(aside.values()))
        if aside:
            note = f"trained {len(trained)} of {len(reached)} networks: the others were set aside"
            life.listener(events.Note(note))
        return self._result(life, trained, {self.chosen[item][0].digest: aside[item] for item in sorted(aside)})

    def units(self, stage: str, run: RunDirectory) -> TransferNetworks:
        return TransferNetworks(self)

    def elsewhere(self) -> Transfer:
        return replace(self.recipe, settings=self.settings)

    def file(self, run: RunDirectory, item: int) -> Path:
        """What a network leaves when it is trained and tested."""
        return run.path / self.chosen[item][0].digest / "result.json"

    def _finished(self, run: RunDirectory, item: int) -> Transferred | None:
        cells, times = self.chosen[item]
        done = self.file(run, item)
        if not done.is_file():
            return None
        shape = training.shape_of(self.settings, self.train)
        number, kept = weights(training.start(cells, shape, self.settings, self.device).network), read_json(done)
        with as_written(done):
            bins = Bins.from_json(kept["bins"]) if "bins" in kept else None
            return Transferred(cells.digest, times, number, kept["validation"], torch.tensor(kept["right"]), bins)

    @property
    def shards(self) -> int:
        """The parts of a step's batch."""
        return self.settings.shards

    def start(self, number: int) -> TransferState:
        """The state of a network before its first step."""
        shape = training.shape_of(self.settings, self.train)
        return training.start(self.chosen[number][0], shape, self.settings, self.device)

    def shares(self, state: TransferState, rank: int, size: int) -> list[Share]:
        """What a process of a group computes of the next step."""
        batch = training.batch_of(state, self.train, self.settings, self.device)
        return training.shares_of(state.network, batch, self.settings, rank, size)

    def train_one(self, life: Life, item: int) -> None:
        """Train one network, or go on where it stopped, and test it."""
        cells, done = self.chosen[item][0], self.file(life.run, item)
        state = self.start(item)
        folder = done.parent
        best, last = folder / "best.pt", folder / "last.pt"
        if last.is_file():
            restore(checkpoint.load(last, KIND), state)
        life.rewind(cells.digest, state.steps, (entry["steps"] for entry in state.history))
        about = {"settings": self.settings.to_dict(), "genotype": cells.to_json(), "run": str(life.run.known_as)}

        def save(path: Path) -> None:
            checkpoint.save(path, to_checkpoint(state, about))

        leader = leading()
        shares = None if leader is None else OverRanks(leader, self, item)
        steps = training.train(state, self.train, self.validation, self.settings, self.device, shares)
        saving = Saving(last=lambda: save(last), best=lambda: save(best))
        life.drive(steps, saving, stage=cells.digest, unit="batches", history=state.history)
        validation = None
        if self.validation is not None:
            validation = state.best_accuracy
            restore(checkpoint.load(best, KIND), state)
        right, bins = training.measure(state.network, self.test, self.device)
        kept = {"validation": validation, "right": right.tolist(), "bins": asdict(bins)}
        write_text(done, json.dumps(kept) + "\n")

    def _result(self, life: Life, trained: list[Transferred], aside: Mapping[str, TnasError]) -> TransferResult:
        settings, method = self.settings, found_by(self.genotypes)
        summary = training.summarise(trained)
        return TransferResult(
            run=str(life.run.path),
            method=method,
            title=title_of(method),
            name=self.genotypes[0].name if len(self.genotypes) == 1 else None,
            network=None,
            space=space_of(self.genotypes),
            dataset=self.cache.dataset,
            protocol=self.cache.protocol,
            fingerprint=self.cache.fingerprint,
            split="test",
            train_split=settings.train_split,
            **vars(summary),
            preparation=preparation_of(self.cache),
            transductive=False,
            weights="from-scratch",
            genotypes=len(self.genotypes),
            genotypes_trained=len(trained),
            set_aside=set_aside(aside),
            layers=settings.layers,
            channels=settings.channels,
            seed=settings.seed,
            wall_seconds=life.seconds,
            resumed=life.resumed,
            budget=Budget(
                search=search_budget(self.genotypes),
                training=Amount(amount=settings.epochs, unit="epochs", each="genotype"),
            ),
            engine=self.engine_name,
            environment=environment(self.device),
        )


@dataclass(frozen=True)
class TransferNetworks(Units):
    """Each distinct network of many cells."""

    work: TransferWork

    def __len__(self) -> int:
        return len(self.work.chosen)

    def file(self, run: RunDirectory, item: int) -> Path:
        return self.work.file(run, item)

    def do(self, life: Life, item: int) -> None:
        self.work.train_one(life, item)
