"""Kendall's tau against published values, its interval against simulated truth, and what a report says of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.report.kept import a_trained_run
from tests.report.results import a_result
from tests.running import tnas
from tnas_cli.errors import DataError
from tnas_cli.report.ranks import ceiling, kendall, ranks


@pytest.mark.parametrize(
    ("a", "b", "tau"),
    [
        # SciPy's documentation of kendalltau.
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173),
        ([1, 2, 3, 4, 5], [3, 1, 2, 5, 4], (7 - 3) / 10),
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
    ],
)
def test_known_values(a: list[float], b: list[float], tau: float) -> None:
    assert kendall(np.array(a, float), np.array(b, float))[0] == pytest.approx(tau)


@pytest.mark.parametrize("kind", ["normal", "one end is noisy"])
@pytest.mark.parametrize("genotypes", [8, 24])
def test_its_interval_covers_the_truth(genotypes: int, kind: str) -> None:
    """400 studies: four standard deviations of their count below 93%, where the usual formula for normal values
    (Fieller, Hartley and Pearson, 1957) is further below."""
    rng, studies = np.random.default_rng(0), 400

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal(count)
        noise = 1.0 if kind == "normal" else np.where(x > 0, 0.3, 2.0)
        return x, x + noise * rng.standard_normal(count)

    truth = float(np.mean([kendall(*draw(1000))[0] for _ in range(15)]))
    if kind == "normal":
        assert truth == pytest.approx(0.5, abs=0.01)  # 2 / pi arcsin(1 / sqrt(2))
    found = [kendall(*draw(genotypes)) for _ in range(studies)]
    hits = sum(width is not None and abs(tau - truth) <= width for tau, width in found)
    assert hits / studies > 0.93 - 4 * math.sqrt(0.05 * 0.95 / studies)
    usual = 1.96 * math.sqrt(0.437 / (genotypes - 4))
    if kind != "normal":
        assert sum(abs(math.atanh(min(0.999, tau)) - math.atanh(truth)) <= usual for tau, _ in found) < hits


def test_the_ceiling_is_the_tau_of_two_measurements() -> None:
    """Halves with as much noise as makes whole measurements correlate by 0.8."""
    rng, n = np.random.default_rng(1), 1500
    truth, noise = rng.standard_normal(n), 0.5 * math.sqrt(2)

    def half() -> np.ndarray:
        return truth + noise * rng.standard_normal(n)

    two = kendall((half() + half()) / 2, (half() + half()) / 2)[0]
    assert two == pytest.approx(2 / math.pi * math.asin(0.8), abs=0.03)
    assert ceiling([(half(), half()), (half(), half())]) == pytest.approx(two, abs=0.03)
    assert ceiling([]) is None and ceiling([(truth, np.zeros(n))]) is None


def rows(*means: float) -> list[dict[str, object]]:
    return [{"digest": f"network{n}", "count": 1, "mean": mean, "interval": 0.01} for n, mean in enumerate(means)]


def test_a_report_of_two_runs(tmp_path: Path) -> None:
    """The first from scratch, whose folder has the accuracies per task; the second a file of records."""
    means = [0.5, 0.6, 0.7, 0.8, 0.9, 0.55, 0.65, 0.75]
    networks = [(1, [mean + 0.01 * ((task + n) % 3) for task in range(6)]) for n, mean in enumerate(means)]
    a, b = a_trained_run(tmp_path / "a", *networks), tmp_path / "b.jsonl"
    kept = json.loads((a / "events.jsonl").read_text())
    (a / "events.jsonl").write_text(json.dumps(kept | {"per_genotype": rows(*means)}) + "\n")
    b.write_text(json.dumps(a_result(weights="inherited", tasks=20, per_genotype=rows(*means[:5], 0.9, 0.4, 0.3))))
    ran = tnas("report", "--ranks", a, b, "--json")
    assert ran.code == 0, ran.stderr
    tau, width = kendall(np.array(means), np.array([*means[:5], 0.9, 0.4, 0.3]))
    assert ran.result["tau"] == pytest.approx(tau) and ran.result["interval"] == pytest.approx(width)
    assert ran.result["genotypes"] == 8 and ran.result["tau_ceiling"] > 0.9
    said = tnas("report", "--ranks", a, b).stdout
    assert f"Kendall's tau-b {tau:.2f} ± {width:.2f}, 95% interval over genotypes; 8 genotypes in " in said
    assert "The interval contains 0" in said and "Were the true orders equal" in said


def test_no_interval_is_made_up(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.jsonl" for name in "abcd"]
    for file, means in zip(
        files, ([0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.2, 0.4], [0.5, 0.5, 0.5], [0.1, 0.2]), strict=True
    ):
        file.write_text(json.dumps(a_result(weights="inherited", per_genotype=rows(*means))))
    a, b, same, two = files
    assert ranks(a, b).interval is None and ranks(a, b).tau == pytest.approx(4 / 6) and ranks(a, b).ceiling is None
    assert "No interval: fewer than 8 genotypes" in tnas("report", "--ranks", a, b).stdout
    ten = tmp_path / "ten.jsonl"
    ten.write_text(json.dumps(a_result(weights="inherited", per_genotype=rows(*np.linspace(0.1, 0.9, 10)))))
    assert (ranks(ten, ten).tau, ranks(ten, ten).interval) == (pytest.approx(1), None)
    with pytest.raises(DataError, match="all genotypes are equally good"):
        ranks(a, same)
    with pytest.raises(DataError, match="have 2 genotypes in common"):
        ranks(a, two)
    single = tmp_path / "single.jsonl"
    single.write_text(json.dumps(a_result(weights="inherited", per_genotype=None)))
    with pytest.raises(DataError, match="no accuracy of each genotype"):
        ranks(a, single)
    assert tnas("report", "--ranks", a).code == 2
    assert "exclude each other" in tnas("report", "--ranks", "--compare", a, b).stderr
