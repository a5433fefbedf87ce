"""`tnas supervised|transfer` on tiny data, as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.methods import class_pictures as pictures
from tests.pasting import next_line, pasted
from tests.running import class_tree, succeeding, tnas, unfinished
from tnas_cli.episodes.cifar_classes import CIFAR10

SMALL = ("--layers", 3, "--channels", 4, "--batch", 16, "--cutout", 8)
SHAPE = (
    "--way",
    3,
    "--shot",
    6,
    "--query",
    4,
    "--tasks",
    2,
    "--channels",
    4,
    "--batch",
    18,
    "--padding",
    1,
)
HERE = ("--device", "cpu", "--threads", 1, "--engine", "torch")


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with a CIFAR-10 of ten images per class and part."""
    folder = tmp_path_factory.mktemp("cifar")
    for part in ("train", "test"):
        class_tree(folder / "tree" / part, range(10), 10, size=32, colour=True)
        for number, name in enumerate(CIFAR10):
            (folder / "tree" / part / f"c{number:02d}").rename(folder / "tree" / part / name)
    succeeding("prepare-data", "cifar10", "--source", folder / "tree", "--cache-dir", folder / "cache")
    return folder / "cache"


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signs") / "signs-drawn-20.h5"
    pictures.characters(path)
    return path


def test_transfer_of_a_published_genotype(cifar: Path, tmp_path: Path) -> None:
    options = ("--dataset", "cifar10", "--cache-dir", cifar, "--runs", tmp_path, *HERE[:4])
    ran = succeeding("transfer", "AmoebaNet-A", *options, *SMALL, "--epochs", 1, "--json")
    result = ran.result
    assert (result["setting"], result["method"], result["dataset"]) == ("transfer", "amoebanet-a", "cifar10")
    assert (result["layers"], result["channels"], result["budget"]["training"]["amount"]) == (3, 4, 1)
    assert result["images"] == 100
    fused = tnas("resume", unfinished(result["run"]), "--engine", "fused")
    assert fused.code == 2 and "--engine has no effect with tnas transfer" in fused.stderr
    text = succeeding("resume", result["run"])
    assert text.stdout.splitlines()[-1].startswith(f"error {100 * (1 - result['mean']):.2f} ± ")
    assert "--table 7" in next_line(text)
    reported = pasted(next_line(text)).stdout
    assert "AmoebaNet" in reported and "Left out" not in reported


def test_the_papers_preset_is_that_of_the_data_set(cifar: Path, tmp_path: Path) -> None:
    options = ("--dataset", "cifar10", "--cache-dir", cifar, "--runs", tmp_path, *HERE[:4])
    ran = succeeding("transfer", "DARTS_V1", *options, "--preset", "paper", *SMALL, "--epochs", 1, "--json")
    settings = (Path(ran.result["run"]) / "settings.toml").read_text()
    assert "learning_rate = 0.025\n" in settings and "drop_path = 0.2\n" in settings and "cutout = 8\n" in settings


@pytest.mark.parametrize("method", ["random", "darts", "s2"])
def test_supervised(signs: Path, tmp_path: Path, method: str) -> None:
    options = ("--dataset", signs, "--runs", tmp_path, *SHAPE, *HERE)
    few = ("--epochs", 1)
    few += () if method == "random" else ("--search-epochs", 1)
    few += () if method == "darts" else ("--genotypes", 1)
    result = succeeding("supervised", *options, "--method", method, *few, "--json").result
    assert (result["setting"], result["method"]) == ("supervised", "s1" if method == "darts" else method)
    assert (result["tasks"], result["way"], result["shot"]) == (2, 3, 6)
    text = succeeding("resume", unfinished(result["run"]))
    assert text.stdout.splitlines()[-1].startswith(f"accuracy {100 * result['mean']:.2f} ± ")
    assert ("per task" in text.stderr) == (method == "darts")
    assert "--table 5" in next_line(text)
    assert "Left out" not in pasted(next_line(text)).stdout


def test_supervised_training_of_a_given_genotype_is_above_chance(signs: Path, tmp_path: Path) -> None:
    options = ("--dataset", signs, "--runs", tmp_path, *SHAPE, *HERE)
    result = succeeding("supervised", "DARTS_V2", *options, "--epochs", 10, "--no-flip", "--json").result
    assert result["method"] == "darts-second-order"
    assert result["mean"] > 0.55  # chance is a third


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train-eval", "DARTS_V2", "--epochs", 3, "--dataset", "glyphs"), "--epochs"),
        (("transfer", "--dataset", "cifar10"), "no genotype given"),
        (("transfer", "DARTS_V2"), "dataset"),
        (("transfer", "DARTS_V2", "--dataset", "cifar10", "--way", 5), "--way"),
        (("transfer", "DARTS_V2", "--dataset", "x", "--preset", "paper"), "no values for data set 'x'"),
        (("transfer", "DARTS_V2", "--dataset", "cifar10", "--dry-run"), "--dry-run"),
        (("transfer", "DARTS_V2", "--dataset", "cifar10", "--batches", 3), "No such option: --batches"),
        (("transfer", "DARTS_V2", "--dataset", "cifar10", "--checkpoint", "best.pt"), "--checkpoint"),
        (("transfer", "4conv", "--dataset", "glyphs"), "trains cells"),
        (("supervised", "4conv", "--dataset", "glyphs"), "trains genotypes"),
        (("supervised", "--dataset", "glyphs"), "no genotype was given"),
        (("supervised", "--dataset", "glyphs", "--method", "maml"), "method is 'maml'"),
        (("supervised", "--dataset", "glyphs", "--method", "s1", "--limit", 2), "--limit"),
        (("supervised", "--dataset", "glyphs", "--method", "s1", "--checkpoint", "b.pt"), "--checkpoint"),
        (("supervised", "--dataset", "glyphs", "--method", "s1", "--meta-batch", 2), "--meta-batch"),
        (("supervised", "--dataset", "glyphs", "--method", "s1", "--epochs", 0), "epochs is 0"),
    ],
)
def test_what_cannot_be(arguments: tuple[str | int, ...], message: str, tmp_path: Path) -> None:
    ran = tnas(*arguments, "--runs", tmp_path / "runs", "--cache-dir", tmp_path, *HERE[:4])
    assert ran.code == 2, ran.stderr
    assert message in ran.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_on_with_nothing_but_its_folder(signs: Path, tmp_path: Path) -> None:
    options = ("--dataset", signs, "--runs", tmp_path, *SHAPE, *HERE)
    run = succeeding("supervised", "DARTS_V1", *options, "--epochs", 1, "--json").result["run"]
    ran = tnas("resume", run, "--epochs", 2)
    assert ran.code == 2 and "--epochs" in ran.stderr
    ran = tnas("resume", unfinished(run), "--tensorboard")
    assert ran.code == 2 and "--tensorboard has no effect with tnas supervised" in ran.stderr
    ran = tnas("resume", run, "--hours", 1)
    assert ran.code == 2 and "--hours has no effect" in ran.stderr


def test_help_does_not_import_torch() -> None:
    code = "import sys; import tnas_cli.cli.supervised, tnas_cli.cli.transfer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == 0
