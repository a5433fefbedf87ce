"""Each block, for two tasks and two branches at once, against an ordinary torch module on each of the four."""

import pytest
import torch
from torch import Tensor, nn

from tnas_cli.spaces import operations as ops

T, E, C, N = 2, 2, 4, 3


def activations(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(T, E, C, N, height, width, generator=generator, dtype=torch.float64)


def branch_by_branch(x: Tensor, module_of) -> Tensor:
    """Apply module_of(t, e) to the [N, C, H, W] images of every task and branch."""
    with torch.no_grad():
        rows = [[module_of(t, e).double()(x[t, e].transpose(0, 1)).transpose(0, 1) for e in range(E)] for t in range(T)]
    return torch.stack([torch.stack(row) for row in rows])


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(5, 5), (6, 7), (1, 3)])
def test_pools(stride: int, size: tuple[int, int]) -> None:
    x = activations(*size)
    close(ops.max_pool(x, stride), branch_by_branch(x, lambda t, e: nn.MaxPool2d(3, stride, 1)))
    average = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    close(ops.avg_pool(x, stride), branch_by_branch(x, lambda t, e: average))


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (2, 3)])
def test_halve(size: tuple[int, int]) -> None:
    x = activations(*size)
    close(ops.halve(x), branch_by_branch(x, lambda t, e: nn.MaxPool2d(2)))


@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_convolve(size: tuple[int, int]) -> None:
    x = activations(*size)[:, :1]
    weight = torch.randn(T, 5, C, 3, 3, dtype=torch.float64)
    expected = [nn.functional.conv2d(x[t, 0].transpose(0, 1), weight[t], padding=1) for t in range(T)]
    close(ops.convolve(x[:, 0], weight), torch.stack(expected).transpose(1, 2))


def test_pointwise() -> None:
    x = activations(3, 4)
    weight = torch.randn(T, E, 5, C, dtype=torch.float64)

    def module(t: int, e: int) -> nn.Module:
        layer = nn.Conv2d(C, 5, 1, bias=False, dtype=torch.float64)
        layer.weight.copy_(weight[t, e][:, :, None, None])
        return layer

    close(ops.pointwise(x, weight), branch_by_branch(x, module))


@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_is_that_of_a_module_in_training(affine: bool) -> None:
    x = 3 + 2 * activations(4, 5)
    gain, bias = torch.randn(2, T, E, C, dtype=torch.float64)

    def module(t: int, e: int) -> nn.Module:
        layer = nn.BatchNorm2d(C, affine=affine, track_running_stats=False, dtype=torch.float64)
        if affine:
            layer.weight.copy_(gain[t, e])
            layer.bias.copy_(bias[t, e])
        return layer.train()

    close(ops.batch_norm(x, gain, bias) if affine else ops.batch_norm(x), branch_by_branch(x, module))


def test_batch_norm_mixes_no_two_tasks() -> None:
    x, other = activations(3, 3), activations(3, 3, seed=1)
    mixed = torch.stack([x[0], other[1]])
    assert torch.equal(ops.batch_norm(x)[0], ops.batch_norm(mixed)[0])


@pytest.mark.parametrize(("stride", "dilation", "kernel"), [(1, 1, 3), (2, 1, 5), (1, 2, 5), (2, 2, 3)])
def test_separable(stride: int, dilation: int, kernel: int) -> None:
    x = activations(7, 6)
    taps = torch.randn(T, E, C, kernel, kernel, dtype=torch.float64)
    weight = torch.randn(T, E, C, C, dtype=torch.float64)

    def module(t: int, e: int) -> nn.Module:
        padding = dilation * (kernel // 2)
        first = nn.Conv2d(C, C, kernel, stride, padding, dilation, groups=C, bias=False, dtype=torch.float64)
        second = nn.Conv2d(C, C, 1, bias=False, dtype=torch.float64)
        first.weight.copy_(taps[t, e].unsqueeze(1))
        second.weight.copy_(weight[t, e][:, :, None, None])
        return nn.Sequential(first, second)

    close(ops.separable(x, taps, weight, stride, dilation), branch_by_branch(x, module))


class Reduce(nn.Module):
    """Written from the description: two 1 x 1 stride-2 convolutions, one of them on the image shifted by one pixel."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.first = nn.Conv2d(C, weight.shape[1], 1, stride=2, bias=False, dtype=torch.float64)
        self.second = nn.Conv2d(C, weight.shape[1], 1, stride=2, bias=False, dtype=torch.float64)
        self.first.weight.copy_(weight[0][:, :, None, None])
        self.second.weight.copy_(weight[1][:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        top, left = x.shape[2] % 2, x.shape[3] % 2
        padded = x.new_zeros(x.shape[0], C, x.shape[2] + top, x.shape[3] + left)
        padded[:, :, top:, left:] = x
        return torch.cat([self.first(padded), self.second(padded[:, :, 1:, 1:])], dim=1)


@pytest.mark.parametrize("size", [(6, 6), (5, 5), (6, 5), (5, 8), (1, 1)])
def test_factorised_reduce(size: tuple[int, int]) -> None:
    x = activations(*size)
    weight = torch.randn(T, E, 2, 3, C, dtype=torch.float64)
    found = ops.factorised_reduce(x, weight)
    assert found.shape == (T, E, 6, N, (size[0] + 1) // 2, (size[1] + 1) // 2)
    close(found, branch_by_branch(x, lambda t, e: Reduce(weight[t, e])))
