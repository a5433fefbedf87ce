"""Which figures can be drawn from what was read, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tnas_cli.errors import CheckpointError, TnasError
from tnas_cli.methods.registry import about
from tnas_cli.recipes.genotype_source import genotype_record
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture
from tnas_cli.report.cell_graph import cells_picture
from tnas_cli.report.figures.curves import FEW_SHOT, IMAGES, curves_picture
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.smoothness import checked_theta
from tnas_cli.report.figures.steps import Steps, checked_accuracies, checked_losses, steps_picture
from tnas_cli.report.figures.theta_map import Encoding, theta_picture
from tnas_cli.report.material import Material, Record
from tnas_cli.report.task_picture import picture_of_task
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.settings.features import INNER_THETA
from tnas_cli.spaces.decode import decode
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA

#: So many adapted thetas stand beside the meta-architecture, as in the paper's Figure 5; so many genotypes are drawn.
ADAPTED_SHOWN = 3
GENOTYPES_SHOWN = 3


@dataclass
class Found:
    """The pictures of each source by its name, and a sentence for each that could not be made."""

    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    #: Genotypes that have a picture: several sources may carry the same one.
    genotypes: set[str] = field(default_factory=set)

    def add(self, source: str, what: str, make: Callable[[], Picture | None], otherwise: str) -> None:
        """Take what `make` gives; where it gives None or fails, say that `what` is left out and why."""
        try:
            picture = make()
        except TnasError as error:
            self.left_out.append(f"{source}: no {what}: {error.message}")
            return
        if picture is None:
            self.left_out.append(f"{source}: no {what}: {otherwise}")
        else:
            self.pictures.setdefault(source, []).append(picture)


def find_pictures(materials: Sequence[Material], machine: Machine = HERE) -> Found:
    """Everything that can be drawn from the sources; nothing is drawn yet."""
    found = Found()
    for material in materials:
        before = len(found.pictures.get(material.name, [])), len(found.left_out)
        _of_log(material, found)
        _of_adapted(material, found, machine)
        _of_genotypes(material, found)
        if before == (len(found.pictures.get(material.name, [])), len(found.left_out)):
            found.left_out.append(f"{material.name}: nothing to draw: it holds results only")
    return found


def _of_log(material: Material, found: Found) -> None:
    """Curves of a run; of a search also its meta-architecture."""
    name = material.name
    if material.stages or material.folder is not None:
        over = IMAGES if material.setting == "transfer" else FEW_SHOT
        otherwise = "its log holds no step and no validation yet"
        if material.setting == "supervised":
            otherwise = "trainings of the supervised setting log no steps"
        title = f"{name}: over the {over.unit}"
        found.add(name, "curves", lambda: curves_picture(f"{name}-curves", title, material.stages, over), otherwise)
    if material.folder is not None and material.command == "search":
        folder = material.folder

        def meta() -> Picture:
            loaded = _meta(folder / "best.pt")
            title = f"{name}: {_searched(loaded)} after {loaded.tasks_done:,} tasks"
            return theta_picture(f"{name}-theta", title, [_of_meta(loaded)])

        found.add(name, "theta", meta, "")


def _of_adapted(material: Material, found: Found, machine: Machine) -> None:
    """Of adapted records: theta beside the meta-architecture's, the support losses, one task's images."""
    adapted, name = material.of("adapted"), material.name
    if not adapted:
        return
    found.add(name, "theta", lambda: _theta(material, adapted, found), "")

    def steps() -> Picture:
        tasks = [
            Steps(
                _task_name(record),
                checked_losses(record.get("support_losses"), f"{name}, adapted record {number}"),
                record.get("way") if isinstance(record.get("way"), int) else None,
                *(
                    checked_accuracies(record.get(f"{images}_accuracies"), f"{name}, adapted record {number}")
                    for images in ("query", "support")
                ),
            )
            for number, record in enumerate(adapted, start=1)
        ]
        return steps_picture(f"{name}-steps", f"{name}: adaptation to {len(tasks)} tasks", tasks)

    found.add(name, "support losses", steps, "")
    found.add(name, "task images", lambda: picture_of_task(f"{name}-task", adapted[0], machine), "")


def _theta(material: Material, adapted: Sequence[Record], found: Found) -> Picture:
    shown = list(adapted[:ADAPTED_SHOWN])
    encodings = [
        Encoding(_task_name(record), checked_theta(record.get(THETA), f"adapted record {number}"), decoded=True)
        for number, record in enumerate(shown, start=1)
    ]
    try:
        encodings.insert(0, _of_meta(_meta(Path(str(adapted[0].get("checkpoint"))))))
    except CheckpointError as error:
        found.left_out.append(f"{material.name}: no meta-architecture beside the adapted ones: {error.message}")
    same = [encoding for encoding in encodings if encoding.theta.shape == encodings[0].theta.shape]
    of = f" of {len(adapted)}" if len(adapted) > len(shown) else ""
    title = f"{material.name}: theta of {len(shown)}{of} adapted tasks"
    return theta_picture(f"{material.name}-theta", title, same)


def _of_genotypes(material: Material, found: Found) -> None:
    """The most frequent genotypes among genotype records, or of adapted records where there are none."""
    name = material.name
    records = material.of("genotype")
    if not records:
        for number, record in enumerate(material.of("adapted"), start=1):
            try:
                theta = torch.from_numpy(checked_theta(record.get(THETA), f"adapted record {number}"))
                records.append(genotype_record(decode(theta), record))
            except (TnasError, KeyError, TypeError, ValueError):
                continue  # the heat map says why
    known: dict[str, tuple[Genotype, Record]] = {}
    counts: Counter[str] = Counter()
    for number, record in enumerate(records, start=1):
        try:
            genotype = Genotype.from_json(record.get("genotype"))
        except TnasError as error:
            found.left_out.append(f"{name}: no cells of genotype record {number}: {error.message}")
            continue
        known.setdefault(genotype.digest, (genotype, record))
        counts[genotype.digest] += 1
    trained = [str(row.get("digest")) for row in material.result.get("per_genotype") or [] if isinstance(row, dict)]
    # Those that were trained and measured say more than those that were only decoded.
    order = [digest for digest in trained if digest in known]
    order += [digest for digest, _ in counts.most_common() if digest not in order]
    for digest in order[:GENOTYPES_SHOWN]:
        if digest in found.genotypes:
            continue
        found.genotypes.add(digest)
        genotype, record = known[digest]
        facts = _facts(record, counts[digest], len(records), material.setting)
        picture = cells_picture(f"{name}-cells-{digest}", f"genotype {digest}", genotype, facts)
        found.pictures.setdefault(name, []).append(picture)
    if len(order) > GENOTYPES_SHOWN:
        more = len(order) - GENOTYPES_SHOWN
        found.left_out.append(f"{name}: no cells of {more} further genotypes: draw them with tnas decode --picture")


def _facts(record: Record, count: int, of: int, setting: str) -> str:
    weights = record.get("parameters")
    size = f"{weights:,} weights. " if isinstance(weights, int) else ""
    often = (
        f"{count} of {of} genotypes that were found. "
        if setting == "supervised"
        else f"Decoded for {count} of {of} tasks. "
    )
    return f"{size}{often if of > 1 else ''}Arrows carry their operation; the output is the concatenation of all nodes."


def _meta(path: Path) -> MetaArchitecture:
    return load_meta_architecture(path, torch.device("cpu"))


def _of_meta(meta: MetaArchitecture) -> Encoding:
    return Encoding(_searched(meta), meta.parameters[THETA].double().cpu().numpy())


def _searched(meta: MetaArchitecture) -> str:
    """What the search found; where theta does not move inside a task, as in Auto-MAML, one architecture for all."""
    found = about(meta.settings.method)
    return "meta-architecture" if INNER_THETA in found.reads else f"architecture of {found.title}"


def _task_name(record: Record) -> str:
    task = record.get("task")
    if not isinstance(task, dict):
        return "task"
    if "folder" in task:
        return Path(str(task["folder"])).name
    return f"{task.get('split', '')} task {task.get('index', '')}".strip()
