"""MAML++ (Antoniou et al., 2019): MAML with all its pieces."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods import maml
from tnas_cli.methods.about import OWN

METHOD = replace(maml.METHOD, about=OWN["maml++"][0])
