"""MAML++ (Antoniou et al., 2019): MAML with all its pieces."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods import maml, plus_plus

METHOD = replace(
    maml.METHOD,
    name="maml++",
    title="MAML++",
    citation=("finn2017maml", "antoniou2019mamlpp"),
    differs=plus_plus.AS_PUBLISHED,
)
