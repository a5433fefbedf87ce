"""Meta-SGD (Li et al., 2017): MAML whose inner rate is learned for every weight; one step in the publication."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.methods.about import OWN
from tnas_cli.methods.inner_loops import method_of
from tnas_cli.methods.plus_plus import inner_loop
from tnas_cli.methods.unrolled import InnerLoop
from tnas_cli.settings.train import TrainSettings


def inner_loop_of(settings: TrainSettings) -> InnerLoop:
    """Rates per weight, whatever the settings say."""
    return replace(inner_loop(settings), learned_rates="weight")


METHOD = method_of(OWN["meta-sgd"][0], inner_loop_of)
