"""What an operation computes, as plain data: the shapes of its weights, its arithmetic, its kernel.

A form is made for a width (channels in and out) and a stride: 1, or 2 where it halves the size. The PyTorch form of
each is in `torch_forms.py` under the same name, and is imported on demand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tnas_cli.spaces.shapes import Spec, Specs, norm_specs

if TYPE_CHECKING:
    from tnas_cli.spaces.torch_forms import TorchForm


@dataclass(frozen=True)
class Kernel:
    """An operation for the fused kernels: an identity, a pool of 3 x 3, or `repeats` times ReLU, depthwise convolution
    of `size` x `size` taps `dilation` apart, pointwise convolution, norm."""

    kind: Literal["identity", "max pool", "mean pool", "separable"]
    size: int = 0
    dilation: int = 1
    repeats: int = 0


class Form(ABC):
    """What an operation computes on one edge. Another package's form gives a PyTorch form of its own."""

    @abstractmethod
    def torch(self) -> TorchForm:
        """The PyTorch form."""

    def weights(self, width: int, stride: int) -> Specs:
        """The weights of one edge, each step's followed by the gain and bias of the norm after it."""
        return {}

    def weightless(self, stride: int) -> bool:
        """Whether it has no weights, so that all edges that leave a state carry the same values."""
        return not self.weights(2, stride)

    def multiply_adds(self, width: int, pixels: int, stride: int) -> int:
        """Multiply-adds for `pixels` pixels of its output."""
        return 0

    def constructor(self, stride: int) -> str | None:
        """Python text that makes its PyTorch module of `channels` channels in a file of its own
        (`module_source.py`); None where there is none."""
        return None

    @property
    def kernel(self) -> Kernel | None:
        """What the fused kernels compute; None where there is no kernel."""
        return None


@dataclass(frozen=True)
class Nothing(Form):
    """No connection: zero."""

    def torch(self) -> TorchForm:
        """Adds nothing."""
        from tnas_cli.spaces.torch_forms import Nothing as Found

        return Found()


