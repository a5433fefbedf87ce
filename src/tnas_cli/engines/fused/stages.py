"""Chains of 3 x 3 convolution, batch norm, 2 x 2 maximum and ReLU: the stem (two of them) and 4CONV (four)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.engines.fused import layers
from tnas_cli.engines.fused.layers import Product
from tnas_cli.engines.fused.plan import FIRST, Loan, Norm, Plan, View


@dataclass(frozen=True)
class Stage:
    """One convolution: its weights and norm, what it reads and writes, and the sides before and after the pool."""

    product: Product
    norm: Norm
    rectified: bool
    x: View
    raw: View
    out: View
    out_gradient: View
    side: int

    @property
    def half(self) -> int:
        """The side after the pool."""
        return self.side // 2


class Stages:
    """Plans a chain for square images; `out` is its result without margins, the next layer fills `out_gradient`.

    Where the plan lends memory, the first convolution, whose result is the largest buffer of all, is computed once more
    in the backward pass, so that its memory is free until then.
    """

    def __init__(
        self,
        plan: Plan,
        images: View,
        channels: int,
        side: int,
        widths: Sequence[int],
        weights: Sequence[int],
        gains: Sequence[int],
        biases: Sequence[int],
        rectified: Sequence[bool],
    ) -> None:
        """images: padded by one pixel; weights, gains and biases: offsets of the parameters, stage by stage."""
        self.plan, self.images, self.channels = plan, images, channels
        self.stages: list[Stage] = []
        x, fed = images, channels
        for i, width in enumerate(widths):
            last = i == len(widths) - 1
            if i == 0:
                weight = layers.product_by_rows(plan, weights[0], fed, width)
            else:
                weight = layers.product(plan, weights[i], fed, width, three_by_three=True)
            norm = plan.norm(width, side * side, gain=gains[i], bias=biases[i])
            raw = plan.batch(side, side, width)
            out = plan.batch(side // 2, side // 2, width) if last else plan.padded(side // 2, side // 2, width, 1, None)
            gradient = plan.batch(side // 2, side // 2, width)
            self.stages.append(Stage(weight, norm, rectified[i], x, raw, out, gradient, side))
            x, fed, side = out, width, side // 2
        self.out, self.out_gradient, self.out_side = x, gradient, side

    def free_between(self) -> Loan:
        """The memory of two stages that holds nothing between the forward and the backward pass."""
        first = self.stages[0]
        return Loan.of([first.raw, first.out_gradient], self.plan.images)

    def forward(self) -> None:
        """All stages."""
        plan = self.plan
        for s in self.stages:
            with plan.blocks(s.side**2):
                layers.multiply(plan, s.product, s.x, s.raw, s.side, s.side, flat=False)
                layers.statistics(plan, s.raw, s.side**2, s.norm)
            layers.coefficients(plan, s.norm)
            with plan.blocks(s.half**2):
                c = s.norm.channels
                lanes = plan.target.lanes_for(c)
                arguments = (s.raw.at, s.raw.image, c, s.norm.record, s.out.at, s.out.step, s.out.image, s.out.row)
                plan.emit("halving_pool", (lanes, s.rectified), *arguments, s.side, s.half, s.half)

    def backward(self) -> None:
        """From `out_gradient` to the gradients of all weights; the images need none."""
        plan = self.plan
        for i, s in reversed(list(enumerate(self.stages))):
            c, g = s.norm.channels, s.out_gradient
            lanes = plan.target.lanes_for(c)
            common = (s.raw.at, s.raw.image, c, s.norm.record, g.at, g.step, g.image, 0, s.side, s.half, s.half)
            again = plan.lends and i == 0
            with plan.blocks((s.side if again else s.half) ** 2):
                if again:
                    layers.multiply(plan, s.product, s.x, s.raw, s.side, s.side, flat=False)
                plan.emit("halving_pool_sums", (lanes, s.rectified), *common, s.norm.sums, FIRST, g.at)
            layers.coefficients_gradient(plan, s.norm)
            if i == 0:
                raw_gradient = plan.local(s.side, s.side, c, s.side**2)
            else:
                raw_gradient = plan.padded(s.side, s.side, c, 1, s.side**2)
                layers.transpose(plan, [s.product])
            with plan.blocks(s.side**2):
                target = (s.side, raw_gradient.at, raw_gradient.image, raw_gradient.row, plan.measured)
                plan.emit("halving_pool_gradient", (lanes,), *common, *target)
                to = self.stages[i - 1].out_gradient if i else None
                layers.multiply_gradients(plan, s.product, s.x, raw_gradient, to, s.side, s.side, flat=False)
