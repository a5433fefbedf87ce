"""The works behind a run as BibTeX: the paper, this tool, the methods and the data sets."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Reference:
    """An entry, and what it is cited for; a data set may carry a split protocol: "omniglot:vinyals"."""

    key: str
    bibtex: str
    methods: frozenset[str]
    datasets: frozenset[str]
    always: bool


def references() -> list[Reference]:
    """All entries, in the order in which they are printed: the paper, the tool, then methods and data sets."""
    text = resources.files("tnas_cli.report").joinpath("paper", "references.toml").read_text(encoding="utf-8")
    return [
        Reference(
            entry["key"],
            entry["bibtex"].strip(),
            frozenset(entry.get("methods", ())),
            frozenset(entry.get("datasets", ())),
            entry.get("always", False),
        )
        for entry in tomllib.loads(text)["references"]
    ]


def cited_for(methods: Collection[str], datasets: Mapping[str, Collection[str]]) -> list[Reference]:
    """The entries for these methods and these data sets with their split protocols."""
    named = set(datasets) | {f"{name}:{protocol}" for name, protocols in datasets.items() for protocol in protocols}
    return [r for r in references() if r.always or r.methods & set(methods) or r.datasets & named]
