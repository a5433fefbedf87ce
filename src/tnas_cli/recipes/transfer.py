"""`tnas transfer`: decoded or published cells on CIFAR-10 or ImageNet (Appendix D)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.trainable import TrainableRecord, found_by, search_budget, space_of, trainables
from tnas_cli.recipes.transfer_choice import (
    CANDIDATES,
    CHOSEN,
    Candidates,
    chosen,
    drawn,
    seconds_of_choice,
    short,
)
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
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.in_step import leading
from tnas_cli.scale.shards import OverRanks
from tnas_cli.settings.applies import refuse, refuse_together
from tnas_cli.settings.features import ENGINE
from tnas_cli.settings.preset import preset
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.darts_network import weights
from tnas_cli.spaces.genotype import Genotype


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
    images. given: none for the method 'random', which draws its own. limit: only the most frequent cells."""

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
        check_cluster(machine.cluster)
        if machine.engine == "fused":
            refuse(["engine"], {"engine": ENGINE}, frozenset(), "tnas transfer, which PyTorch computes", {})
        genotypes = [record for record in self.given if isinstance(record, Decoded)]
        if len(genotypes) < len(self.given) or (not genotypes and self.settings.method == "given"):
            raise SettingsError(
                "the transfer setting trains cells, but was given another kind of network.",
                hint="name a genotype: tnas transfer DARTS_V2 --dataset cifar10",
            )
        if self.settings.method == "random" and (genotypes or self.limit is not None):
            what = "--limit was given" if not genotypes else "a genotype was given"
            raise SettingsError(
                f"{what}, and --method random draws its own.",
                hint="leave it out: tnas transfer --method random --dataset cifar10",
            )
        given = Counter(Cells.from_json(record.genotype) for record in genotypes).most_common(self.limit)
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        settings = settled(self.settings, cache)
        train = labelled_images(cache, settings.train_split)
        validation = None if settings.train_split == "train+val" else labelled_images(cache, "val")
        test = labelled_images(cache, "test")
        candidates: tuple[Genotype, ...] = ()
        if settings.method == "random":
            candidates = drawn(settings)
        data = (cache, train, validation, test, device, machine)
        return TransferWork(self, settings, genotypes, given, *data, candidates=candidates)


@dataclass(frozen=True)
class TransferWork(UnitsWork):
    """Cells that are ready to be trained: `chosen`, each with how many records decoded to it; each is one unit.

    candidates: random genotypes, which are trained for a short time before one of them is chosen.
    """

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
    candidates: tuple[Genotype, ...] = ()

    @property
    def method(self) -> str:
        """The method that the result stands for."""
        return self.settings.method if self.settings.method != "given" else found_by(self.genotypes)

    @property
    def name(self) -> str:
        return f"transfer-{self.cache.dataset}-{self.method}"

    def run(self, life: Life) -> TransferResult:
        if self.candidates and not self.chosen:
            what = f"training {len(self.candidates)} random genotypes for {self.settings.choice_epochs} epochs each"
            life.listener(events.Note(f"{what} in {life.run.path}, to choose one by validation"))
            genotype = chosen(self, life)
            life.listener(events.Note(f"chosen: {genotype.digest}"))
            return self.after_choice(life.run).run(life)
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

    def after_choice(self, run: RunDirectory) -> TransferWork:
        """The same work with the candidate that the run has chosen."""
        if not self.candidates or self.chosen:
            return self
        records = read_genotypes(str(run.path / CHOSEN))
        return replace(self, genotypes=records, chosen=[(Cells.from_json(records[0].genotype), 1)])

    def units(self, stage: str, run: RunDirectory) -> Units:
        return Candidates(self) if stage == CANDIDATES else TransferNetworks(self.after_choice(run))

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
        """The state of a network before its first step: of a candidate, or after these, of a chosen one."""
        cells, settings = self._training(number)
        return training.start(cells, training.shape_of(settings, self.train), settings, self.device)

    def _training(self, number: int) -> tuple[Cells, TransferSettings]:
        """What network `number` is, and how it is trained. Another process may not know which candidate was chosen, so
        that the chosen one is counted among as many as there are candidates."""
        if number < len(self.candidates):
            return Cells.of(self.candidates[number]), short(self.settings)
        if self.candidates:
            return Cells.of(self.candidates[number - len(self.candidates)]), self.settings
        return self.chosen[number][0], self.settings

    def _images(self, settings: TransferSettings) -> tuple[LabelledImages, LabelledImages | None]:
        """Training and validation images."""
        if settings.train_split == self.settings.train_split:
            return self.train, self.validation
        return labelled_images(self.cache, settings.train_split), labelled_images(self.cache, "val")

    def shares(self, state: TransferState, rank: int, size: int) -> list[Share]:
        """What a process of a group computes of the next step."""
        batch = training.batch_of(state, self._images(state.settings)[0], state.settings, self.device)
        return training.shares_of(state.network, batch, state.settings, rank, size)

    def trained(self, life: Life, number: int, folder: Path, stage: str) -> TransferState:
        """Train a network, or go on where it stopped: its state after the last epoch. The folder keeps it, and the best
        epoch."""
        cells, settings = self._training(number)
        state = self.start(number)
        best, last = folder / "best.pt", folder / "last.pt"
        if last.is_file():
            restore(checkpoint.load(last, KIND), state)
        life.rewind(stage, state.steps, (entry["steps"] for entry in state.history))
        about = {"settings": settings.to_dict(), "genotype": cells.to_json(), "run": str(life.run.known_as)}

        def save(path: Path) -> None:
            checkpoint.save(path, to_checkpoint(state, about))

        leader = leading()
        shares = None if leader is None else OverRanks(leader, self, number)
        steps = training.train(state, *self._images(settings), settings, self.device, shares)
        saving = Saving(last=lambda: save(last), best=lambda: save(best))
        life.drive(steps, saving, stage=stage, unit="batches", history=state.history)
        return state

    def train_one(self, life: Life, item: int) -> None:
        """Train one network, or go on where it stopped, and test it."""
        cells, done = self.chosen[item][0], self.file(life.run, item)
        number = item
        if self.candidates:
            number = len(self.candidates) + [one.digest for one in self.candidates].index(cells.digest)
        state, best = self.trained(life, number, done.parent, cells.digest), done.with_name("best.pt")
        validation = None
        if self.validation is not None:
            validation = state.best_accuracy
            restore(checkpoint.load(best, KIND), state)
        right, bins = training.measure(state.network, self.test, self.device)
        kept = {"validation": validation, "right": right.tolist(), "bins": asdict(bins)}
        write_text(done, json.dumps(kept) + "\n")

    def _result(self, life: Life, trained: list[Transferred], aside: Mapping[str, TnasError]) -> TransferResult:
        settings, method, drawn_here = self.settings, self.method, len(self.candidates)
        search = search_budget(self.genotypes)
        if drawn_here:
            search = Amount(amount=drawn_here * settings.choice_epochs, unit="epochs")
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
            genotypes=drawn_here or len(self.genotypes),
            search_seconds=seconds_of_choice(life.run) if drawn_here else None,
            genotypes_trained=len(trained),
            set_aside=set_aside(aside),
            layers=settings.layers,
            channels=settings.channels,
            seed=settings.seed,
            wall_seconds=life.seconds,
            resumed=life.resumed,
            budget=Budget(
                search=search,
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

    def reads(self, run: RunDirectory) -> Iterable[Path]:
        return (run.path / CHOSEN,) if self.work.candidates else ()

    def do(self, life: Life, item: int) -> None:
        self.work.train_one(life, item)
