"""Genotype records as plain values, for recipes that do not take the records of `genotypes.py` yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tnas_cli.recipes import genotypes
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.reading import parse
from tnas_cli.spaces.genotype import Genotype

_CONTEXT = ("name", "task", "run", "method", "seed", "data", "way", "shot", "channels", "search_tasks", "max_skips")


def read_genotypes(source: str, stdin: str | None = None, max_skips: int | None = None) -> list[dict[str, Any]]:
    """As `genotypes.read_genotypes`."""
    return [record.to_json() for record in genotypes.read_genotypes(source, stdin, max_skips)]


def genotype_record(genotype: Genotype, context: Mapping[str, Any]) -> dict[str, Any]:
    """As `decoded.decoded`, with what `context`, plain values of another record, says of where it came from."""
    about = {name: context[name] for name in _CONTEXT if name in context}
    record = parse({"event": "genotype", "genotype": {}, **about})
    assert isinstance(record, Decoded)
    return decoded(genotype, Origin.of(record)).to_json()
