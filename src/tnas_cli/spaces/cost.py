"""What a network costs: its weights, and its arithmetic per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tnas_cli.spaces.parameters import Parameters, Spec

#: A forward pass costs 1, the gradients of weights and of activations 1 each.
FORWARD_AND_BACKWARD = 3


def flops_per_image(
    logits: Callable[[Parameters, Tensor], Tensor], specs: Mapping[str, Spec], in_channels: int, size: int
) -> int:
    """Floating-point operations (a multiply-add is two) of one forward pass for one image of size x size pixels.

    Counted on tensors without data, where every convolution counts as itself.
    """
    # A build of PyTorch with CUDA loads Triton with this module, 75 MB, which only an estimate is to pay for.
    from torch.utils.flop_counter import FlopCounterMode

    parameters = {name: torch.empty(1, *spec.shape, device="meta") for name, spec in specs.items()}
    image = torch.empty(1, 1, in_channels, size, size, device="meta")
    with FlopCounterMode(display=False) as counter:
        logits(parameters, image)
    return int(counter.get_total_flops())


def flops_per_task(per_image: int, *, support: int, query: int, steps: int) -> int:
    """One task of meta-learning: `steps` support passes and one query pass, each forward and backward."""
    return FORWARD_AND_BACKWARD * per_image * (steps * support + query)
