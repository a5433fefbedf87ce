"""T-NAS++ (Section 4.2): T-NAS with the pieces of MAML++."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods import plus_plus, t_nas
from tnas_cli.settings.features import ALTERNATING

METHOD = replace(
    t_nas.METHOD,
    name="t-nas++",
    title="T-NAS++",
    citation=(*t_nas.METHOD.citation, "antoniou2019mamlpp"),
    reads=t_nas.METHOD.reads - {ALTERNATING},
    differs=plus_plus.AS_PUBLISHED,
)
