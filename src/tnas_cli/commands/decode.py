"""`tnas decode`: the discrete architectures of adapted tasks, and pictures of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tnas_cli.recipes.genotype_source import read_genotypes
from tnas_cli.report.cell_graph import draw
from tnas_cli.spaces.collapse import collapse
from tnas_cli.spaces.genotype import Genotype


def decode(
    source: str, *, stdin: str | None = None, picture: Path | None = None, max_skips: int | None = None
) -> list[dict[str, Any]]:
    """A `genotype` record per task of `source`, then the `result`; with `picture` also SVG or PNG files.

    One picture is written for each distinct genotype: to `picture` itself if there is only one, otherwise beside it
    with the genotype's digest in the name. max_skips: at most so many skip connections in each cell, with which the
    paper's Algorithm 2 is left. Raises GenotypeError, CheckpointError, SettingsError for `max_skips` below 0 or without
    theta, or TnasError for an unwritable path.
    """
    records = read_genotypes(source, stdin, max_skips)
    counts = Counter(record["digest"] for record in records)
    result: dict[str, Any] = {
        "event": "result",
        "version": 1,
        "command": "decode",
        "tasks": len(records),
        "distinct": len(counts),
        "most_frequent": dict(counts.most_common(5)),
        **collapse([_counted(record) for record in records]),
    }
    if max_skips is not None:
        result["max_skips"] = max_skips
    if picture is not None:
        result["pictures"] = [str(path) for path in _pictures(records, len(counts), picture)]
    return [*records, result]


def _counted(record: dict[str, Any]) -> tuple[int, int, int]:
    edges = sum(len(record["genotype"][cell]) for cell in ("normal", "reduce"))
    return record["skip_connections"], record["pools"], edges


def _pictures(records: list[dict[str, Any]], distinct: int, picture: Path) -> list[Path]:
    written: dict[str, Path] = {}
    for record in records:
        digest = record["digest"]
        if digest not in written:
            path = picture if distinct == 1 else picture.with_name(f"{picture.stem}-{digest}{picture.suffix}")
            draw(Genotype.from_json(record["genotype"]), path, title=f"{digest}  {record['parameters']:,} weights")
            written[digest] = path
    return list(written.values())
