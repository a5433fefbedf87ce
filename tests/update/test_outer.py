"""The outer step against Adam written out from Kingma and Ba (2015), and against torch.optim.Adam on plain tensors."""

import torch
from torch import Tensor

from tnas_cli.update.outer import AdamRule, adam, step

AUTHORS = AdamRule(1e-3, (0.5, 0.999), 1e-3)
WEIGHTS = AdamRule(2e-3)


def start() -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    generator = torch.Generator().manual_seed(0)

    def draw() -> dict[str, Tensor]:
        return {name: torch.randn(3, 4, generator=generator, dtype=torch.float64) for name in ("theta", "a", "b")}

    return draw(), [draw() for _ in range(4)]


def written_out(value: Tensor, gradients: list[Tensor], rule: AdamRule) -> Tensor:
    (b1, b2), first, second = rule.betas, torch.zeros_like(value), torch.zeros_like(value)
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + rule.weight_decay * value
        first, second = b1 * first + (1 - b1) * g, b2 * second + (1 - b2) * g * g
        value = value - rule.rate * (first / (1 - b1**t)) / ((second / (1 - b2**t)).sqrt() + 1e-8)
    return value


def test_each_parameter_moves_by_its_own_rule() -> None:
    parameters, gradients = start()
    expected = {
        name: written_out(value.clone(), [g[name] for g in gradients], AUTHORS if name == "theta" else WEIGHTS)
        for name, value in parameters.items()
    }
    optimiser = adam(parameters, {"theta": AUTHORS}, WEIGHTS)
    for gradient in gradients:
        step(optimiser, parameters, gradient)
    for name, value in expected.items():
        torch.testing.assert_close(parameters[name], value, rtol=1e-12, atol=1e-14)


def test_torch_adam_on_a_copy_moves_alike() -> None:
    parameters, gradients = start()
    copy = parameters["theta"].clone().requires_grad_()
    reference = torch.optim.Adam([copy], lr=1e-3, betas=(0.5, 0.999), weight_decay=1e-3)
    optimiser = adam(parameters, {"theta": AUTHORS}, WEIGHTS)
    for gradient in gradients:
        step(optimiser, parameters, gradient)
        copy.grad = gradient["theta"].clone()
        reference.step()
    torch.testing.assert_close(parameters["theta"], copy.detach(), rtol=1e-14, atol=0)


def test_a_step_leaves_no_gradient_and_keeps_the_tensors() -> None:
    parameters, gradients = start()
    places = {name: tensor.data_ptr() for name, tensor in parameters.items()}
    step(adam(parameters, {}, WEIGHTS), parameters, gradients[0])
    assert {name: tensor.data_ptr() for name, tensor in parameters.items()} == places
    assert all(tensor.grad is None and not tensor.requires_grad for tensor in parameters.values())
