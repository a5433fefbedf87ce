"""`--engine` in every command that computes, and what `tnas doctor` says of it."""

from pathlib import Path

import pytest

from tests.conftest import TRAINING, Pipeline
from tests.running import succeeding, tnas

SEARCH = ("--dataset", "shapes", "--way", 3, "--shot", 1, "--query", 2, "--channels", 8, "--meta-batch", 2)
BUDGET = ("--tasks", 4, "--validate-every", 2, "--validation-tasks", 2)


def here(pipeline: Pipeline, runs: Path) -> tuple[str | Path, ...]:
    return (*pipeline.here, "--runs", runs)


@pytest.fixture(scope="module")
def searched(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """The same short search by both engines."""
    runs = tmp_path_factory.mktemp("engines")
    return {
        engine: succeeding("search", *SEARCH, *BUDGET, "--engine", engine, "--json", *here(pipeline, runs)).result
        for engine in ("fused", "torch")
    }


def test_both_engines_search_alike(searched: dict[str, dict[str, object]]) -> None:
    fused, plain = searched["fused"], searched["torch"]
    assert (fused["engine"], plain["engine"]) == ("fused", "torch")
    assert fused["theta_mean_largest_probability"] == pytest.approx(plain["theta_mean_largest_probability"], rel=1e-3)


def test_auto_takes_the_kernels_where_the_channels_allow_it(pipeline: Pipeline, tmp_path: Path) -> None:
    result = succeeding("search", *SEARCH, "--tasks", 2, "--dry-run", "--json", *here(pipeline, tmp_path)).result
    assert result["engine"] == "fused"
    assert pipeline.searched.result["engine"] == "torch"  # four channels


def test_a_checkpoint_adapts_by_either_engine(pipeline: Pipeline, searched: dict[str, dict[str, object]]) -> None:
    found = {
        engine: succeeding(
            "adapt", searched["fused"]["checkpoint"], pipeline.task, "--engine", engine, "--json", *pipeline.here
        ).records
        for engine in ("fused", "torch")
    }
    fused, plain = (found[engine][0]["support_losses"] for engine in ("fused", "torch"))
    assert fused[0] == pytest.approx(plain[0], rel=1e-5)
    assert found["fused"][-1]["engine"] == "fused"


def test_train_eval_of_4conv_uses_the_kernels(pipeline: Pipeline, tmp_path: Path) -> None:
    task = ("--dataset", "shapes", "--way", 3, "--shot", 1, "--test-tasks", 2)
    result = succeeding("train-eval", "4conv", *task, *TRAINING, "--json", *here(pipeline, tmp_path)).result
    assert result["engine"] == "fused"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--engine", "fuse"), "did you mean 'fused'?"),
        (("--engine", "fused", "--order", "second"), "first-order gradients only"),
        (("--engine", "fused", "--channels", 12), "multiple of 8"),
    ],
)
def test_an_engine_that_cannot_do_it_is_refused(
    pipeline: Pipeline, tmp_path: Path, options: tuple[str | int, ...], says: str
) -> None:
    asked = {"--channels": 12} if "--channels" in options else {}
    search = SEARCH[:-4] + SEARCH[-2:] if asked else SEARCH
    ran = tnas("search", *search, *BUDGET, *options, *here(pipeline, tmp_path))
    assert ran.code == 2
    assert says in ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_kernel_folder_that_cannot_be_written(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says why, and PyTorch does the same work."""
    (tmp_path / "kernels").write_text("in the way")
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path / "kernels"))
    ran = succeeding("search", *SEARCH, *BUDGET, *here(pipeline, tmp_path / "runs"))
    assert ran.stderr.count("computing with PyTorch") == 1


def test_doctor_says_which_engine_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.commands.doctor.SAMPLE_SECONDS", 0.0)
    found = succeeding("doctor", "--device", "cpu", "--threads", 1, "--json").result
    assert (found["engine"], found["sound"]) == ("fused", True)
    assert "1 thread" in found["engine_reason"] and found["kernels"]
    plain = succeeding("doctor", "--device", "cpu", "--threads", 1, "--engine", "torch", "--json").result
    assert (plain["engine"], plain["engine_reason"], plain["kernels"]) == ("torch", "asked for", None)


def test_doctor_warms_what_it_is_told_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One usual network represents all of them here."""
    from tnas_cli.spaces.four_conv import FourConv

    monkeypatch.setattr("tnas_cli.commands.doctor.SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr("tnas_cli.commands.doctor.usual_networks", lambda: [(FourConv(2, 1, 24, 24), 24, (2, 4))])
    monkeypatch.setattr("tnas_cli.commands.doctor.SAMPLE", FourConv(5, 1, 28, 16))
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path))
    succeeding("doctor", "--device", "cpu", "--json")
    compiled = len(list(tmp_path.rglob("*.nbi")))
    before = sum(path.stat().st_size for path in tmp_path.rglob("*.nbc"))
    succeeding("doctor", "--device", "cpu", "--warm", "--json")
    assert compiled > 0
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.nbc")) > before


def test_a_run_goes_on_with_its_own_engine(
    pipeline: Pipeline, searched: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    """Both searches are complete; without their results, resuming measures them again."""
    for engine, result in searched.items():
        (Path(str(result["run"])) / "result.json").unlink()
        assert succeeding("resume", result["run"], "--json", *pipeline.here).result["engine"] == engine
    (Path(str(searched["torch"]["run"])) / "result.json").unlink()
    other = succeeding("resume", searched["torch"]["run"], "--engine", "fused", "--json", *pipeline.here)
    assert other.result["engine"] == "fused"
    task = ("--dataset", "shapes", "--way", 3, "--shot", 1, "--test-tasks", 2)
    plain = ("--engine", "torch", "--json", *here(pipeline, tmp_path))
    trained = succeeding("train-eval", "4conv", *task, *TRAINING, *plain).result
    (Path(trained["run"]) / "result.json").unlink()
    assert succeeding("resume", trained["run"], "--json", *pipeline.here).result["engine"] == "torch"
