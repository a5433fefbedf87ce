"""The accuracy of a cell, predicted from that of other cells: what PNAS and Auto-Meta rank untrained cells by.

Liu et al. (ECCV 2018, Section 3.4) predict by an LSTM, or by an ensemble of five multilayer perceptrons that read the
mean of a cell's nodes, so that cells with more nodes than any measured one can be predicted; Kim et al. (2018) took
over the LSTM. Here it is the ensemble. Each perceptron has one hidden layer and learns, by the mean absolute error,
from another four fifths of the cells; fewer than five cells are learned from by all alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from tnas_cli.runs.seeds import torch_generator
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.space import Space

#: Perceptrons, and the units of their hidden layer.
MEMBERS, HIDDEN = 5, 64

#: Steps of Adam on all cells at once, and its rate.
STEPS, RATE = 200, 0.01


def encoded(cells: Sequence[Genotype], space: Space, nodes: int) -> Tensor:
    """[cells, (operation, source)]: in which share of a cell's nodes each pair occurs; twice if on both sides. `nodes`:
    of the largest cell that there will be."""
    operations = [row.name for row in space.operations]
    found = torch.zeros(len(cells), len(operations), nodes + 1)
    for number, cell in enumerate(cells):
        for name, source in cell.normal:
            found[number, operations.index(name), source] += 1 / cell.nodes
    return found.flatten(1)


def predicted(
    measured: Sequence[Genotype], accuracies: Sequence[float], asked: Sequence[Genotype], space: Space, seed: int
) -> list[float]:
    """What `asked` cells would reach, by `measured` ones with their accuracies; a pure function of its arguments."""
    nodes = max(cell.nodes for cell in (*measured, *asked))
    x, y, new = encoded(measured, space, nodes), torch.tensor(accuracies), encoded(asked, space, nodes)
    centre, spread = y.mean(), y.std(correction=0).clamp(min=1e-6)
    order = torch.randperm(len(y), generator=torch_generator(seed, "accuracy predictor: folds"))
    found = torch.zeros(len(asked))
    for member in range(MEMBERS):
        kept = order[torch.arange(len(y)) % MEMBERS != member] if len(y) >= MEMBERS else order
        found += _member(x[kept], (y[kept] - centre) / spread, new, seed, member) / MEMBERS
    return (found * spread + centre).tolist()


def _member(x: Tensor, y: Tensor, new: Tensor, seed: int, member: int) -> Tensor:
    """What one perceptron says of `new`, after it has learned y of x."""
    generator = torch_generator(seed, f"accuracy predictor: member {member}")
    shapes = ((x.shape[1], HIDDEN), (HIDDEN,), (HIDDEN,), ())
    scales = (x.shape[1] ** -0.5, 0.0, HIDDEN**-0.5, 0.0)
    weights = [
        (torch.randn(shape, generator=generator) * scale).requires_grad_()
        for shape, scale in zip(shapes, scales, strict=True)
    ]

    def answer(of: Tensor) -> Tensor:
        first, bias, second, offset = weights
        found: Tensor = torch.relu(of @ first + bias) @ second + offset
        return found

    adam = torch.optim.Adam(weights, RATE)
    for _ in range(STEPS):
        adam.zero_grad()
        l1_loss(answer(x), y).backward()  # type: ignore[no-untyped-call]
        adam.step()
    return answer(new).detach()
