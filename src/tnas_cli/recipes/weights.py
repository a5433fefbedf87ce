"""Where the weights of a few-shot training begin, and what of its settings follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tnas_cli.methods.about import About
from tnas_cli.methods.registry import readers
from tnas_cli.settings.features import INHERITED_READS, SCRATCH_READS, TEST_TASKS
from tnas_cli.settings.preset import preset

Weights = Literal["scratch", "inherited", "inherited, all tasks"]

#: In which a meta-training that goes on from the weights of a search differs from a preset.
_INHERITING: Mapping[str, Any] = {"alpha_outer": 1e-3, "cosine_to": 1.0}


def preset_for(name: str, method: About, weights: Weights) -> dict[str, Any]:
    """A preset with what its method or the weights change in it."""
    return preset("train_eval", name) | dict(method.differs if weights == "scratch" else _INHERITING)


def weights_read(weights: Weights) -> frozenset[str]:
    """What is read if weights are inherited, or by any method if they are learned from scratch."""
    if weights == "scratch":
        return SCRATCH_READS.union(*readers(searches=False).values())
    return INHERITED_READS | ({TEST_TASKS} if weights == "inherited, all tasks" else set())
