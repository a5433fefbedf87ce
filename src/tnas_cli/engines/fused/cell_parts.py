"""What a cell is made of: branches and inputs as they are described, and as they lie in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tnas_cli.engines.fused.description import Operation
from tnas_cli.engines.fused.layers import Product
from tnas_cli.engines.fused.plan import Norm, View


@dataclass(frozen=True)
class Scale:
    """What a branch's last norm is multiplied by: keyword arguments of `Norm`; `normed` is False for plain values."""

    normed: bool
    arguments: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Convolution:
    """Offsets of one depthwise and pointwise pair's weights, and the scale of the norm after it."""

    taps: int
    weights: int
    scale: Scale


@dataclass(frozen=True)
class BranchSpec:
    """One operation from a state to a node. skip: offset of the weights of a skip connection that halves the size."""

    operation: Operation
    source: int
    node: int
    scale: Scale
    convolutions: tuple[Convolution, ...] = ()
    skip: int = 0


@dataclass(frozen=True)
class Source:
    """A feature map that a cell reads, without margins, its gradient's buffer, and its channels."""

    value: View
    gradient: View
    channels: int


@dataclass(frozen=True)
class InputSpec:
    """A cell's input: maps side by side, a pointwise convolution's weights, and the scale of its norm."""

    sources: tuple[Source, ...]
    weights: int
    scale: Scale


@dataclass(frozen=True)
class Input:
    """An input in memory: the convolution's weights, its raw output and norm; and the maps side by side, rectified,
    with their gradient, for the images at hand."""

    spec: InputSpec
    weights: Product
    raw: View
    norm: Norm
    joined: View
    joined_gradient: View


@dataclass(frozen=True)
class Step:
    """A depthwise and pointwise pair: what it keeps for the backward pass.

    What lies between the two is not kept: to compute it again takes less time than to write and to read it.
    """

    taps: int
    product: Product
    kernel: int
    dilation: int
    out: View
    norm: Norm


@dataclass(frozen=True)
class Branch:
    """A branch in memory: its raw output and last norm; a convolution's steps, or the halves of a halving skip."""

    spec: BranchSpec
    value: View
    norm: Norm
    steps: tuple[Step, ...] = ()
    halves: tuple[Product, ...] = ()

    @property
    def gradient_halfway(self) -> View:
        """Of two steps: the gradient of what the first one gives. It takes the place of the second one's raw output,
        which nothing needs any more then."""
        return self.steps[1].out

    @property
    def halving(self) -> bool:
        """Whether this is a skip connection that halves the size."""
        return bool(self.halves)


def dilated(branches: Iterable[Branch]) -> bool:
    """Whether one of the branches begins with a dilated convolution."""
    return any(b.steps and b.steps[0].dilation > 1 for b in branches)


def dense(branches: Iterable[Branch]) -> bool:
    """Whether one of the branches begins with a convolution of neighbouring pixels."""
    return any(b.steps and b.steps[0].dilation == 1 for b in branches)


def rows_of(v: View) -> tuple[int, int, int, int]:
    """A view as depthwise kernels take it: its pixels are as far apart as it has channels."""
    return v.at, v.step, v.image, v.row
