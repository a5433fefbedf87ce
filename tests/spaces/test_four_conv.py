import pytest
import torch

from tests import oracle
from tests.synthetic import labelled, parameters_of
from tnas_cli.errors import SettingsError
from tnas_cli.spaces.cost import flops_per_image
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import count, draw


@pytest.mark.parametrize(("filters", "weights"), [(32, 32_901), (64, 121_093)])
def test_golden_parameter_counts(filters: int, weights: int) -> None:
    """The 32.9K of Table 3; with 64 filters 1792 + 3 * 36,928 + 4 * 128 + 1600 * 5 + 5."""
    assert count(FourConv(way=5, in_channels=3, size=84, filters=filters).specs()) == weights


@pytest.mark.parametrize(("size", "in_channels"), [(16, 1), (20, 3), (33, 1), (52, 3)])
def test_logits_are_those_of_the_oracle(size: int, in_channels: int) -> None:
    network = FourConv(3, in_channels, size, filters=4)
    own = [parameters_of(network, seed) for seed in (1, 2)]
    x, _ = labelled(2, 3, 2, in_channels, size, seed=size)
    found = network.logits({name: torch.stack([w[name] for w in own]) for name in own[0]}, x)
    expected = [oracle.four_conv_logits(w, images) for w, images in zip(own, x, strict=True)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_weights_start_as_those_of_torchs_layers() -> None:
    specs = FourConv(way=5, in_channels=3, size=84).specs()
    layers = {"block.0": torch.nn.Conv2d(3, 32, 3), "block.3": torch.nn.Conv2d(32, 32, 3)}
    for name, layer in layers.items():
        for kind, tensor in layer.named_parameters():
            spec = specs[f"{name}.{'conv' if kind == 'weight' else 'conv_bias'}"]
            assert spec.shape == tuple(tensor.shape)
            bound = spec.fan_in**-0.5
            assert 0.8 * bound < float(tensor.detach().abs().max()) <= bound
            drawn = draw({"": spec}, torch.Generator().manual_seed(0))[""]
            assert 0.8 * bound < float(drawn.abs().max()) <= bound


def test_arithmetic_counted_by_hand() -> None:
    """20 x 20 pixels, then 10, 5 and 2, and one for the classifier; a multiply-add is two operations."""
    network = FourConv(3, 1, 20, filters=4)
    convolutions = 2 * 9 * (400 * 1 * 4 + (100 + 25 + 4) * 4 * 4)
    assert flops_per_image(network.logits, network.specs(), 1, 20) == convolutions + 2 * 4 * 3


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(SettingsError, match="images of 15 pixels"):
        FourConv(5, 1, 15)
