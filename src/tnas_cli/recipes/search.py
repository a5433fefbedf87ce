"""`tnas search`: T-NAS, T-NAS++, Auto-MAML or another method that learns the search network, as a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import CheckpointError, DivergedError, TnasError
from tnas_cli.methods.adapt import adapt
from tnas_cli.methods.fits import check_fit
from tnas_cli.methods.learner import SteppingLearner
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.methods.method import SearchMethod
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import parameters_of, restore, shapes_of, to_checkpoint
from tnas_cli.methods.t_nas import search_network
from tnas_cli.plain import as_written
from tnas_cli.recipes.calibrate import Validated, calibrate, keep
from tnas_cli.recipes.data import check_tasks, open_data, settled
from tnas_cli.recipes.engine import engine_for_tasks
from tnas_cli.recipes.estimate import estimate
from tnas_cli.recipes.halving import go_back, slowed
from tnas_cli.recipes.meta_architecture import KIND, describe_data, preparation_of
from tnas_cli.recipes.units import Units, UnitsWork, do_all
from tnas_cli.records.kinds import Record
from tnas_cli.records.other_results import SearchEstimate
from tnas_cli.records.results import SearchResult
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.changes import Changes
from tnas_cli.runs.device import Machine, environment
from tnas_cli.runs.drive import Saving
from tnas_cli.runs.files import read_json, remove, write_text
from tnas_cli.runs.kept import Kept
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.leader import sharing
from tnas_cli.scale.share import Duty
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.collapse import collapse
from tnas_cli.spaces.decode import decidedness, largest_probability
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.space import SearchedNetwork

#: The stage of the log, and what a search leaves when it is finished.
STAGE, SEARCHED = "search", "searched.json"


@dataclass(frozen=True)
class Search(Recipe):
    """A search by its settings."""

    settings: SearchSettings
    given: Sequence[Record] = ()
    kind: ClassVar[str] = "search"
    changeable: ClassVar[tuple[str, ...]] = ("hours",)

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        return cls(SearchSettings.from_dict(settings))

    def changed(self, changes: Changes) -> Self:
        return self if changes.hours is None else replace(self, settings=self.settings.replace(hours=changes.hours))

    def prepare(self, machine: Machine, listener: events.Listener) -> SearchWork:
        """Raises SettingsError and DataError."""
        check_cluster(machine.cluster)
        method = search_method(self.settings.method)
        check_fit(self.settings, method.about, machine.engine)
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        settings = settled(self.settings, cache)
        check_tasks(settings, cache, "train", "val")
        tasks = method.tasks(cache, settings, device)
        network = search_network(settings, cache.channels)
        engine = engine_for_tasks(network, settings, cache, device, machine, listener)
        state = method.start(network, settings, device)
        return SearchWork(self, settings, cache, network, method, state, tasks, device, machine, engine)


@dataclass(frozen=True)
class SearchWork(UnitsWork):
    """A search that is ready to run."""

    recipe: Search
    settings: SearchSettings
    cache: ImageCache
    network: SearchedNetwork
    method: SearchMethod
    state: MetaState
    tasks: Tasks
    device: torch.device
    machine: Machine
    engine: Engine
    #: What was set aside, where the search was done before `run`.
    done: Mapping[int, TnasError] | None = None

    @property
    def name(self) -> str:
        s = self.settings
        return f"search-{self.cache.dataset}-{s.way}w{s.shot}s-{s.method}"

    def units(self, stage: str, run: RunDirectory) -> WholeSearch:
        return WholeSearch(self)

    def elsewhere(self) -> Search:
        return replace(self.recipe, settings=self.settings)

    def after(self, aside: Mapping[int, TnasError]) -> SearchWork:
        return replace(self, done=aside)

    def reopen(self, run: RunDirectory) -> None:
        remove(run.path / SEARCHED)

    def run(self, life: Life) -> SearchResult:
        run, state = life.run, self.state
        if run.last.is_file() and self.done is None:
            restore(checkpoint.load(run.last, KIND), state)
            life.listener(events.Note(f"continuing {run.path} at task {state.tasks_done:,} of {self.settings.tasks:,}"))
        elif self.done is None:
            life.listener(events.Note(f"search in {run.path}"))
        started_at = state.tasks_done
        if aside := do_all(self, STAGE, life) if self.done is None else self.done:
            raise next(iter(aside.values()))
        if not run.best.is_file():
            raise CheckpointError(f"{run.best} is missing.", hint="take an untouched copy of the run")
        restore(checkpoint.load(run.last, KIND), state)
        return self._result(life, started_at)

    def search(self, life: Life) -> None:
        """The whole search, or the rest of it; what its best checkpoint decodes to is kept."""
        run, state = life.run, self.state
        if run.last.is_file():
            restore(checkpoint.load(run.last, KIND), state)
        life.rewind(STAGE, state.tasks_done, (entry["tasks"] for entry in state.history))
        about = {
            "data": describe_data(self.cache).to_json(),
            "engine": self.engine.name,
            "environment": environment(self.device).to_json(),
            "run": str(run.known_as),
        }

        def save(path: Path) -> None:
            settings = slowed(self.settings, state.halvings).to_dict()
            checkpoint.save(path, to_checkpoint(KIND, state, {**about, "settings": settings}))

        kept = Kept(run.path, self.settings.ensemble, save)
        saving = Saving(lambda: save(run.last), lambda: save(run.best), lambda: kept.after(state.history))
        while True:
            try:
                life.drive(self._learn(), saving, stage=STAGE, history=state.history)
                write_text(run.path / SEARCHED, json.dumps(self._decoded(run)) + "\n")
                return
            except DivergedError as error:
                go_back(state, run.best, self.fresh, self.settings, life, error)
                # Saved now, so that a search that is killed does not go back again.
                run.events.flush()
                save(run.last)

    def fresh(self) -> MetaState:
        """The state that it begins with."""
        return self.method.start(self.network, self.settings, self.device)

    def _learn(self) -> Iterator[events.Event]:
        """The search from wherever its state is, at the rates that hold there."""
        settings = slowed(self.settings, self.state.halvings)
        learner = self._learner(self.state.halvings)
        plan = replace(Plan.of(settings), together=sharing(self.state.halvings))
        return self.method.learn(self.network, settings, learner, self.state, self.tasks, plan)

    def duty(self, number: int) -> Duty:
        """What the processes of a group compute after so many halvings of the inner rates."""
        return Duty(self._learner(number), self.tasks, self.state.parameters)

    def _learner(self, halvings: int) -> SteppingLearner:
        return self.method.learner(self.engine, self.network, slowed(self.settings, halvings))

    def estimate(self) -> SearchEstimate:
        """What it will cost; nothing is written."""
        shape = (self.cache.channels, self.cache.size)
        cost = estimate(self._learner(0), self.state, self.tasks, Plan.of(self.settings), self.settings, shape)
        return SearchEstimate(engine=self.engine.name, **asdict(cost))

    def _result(self, life: Life, started_at: int) -> SearchResult:
        run, settings, state = life.run, self.settings, self.state
        with as_written(run.path / SEARCHED):
            found = read_json(run.path / SEARCHED)
            theta, decided = torch.tensor(found["theta"]), [float(each) for each in found["decided"]]
            genotypes = [Genotype.from_json(one) for one in found["genotypes"]]
        kinds = [(g.without_weights, len(g.normal) + len(g.reduce)) for g in genotypes]
        counts = [(kind["skip_connections"], kind["pools"], edges) for kind, edges in kinds]
        return SearchResult(
            run=str(run.path),
            checkpoint=str(run.best),
            method=settings.method,
            space=settings.space,
            title=self.method.about.title,
            dataset=self.cache.dataset,
            protocol=self.cache.protocol,
            fingerprint=self.cache.fingerprint,
            way=settings.way,
            shot=settings.shot,
            seed=settings.seed,
            tasks=state.tasks_done,
            hours=settings.hours or None,
            tasks_this_time=state.tasks_done - started_at,
            validation_accuracy=state.best_accuracy,
            validation_tasks=settings.validation_tasks,
            wall_seconds=life.seconds,
            resumed=life.resumed,
            halvings=state.halvings,
            theta_largest_probability=largest_probability(theta),
            theta_mean_largest_probability=float(decidedness(theta)),
            adapted_mean_largest_probability=sum(decided) / len(decided),
            distinct_genotypes=len(set(genotypes)),
            **collapse(counts),
            preparation=preparation_of(self.cache),
            engine=self.engine.name,
            environment=environment(self.device),
        )

    def _decoded(self, run: RunDirectory) -> dict[str, Any]:
        """theta~ of the best checkpoint, what it decodes to on each validation task, and how decided it is there.

        The checkpoint is calibrated by the same tasks.
        """
        saved = checkpoint.load(run.best, KIND)
        parameters = parameters_of(saved, shapes_of(self.state.parameters), self.device)
        learner = self._learner(saved.about["progress"].get("halvings", 0))
        genotypes: list[Genotype] = []
        decided: list[float] = []
        validated: list[Validated] = []
        batches = list(self.tasks.validate())
        for batch, adapted in zip(batches, adapt(learner, parameters, batches), strict=True):
            thetas = adapted.parameters[THETA]
            decided += decidedness(thetas).tolist()
            genotypes += [self.network.space.decode(theta) for theta in thetas]
            validated.append((adapted, batch.query_x, batch.query_y))
        keep(run.best, KIND, calibrate(validated))
        theta = parameters[THETA].tolist()
        return {"theta": theta, "genotypes": [one.to_json() for one in genotypes], "decided": decided}


@dataclass(frozen=True)
class WholeSearch(Units):
    """A search is one unit; those of several seeds can be done at the same time."""

    work: SearchWork
    unit = "searches"

    def __len__(self) -> int:
        return 1

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / SEARCHED

    def do(self, life: Life, item: int) -> None:
        # A first try in this process may have used the state.
        replace(self.work, state=self.work.fresh()).search(life)
