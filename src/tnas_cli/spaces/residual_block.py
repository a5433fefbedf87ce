"""ResNet-12's block in PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.operations import batch_norm, convolve, halve, pointwise
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.resnet12 import LAYERS, LEAK, Form


def residual_block(w: Parameters, prefix: str, x: Tensor, form: Form, *, pooled: bool) -> Tensor:
    """Three convolutions beside a shortcut: x [T, C, N, H, W] -> [T, filters, N, H', W'], H' about H / 2 if pooled."""
    y = x
    for layer in range(LAYERS):
        y = convolve(y, w[f"{prefix}.{layer}.conv"])
        if form.conv_bias:
            y = y + w[f"{prefix}.{layer}.conv_bias"][:, :, None, None, None]
        y = _normed(w, f"{prefix}.{layer}", y)
        if layer < LAYERS - 1:
            y = _activated(y, form)
    beside = pointwise(x.unsqueeze(1), w[f"{prefix}.shortcut.conv"].unsqueeze(1)).squeeze(1)
    if form.shortcut_norm:
        beside = _normed(w, f"{prefix}.shortcut", beside)
    y = _activated(y + beside, form)
    return halve(y.unsqueeze(1), ceil=form.ceil).squeeze(1) if pooled else y


def _normed(w: Parameters, prefix: str, y: Tensor) -> Tensor:
    bias = w[f"{prefix}.bias"]
    # PyTorch cannot differentiate twice through a norm with a bias alone.
    gain = w.get(f"{prefix}.gain", torch.ones_like(bias))
    return batch_norm(y.unsqueeze(1), gain, bias).squeeze(1)


def _activated(y: Tensor, form: Form) -> Tensor:
    return F.silu(y) if form.swish else F.leaky_relu(y, LEAK)
