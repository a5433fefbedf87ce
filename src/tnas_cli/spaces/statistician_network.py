"""The networks of the Neural Statistician (Edwards & Storkey, 2017): a generative model of sets of images.

A set of images has a context c (8 F numbers), an image x has a latent variable z (16 numbers) within it. With F = 64
filters and images of 28 x 28 pixels, as published:

    encoder              h(x)          nine 3 x 3 convolutions, every third with stride 2
    statistic network    q(c | set)    linear layers before and after the mean of h over the set's images
    inference network    q(z | x, c)
    prior                p(z | c)
    decoder              p(x | z, c)   back to the image's pixels, each a Bernoulli variable

All distributions of c and z are normal with diagonal covariance. Batch norm and ELU follow every layer but the last
ones of a network; a norm of one channel, over all numbers at once, follows means and log-variances.

There are 8,361,799 weights. The published code has 8,704 more for latent variables that a model with a single layer of
them does not have, and 256 fewer, since the statistic network is not told how many images a set has.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.operations import batch_norm, convolve, full, pointwise
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.shapes import Spec, Specs, check_size, conv_block_specs, norm_specs

LATENT = 16
SMALLEST_IMAGE = 8  # three halvings
BOUND = 10.0  # of log-variances

#: Widths of the encoder's layers, and of the decoder's on the way back, as multiples of the filters.
ENCODER, DECODER = (1, 1, 1, 2, 2, 2, 4, 4, 4), (4, 4, 2, 2, 1, 1)
HIDDEN, CONTEXT = 4, 8
RESIDUAL = 3  # layers of the block in the inference network and in the prior


@dataclass(frozen=True)
class Normal:
    """Normal distributions with diagonal covariance: means and logarithms of variances, of one shape."""

    mean: Tensor
    log_variance: Tensor

    def drawn(self, noise: Tensor) -> Tensor:
        """The values that standard normal noise stands for; gradients reach mean and variance."""
        return self.mean + noise * (0.5 * self.log_variance).exp()

    def divergence(self, other: Normal) -> Tensor:
        """KL(self || other), summed over the last dimension; leading dimensions are broadcast."""
        ratio = (self.log_variance - other.log_variance).exp()
        apart = (self.mean - other.mean).square() * (-other.log_variance).exp()
        return 0.5 * (other.log_variance - self.log_variance + ratio + apart - 1).sum(-1)


@dataclass(frozen=True)
class StatisticianNetwork:
    """All five networks, for images of size x size pixels. Raises SettingsError if these are too small."""

    way: int
    in_channels: int
    size: int
    filters: int = 64

    def __post_init__(self) -> None:
        check_size("the Neural Statistician", self.size, SMALLEST_IMAGE)

    @property
    def left(self) -> int:
        """The side of the encoder's last maps."""
        return -(-self.size // 8)

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        hidden, context = HIDDEN * self.filters, CONTEXT * self.filters
        flat = hidden * self.left**2
        specs: Specs = {}
        fed = self.in_channels
        for layer, width in enumerate(width * self.filters for width in ENCODER):
            specs |= conv_block_specs(f"encoder.{layer}", fed, width)
            fed = width
        specs |= _linear_specs("statistic.before", flat, hidden) | norm_specs("statistic.before.norm", hidden)
        for layer in range(2):
            # The first one is told how many images there are.
            specs |= _linear_specs(f"statistic.{layer}", hidden + (layer == 0), hidden)
            specs |= norm_specs(f"statistic.{layer}.norm", hidden)
        specs |= _out_specs("statistic.out", hidden, context)
        specs |= _linear_specs("inference.image", flat, hidden)
        for network in ("inference", "prior"):
            specs |= _linear_specs(f"{network}.context", context, hidden)
            for layer in range(RESIDUAL):
                prefix = f"{network}.{layer}"
                specs |= _linear_specs(prefix, hidden, hidden) | norm_specs(f"{prefix}.norm", hidden)
            specs |= _out_specs(f"{network}.out", hidden, LATENT)
        specs |= _linear_specs("decoder.latent", LATENT, hidden) | _linear_specs("decoder.context", context, hidden)
        specs |= _linear_specs("decoder.maps", hidden, flat)
        fed = hidden
        for layer, width in enumerate(width * self.filters for width in DECODER):
            specs |= conv_block_specs(f"decoder.{layer}", fed, width)
            if layer % 2:
                specs |= _up_specs(f"decoder.up.{layer // 2}", width)
            fed = width
        return specs | _linear_specs("decoder.pixels", fed, self.in_channels)

    def features(self, w: Parameters, x: Tensor) -> Tensor:
        """h: x [T, N, C, size, size], weights [T, ...] -> [T, N, 4 F * left * left]."""
        y = x.transpose(1, 2)  # [T, C, N, H, W]
        for layer in range(len(ENCODER)):
            y = _layer(w, f"encoder.{layer}", y, halved=layer % 3 == 2)
        return y.transpose(1, 2).flatten(2)

    def context(self, w: Parameters, h: Tensor, member: Tensor) -> Normal:
        """q(c | set) of K sets: h [T, N, D], member [T, K, N] with 1 where an image belongs to a set -> [T, K, 8 F]."""
        e = F.elu(_normed(w, "statistic.before", h))
        count = member.sum(-1, keepdim=True)
        e = torch.cat([torch.bmm(member, e) / count, count], dim=-1)
        for layer in range(2):
            e = F.elu(_normed(w, f"statistic.{layer}", e))
        return _distribution(w, "statistic.out", e)

    def latent(self, w: Parameters, h: Tensor, c: Tensor) -> Normal:
        """q(z | x, c): h [T, N, D] and each image's context [T, N, 8 F] -> [T, N, 16]."""
        return _of_latent(w, "inference", _linear(w, "inference.image", h) + _linear(w, "inference.context", c))

    def prior(self, w: Parameters, c: Tensor) -> Normal:
        """p(z | c): [T, N, 8 F] -> [T, N, 16]."""
        return _of_latent(w, "prior", _linear(w, "prior.context", c))

    def pixels(self, w: Parameters, z: Tensor, c: Tensor) -> Tensor:
        """p(x | z, c) as logits: z [T, N, 16], c [T, N, 8 F] -> [T, N, C, size, size]."""
        e = F.elu(_linear(w, "decoder.latent", z) + _linear(w, "decoder.context", c))
        y = torch.unflatten(_linear(w, "decoder.maps", e), -1, (-1, self.left, self.left))
        y = y.transpose(1, 2)  # [T, C, N, H, W]
        for layer in range(len(DECODER)):
            # The last one without padding, so that 4 pixels become 28, unless the images are larger than that.
            inside = layer == len(DECODER) - 1 and self.size <= 2 * (y.shape[-1] - 2)
            y = _layer(w, f"decoder.{layer}", y, inside=inside)
            if layer % 2:
                y = _doubled(w, f"decoder.up.{layer // 2}", y)
        logits = pointwise(y.unsqueeze(1), w["decoder.pixels.weight"].unsqueeze(1)).squeeze(1)
        logits = logits + w["decoder.pixels.bias"][:, :, None, None, None]
        first = (y.shape[-1] - self.size) // 2
        middle = slice(first, first + self.size)
        return logits[..., middle, middle].transpose(1, 2)


def _linear_specs(prefix: str, fed: int, width: int) -> Specs:
    return {f"{prefix}.weight": Spec((width, fed), fan_in=fed), f"{prefix}.bias": Spec((width,), fan_in=fed)}


def _out_specs(prefix: str, fed: int, width: int) -> Specs:
    """Means and log-variances, and their norm of one channel."""
    return _linear_specs(prefix, fed, 2 * width) | norm_specs(f"{prefix}.norm", 1)


def _up_specs(prefix: str, width: int) -> Specs:
    """A transposed convolution of 2 x 2 pixels with stride 2, and a norm."""
    return {
        f"{prefix}.conv": Spec((4 * width, width), fan_in=4 * width),
        f"{prefix}.conv_bias": Spec((width,), fan_in=4 * width),
        **norm_specs(prefix, width),
    }


def _linear(w: Parameters, prefix: str, x: Tensor) -> Tensor:
    """x [T, N, D] -> [T, N, O]."""
    return torch.baddbmm(w[f"{prefix}.bias"].unsqueeze(1), x, w[f"{prefix}.weight"].mT)


def _normed(w: Parameters, prefix: str, x: Tensor) -> Tensor:
    """A linear layer and batch norm over N: x [T, N, D] -> [T, N, O]."""
    y = _linear(w, prefix, x).mT[:, None, :, :, None, None]  # [T, 1, O, N, 1, 1]
    return batch_norm(y, w[f"{prefix}.norm.gain"], w[f"{prefix}.norm.bias"]).flatten(3).squeeze(1).mT


def _distribution(w: Parameters, prefix: str, x: Tensor) -> Normal:
    """Means and log-variances [T, N, D] of x [T, N, F]."""
    both = _linear(w, prefix, x)  # [T, N, 2 D]
    normed = batch_norm(both[:, None, None, :, :, None], w[f"{prefix}.norm.gain"], w[f"{prefix}.norm.bias"])
    mean, log_variance = normed.reshape(both.shape).chunk(2, dim=-1)
    return Normal(mean, log_variance.clamp(-BOUND, BOUND))


def _of_latent(w: Parameters, network: str, x: Tensor) -> Normal:
    """What follows the sum of the inputs: ELU, a residual block, and the distribution."""
    x = y = F.elu(x)
    for layer in range(RESIDUAL):
        y = _normed(w, f"{network}.{layer}", y)
        y = F.elu(y) if layer < RESIDUAL - 1 else F.elu(x + y)
    return _distribution(w, f"{network}.out", y)


def _layer(w: Parameters, prefix: str, x: Tensor, *, halved: bool = False, inside: bool = False) -> Tensor:
    """Convolution, batch norm, ELU: x [T, C, N, H, W] -> [T, O, N, H', W']; `inside`: where no padding is seen."""
    weight = w[f"{prefix}.conv"]
    y = full(x.unsqueeze(1), weight.unsqueeze(1), (2, 2)).squeeze(1) if halved else convolve(x, weight)
    return _activated(w, prefix, y[..., 1:-1, 1:-1] if inside else y)


def _doubled(w: Parameters, prefix: str, x: Tensor) -> Tensor:
    """Every pixel becomes 2 x 2, then batch norm and ELU: x [T, C, N, H, W] -> [T, C, N, 2 H, 2 W]."""
    y = pointwise(x.unsqueeze(1), w[f"{prefix}.conv"].unsqueeze(1)).squeeze(1)  # [T, 4 C, N, H, W]
    y = torch.unflatten(y, 1, (-1, 2, 2)).permute(0, 1, 4, 5, 2, 6, 3)  # [T, C, N, H, 2, W, 2]
    y = y.flatten(3, 4).flatten(4, 5)
    return _activated(w, prefix, y)


def _activated(w: Parameters, prefix: str, y: Tensor) -> Tensor:
    y = y + w[f"{prefix}.conv_bias"][:, :, None, None, None]
    return F.elu(batch_norm(y.unsqueeze(1), w[f"{prefix}.gain"], w[f"{prefix}.bias"]).squeeze(1))
