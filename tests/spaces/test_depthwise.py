import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tnas_cli.spaces import depthwise as module
from tnas_cli.spaces.depthwise import depthwise, output_size, padding_of


def plain(x: torch.Tensor, taps: torch.Tensor, stride: int, dilation: int) -> torch.Tensor:
    """One channel of one branch at a time with the library's ordinary convolution."""
    options = {"stride": stride, "padding": dilation * (taps.shape[-1] - 1) // 2, "dilation": dilation}

    def channel(b: int, c: int) -> torch.Tensor:
        return F.conv2d(x[b, c].unsqueeze(1), taps[b, c][None, None], **options).squeeze(1)  # [N, H', W']

    result = [torch.stack([channel(b, c) for c in range(x.shape[1])]) for b in range(x.shape[0])]
    return torch.stack(result)  # [B, C, N, H', W']


shapes = st.tuples(st.integers(1, 11), st.integers(1, 11))


@settings(max_examples=60, deadline=None)
@given(
    size=shapes,
    kernel=st.sampled_from([3, 5]),
    stride=st.sampled_from([1, 2]),
    dilation=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**31),
)
def test_all_ways_equal_the_plain_convolution(
    size: tuple[int, int], kernel: int, stride: int, dilation: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 2, *size, generator=generator, dtype=torch.float64)
    taps = torch.randn(2, 3, kernel, kernel, generator=generator, dtype=torch.float64)
    expected = plain(x, taps, stride, dilation)
    for way in (module._banded, module._forward_only, module._library, depthwise):
        torch.testing.assert_close(way(x, taps, stride, dilation), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("way", [module._banded, module._forward_only, module._library])
def test_derivatives_of_both_orders_are_those_of_finite_differences(way, stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 1, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    taps = torch.randn(1, 2, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)

    def smooth(x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        return way(x, taps, stride, 2).square()

    assert torch.autograd.gradcheck(smooth, (x, taps))
    assert torch.autograd.gradgradcheck(smooth, (x, taps))


@pytest.mark.parametrize(
    ("side", "dtype", "fast_forward", "expected"),
    [
        (5, torch.float32, True, "_banded"),
        (6, torch.float32, True, "_forward_only"),
        (12, torch.float32, False, "_banded"),
        (13, torch.float32, False, "_library"),
    ],
)
def test_the_size_decides_which_way_is_taken(
    side: int, dtype: torch.dtype, fast_forward: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    for name in ("_banded", "_forward_only", "_library"):
        monkeypatch.setattr(module, name, lambda *arguments, name=name: taken.append(name))
    monkeypatch.setattr(module, "_has_fast_forward", lambda x: fast_forward)
    depthwise(torch.zeros(1, 1, 1, side, side, dtype=dtype), torch.zeros(1, 1, 3, 3, dtype=dtype), 1, 1)
    assert taken == [expected]


@pytest.mark.parametrize(("size", "stride", "out"), [(5, 1, 5), (5, 2, 3), (6, 2, 3), (1, 2, 1), (7, 2, 4)])
def test_output_size(size: int, stride: int, out: int) -> None:
    assert output_size(size, stride) == out


@pytest.mark.parametrize(("kernel", "dilation", "padding"), [(3, 1, 1), (5, 1, 2), (3, 2, 2), (5, 2, 4)])
def test_padding_keeps_the_size(kernel: int, dilation: int, padding: int) -> None:
    assert padding_of(kernel, dilation) == padding


def test_leading_dimensions_are_kept() -> None:
    x, taps = torch.randn(2, 3, 4, 5, 6, 7), torch.randn(2, 3, 4, 3, 3)
    assert depthwise(x, taps, 2, 1).shape == (2, 3, 4, 5, 3, 4)
