"""The engine in plain PyTorch: any device, any floating-point type, first and second order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.compute.interface import Adapted, InnerRule, MetaGradient, Network
from tnas_cli.space.parameters import THETA, Parameters, for_tasks
from tnas_cli.update import inner

Labelled = tuple[Tensor, Tensor]


def task_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each task: logits [T, N, way], labels [T, N] -> [T]."""
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.reshape(labels.shape).mean(1)


def task_accuracies(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of right answers of each task: logits [T, N, way], labels [T, N] -> [T]."""
    return (logits.argmax(-1) == labels).to(logits.dtype).mean(1)


class TorchEngine:
    """All tasks of a meta-batch in one computation; no loop over tasks."""

    name = "torch"

    def meta_gradient(
        self,
        network: Network,
        parameters: Parameters,
        support: Labelled,
        query: Labelled,
        rule: InnerRule,
        *,
        second_order: bool = False,
    ) -> MetaGradient:
        """Equation 8: the gradient at the adapted point, summed over tasks; Equation 6 or 2: through the steps."""
        tasks = support[0].shape[0]
        if second_order:
            meta = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
            adapted, _ = self._steps(network, for_tasks(meta, tasks), support, rule, create_graph=True)
            logits = network.logits(adapted, query[0])
            losses = task_losses(logits, query[1])
            grads = torch.autograd.grad(losses.sum(), list(meta.values()))
            summed = dict(zip(meta, grads, strict=True))
        else:
            adapted, _ = self._steps(network, for_tasks(parameters, tasks), support, rule)
            adapted = {name: tensor.detach().requires_grad_() for name, tensor in adapted.items()}
            logits = network.logits(adapted, query[0])
            losses = task_losses(logits, query[1])
            grads = torch.autograd.grad(losses.sum(), list(adapted.values()))
            summed = {name: gradient.sum(0) for name, gradient in zip(adapted, grads, strict=True)}
        return MetaGradient(summed, losses.detach(), task_accuracies(logits.detach(), query[1]))

    def adapt(self, network: Network, parameters: Parameters, support: Labelled, rule: InnerRule) -> Adapted:
        """Every task's own inner steps (Equation 7, or 5), and its support loss along the way."""
        adapted, losses = self._steps(network, for_tasks(parameters, support[0].shape[0]), support, rule)
        with torch.no_grad():
            losses.append(task_losses(network.logits(adapted, support[0]), support[1]))
        return Adapted(adapted, torch.stack(losses, dim=1))

    @torch.no_grad()
    def predict(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """Logits [T, N, way]; batch norm uses the statistics of x."""
        return network.logits(parameters, x)

    def _steps(
        self,
        network: Network,
        parameters: Parameters,
        support: Labelled,
        rule: InnerRule,
        *,
        create_graph: bool = False,
    ) -> tuple[Parameters, list[Tensor]]:
        rates = rule.rates(parameters)

        def loss(at: Parameters) -> Tensor:
            return task_losses(network.logits(at, support[0]), support[1])

        history: list[Tensor] = []
        for _ in range(rule.steps):
            if rule.alternating and THETA in rates:
                before, parameters = inner.alternating(
                    loss, parameters, rates, second=(THETA,), create_graph=create_graph
                )
            else:
                before, parameters = inner.simultaneous(loss, parameters, rates, create_graph=create_graph)
            history.append(before.detach())
        return parameters, history
