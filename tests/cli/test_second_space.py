"""A space other than DARTS's, from the search to the report, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SEARCH, TESTING, TRAINING, Pipeline
from tests.running import succeeding, tnas
from tnas_cli.spaces.edges import edge_count
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.registry import space
from tnas_cli.spaces.shapes import count

SPACE = space("tiny")
NAMES = {row.name for row in SPACE.operations if not row.is_none}
FUSED = ("--channels", 8)


@pytest.mark.parametrize("engine", ["torch", "fused"])
def test_from_the_search_to_the_report(pipeline: Pipeline, tmp_path: Path, engine: str) -> None:
    runs = ("--runs", tmp_path / "runs", *pipeline.here, "--engine", engine, "--json")
    searched = succeeding("search", *SEARCH, *FUSED, "--space", "tiny", *runs)
    assert (searched.result["space"], searched.result["engine"]) == ("tiny", engine)
    assert 'space = "tiny"' in (Path(searched.result["run"]) / "settings.toml").read_text(encoding="utf-8")

    here = (*pipeline.here, "--engine", engine, "--json")
    adapted = succeeding("adapt", searched.result["checkpoint"], "--dataset", "shapes", "--tasks", 3, *here)
    first = adapted.records[0]
    assert first["space"] == "tiny"
    assert [len(cell) for cell in first["theta"]] == 2 * [edge_count(SPACE.nodes)]
    assert {len(edge) for cell in first["theta"] for edge in cell} == {len(SPACE.operations)}

    decoded = succeeding("decode", "-", "--json", stdin=adapted.stdout)
    genotypes = [Genotype.from_json(record["genotype"]) for record in decoded.records if record["event"] == "genotype"]
    assert genotypes
    for genotype in genotypes:
        assert (genotype.space, genotype.nodes) == ("tiny", SPACE.nodes)
        assert {name for cell in ("normal", "reduce") for name, _ in genotype.cell(cell)} <= NAMES

    trained = succeeding("train-eval", "-", *TRAINING, *FUSED, *TESTING, *runs, stdin=decoded.stdout)
    assert (trained.result["space"], trained.result["engine"]) == ("tiny", engine)
    assert trained.result["preparation"] == searched.result["preparation"]
    chosen = {genotype.digest: genotype for genotype in genotypes}
    for row in trained.result["per_genotype"]:
        network = SPACE.decoded_network(chosen[row["digest"]], 3, trained.result["counted_for"]["image_channels"], 8)
        assert row["parameters"] == count(network.specs())

    assert succeeding("report", trained.result["run"]).stdout
    for run in (searched.result["run"], trained.result["run"]):
        assert succeeding("report", run, "--figures", tmp_path / "figures", "--json").records


def test_a_space_that_is_not_there_is_refused(pipeline: Pipeline) -> None:
    refused = tnas("search", *SEARCH, "--space", "tinny", *pipeline.here)
    assert refused.code == 2
    assert "unknown space 'tinny'" in refused.stderr
    assert "did you mean 'tiny'?" in refused.stderr
