"""The transfer setting from records to a result, and resuming after a stop."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import AUTO_MAML_1SHOT
from tests.methods import class_pictures as pictures
from tests.recipes.calls import resume, transfer
from tnas_cli.errors import DataError, Interrupted, SettingsError
from tnas_cli.methods import transfer as evaluate_transfer
from tnas_cli.methods.calibration import Bins
from tnas_cli.recipes.decoded import decoded
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.transfer import transfer_settings
from tnas_cli.records.kinds import FixedNetwork
from tnas_cli.records.reading import parse
from tnas_cli.records.results import TransferResult
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.run_file import RunFile
from tnas_cli.spaces.cells import Cells

HERE = Machine("cpu", 1)
TINY = {"layers": 3, "channels": 4, "epochs": 2, "batch": 24, "cutout": 4, "padding": 1, "learning_rate": 0.05}
TINY |= {"drop_path": 0.1}


@pytest.fixture
def images(tmp_path: Path) -> str:
    path = tmp_path / "toy-images-20.h5"
    pictures.cache(path)
    return str(path)


def settings(images: str, **given: Any) -> Any:
    return transfer_settings("quick", TINY | {"dataset": images} | given)


def test_a_published_genotype_is_trained_and_measured(images: str, tmp_path: Path) -> None:
    records = read_genotypes("NASNet-A")
    result = transfer(records, settings(images), runs=tmp_path / "runs", machine=HERE)
    assert (result["setting"], result["method"], result["name"]) == ("transfer", "nasnet-a", "NASNet-A")
    assert (result["dataset"], result["protocol"], result["split"], result["images"]) == ("toy", "images", "test", 30)
    assert result["budget"] == {"training": {"amount": 2, "unit": "epochs", "each": "genotype"}}
    assert result["per_genotype"][0]["digest"] == Cells.from_json(records[0].genotype).digest
    assert 0 <= result["mean"] <= 1 and result["top5_mean"] == 1
    assert result["transductive"] is False
    # What the report reads, and what it finds in the run directory.
    measured = parse(result)
    assert isinstance(measured, TransferResult)
    assert measured.parameters_mean == result["per_genotype"][0]["parameters"]
    logged = (Path(result["run"]) / "events.jsonl").read_text().splitlines()
    assert json.loads(logged[-1]) == json.loads(json.dumps(result))


def test_the_best_epoch_by_validation_is_tested(images: str, tmp_path: Path) -> None:
    records = read_genotypes("DARTS_V2")
    result = transfer(records, settings(images, epochs=3), runs=tmp_path / "runs", machine=HERE)
    run = Path(result["run"])
    validated = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines() if "validated" in line]
    best = max(validated, key=lambda record: record["accuracy"])
    assert len(validated) == 3
    assert result["per_genotype"][0]["validation"] == best["accuracy"]
    kept = torch.load(run / result["per_genotype"][0]["digest"] / "best.pt", weights_only=True)
    assert json.loads(kept["header"])["about"]["progress"]["steps"] == best["batches"]


def test_the_weights_of_the_best_epoch_are_tested(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[torch.Tensor] = []

    def measure(network: torch.nn.Module, of: Any, device: torch.device) -> tuple[torch.Tensor, Bins]:
        weights.append(network.state_dict()["classifier.weight"].clone())
        right = torch.full((len(of), 2), 1.0 if len(weights) == 2 else 0.0)  # the second of three epochs is the best
        return right, Bins.sum([])

    monkeypatch.setattr(evaluate_transfer, "measure", measure)
    transfer(read_genotypes("DARTS_V2"), settings(images, epochs=3), runs=tmp_path / "runs", machine=HERE)
    assert len(weights) == 4
    assert [torch.equal(weights[3], other) for other in weights[:3]] == [False, True, False]


def test_training_on_the_validation_images_too_chooses_nothing(images: str, tmp_path: Path) -> None:
    result = transfer(
        read_genotypes("DARTS_V2"), settings(images, train_split="train+val", epochs=1), runs=tmp_path, machine=HERE
    )
    assert result["per_genotype"][0]["validation"] is None
    assert not list(Path(result["run"]).rglob("best.pt"))


@pytest.mark.parametrize("done", [3, 4])  # at the end of an epoch, before its validation, and within the next
def test_a_stopped_training_goes_on_to_the_same_numbers(images: str, tmp_path: Path, done: int) -> None:
    records = [*read_genotypes("DARTS_V1"), *read_genotypes("DARTS_V2"), *read_genotypes("DARTS_V2")]
    chosen = settings(images)
    whole = transfer(records, chosen, runs=tmp_path / "whole", machine=HERE)
    assert [row["count"] for row in whole["per_genotype"]] == [2, 1]
    batches = 0

    def stop_in_the_second(event: events.Event) -> None:
        nonlocal batches
        if isinstance(event, events.Progress):
            batches += 1
            if batches == 6 + done:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="saved in"):
        transfer(records, chosen, runs=tmp_path / "cut", machine=HERE, listener=stop_in_the_second)
    (run,) = (tmp_path / "cut").iterdir()
    assert RunFile.read(run).kind == "transfer"
    seen: list[events.Progress] = []
    resumed = resume(run, machine=HERE, listener=lambda e: seen.append(e) if isinstance(e, events.Progress) else None)
    assert [event.done for event in seen] == list(range(done + 1, 7))  # the second network's last batches
    for key in ("mean", "interval", "per_genotype", "method"):
        assert resumed[key] == whole[key]
    assert validations(run) == validations(Path(whole["run"]))


def validations(run: Path) -> list[str]:
    return [line for line in (run / "events.jsonl").read_text().splitlines() if '"validated"' in line]


def test_only_the_most_frequent(images: str, tmp_path: Path) -> None:
    records = [*read_genotypes("DARTS_V1"), decoded(AUTO_MAML_1SHOT), decoded(AUTO_MAML_1SHOT)]
    result = transfer(records, settings(images, epochs=1), limit=1, runs=tmp_path, machine=HERE)
    assert [row["digest"] for row in result["per_genotype"]] == [AUTO_MAML_1SHOT.digest]
    assert (result["genotypes"], result["genotypes_trained"], result["method"]) == (3, 1, "mixed")


def test_what_is_refused(images: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--engine has no effect with tnas transfer"):
        transfer(read_genotypes("DARTS_V2"), settings(images), runs=tmp_path, machine=Machine("cpu", 1, engine="fused"))
    with pytest.raises(SettingsError, match="trains cells"):
        transfer([FixedNetwork(network="4conv-32")], settings(images), runs=tmp_path, machine=HERE)
    other = tmp_path / "other-images-20.h5"
    pictures.cache(other, shared=False)
    with pytest.raises(SettingsError, match="different classes"):
        transfer(read_genotypes("DARTS"), settings(str(other)), runs=tmp_path, machine=HERE)
    with pytest.raises(SettingsError, match="no values for data set 'toy'"):
        transfer_settings("paper", {"dataset": images})
    with pytest.raises(SettingsError, match="dataset"):
        transfer_settings("quick", {})
    with pytest.raises(DataError, match="not a run that can be continued"):
        resume(tmp_path, machine=HERE)


def test_other_images_than_before_are_refused(images: str, tmp_path: Path) -> None:
    result = transfer(read_genotypes("DARTS"), settings(images, epochs=1), runs=tmp_path, machine=HERE)
    Path(images).unlink()
    pictures.cache(Path(images), counts={"train": 5, "val": 2, "test": 2})
    (Path(result["run"]) / "result.json").unlink()
    with pytest.raises(DataError, match="does not hold the images"):
        resume(Path(result["run"]), machine=HERE)
