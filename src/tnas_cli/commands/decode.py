"""`tnas decode`: the discrete architectures of adapted tasks, and pictures and PyTorch modules of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.other_results import DecodeResult
from tnas_cli.runs.endings import PICTURES, ending_of
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.runs.files import check_can_write, write_text
from tnas_cli.spaces.architecture import architecture
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.collapse import collapse
from tnas_cli.spaces.genotype import CELLS
from tnas_cli.spaces.module_source import module_source

#: How many of the most frequent genotypes the result counts.
MOST_FREQUENT = 5


def decode(
    source: str,
    *,
    stdin: str | None = None,
    picture: Path | None = None,
    module: Path | None = None,
    max_skips: int | None = None,
    each: Callable[[Decoded], None] = ignore,
    listener: Listener = ignore,
) -> tuple[list[Decoded], DecodeResult]:
    """The record of each genotype of `source`, and the result; with `picture` also SVG or PNG files, and with `module`
    also Python files that hold the network in plain PyTorch.

    One file is written for each distinct genotype: the one that is named if there is only one genotype, otherwise
    files beside it with the genotype's digest in the name. max_skips: at most this many skip connections in each cell,
    which departs from the paper's Algorithm 2. each: called with every record before files are written. Raises
    GenotypeError, CheckpointError, SettingsError for another ending, or `max_skips` below 0 or without theta, or
    TnasError for an unwritable path.
    """
    for path, endings, option in ((picture, PICTURES, "--picture"), (module, (".py",), "--module")):
        if path is not None:
            ending_of(path, endings, option)
            check_can_write(path)
    records = read_genotypes(source, stdin, max_skips, listener)
    result = replace(summary_of(records), max_skips=max_skips)
    for record in records:
        each(record)
    if picture is not None:
        result = replace(result, pictures=_each_distinct(records, picture, _draw))
    if module is not None:
        result = replace(result, modules=_each_distinct(records, module, _write_module))
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


def _each_distinct(records: Sequence[Decoded], file: Path, write: Callable[[Decoded, Path], None]) -> tuple[str, ...]:
    """Write a file for each distinct genotype: `file` itself for a single one, else beside it with the digest."""
    known = {record.digest: record for record in records}
    written = []
    for digest, record in known.items():
        path = file if len(known) == 1 else file.with_name(f"{file.stem}-{digest}{file.suffix}")
        write(record, path)
        written.append(str(path))
    return tuple(written)


def _draw(record: Decoded, path: Path) -> None:
    from tnas_cli.report.cell_graph import draw

    draw(architecture(record.genotype), path, title=f"{record.digest}  {record.parameters:,} weights")


def _write_module(record: Decoded, path: Path) -> None:
    write_text(path, module_source(Cells.from_json(record.genotype), record.digest))
