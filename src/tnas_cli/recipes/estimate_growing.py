"""What `tnas grow` will cost: the training of one cell of the final size, measured here, times the number of cells."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from tnas_cli.recipes.estimate_training import estimate_from_scratch
from tnas_cli.recipes.from_scratch import FromScratch
from tnas_cli.recipes.grow import Grow, largest_cells
from tnas_cli.records.other_results import GrowEstimate
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener
from tnas_cli.spaces.growing import with_one_node
from tnas_cli.spaces.registry import space


def estimate(recipe: Grow, machine: Machine, listener: Listener) -> GrowEstimate:
    """Raises what `Grow.prepare` raises."""
    work = recipe.prepare(machine, listener)
    s = work.settings
    cells = min(s.first, len(with_one_node(space(s.space)))) + s.beam * (s.nodes - 1)
    # Several at a time have a share of the threads each.
    alone = replace(machine, threads=max(1, torch.get_num_threads() // work.count))
    one = estimate_from_scratch(FromScratch(s, largest_cells(s, work.cache, 1)), alone, listener)
    rounds = math.ceil(cells / work.count)
    return GrowEstimate(
        engine=one.engine,
        parameters=one.parameters,
        flops_per_task=one.flops_per_task,
        seconds_per_step=one.seconds_per_step,
        seconds_per_validation=one.seconds_per_validation,
        steps=one.steps,
        total_seconds=rounds * (one.seconds_per_step * one.steps + one.seconds_per_validation),
        cells=cells,
        side_by_side=work.count,
    )
