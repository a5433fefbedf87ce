"""ANIL (Raghu et al., 2020): MAML whose inner loop moves the last linear layer alone."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods.about import OWN
from tnas_cli.methods.head import is_head
from tnas_cli.methods.inner_loops import method_of
from tnas_cli.methods.plus_plus import inner_loop
from tnas_cli.methods.unrolled import InnerLoop
from tnas_cli.settings.train import TrainSettings


def inner_loop_of(settings: TrainSettings) -> InnerLoop:
    """The inner loop of MAML, for the head."""
    return replace(inner_loop(settings), adapts=is_head)


METHOD = method_of(OWN["anil"][0], inner_loop_of)
