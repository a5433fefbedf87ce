"""BOIL (Oh et al., 2021): MAML whose inner loop moves the body alone; the last linear layer stays.

With the body w and the head h, a step is w <- w - alpha dL(w, h; support)/dw; h stays. The outer loss L(w_i, h; query)
moves both. The publication takes one step at the rate 0.5, with second-order outer gradients.
"""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods.about import OWN
from tnas_cli.methods.fixed_head import with_way
from tnas_cli.methods.head import is_head
from tnas_cli.methods.inner_loops import method_of
from tnas_cli.methods.plus_plus import inner_loop
from tnas_cli.methods.unrolled import InnerLoop
from tnas_cli.settings.train import TrainSettings


def is_body(name: str) -> bool:
    """Whether a tensor lies before the last linear layer."""
    return not is_head(name)


def inner_loop_of(settings: TrainSettings) -> InnerLoop:
    """The inner loop of MAML, for the body."""
    return replace(inner_loop(settings), adapts=is_body)


METHOD = replace(method_of(OWN["boil"][0], inner_loop_of), with_way=with_way)
