"""Settings of `tnas search`; presets/search.toml has the published values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tnas_cli.errors import SettingsError
from tnas_cli.settings import features
from tnas_cli.settings.fields import INNER, NETWORK, OUTER, setting
from tnas_cli.settings.meta_learning import MetaLearningSettings
from tnas_cli.settings.preset import Kind


@dataclass(frozen=True)
class SearchSettings(MetaLearningSettings):
    """T-NAS search (Algorithm 1), or another method that learns the search network."""

    presets: ClassVar[Kind] = "search"

    method: str = setting("t-nas", help="t-nas, t-nas++, auto-maml, base-softmax or base-gumbel-softmax.")
    space: str = setting(
        "darts", help="Search space: darts, tiny, enas, or one of another package.", panel=NETWORK, needs=features.CELLS
    )
    nodes: int = setting(4, help="Nodes of a cell.", panel=NETWORK, least=2, needs=features.CELLS)
    beta_inner: float = setting(30.0, help="Inner rate of theta.", panel=INNER, above=0, needs=features.INNER_THETA)
    beta_outer: float = setting(1e-3, help="Adam's rate for theta~.", panel=OUTER, above=0, needs=features.OUTER_THETA)
    theta_betas: tuple[float, float] = setting(
        (0.9, 0.999), help="Adam's betas for theta~.", panel=OUTER, least=0, below=1, needs=features.OUTER_THETA
    )
    theta_weight_decay: float = setting(
        0.0, help="Weight decay of theta~.", panel=OUTER, least=0, needs=features.OUTER_THETA
    )
    on_divergence: Literal["stop", "halve"] = setting(
        "stop",
        help="If a task's numbers diverge.",
        panel=INNER,
        needs=features.INNER_LOOP,
        switch=True,
    )
    alternating: bool = setting(
        False,
        help="w and theta in turn (Equation 5), or together (Equation 7).",
        panel=INNER,
        needs=features.ALTERNATING,
        switch=True,
        option="--alternating/--simultaneous",
    )

    def check_together(self) -> None:
        """Equation 5 cannot be combined with the pieces of MAML++."""
        if self.alternating and self.pieces:
            name = self.pieces[0]
            raise SettingsError(
                f"{name} is {getattr(self, name)!r}, which has no meaning with Equation 5 (alternating).",
                hint="leave one of them out",
            )
