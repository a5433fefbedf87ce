"""ResNet-12 in both published forms, against plain convolutions one task at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.synthetic import check_slope, labelled, parameters_of
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import SettingsError
from tnas_cli.spaces.parameters import Parameters, count
from tnas_cli.spaces.resnet12 import MTL, TADAM, Form, ResNet12

FORMS = pytest.mark.parametrize("form", [TADAM, MTL], ids=["TADAM", "MTL"])


def blocks_of(network: ResNet12) -> int:
    """Weights without the linear layer."""
    return count({name: spec for name, spec in network.specs().items() if not name.startswith("classifier.")})


def test_it_has_as_many_weights_as_published() -> None:
    assert blocks_of(ResNet12(5, 3, 84)) == 7_996_800
    offsets = 3 * (64 + 128 + 256 + 512)
    assert offsets == 2_880
    assert blocks_of(ResNet12(5, 3, 84, form=MTL)) == 7_992_000 + offsets
    assert count(ResNet12(64, 3, 84).specs()) - blocks_of(ResNet12(64, 3, 84)) == 32_832
    assert count(ResNet12(5, 3, 84, form=MTL).specs()) - blocks_of(ResNet12(5, 3, 84, form=MTL)) == 2_565


def plain(w: Parameters, x: Tensor, form: Form) -> Tensor:
    """Logits [N, way] of one task: x [N, C, H, W]."""
    for block in range(4):
        y = x
        for layer in range(3):
            own = f"block.{block}.{layer}"
            y = F.conv2d(y, w[f"{own}.conv"], w[f"{own}.conv_bias"] if form is MTL else None, padding=1)
            y = oracle.norm(y)
            y = y * w[f"{own}.gain"].view(-1, 1, 1) if form is TADAM else y
            y = y + w[f"{own}.bias"].view(-1, 1, 1)
            if layer == 2:
                beside = F.conv2d(x, w[f"block.{block}.shortcut.conv"][:, :, None, None])
                if form is TADAM:
                    beside = oracle.norm(beside, w[f"block.{block}.shortcut.gain"], w[f"block.{block}.shortcut.bias"])
                y = y + beside
            y = y / (1 + torch.exp(-y)) if form is TADAM else torch.maximum(y, 0.1 * y)
        x = y
        if form is TADAM and block < 3:
            odd = x.shape[-1] % 2
            x = F.max_pool2d(F.pad(x, (0, odd, 0, odd), value=-torch.inf), 2)
        elif form is MTL:
            x = F.max_pool2d(x, 2)
    return F.linear(x.mean((2, 3)), w["classifier.weight"], w["classifier.bias"])


@FORMS
@pytest.mark.parametrize(("size", "in_channels"), [(16, 1), (21, 3)])
def test_logits_are_those_of_plain_convolutions(form: Form, size: int, in_channels: int) -> None:
    network = ResNet12(3, in_channels, size, 2, form)
    own = [parameters_of(network, seed) for seed in (1, 2)]
    x, _ = labelled(2, 3, 2, in_channels, size, seed=size)
    found = network.logits({name: torch.stack([w[name] for w in own]) for name in own[0]}, x)
    expected = [plain(w, images, form) for w, images in zip(own, x, strict=True)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)


@FORMS
def test_the_second_order_gradient_of_maml_is_the_slope_of_the_outer_loss(form: Form) -> None:
    network, engine, rule = ResNet12(2, 1, 16, 2, form), TorchEngine(), InnerRule(0.05, 0.0, 1)
    w, support, query = parameters_of(network), labelled(1, 2, 2, 1, 16, seed=1), labelled(1, 2, 3, 1, 16, seed=2)

    def loss(there: Parameters) -> float:
        found = engine.meta_gradient(network, there, support, query, rule, second_order=True)
        return float(found.query_losses.sum())

    found = engine.meta_gradient(network, w, support, query, rule, second_order=True)
    check_slope(found.gradients, loss, w, step=1e-7)


@FORMS
def test_images_that_are_too_small_are_refused(form: Form) -> None:
    smallest = 8 if form is TADAM else 16
    ResNet12(5, 1, smallest, 2, form)
    with pytest.raises(SettingsError, match=f"{form.title} ResNet-12 cannot take images of {smallest - 1} pixels"):
        ResNet12(5, 1, smallest - 1, 2, form)
