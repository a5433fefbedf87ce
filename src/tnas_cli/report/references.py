"""The works behind a run as BibTeX: the paper, this tool, the methods and the data sets."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources

from tnas_cli.methods.registry import added_citations
from tnas_cli.runs.plug_ins import PlugIns
from tnas_cli.spaces import networks as fixed
from tnas_cli.spaces import registry


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


def cited_for(
    methods: Collection[str],
    datasets: Mapping[str, Collection[str]],
    spaces: Collection[str] = (),
    networks: Collection[str] = (),
) -> list[Reference]:
    """The entries for these methods, these data sets with their split protocols, these spaces and fixed networks.

    What another package adds names what it cites: keys of these entries, or BibTeX entries of its own.
    """
    named = set(datasets) | {f"{name}:{protocol}" for name, protocols in datasets.items() for protocol in protocols}
    added = [entry for name in sorted(methods) for entry in added_citations(name)]
    added += [entry for name in sorted(datasets) for entry in _of_dataset(name)]
    added += [entry for name in sorted(spaces) for entry in _of_space(name)]
    added += [entry for name in sorted(networks) for entry in _of_network(name)]
    found = [r for r in references() if r.always or r.methods & set(methods) or r.datasets & named or r.key in added]
    return found + [_of_bibtex(entry) for entry in dict.fromkeys(added) if entry.lstrip().startswith("@")]


def _of_dataset(name: str) -> tuple[str, ...]:
    """What a data set of another package cites."""
    # Only data sets of other packages need the import below, which loads the libraries that read images.
    if name not in PlugIns("tnas.datasets", lambda: object).names():
        return ()
    from tnas_cli.episodes.registry import dataset

    found = dataset(name)
    return () if found is None else found.citation


def _of_space(name: str) -> tuple[str, ...]:
    """What a space cites; the usual space is cited through its methods."""
    if name == registry.USUAL:
        return ()
    found = registry.space(name) if name in registry.OWN else registry.added().get(name)
    return () if found is None else found.citation


def _of_network(name: str) -> tuple[str, ...]:
    """What a fixed network cites; 4CONV is cited through its methods."""
    found = fixed.OWN.get(name) or fixed.added().get(name)
    return () if found is None else found.citation


def _of_bibtex(entry: str) -> Reference:
    """A work, from a BibTeX entry that another package gives."""
    key = entry.partition("{")[2].partition(",")[0].strip()
    return Reference(key, entry.strip(), frozenset(), frozenset(), always=False)
