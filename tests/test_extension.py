"""The example of an extension, installed beside tnas without internet access, and used in separate processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "examples" / "extension"
LONGEST_FILE = 80


def install(source: Path, site: Path) -> None:
    """What an installer does with a package of pure Python: its files, and metadata with its entry points."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    package = name.replace("-", "_")
    shutil.copytree(source / package, site / package)
    info = site / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(SOURCE, folder)
    return folder


def python(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the packages of `site`, in a separate process."""
    paths = os.pathsep.join([str(site), *(os.environ[n] for n in ("PYTHONPATH",) if n in os.environ)])
    environment = {**os.environ, "PYTHONPATH": paths, "TNAS_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


def tnas(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`tnas` with the packages of `site`."""
    return python(site, folder, "-m", "tnas_cli", *arguments)


def records(ran: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_each_file_is_short() -> None:
    files = list(SOURCE.glob("*/*.py"))
    assert len(files) > 2
    for path in files:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE, path


def test_its_data_set_and_its_method_work_like_tnass_own(site: Path, tmp_path: Path) -> None:
    listed = tnas(site, tmp_path, "prepare-data", "--list")
    assert "polygons" in listed.stdout
    trained = tnas(
        site, tmp_path, "train-eval", "4conv", "--method", "meta-baseline", "--dataset", "polygons",
        "--way", "3", "--shot", "1", "--query", "3", "--tasks", "8", "--meta-batch", "4", "--validate-every", "4",
        "--validation-tasks", "4", "--test-tasks", "4", "--json",
    )  # fmt: skip
    result = records(trained)[-1]
    assert (result["method"], result["title"]) == ("meta-baseline", "Meta-Baseline")
    assert result["dataset"] == "polygons"
    assert float(str(result["mean"])) > 0.4  # 1/3 is chance, and the phase before has seen half of the shapes
    cited = tnas(site, tmp_path, "cite", str(result["run"]))
    assert "chen2021metabaseline" in cited.stdout
    reported = tnas(site, tmp_path, "report", str(result["run"]))
    assert "Meta-Baseline" in reported.stdout


@pytest.mark.parametrize("method", ["maml", "meta-baseline"])
def test_its_network_is_trained_like_4conv(site: Path, tmp_path: Path, method: str) -> None:
    trained = tnas(
        site, tmp_path, "train-eval", "residual", "--method", method, "--dataset", "polygons", "--way", "3",
        "--shot", "1", "--query", "2", "--tasks", "4", "--meta-batch", "2", "--validate-every", "4",
        "--validation-tasks", "2", "--test-tasks", "2", "--json",
    )  # fmt: skip
    result = records(trained)[-1]
    assert (result["network"], result["method"]) == ("residual", method)
    assert result["engine"] == "torch"
    told = tnas(site, tmp_path, "train-eval", "residual", "--dataset", "polygons", "--engine", "fused")
    assert told.returncode == 2
    assert "it does not know networks of type Residual" in told.stderr


SPACES = """
import torch
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import draw
from tnas_cli.spaces.registry import space, spaces

wide = space("wide")
assert "wide" in spaces()
network = wide.search_network(3, 1, 8, wide.nodes)
w = {name: tensor.unsqueeze(0) for name, tensor in draw(network.specs(), torch.Generator().manual_seed(0)).items()}
assert network.logits(w, torch.rand(1, 2, 1, 28, 28)).shape == (1, 2, 3)
theta = torch.zeros_like(w["theta"][0])
theta[..., -1] = 5.0
genotype = wide.decode(theta)
assert {name for name, _ in (*genotype.normal, *genotype.reduce)} == {"dil_conv_7x7"}
assert Genotype.from_json(genotype.to_json()) == genotype
print(wide.decoded_network(genotype, 3, 1, 8).description() is not None)
"""


def test_its_space_has_an_operation_of_its_own(site: Path, tmp_path: Path) -> None:
    ran = python(site, tmp_path, "-c", SPACES)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "True\n"


def test_its_space_is_searched(site: Path, tmp_path: Path) -> None:
    small = ("--dataset", "polygons", "--way", "3", "--shot", "1", "--query", "2", "--channels", "8", "--tasks", "2")
    small += ("--meta-batch", "2", "--validate-every", "2", "--validation-tasks", "2", "--engine", "torch", "--json")
    found = records(tnas(site, tmp_path, "search", "--space", "wide", *small))[-1]
    adapted = tnas(site, tmp_path, "adapt", str(found["checkpoint"]), "--dataset", "polygons", "--tasks", "1", "--json")
    (tmp_path / "adapted.jsonl").write_text(adapted.stdout, encoding="utf-8")
    genotype = records(tnas(site, tmp_path, "decode", "adapted.jsonl", "--json"))[0]
    assert genotype["space"] == "wide"


def test_an_option_that_it_does_not_read_is_refused(site: Path, tmp_path: Path) -> None:
    ran = tnas(site, tmp_path, "train-eval", "4conv", "--method", "meta-baseline", "--dataset", "polygons",
               "--alpha-inner", "0.1")  # fmt: skip
    assert ran.returncode == 2
    assert "meta-baseline" in ran.stderr


def test_a_broken_package_is_named_and_breaks_nothing(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    (broken / "tnas_extension" / "meta_baseline.py").write_text("import no_such_module\n", encoding="utf-8")
    unknown = tnas(broken, tmp_path, "train-eval", "4conv", "--method", "meta-baseline", "--dataset", "polygons")
    assert unknown.returncode == 2
    assert "no_such_module" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    (broken / "tnas_extension" / "polygons.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    listed = tnas(broken, tmp_path, "prepare-data", "--list")
    assert listed.returncode == 0
    assert (
        "warning: 'polygons' (tnas.datasets) of the package tnas-extension is left out: SystemExit: 3." in listed.stderr
    )
    assert "polygons" not in listed.stdout
