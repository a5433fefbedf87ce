"""A frozen network beside the adapted one: nearest class mean of its features, from weights that are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

from tests.conftest import Pipeline
from tests.running import succeeding, task_folder, tnas
from tnas_cli.episodes.own_images import OwnImages
from tnas_cli.episodes.task_folder import read_task_folder
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.recipes.beside import load_beside


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small network of torchvision."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(models.resnet18().state_dict(), path)
    return path


def test_the_nearest_class_mean_by_hand(weights: Path, tmp_path: Path) -> None:
    folder = task_folder(tmp_path / "task", range(3), shots=[1, 2, 1], colour=True)
    task = read_task_folder(folder, OwnImages(20, 3, (0.5,) * 3, (0.5,) * 3))
    beside = load_beside(f"resnet18={weights}")
    network = models.resnet18()
    network.load_state_dict(torch.load(weights, weights_only=True))
    features: list[torch.Tensor] = []
    network.avgpool.register_forward_hook(lambda module, given, found: features.append(found.flatten(1)))
    network.eval()
    from PIL import Image

    transform = models.ResNet18_Weights.DEFAULT.transforms()

    def of(path: str) -> torch.Tensor:
        with torch.no_grad():
            network(transform(Image.open(path).convert("RGB")).unsqueeze(0))
        found = features.pop()[0]
        return found / found.norm()

    support = [of(file.label) for file in task.support_files]
    means = [support[0], (support[1] + support[2]) / 2, support[3]]
    expected = []
    for file in task.query_files:
        alike = [float(torch.dot(of(file.label), mean / mean.norm())) for mean in means]
        expected.append(alike.index(max(alike)))
    assert beside.answers(task) == expected


def test_adapt_shows_it_with_the_nearest_neighbour(pipeline: Pipeline, weights: Path, tmp_path: Path) -> None:
    task = task_folder(tmp_path / "task", range(18, 21), query=3)
    arguments = ("adapt", pipeline.best, task, "--beside", f"resnet18={weights}", *pipeline.here)
    record, result = succeeding(*arguments, "--json").records
    right = sum(row["beside"] == row["label"] for row in record["predictions"])
    assert record["beside_accuracy"] == pytest.approx(right / 9)
    names = [other["name"] for other in result["others"]]
    assert names == ["nearest neighbour on pixels", "resnet18, frozen, nearest class mean"]
    shown = succeeding(*arguments)
    assert "frozen network" in shown.stdout
    assert all(name in shown.stderr for name in names)
    unlabelled = task_folder(tmp_path / "unlabelled", range(18, 21), labelled=False)
    record, result = succeeding("adapt", pipeline.best, unlabelled, *arguments[3:], "--json").records
    assert all(row["beside"] in record["classes"] for row in record["predictions"])
    assert "others" not in result


def test_what_is_refused(tmp_path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="torchvision has no network 'resnet81'") as caught:
        load_beside("resnet81")
    assert "resnet18" in caught.value.hint
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(DataError, match=f"the weights of resnet18 are not in {tmp_path}") as missing:
        load_beside("resnet18")
    assert "--beside resnet18=FILE" in missing.value.hint
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match="does not hold the weights of resnet18"):
        load_beside(f"resnet18={tmp_path / 'bad.pth'}")
    ran = tnas("adapt", pipeline.best, "--dataset", "shapes", "--beside", "resnet18", *pipeline.here)
    assert ran.code == 2
    assert "--beside" in ran.stderr
