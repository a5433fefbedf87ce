"""Commands that must start fast do not import PyTorch; and how its threads wait."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.episodes.small_data import class_tree
from tests.running import unfinished
from tnas_cli.__main__ import SPINS, let_threads_sleep
from tnas_cli.spaces.known_genotypes import known

#: Packages that take long to import.
HEAVY = {"torch", "torchvision", "numba", "matplotlib", "h5py"}


def imported_by(code: str, cwd: Path) -> set[str]:
    """Which of the heavy packages a piece of Python imports."""
    code = f"import sys\n{code}\nprint('imported', *sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def command(*words: object) -> str:
    """Python code that runs `tnas WORDS` and continues."""
    return f"from tnas_cli.cli.main import app\napp({[str(word) for word in words]!r}, standalone_mode=False)"


def test_the_package_imports_nothing_of_itself(tmp_path: Path) -> None:
    code = (
        "import tnas_cli\nassert not [n for n in sys.modules if n.startswith('tnas_cli.') and n != 'tnas_cli.version']"
    )
    assert not imported_by(code, tmp_path)


@pytest.mark.parametrize(
    "name", ["", "search", "train-eval", "supervised", "transfer", "grow", "resume", "adapt", "report"]
)
def test_help_imports_nothing_heavy(name: str, tmp_path: Path) -> None:
    words = [name, "--help"] if name else ["--help"]
    assert not imported_by(command(*words), tmp_path)


def test_a_report_imports_nothing_heavy(pipeline: Pipeline, tmp_path: Path) -> None:
    assert not imported_by(command("report", pipeline.trained.result["run"]), tmp_path)
    assert not imported_by(command("report", pipeline.runs, "--table", 3), tmp_path)
    assert not imported_by(command("report", pipeline.runs, "--format", "latex"), tmp_path)


def test_a_page_of_a_training_draws_without_pytorch(pipeline: Pipeline, tmp_path: Path) -> None:
    page = command("report", pipeline.trained.result["run"], "--html", tmp_path / "page.html")
    assert imported_by(page, tmp_path) == {"matplotlib"}


@pytest.mark.parametrize("name", ["DARTS_V2", "NASNet-A", "Auto-MAML-1shot"])
def test_decoding_what_is_published_imports_nothing_heavy(name: str, tmp_path: Path) -> None:
    assert not imported_by(command("decode", name), tmp_path)
    assert not imported_by(command("decode", name, "--json"), tmp_path)


def test_decoding_a_text_and_a_record_of_a_genotype_imports_nothing_heavy(pipeline: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "genotypes.jsonl"
    file.write_text(pipeline.decoded.stdout)
    assert not imported_by(command("decode", file), tmp_path)
    darts = pipeline.decoded.records[0]["darts"]
    assert not imported_by(command("decode", darts, "--format", "dot"), tmp_path)


def test_citing_imports_nothing_heavy(pipeline: Pipeline, tmp_path: Path) -> None:
    assert not imported_by(command("cite", pipeline.trained.result["run"]), tmp_path)


def test_listing_and_watching_runs_imports_nothing_heavy(pipeline: Pipeline, tmp_path: Path) -> None:
    for name in ("runs", "watch"):
        assert not imported_by(command(name, "--help"), tmp_path)
    assert not imported_by(command("runs", pipeline.runs), tmp_path)
    unfinished(shutil.copytree(pipeline.runs, tmp_path / "runs"))
    assert not imported_by(command("runs", tmp_path / "runs"), tmp_path)
    assert not imported_by(command("watch", pipeline.trained.result["run"]), tmp_path)


def test_an_adaptation_builds_no_optimiser_and_so_does_not_import_the_compiler(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    code = (
        f"{command('adapt', pipeline.best, pipeline.task, '--json', *pipeline.here)}\n"
        "assert not {'torch._dynamo', 'torch._inductor', 'sympy'} & set(sys.modules)"
    )
    assert "torch" in imported_by(code, tmp_path)


def test_decoding_a_name_or_a_text_imports_nothing_heavy(tmp_path: Path) -> None:
    published = known("DARTS_V2")
    assert published is not None
    for source in ("DARTS_V2", "NASNet-A", published.cells.to_darts()):
        assert not imported_by(command("decode", source, "--json"), tmp_path)


def test_shapes_and_counts_of_weights_need_no_pytorch(tmp_path: Path) -> None:
    code = """
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.registry import space, spaces
from tnas_cli.spaces.shapes import count
for name in spaces():
    found = space(name)
    assert count(found.search_network(5, 3, 16, found.nodes).specs()) > 0
assert count(space().search_network(5, 3, 16, 4).specs()) == 201_181
assert FourConv(5, 3, 84).description() is not None
"""
    assert not imported_by(code, tmp_path)


def test_preparing_data_needs_no_pytorch(tmp_path: Path) -> None:
    here = ("--cache-dir", tmp_path)
    assert not {"torch", "torchvision", "numba"} & imported_by(command("prepare-data", "--list", *here), tmp_path)
    class_tree(tmp_path / "own", "abcd")
    own = command("prepare-data", "folder", "--source", tmp_path / "own", *here)
    assert not {"torch", "torchvision", "numba"} & imported_by(own, tmp_path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": SPINS}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_threads_sleep_soon_unless_the_user_decides(
    given: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    let_threads_sleep()
    assert {n: os.environ[n] for n in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if n in os.environ} == expected