@dataclass(frozen=True)
class Identity(Form):
    """The state itself; at stride 2 a factorised reduction: ReLU, two 1 x 1 convolutions of every second pixel, the
    second shifted by one, joined, norm."""

    def torch(self) -> TorchForm:
        """Identity and factorised reduction."""
        from tnas_cli.spaces.torch_forms import Identity as Found

        return Found()

    def weights(self, width: int, stride: int) -> Specs:
        """The weights of a factorised reduction."""
        if stride == 1:
            return {}
        skip = Spec((2, width // 2, width), fan_in=width)
        return {"skip": skip, "gain": Spec((width,), "ones"), "bias": Spec((width,), "zeros")}

    def multiply_adds(self, width: int, pixels: int, stride: int) -> int:
        """Those of a factorised reduction."""
        return 0 if stride == 1 else pixels * width * width

    def constructor(self, stride: int) -> str:
        """An `nn.Identity`, or a factorised reduction."""
        return "nn.Identity()" if stride == 1 else "FactorisedReduce(channels)"

    @property
    def kernel(self) -> Kernel:
        """One kernel for both strides."""
        return Kernel("identity")


@dataclass(frozen=True)
class Pool(Form):
    """The maximum, or the mean without the padding, of `size` x `size` pixels; in the search network a norm follows.

    size: 3, around the pixel; the maximum also 2, of the pixel and those to the right and below.
    """

    of: Literal["max", "mean"]
    size: int = 3

    def torch(self) -> TorchForm:
        """A pool."""
        from tnas_cli.spaces.torch_forms import Pool as Found

        return Found(self.of, self.size)

    def constructor(self, stride: int) -> str:
        """PyTorch's own, but for 2 x 2."""
        if self.size == 2:
            return f"MaxPool2(stride={stride})"
        if self.of == "max":
            return f"nn.MaxPool2d(3, {stride}, padding=1)"
        return f"nn.AvgPool2d(3, {stride}, padding=1, count_include_pad=False)"

    @property
    def kernel(self) -> Kernel | None:
        """One kernel for each kind of 3 x 3 pixels."""
        return None if self.size != 3 else Kernel("max pool" if self.of == "max" else "mean pool")


@dataclass(frozen=True)
class Separable(Form):
    """ReLU, depthwise convolution of `size` x `size` taps, pointwise convolution, norm; `repeats` times."""

    size: int
    dilation: int
    repeats: int

    def torch(self) -> TorchForm:
        """Separable convolutions."""
        from tnas_cli.spaces.torch_forms import Separable as Found

        return Found(self.size, self.dilation, self.repeats)

    def weights(self, width: int, stride: int) -> Specs:
        """Taps and mixing of each repeat."""
        specs: Specs = {}
        for i in range(self.repeats):
            specs[f"{i}.depthwise"] = Spec((width, self.size, self.size), fan_in=self.size**2)
            specs[f"{i}.pointwise"] = Spec((width, width), fan_in=width)
            specs |= norm_specs(f"{i}", width)
        return specs

    def multiply_adds(self, width: int, pixels: int, stride: int) -> int:
        """Those of all repeats."""
        return self.repeats * pixels * width * (self.size**2 + width)

    def constructor(self, stride: int) -> str:
        """All repeats."""
        return (
            f"Separable(channels, size={self.size}, stride={stride}, dilation={self.dilation}, repeats={self.repeats})"
        )

    @property
    def kernel(self) -> Kernel:
        """The kernel of this size and dilation."""
        return Kernel("separable", self.size, self.dilation, self.repeats)


@dataclass(frozen=True)
class Pointwise(Form):
    """ReLU, 1 x 1 convolution, norm; at stride 2 of every second pixel."""

    def torch(self) -> TorchForm:
        """A 1 x 1 convolution."""
        from tnas_cli.spaces.torch_forms import Pointwise as Found

        return Found()

    def weights(self, width: int, stride: int) -> Specs:
        """One matrix."""
        return {"0.pointwise": Spec((width, width), fan_in=width), **norm_specs("0", width)}

    def multiply_adds(self, width: int, pixels: int, stride: int) -> int:
        """One matrix product."""
        return pixels * width * width

    def constructor(self, stride: int) -> str:
        """A class of the file."""
        return f"Pointwise(channels, stride={stride})"


@dataclass(frozen=True)
class Crossed(Form):
    """ReLU, convolution of one row of `size` taps, convolution of one column of as many, norm."""

    size: int

    def torch(self) -> TorchForm:
        """Two convolutions."""
        from tnas_cli.spaces.torch_forms import Crossed as Found

        return Found(self.size)

    def weights(self, width: int, stride: int) -> Specs:
        """The weights of the row [O, I, size] and of the column."""
        taps = Spec((width, width, self.size), fan_in=width * self.size)
        return {"0.row": taps, "0.column": taps, **norm_specs("0", width)}

    def multiply_adds(self, width: int, pixels: int, stride: int) -> int:
        """The row comes first, and at stride 2 halves only the columns."""
        return (stride + 1) * pixels * self.size * width * width

    def constructor(self, stride: int) -> str:
        """A class of the file."""
        return f"Crossed(channels, size={self.size}, stride={stride})"


@dataclass(frozen=True)
class Bottleneck(Form):
    """Convolutions on a quarter of the channels: 1 x 1, one convolution for each of `sides` (rows and columns of its
    taps), 1 x 1; ReLU before each and a norm after each.

    At stride 2 a single convolution halves both axes; of a row and a column each halves its own.
    """

    sides: tuple[tuple[int, int], ...]

    def torch(self) -> TorchForm:
        """All convolutions."""
        from tnas_cli.spaces.torch_forms import Bottleneck as Found

        return Found(self.steps)

    def steps(self, stride: int) -> tuple[tuple[int, int, int, int], ...]:
        """Rows and columns of the taps and both strides of each convolution in between."""
        alone = len(self.sides) == 1
        return tuple((r, c, stride if r > 1 or alone else 1, stride if c > 1 or alone else 1) for r, c in self.sides)

    def weights(self, width: int, stride: int) -> Specs:
        """Those of each convolution [O, I, rows, columns], from the first to the last."""
        narrow = max(1, width // 4)
        last = len(self.sides) + 1
        specs: Specs = {}
        for i, (rows, columns) in enumerate(((1, 1), *self.sides, (1, 1))):
            fed, to = narrow if i else width, width if i == last else narrow
            specs[f"{i}.conv"] = Spec((to, fed, rows, columns), fan_in=fed * rows * columns)
            specs |= norm_specs(f"{i}", to)
        return specs

    def multiply_adds(self, width: int, pixels: int, stride: int) -> int:
        """The first convolution sees all pixels; after it each axis is halved in its turn."""
        narrow, area = max(1, width // 4), pixels * stride * stride
        total = area * width * narrow
        for rows, columns, down, across in self.steps(stride):
            area //= down * across
            total += area * narrow * narrow * rows * columns
        return total + area * narrow * width

    def constructor(self, stride: int) -> str:
        """A class of the file."""
        return f"Bottleneck(channels, sides={list(self.sides)}, stride={stride})"
