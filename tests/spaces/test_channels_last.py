import pytest
import torch
import torch.nn.functional as F

from tnas_cli.spaces import channels_last as module
from tnas_cli.spaces.channels_last import as_branches, channels_last, normalise

EPSILON = 1e-5


def activations(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_there_and_back_without_a_copy() -> None:
    x = activations(2, 3, 4, 5, 6, 7)
    images = channels_last(x)
    assert images.shape == (5, 24, 6, 7)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(as_branches(images, 2, 3), x)
    assert channels_last(as_branches(images, 2, 3)).data_ptr() == images.data_ptr()


@pytest.mark.slow
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_and_its_derivatives_are_those_of_the_library_and_of_finite_differences(affine: bool) -> None:
    x = channels_last(3 + 2 * activations(1, 1, 3, 2, 2, 3)).requires_grad_()
    inputs = [x, *(tensor.requires_grad_() for tensor in activations(2, 3))] if affine else [x]

    def found(*inputs: torch.Tensor) -> torch.Tensor:
        return module._BatchNorm.apply(*inputs, *(3 - len(inputs)) * [None], EPSILON)

    torch.testing.assert_close(found(*inputs), F.batch_norm(x, None, None, *inputs[1:], training=True, eps=EPSILON))
    assert torch.autograd.gradcheck(found, inputs)
    assert torch.autograd.gradgradcheck(lambda *inputs: found(*inputs).square(), inputs)


def test_many_pixels_cost_no_digits() -> None:
    x = channels_last(2 + activations(1, 1, 8, 75, 42, 42))
    expected = F.batch_norm(x, None, None, training=True, eps=EPSILON)
    torch.testing.assert_close(normalise(x.float(), None, None, EPSILON).double(), expected, rtol=0, atol=4e-6)
