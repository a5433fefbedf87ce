"""Which figures can be drawn from what was read, and why the others cannot.

PyTorch takes longer to import than a page to draw, and only checkpoints and theta need it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.errors import CheckpointError, DataError, TnasError
from tnas_cli.methods.registry import about
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.records.kinds import Adapted, Decoded
from tnas_cli.records.parts import TaskName
from tnas_cli.records.results import AdaptResult, TrainResult, TransferResult
from tnas_cli.report.cell_graph import cells_picture
from tnas_cli.report.figures.curves import FEW_SHOT, IMAGES, curves_picture
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.smoothness import checked_theta
from tnas_cli.report.figures.steps import Steps, checked_losses, steps_picture
from tnas_cli.report.figures.theta_map import Encoding, theta_picture
from tnas_cli.report.source import Source, Sources
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.settings.features import INNER_THETA
from tnas_cli.spaces.architecture import Architecture, architecture
from tnas_cli.spaces.registry import USUAL, space
from tnas_cli.spaces.shapes import THETA

if TYPE_CHECKING:
    from tnas_cli.recipes.meta_architecture import MetaArchitecture

#: How many adapted thetas are shown beside the meta-architecture, as in the paper's Figure 5, and how many genotypes.
ADAPTED_SHOWN = 3
GENOTYPES_SHOWN = 3


@dataclass
class Pictures:
    """The pictures of each source by its name, and a sentence for each that could not be made."""

    by_source: dict[str, list[Picture]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    #: Genotypes that have a picture: several sources may carry the same one.
    genotypes: set[str] = field(default_factory=set)

    def add(self, source: str, what: str, make: Callable[[], Picture | None], otherwise: str) -> None:
        """Take what `make` gives; if it gives None or fails, note that `what` is left out and why."""
        try:
            picture = make()
        except TnasError as error:
            self.left_out.append(f"{source}: no {what}: {error.message}")
            return
        if picture is None:
            self.left_out.append(f"{source}: no {what}: {otherwise}")
        else:
            self.by_source.setdefault(source, []).append(picture)


def find_pictures(sources: Sources, machine: Machine = HERE) -> Pictures:
    """Everything that can be drawn from the sources; nothing is drawn yet."""
    found = Pictures(left_out=list(sources.left_out))
    for source in sources.read:
        before = len(found.by_source.get(source.name, [])), len(found.left_out)
        found.left_out += [f"{source.name}: {problem}" for problem in source.problems]
        _of_log(source, found)
        _of_adapted(source, found, machine)
        _of_genotypes(source, found)
        if before == (len(found.by_source.get(source.name, [])), len(found.left_out)):
            found.left_out.append(f"{source.name}: nothing to draw: it holds results only")
    return found


def _of_log(source: Source, found: Pictures) -> None:
    """Curves of a run; for a search also its meta-architecture."""
    name = source.name
    if source.stages or source.folder is not None:
        batches = source.setting == "transfer" or any(log.unit == "batches" for log in source.stages.values())
        over = IMAGES if batches else FEW_SHOT
        otherwise = "its log holds no step and no validation yet"
        if source.setting == "supervised":
            otherwise = "trainings of the supervised setting log no steps"
        title = f"{name}: over the {over.unit}"

        def curves() -> Picture | None:
            searched = space(str(source.facts.settings.get("space", USUAL)))
            words = replace(over, uniform=searched.uniform)
            return curves_picture(f"{name}-curves", title, source.stages, words)

        found.add(name, "curves", curves, otherwise)
    if source.folder is not None and source.command == "search":
        folder = source.folder

        def meta() -> Picture:
            loaded = _meta(folder / "best.pt")
            title = f"{name}: {_searched(loaded)} after {loaded.tasks_done:,} tasks"
            return theta_picture(f"{name}-theta", title, [_of_meta(loaded)])

        found.add(name, "theta", meta, "")


def _of_adapted(source: Source, found: Pictures, machine: Machine) -> None:
    """For adapted records: theta beside the meta-architecture's, the support losses, one task's images."""
    adapted, name = source.of(Adapted), source.name
    if not adapted:
        return
    if any(record.theta is not None for record in adapted):
        found.add(name, "theta", lambda: _theta(source, adapted, found), "")

    def steps() -> Picture:
        tasks = [
            Steps(
                _task_name(record),
                checked_losses(record.support_losses, f"{name}, adapted record {number}"),
                record.way,
                record.query_accuracies or (),
                record.support_accuracies or (),
            )
            for number, record in enumerate(adapted, start=1)
        ]
        return steps_picture(f"{name}-steps", f"{name}: adaptation to {len(tasks)} tasks", tasks)

    if any(record.support_losses or record.theta is not None for record in adapted):
        found.add(name, "support losses", steps, "")

    def images() -> Picture:
        from tnas_cli.report.task_picture import picture_of_task

        return picture_of_task(f"{name}-task", _with_members(adapted[0], source), machine)

    found.add(name, "task images", images, "")


def _with_members(record: Adapted, source: Source) -> Adapted:
    """The record with the number of checkpoints that answered; version 1 has it only in the result."""
    result = source.result
    known = result.members if isinstance(result, AdaptResult) else None
    return record if record.members is not None else replace(record, members=known)


def _theta(source: Source, adapted: Sequence[Adapted], found: Pictures) -> Picture:
    adapted = [record for record in adapted if record.theta is not None]
    shown = adapted[:ADAPTED_SHOWN]
    encodings = [
        Encoding(
            _task_name(record),
            checked_theta(record.theta or (), f"adapted record {number}", record.space),
            decoded=True,
            space=space(record.space),
        )
        for number, record in enumerate(shown, start=1)
    ]
    try:
        encodings.insert(0, _of_meta(_meta(_checkpoint_of(adapted[0]))))
    except (CheckpointError, DataError) as error:
        found.left_out.append(f"{source.name}: no meta-architecture beside the adapted ones: {error.message}")
    first = (encodings[0].space, encodings[0].theta.shape)
    same = [encoding for encoding in encodings if (encoding.space, encoding.theta.shape) == first]
    of = f" of {len(adapted)}" if len(adapted) > len(shown) else ""
    title = f"{source.name}: theta of {len(shown)}{of} adapted tasks"
    return theta_picture(f"{source.name}-theta", title, same)


def _of_genotypes(source: Source, found: Pictures) -> None:
    """The most frequent genotypes of genotype records, or of adapted records if there are none."""
    name = source.name
    records: Sequence[Decoded | Adapted] = source.of(Decoded) or source.of(Adapted)
    known: dict[str, tuple[Architecture, Decoded | Adapted]] = {}
    counts: Counter[str] = Counter()
    for number, record in enumerate(records, start=1):
        try:
            genotype = _genotype(record, number)
        except TnasError as error:
            # The heat map says why theta of an adapted record cannot be used.
            if isinstance(record, Decoded):
                found.left_out.append(f"{name}: no cells of genotype record {number}: {error.message}")
            continue
        known.setdefault(genotype.digest, (genotype, record))
        counts[genotype.digest] += 1
    of = len(records) if source.of(Decoded) else counts.total()
    result = source.result
    networks = result.per_genotype if isinstance(result, TrainResult | TransferResult) else None
    trained = [network.digest for network in networks or ()]
    # Genotypes that were trained and measured say more than those that were only decoded.
    order = [digest for digest in trained if digest in known]
    order += [digest for digest, _ in counts.most_common() if digest not in order]
    for digest in order[:GENOTYPES_SHOWN]:
        if digest in found.genotypes:
            continue
        found.genotypes.add(digest)
        genotype, record = known[digest]
        told = record if isinstance(record, Decoded) else decoded(genotype, Origin.of(record))
        facts = _facts(told, counts[digest], of, source.setting)
        picture = cells_picture(f"{name}-cells-{digest}", f"genotype {digest}", genotype, facts)
        found.by_source.setdefault(name, []).append(picture)
    if len(order) > GENOTYPES_SHOWN:
        more = len(order) - GENOTYPES_SHOWN
        found.left_out.append(f"{name}: no cells of {more} further genotypes: draw them with tnas decode --picture")


def _genotype(record: Decoded | Adapted, number: int) -> Architecture:
    """What a genotype record holds, or an adapted one decodes to."""
    if isinstance(record, Decoded):
        return architecture(record.genotype)
    import torch

    theta = checked_theta(record.theta or (), f"adapted record {number}", record.space)
    return space(record.space).decode(torch.from_numpy(theta))


def _facts(record: Decoded, count: int, of: int, setting: str) -> str:
    size = f"{record.parameters:,} weights{_counted_for(record)}. " if record.parameters is not None else ""
    often = (
        f"It is {count} of the {of} genotypes that were found. "
        if setting == "supervised"
        else f"Decoded for {count} of {of} tasks. "
    )
    return f"{size}{often if of > 1 else ''}Arrows carry their operation; the output concatenates its inputs."


def _counted_for(record: Decoded) -> str:
    of = record.counted_for
    return "" if of is None else f" for {of.way} classes at width {of.channels}"


def _checkpoint_of(record: Adapted) -> Path:
    if record.checkpoint is None:
        raise DataError("its records name no checkpoint.", hint="pass records of `tnas adapt --json`")
    return Path(record.checkpoint)


def _meta(path: Path) -> MetaArchitecture:
    import torch

    from tnas_cli.recipes.meta_architecture import load_meta_architecture

    return load_meta_architecture(path, torch.device("cpu"))


def _of_meta(meta: MetaArchitecture) -> Encoding:
    theta = meta.parameters[THETA].double().cpu().numpy()
    return Encoding(_searched(meta), theta, space=meta.network.space)


def _searched(meta: MetaArchitecture) -> str:
    """A name for what the search found; if theta does not change within a task, it is one architecture for all."""
    found = about(meta.settings.method)
    return "meta-architecture" if INNER_THETA in found.reads else f"architecture of {found.title}"


def _task_name(record: Adapted) -> str:
    return name_of(record.task)


def name_of(task: TaskName) -> str:
    """A task in a legend: its folder's name, or its split and number."""
    if task.folder is not None:
        return Path(task.folder).name
    number = "" if task.index is None else str(task.index)
    return " ".join(part for part in (task.split, "task", number) if part)
