"""Whether published remedies keep Auto-MAML's search from cells of pools and skip connections.

    python benchmarks/collapse.py FOLDER [--tasks 6000] [--trained 3000] [--threads 1]

Searches by Auto-MAML (Algorithm 3) on Omniglot, 5-way 1-shot, that differ in the remedy alone; then theta~ of each best
checkpoint is decoded, and trained by `--preset affordable`. FOLDER keeps the runs. Remedies:

    none          Algorithm 3 as published
    beta-decay    Beta-DARTS (Ye et al., CVPR 2022): theta's loss gets weight x the mean over edges of
                  log(sum(exp(theta))); the weight grows in a straight line from 0 to 50
    perturbation  SDARTS-RS (Chen & Hsieh, ICML 2020): weights learn at operation probabilities that are
                  moved by uniform noise, whose half-width grows in a straight line from 0.03 to 0.3

Neither was made for meta-learning: theta~ does not adapt within a task of Auto-MAML, so both act on it as they do in
DARTS, on the meta-batches of theta and of the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from tnas_cli.commands.decode import decode
from tnas_cli.commands.train_eval import train_eval
from tnas_cli.engines.interface import Engine, MetaGradient
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.auto_maml import METHOD, THETA_HALF, AutoMaml, learner
from tnas_cli.methods.method import SearchMethod
from tnas_cli.recipes.search import Search, SearchWork
from tnas_cli.recipes.search_settings import search_settings
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.records.results import SearchResult
from tnas_cli.runs import job
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.genotype import CELLS, Genotype
from tnas_cli.spaces.operations_table import Operation
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.space import SearchedNetwork

#: Largest weight of Beta-Decay, and the half-width of SDARTS's noise at both ends, as published.
BETA_WEIGHT = 50.0
FIRST_NOISE, LAST_NOISE = 0.03, 0.3

#: A probability that noise has made 0: its logarithm has to be a number.
LEAST = 1e-8


@dataclass(frozen=True)
class BetaDecay(AutoMaml):
    """theta's meta-batches move it against the growth of its largest numbers, too."""

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        found = super().meta_gradient(parameters, batch, progress)
        if batch.half != THETA_HALF:
            return found
        theta = parameters[THETA].detach()  # [2, edges, operations]
        edges = theta.shape[0] * theta.shape[1]
        of_a_task = BETA_WEIGHT * progress * theta.softmax(-1) / edges
        moved = {THETA: found.gradients[THETA] + len(batch.support_y) * of_a_task}
        return replace(found, gradients={**found.gradients, **moved})


@dataclass(frozen=True)
class Perturbation(AutoMaml):
    """The weights' meta-batches are computed at a theta with noise, another one each time."""

    seed: int = 0

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        if batch.half != THETA_HALF:
            noise = torch_generator(self.seed, f"noise at {progress}")
            parameters = {**parameters, THETA: self._moved(parameters[THETA].detach(), progress, noise)}
        return super().meta_gradient(parameters, batch, progress)

    @staticmethod
    def _moved(theta: Tensor, progress: float, noise: torch.Generator) -> Tensor:
        """The theta whose probabilities are those of `theta`, moved, cut off at 0 and divided by their sum."""
        width = FIRST_NOISE + progress * (LAST_NOISE - FIRST_NOISE)
        moved = theta.softmax(-1) + width * (2 * torch.rand(theta.shape, generator=noise) - 1)
        kept = moved.clamp(min=LEAST)
        return (kept / kept.sum(-1, keepdim=True)).log()


def with_beta_decay(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> BetaDecay:
    """Auto-MAML's learner with Beta-Decay."""
    return BetaDecay(engine, network, learner(engine, network, settings).steps)


def with_perturbation(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> Perturbation:
    """Auto-MAML's learner with SDARTS's noise."""
    return Perturbation(engine, network, learner(engine, network, settings).steps, settings.seed)


REMEDIES: dict[str, Callable[[Engine, SearchedNetwork, SearchSettings], AutoMaml]] = {
    "none": learner,
    "beta-decay": with_beta_decay,
    "perturbation": with_perturbation,
}


@dataclass(frozen=True)
class Remedied(Search):
    """A search by Auto-MAML with a remedy. It has a kind of its own: `tnas resume` knows no remedies."""

    remedy: str = "none"
    kind = "collapse"

    def prepare(self, machine: Machine, listener: Listener) -> SearchWork:
        work = super().prepare(machine, listener)
        method = SearchMethod(about=METHOD.about, learner=REMEDIES[self.remedy], stream=METHOD.stream)
        return replace(work, method=method)


def main() -> None:
    """A row per remedy, each when it is measured."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--remedies", nargs="+", choices=list(REMEDIES), default=list(REMEDIES))
    arguments.add_argument("--tasks", type=int, default=6000)
    arguments.add_argument("--trained", type=int, default=3000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    machine = Machine(threads=given.threads, device="cpu")
    cells = ("normal cell: with weights, pools, skips", "reduction cell")
    head = ("remedy", "search, validation", *cells, "theta~: largest; mean of largest", "genotype", "weights")
    row((*head, "validation", "test, all together", "test, each image by itself"))
    row(["---"] * 10)
    for remedy in given.remedies:
        row(measured(remedy, given.folder / remedy, given.tasks, given.trained, given.seed, machine))


def measured(remedy: str, runs: Path, tasks: int, trained: int, seed: int, machine: Machine) -> list[str]:
    """Search, decode theta~, train, test."""
    asked = {"method": "auto-maml", "dataset": "omniglot", "query": 9, "tasks": tasks, "validate_every": tasks // 3}
    settings = search_settings("quick", {**asked, "validation_tasks": 200, "seed": seed})
    found = job.start(Remedied(settings, remedy=remedy), SearchResult, runs=runs, machine=machine)
    records, _ = decode(found.checkpoint)
    length = {"tasks": trained, "validate_every": trained, "validation_tasks": 200, "seed": seed}
    result = train_eval(records, settings_for(records, "affordable", length), runs=runs, machine=machine)
    genotype = Genotype.from_json(records[0].genotype)
    assert result.selected is not None and result.selected.validation is not None and result.inductive is not None
    return [
        f"`{remedy}`",
        f"{100 * found.validation_accuracy:.2f}%",
        *(counted(genotype.rows(name)) for name in CELLS),
        f"{found.theta_largest_probability:.3f}; {found.theta_mean_largest_probability:.3f}",
        f"`{records[0].digest}`",
        f"{records[0].parameters:,}",
        f"{100 * result.selected.validation:.2f}%",
        f"{100 * result.mean:.2f} ± {100 * result.interval:.2f}%",
        f"{100 * result.inductive.mean:.2f}%",
    ]


def counted(rows: Iterable[tuple[Operation, int]]) -> str:
    """How many of a cell's edges have weights, are pools, are skip connections."""
    kinds = ["pool" if one.is_pool else "skip" if one.is_skip else "weights" for one, _ in rows]
    return ", ".join(str(kinds.count(kind)) for kind in ("weights", "pool", "skip"))


def row(values: Iterable[str]) -> None:
    """A row of a table in Markdown."""
    print("| " + " | ".join(values) + " |", flush=True)


if __name__ == "__main__":
    main()
