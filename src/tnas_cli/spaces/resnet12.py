"""ResNet-12, the residual network of TADAM (Oreshkin et al., 2018) and of MTL (Sun et al., 2019), in both forms.

Four residual blocks with F, 2F, 4F and 8F filters, F = 64 in the publications. With the activation a and the norm n, a
block of x is

    pool(a(n3 c3(a(n2 c2(a(n1 c1(x))))) + shortcut(x)))

c1, c2, c3 are 3 x 3 convolutions, the shortcut is a 1 x 1 convolution, the pool is the maximum of 2 x 2 pixels. Then
global average pooling and one linear layer. In the authors' code the two forms differ:

| | TADAM | MTL |
| --- | --- | --- |
| convolutions | no bias | with a bias |
| norms | gain and bias | bias alone |
| a norm after the shortcut | yes | no |
| activation | swish, x sigmoid(x) | leaky ReLU, 0.1 |
| pools after | the first three blocks, an odd row or column counts | all four, an odd row or column is left out |

So there are 7,996,800 weights in TADAM's blocks; in MTL's, 7,992,000 and the 2,880 biases of norms. As everywhere in
tnas, norms take the moments of the images at hand, with epsilon 1e-5 (TADAM: 1e-3, and running moments in tests).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.spaces.shapes import Spec, Specs, check_size, classifier_specs, norm_specs

if TYPE_CHECKING:
    from torch import Tensor

    from tnas_cli.spaces.parameters import Parameters

BLOCKS, LAYERS = 4, 3

#: The prefixes of the convolutions with a kernel of 3 x 3, in their order.
CONVOLUTIONS = tuple(f"block.{block}.{layer}" for block in range(BLOCKS) for layer in range(LAYERS))

LEAK = 0.1


@dataclass(frozen=True)
class Form:
    """How the publications' networks differ. conv_bias: convolutions have a bias, and norms no gain. pools: how many
    blocks end with a pool. ceil: whether a pool counts an odd last row or column."""

    title: str
    conv_bias: bool
    shortcut_norm: bool
    swish: bool
    pools: int
    ceil: bool


TADAM = Form("TADAM's", conv_bias=False, shortcut_norm=True, swish=True, pools=3, ceil=True)
MTL = Form("MTL's", conv_bias=True, shortcut_norm=False, swish=False, pools=4, ceil=False)


@dataclass(frozen=True)
class ResNet12:
    """ResNet-12 for images of size x size pixels, with F = `filters`. Raises SettingsError if they are too small."""

    way: int
    in_channels: int
    size: int
    filters: int = 64
    form: Form = TADAM

    def __post_init__(self) -> None:
        check_size(f"{self.form.title} ResNet-12", self.size, 2**self.form.pools)

    def width(self, block: int) -> int:
        """Filters of a block, counted from 0."""
        return self.filters << block

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        specs: Specs = {}
        fed = self.in_channels
        for block in range(BLOCKS):
            width = self.width(block)
            for layer in range(LAYERS):
                specs |= self._layer_specs(f"block.{block}.{layer}", width if layer else fed, width)
            specs[f"block.{block}.shortcut.conv"] = Spec((width, fed), fan_in=fed)
            if self.form.shortcut_norm:
                specs |= norm_specs(f"block.{block}.shortcut", width)
            fed = width
        return specs | classifier_specs(fed, self.way)

    def _layer_specs(self, prefix: str, fed: int, width: int) -> Specs:
        specs = {f"{prefix}.conv": Spec((width, fed, 3, 3), fan_in=9 * fed)} | norm_specs(prefix, width)
        if self.form.conv_bias:
            specs[f"{prefix}.conv_bias"] = Spec((width,), fan_in=9 * fed)
            del specs[f"{prefix}.gain"]
        return specs

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], every parameter with a leading T -> logits [T, N, way]."""
        from tnas_cli.spaces.stem import linear

        return linear(parameters, self.features(parameters, x))

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees: x [T, N, C, size, size], every parameter with a leading T -> [T, N, 8 F]."""
        from tnas_cli.spaces.residual_block import residual_block
        from tnas_cli.spaces.stem import pooled

        y = x.transpose(1, 2)  # [T, C, N, H, W]
        for block in range(BLOCKS):
            y = residual_block(parameters, f"block.{block}", y, self.form, pooled=block < self.form.pools)
        return pooled(y)
