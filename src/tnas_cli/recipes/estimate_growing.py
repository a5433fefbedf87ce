"""What `tnas grow` will cost: the training of one cell of each size, measured here, times the number of such cells."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import torch

from tnas_cli.methods.meta_learn import Plan
from tnas_cli.recipes.estimate_training import estimate_network
from tnas_cli.recipes.grow import Grow, network_of_size
from tnas_cli.records.other_results import GrowEstimate
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.spaces.growing import with_one_node
from tnas_cli.spaces.registry import space


def estimate(recipe: Grow, machine: Machine, listener: Listener) -> GrowEstimate:
    """Raises what `Grow.prepare` raises."""
    work = recipe.prepare(machine, listener)
    s, count = work.settings, work.count
    if count > 1:  # each has a share of the threads
        work = recipe.prepare(replace(machine, threads=max(1, torch.get_num_threads() // count)), ignore)
    cells = [min(s.first, len(with_one_node(space(s.space)))), *[s.beam] * (s.nodes - 1)]
    one = [
        estimate_network(network_of_size(s, work.cache, nodes), s, work.cache, work.engine, work.device, Plan.of(s))[0]
        for nodes in range(1, s.nodes + 1)
    ]
    seconds = sum(math.ceil(many / count) * each.total_seconds for many, each in zip(cells, one, strict=True))
    about = asdict(one[-1]) | {"total_seconds": seconds}
    return GrowEstimate(engine=work.engine.name, **about, cells=sum(cells), side_by_side=count)
