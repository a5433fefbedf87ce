"""Collapse: searches like DARTS's may end in architectures of skip connections and pools, which learn little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Shares of edges, averaged over genotypes, from which a warning is given. Uniformly random genotypes have 1/7 skip
#: connections and 3/7 operations without weights.
SKIPS, WITHOUT_WEIGHTS = 0.5, 0.75


def collapse(counts: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
    """`skip_share`, `pool_share` and a `warning` or None, from (skip connections, pools, edges) of each genotype."""
    edges = sum(total for _, _, total in counts)
    skips, pools = (sum(entry[kind] for entry in counts) / edges for kind in (0, 1))
    warning = None
    if skips > SKIPS:
        warning = f"{skips:.0%} of the decoded edges are skip connections ({SKIPS:.0%} or more is a collapse)"
    elif skips + pools > WITHOUT_WEIGHTS:
        warning = (
            f"{skips + pools:.0%} of the decoded edges have no weights ({WITHOUT_WEIGHTS:.0%} or more is a collapse)"
        )
    return {"skip_share": skips, "pool_share": pools, "warning": warning}
