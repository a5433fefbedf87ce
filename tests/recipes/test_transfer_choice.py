"""The random baseline of the transfer setting: what is drawn, what it is chosen by, and resuming."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.methods import class_pictures as pictures
from tests.recipes.calls import resume, transfer
from tnas_cli.errors import Interrupted, SettingsError
from tnas_cli.methods import transfer as training
from tnas_cli.methods.calibration import Bins
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.transfer import Transfer, transfer_settings
from tnas_cli.recipes.transfer_choice import drawn, short
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.genotype import Genotype

HERE = Machine("cpu", 1)
TINY = {"layers": 3, "channels": 4, "epochs": 2, "batch": 24, "cutout": 4, "padding": 1, "learning_rate": 0.05}
TINY |= {"method": "random", "genotypes": 3, "choice_epochs": 1}


@pytest.fixture
def images(tmp_path: Path) -> str:
    path = tmp_path / "toy-images-20.h5"
    pictures.cache(path)
    return str(path)


def settings(images: str, **given: Any) -> TransferSettings:
    return transfer_settings("quick", TINY | {"dataset": images} | given)


def test_every_source_and_operation_is_equally_likely() -> None:
    found = drawn(TransferSettings("toy", method="random", genotypes=2000))
    assert len(set(found)) == 2000
    operations: Counter[str] = Counter()
    sources: dict[int, Counter[int]] = {node: Counter() for node in range(4)}
    for genotype in found:
        for cell in (genotype.normal, genotype.reduce):
            operations.update(name for name, _ in cell)
            for node in range(4):
                first, second = (source for _, source in cell[2 * node : 2 * node + 2])
                assert first != second
                sources[node].update((first, second))
    assert set(operations) == set(DARTS.choices) and len(DARTS.choices) == 7
    total = 2000 * 16
    # Five standard deviations of a binomial count.
    assert all(abs(n - total / 7) < 5 * (total * 6 / 49) ** 0.5 for n in operations.values())
    for node, counts in sources.items():
        share = 2 / (node + 2)
        assert set(counts) == set(range(node + 2))
        assert all(abs(n - 4000 * share) <= 5 * (4000 * share * (1 - share)) ** 0.5 for n in counts.values())
    assert drawn(TransferSettings("toy", method="random", genotypes=3)) == found[:3]
    assert drawn(TransferSettings("toy", method="random", genotypes=3, seed=1)) != found[:3]


def test_a_candidate_is_trained_shorter_and_never_on_validation_images() -> None:
    found = short(TransferSettings("toy", train_split="train+val", epochs=600, choice_epochs=100))
    assert (found.epochs, found.train_split) == (100, "train")


def measuring(monkeypatch: pytest.MonkeyPatch, accuracies: list[float]) -> list[int]:
    """Validation accuracies, one after the other, in place of measured ones; returns how many images each had."""
    asked: list[int] = []

    def measure(network: torch.nn.Module, of: Any, device: torch.device) -> tuple[torch.Tensor, Bins]:
        right = torch.zeros(len(of), 2)
        right[: round(accuracies[len(asked)] * len(of))] = 1
        asked.append(len(of))
        return right, Bins.sum([])

    monkeypatch.setattr(training, "measure", measure)
    return asked


def test_the_best_after_the_last_epoch_by_validation_images_is_trained(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two epochs each of three candidates: the first is best after one epoch, the second and the third after the last.
    asked = measuring(monkeypatch, [1.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.5, 0.0])
    chosen = settings(images, choice_epochs=2, epochs=1)
    result = transfer([], chosen, runs=tmp_path / "runs", machine=HERE)
    assert asked == [18] * 6 + [18, 30]  # the test images are asked last, of the chosen one alone
    expected = drawn(chosen)[1]
    assert [row["digest"] for row in result["per_genotype"]] == [expected.digest]
    run = Path(result["run"])
    table = json.loads((run / "choice.json").read_text())
    assert [row["accuracy"] for row in table] == pytest.approx([0.0, 0.5, 0.5])
    (record,) = read_genotypes(str(run / "chosen.jsonl"))
    assert Genotype.from_json(record.genotype) == expected
    assert (record.method, record.seed) == ("random", 0)


def test_the_result_says_what_the_choice_took(images: str, tmp_path: Path) -> None:
    result = transfer([], settings(images), runs=tmp_path / "runs", machine=HERE)
    assert (result["method"], result["setting"], result["genotypes"]) == ("random", "transfer", 3)
    assert result["genotypes_trained"] == 1 and Path(result["run"]).name.endswith("-random-1")
    assert result["budget"] == {
        "search": {"amount": 3, "unit": "epochs"},
        "training": {"amount": 2, "unit": "epochs", "each": "genotype"},
    }
    assert 0 < result["search_seconds"] < result["wall_seconds"]
    assert not list(Path(result["run"]).rglob("candidates/*/last.pt"))


# 3 batches an epoch: within the second candidate, after its last batch, after the choice, within the final training.
@pytest.mark.parametrize("done", [4, 6, 10, 13])
def test_a_stopped_run_goes_on_to_the_same_numbers(images: str, tmp_path: Path, done: int) -> None:
    chosen = settings(images)
    whole = transfer([], chosen, runs=tmp_path / "whole", machine=HERE)
    batches = 0

    def stop(event: events.Event) -> None:
        nonlocal batches
        if isinstance(event, events.Progress):
            batches += 1
            if batches == done:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="saved in"):
        transfer([], chosen, runs=tmp_path / "cut", machine=HERE, listener=stop)
    (run,) = (tmp_path / "cut").iterdir()
    seen: list[events.Progress] = []
    resumed = resume(run, machine=HERE, listener=lambda e: seen.append(e) if isinstance(e, events.Progress) else None)
    assert [event.done for event in seen][-6:] == list(range(1, 7))[-len(seen) :]
    assert len(seen) == 15 - done  # nothing twice
    for key in ("mean", "interval", "per_genotype", "method", "budget", "genotypes"):
        assert resumed[key] == whole[key]
    assert judged(run) == judged(Path(whole["run"]))


def judged(run: Path) -> list[tuple[str, float]]:
    """The candidates and their accuracies."""
    return [(row["digest"], row["accuracy"]) for row in json.loads((run / "choice.json").read_text())]


def test_what_is_refused(images: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a genotype was given, and --method random draws its own"):
        transfer(read_genotypes("DARTS_V2"), settings(images), runs=tmp_path, machine=HERE)
    with pytest.raises(SettingsError, match="--limit was given"):
        Transfer(settings(images), [], 1).prepare(HERE, events.ignore)
    with pytest.raises(SettingsError, match="trains cells"):
        transfer([], transfer_settings("quick", {"dataset": images}), runs=tmp_path, machine=HERE)
    with pytest.raises(SettingsError, match="--genotypes has no effect where method is 'given'"):
        transfer_settings("quick", {"dataset": images, "genotypes": 3})
    with pytest.raises(SettingsError, match="genotypes is 1"):
        settings(images, genotypes=1)
    assert not list(tmp_path.glob("transfer-*"))  # nothing was begun
