"""The test of a trained network of `tnas train-eval`: on the first stored test tasks, and later on further ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tnas_cli.methods.calibration import Bins, Measure
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.divergence import naming
from tnas_cli.methods.ensemble import fit_all
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.state_file import parameters_of
from tnas_cli.methods.streams import evaluation_batches
from tnas_cli.plain import as_written
from tnas_cli.records.codec import decode
from tnas_cli.records.parts import Calibration
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.kept import kept_in
from tnas_cli.runs.life import Life
from tnas_cli.spaces.parameters import Parameters, Spec

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork

KIND = checkpoint.DECODED_WEIGHTS

#: The stage of further tests.
STAGE = "tests"


def members_of(work: FromScratchWork, folder: Path, shapes: Mapping[str, Spec]) -> list[Parameters]:
    """The parameters that answer test tasks: of the best validation, or of the best validations."""
    paths = kept_in(folder, work.settings.ensemble) or [folder / "best.pt"]
    return [parameters_of(checkpoint.load(path, KIND), shapes, work.device) for path in paths]


def test(
    work: FromScratchWork,
    learner: Learner,
    members: Sequence[Parameters],
    calibration: Calibration,
    tested: Callable[[int], None],
    begin: int = 0,
) -> dict[str, Any]:
    """What the stored test tasks from number `begin` on say: `accuracies` and `bins` of probabilities, transductive and
    `inductive`. tested: called with how many tasks are done."""
    s, way = work.settings, {"accuracies": Measure(), "inductive": Measure(calibration.temperature)}
    classifier = cast("Classifier", calibration.classifier)
    for batch in evaluation_batches(work.cache, "test", s.way, s.shot, s.query, s.test_tasks, work.device, begin):
        done = begin + len(way["accuracies"].accuracies)
        with naming(lambda position: f"test task {done + position}"):  # noqa: B023  called inside the loop
            answers = fit_all(learner, members, batch.support).by(classifier).both(batch.query_x)
        for measure, logits in zip(way.values(), answers, strict=True):
            measure.add(logits, batch.query_y)
        tested(len(way["accuracies"].accuracies))
    bins = {"bins": way["accuracies"].bins, "inductive_bins": way["inductive"].bins}
    accuracies = {name: one.accuracies for name, one in way.items()}
    return accuracies | {name: asdict(found) for name, found in bins.items()} | {"classifier": classifier}


def test_further(work: FromScratchWork, life: Life, position: int, file: Path) -> None:
    """Test a network that left its result in `file` on those of `work.settings.test_tasks` that it was not tested on,
    and add what they say. Raises StoppedError with nothing added."""
    begin, kept, settings = time.monotonic(), read_json(file), work.settings
    with as_written(file):
        known = len(kept["accuracies"])
    if known >= settings.test_tasks:
        return
    trainable, _ = work.chosen[position]
    network = trainable.build(settings, work.cache.channels, work.cache.size)
    method = training_method(settings.method)
    members = members_of(work, file.parent, method.shapes(network, settings))
    best = file.parent / "best.pt"
    with as_written(best):
        calibration = decode(Calibration, checkpoint.load(best, KIND).about["calibration"][0])

    def tested(number: int) -> None:
        life.listener(events.Progress(STAGE, number, settings.test_tasks - known, "test tasks"))

    found = test(work, method.learner(work.engine, network, settings), members, calibration, tested, known)
    with as_written(file):
        for name in ("accuracies", "inductive"):
            kept[name] += found[name]
        for name in ("bins", "inductive_bins"):
            kept[name] = asdict(Bins.sum([Bins.from_json(kept[name]), Bins.from_json(found[name])]))
        spent = (time.monotonic() - begin) / work.count
        kept |= {name: kept[name] + spent for name in ("seconds", "test_seconds")}
    write_text(file, json.dumps(kept) + "\n")
