"""The engine in plain PyTorch: any device, any floating-point type, first and second order."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Answering, Embedding, Gradients, InnerRule, MetaGradient, Network, Part
from tnas_cli.engines.parts import in_equal_parts, in_parts, joined
from tnas_cli.errors import DivergedError
from tnas_cli.spaces.moments import Moments, all_tasks, logits_of, moments_given, moments_kept
from tnas_cli.spaces.parameters import THETA, Parameters, for_tasks
from tnas_cli.update import inner

Labelled = tuple[Tensor, Tensor]


def _part(labelled: Labelled, of: slice) -> Labelled:
    return labelled[0][of], labelled[1][of]


def _of(parameters: Parameters, of: slice) -> Parameters:
    """The tasks' own parameters [T, ...] for some of the tasks."""
    return {name: tensor[of] for name, tensor in parameters.items()}


def task_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each task: logits [T, N, way], labels [T, N] -> [T]."""
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.reshape(labels.shape).mean(1)


def check_images(x: Tensor) -> None:
    """Raises DivergedError for the first task whose images [T, N, C, H, W] are not all finite."""
    if bool(x.sum().isfinite()):  # one quick pass
        return
    lost = (~x.isfinite().flatten(1).all(1)).nonzero()
    if len(lost):
        hint = "look at the data set's normalisation, and prepare it again"
        raise DivergedError("has images that are not all finite.", hint=hint, position=int(lost[0]), outer=True)


def task_accuracies(logits: Tensor, labels: Tensor) -> Tensor:
    """Accuracy of each task: logits [T, N, way], labels [T, N] -> [T]."""
    return (logits.argmax(-1) == labels).to(logits.dtype).mean(1)


class TorchEngine:
    """Several tasks in one computation: on a GPU all of a meta-batch, on the CPU those of one thread."""

    name = "torch"

    def in_parts(self, function: Callable[[slice], Part], images: Tensor) -> list[Part]:
        """On a GPU all tasks at once, on the CPU a few on each thread."""
        return in_parts(function, images)

    def meta_gradient(
        self,
        network: Network,
        parameters: Parameters,
        support: Labelled,
        query: Labelled,
        rule: InnerRule,
        *,
        second_order: bool = False,
        by_support: bool = False,
    ) -> MetaGradient:
        """Equation 8: the gradient at the adapted point, summed over tasks; Equation 6 or 2: through the steps."""

        def part(of: slice) -> tuple[list[Tensor], Tensor, Tensor]:
            start = for_tasks(parameters, of.stop - of.start)
            if second_order:
                at = start = {name: tensor.detach().requires_grad_() for name, tensor in start.items()}
                adapted, _ = self._steps(network, start, _part(support, of), rule, create_graph=True)
            else:
                adapted, _ = self._steps(network, start, _part(support, of), rule)
                at = adapted = {name: tensor.detach().requires_grad_() for name, tensor in adapted.items()}
            x, labels = _part(query, of)
            logits = logits_of(network, adapted, x, support[0][of] if by_support else None)
            losses = task_losses(logits, labels)
            grads = torch.autograd.grad(losses.sum(), list(at.values()), materialize_grads=True)  # [T, ...] each
            return list(grads), losses.detach(), task_accuracies(logits.detach(), labels)

        grads, losses, accuracies = zip(*in_parts(part, query[0]), strict=True)
        # Summed at once: the order of the sum does not depend on the number of parts.
        summed = {
            name: joined(list(own)).sum(0) for name, own in zip(parameters, zip(*grads, strict=True), strict=True)
        }
        return MetaGradient(summed, joined(list(losses)), joined(list(accuracies)))

    def adapt(self, network: Network, parameters: Parameters, support: Labelled, rule: InnerRule) -> Adapted:
        """Every task's own inner steps (Equation 7, or 5), and its support loss along the way."""

        def part(of: slice) -> tuple[Parameters, Tensor]:
            x, labels = own = _part(support, of)
            adapted, losses = self._steps(network, for_tasks(parameters, of.stop - of.start), own, rule)
            with torch.no_grad():
                losses.append(task_losses(network.logits(adapted, x), labels))
            return adapted, torch.stack(losses, dim=1)

        adapted, losses = zip(*in_parts(part, support[0]), strict=True)
        return Adapted({name: joined([own[name] for own in adapted]) for name in parameters}, joined(list(losses)))

    def gradients(
        self, network: Network, parameters: Parameters, labelled: Labelled, support_x: Tensor | None = None
    ) -> Gradients:
        """The loss and its gradient at each task's own parameters."""

        def part(of: slice) -> tuple[Tensor, list[Tensor], Tensor]:
            x, labels = _part(labelled, of)
            at = {name: tensor[of].detach().requires_grad_() for name, tensor in parameters.items()}
            logits = logits_of(network, at, x, None if support_x is None else support_x[of])
            losses = task_losses(logits, labels)
            grads = torch.autograd.grad(losses.sum(), list(at.values()), materialize_grads=True)
            return losses.detach(), list(grads), logits.detach()

        losses, grads, logits = zip(*in_parts(part, labelled[0]), strict=True)
        named = {name: joined(list(own)) for name, own in zip(parameters, zip(*grads, strict=True), strict=True)}
        return Gradients(joined(list(losses)), named, joined(list(logits)))

    def predict(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """Logits [T, N, way]; batch norm uses the statistics of x."""

        @torch.no_grad()
        def part(of: slice) -> Tensor:
            return network.logits(_of(parameters, of), x[of])

        return joined(in_parts(part, x))

    def features(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """Features [T, N, F]: the logits of a linear layer that changes nothing."""
        tasks, _, length = parameters["classifier.weight"].shape
        same = torch.eye(length, dtype=x.dtype, device=x.device).expand(tasks, length, length)
        bias = torch.zeros((), dtype=x.dtype, device=x.device).expand(tasks, length)
        return self.predict(network, parameters | {"classifier.weight": same, "classifier.bias": bias}, x)

    def embedding(self, network: Embedding, parameters: Parameters, x: Tensor) -> Tensor:
        """The network's own features."""
        return network.features(parameters, x)

    def answering(self, network: Network, parameters: Parameters, support_x: Tensor) -> Answering:
        """Answers by the support images' moments, which pass the network once."""

        @torch.no_grad()
        def measured(of: slice) -> list[Moments]:
            with moments_kept() as kept:
                network.logits(_of(parameters, of), support_x[of])
            return kept

        moments = all_tasks(in_parts(measured, support_x))

        def answer(x: Tensor) -> Tensor:
            @torch.no_grad()
            def part(of: slice) -> Tensor:
                own, given = _of(parameters, of), [norm.of(of) for norm in moments]

                def some(images: Tensor) -> Tensor:
                    with moments_given(given):
                        return network.logits(own, images)

                return in_equal_parts(some, x[of])

            return joined(in_parts(part, x))

        return answer

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
