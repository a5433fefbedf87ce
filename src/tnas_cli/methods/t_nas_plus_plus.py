"""T-NAS++ (Section 4.2): T-NAS with the pieces of MAML++."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods import t_nas
from tnas_cli.methods.about import OWN

METHOD = replace(t_nas.METHOD, about=OWN["t-nas++"][0])
