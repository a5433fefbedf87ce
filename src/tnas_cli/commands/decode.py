"""`tnas decode`: the discrete architectures of adapted tasks, and pictures of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.other_results import DecodeResult
from tnas_cli.spaces.collapse import collapse
from tnas_cli.spaces.genotype import CELLS, Genotype

#: How many of the most frequent genotypes the result counts.
MOST_FREQUENT = 5


def decode(
    source: str, *, stdin: str | None = None, picture: Path | None = None, max_skips: int | None = None
) -> tuple[list[Decoded], DecodeResult]:
    """The record of each genotype of `source`, and the result; with `picture` also SVG or PNG files.

    One picture is written for each distinct genotype: to `picture` itself if there is only one, otherwise beside it
    with the genotype's digest in the name. max_skips: at most this many skip connections in each cell, which departs
    from the paper's Algorithm 2. Raises GenotypeError, CheckpointError, SettingsError for `max_skips` below 0 or
    without theta, or TnasError for an unwritable path.
    """
    records = read_genotypes(source, stdin, max_skips)
    result = replace(summary_of(records), max_skips=max_skips)
    if picture is not None:
        result = replace(result, pictures=tuple(map(str, _pictures(records, result.distinct, picture))))
    return records, result


def summary_of(records: Sequence[Decoded]) -> DecodeResult:
    """How many genotypes there are, and whether they have collapsed."""
    counts = Counter(record.digest for record in records)
    return DecodeResult(
        tasks=len(records),
        distinct=len(counts),
        most_frequent=dict(counts.most_common(MOST_FREQUENT)),
        **collapse([_counted(record) for record in records]),
    )


def _counted(record: Decoded) -> tuple[int, int, int]:
    """Skip connections, pools and edges of both cells."""
    edges = sum(len(cell) for name in CELLS if isinstance(cell := record.genotype[name], list | tuple))
    return record.skip_connections or 0, record.pools or 0, edges


def _pictures(records: Sequence[Decoded], distinct: int, picture: Path) -> list[Path]:
    from tnas_cli.report.cell_graph import draw

    written: dict[str, Path] = {}
    for record in records:
        digest = record.digest
        if digest not in written:
            path = picture if distinct == 1 else picture.with_name(f"{picture.stem}-{digest}{picture.suffix}")
            draw(Genotype.from_json(record.genotype), path, title=f"{digest}  {record.parameters:,} weights")
            written[digest] = path
    return list(written.values())
