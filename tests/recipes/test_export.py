"""A fitted network as a module, and exported: the same answers everywhere, for any number of images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.glyph_tasks import SIDE, VALIDATION, glyph_tasks
from tests.helpers import random_genotype
from tnas_cli.engines.interface import InnerRule, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.methods import tadam
from tnas_cli.methods.compare_nets import CompareNets
from tnas_cli.methods.learner import GradientSteps, Learner
from tnas_cli.methods.matching_nets import MatchingNets
from tnas_cli.methods.matching_nets_fce import MatchingNetsFCE, shapes_with_context
from tnas_cli.methods.memory import MemoryModule
from tnas_cli.methods.meta_lstm import MetaLSTM
from tnas_cli.methods.meta_lstm import shapes as shapes_with_optimiser
from tnas_cli.methods.proto_nets import ProtoNets
from tnas_cli.methods.r2d2 import R2D2
from tnas_cli.methods.r2d2 import shapes as shapes_with_ridge
from tnas_cli.methods.siamese import Siamese, shapes_with_judge
from tnas_cli.methods.statistician import NeuralStatistician
from tnas_cli.methods.tadam import Tadam
from tnas_cli.recipes import export
from tnas_cli.recipes.as_module import TaskModule, of_member
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.known_genotypes import KNOWN
from tnas_cli.spaces.memory_network import MemoryNetwork
from tnas_cli.spaces.parameters import draw
from tnas_cli.spaces.relation_network import RelationNetwork
from tnas_cli.spaces.resnet12 import ResNet12
from tnas_cli.spaces.search_network import SearchNetwork
from tnas_cli.spaces.statistician_network import StatisticianNetwork
from tnas_cli.spaces.task_norm import TaskNormed

BATCH = glyph_tasks(20_000, 1, classes=VALIDATION, way=3, query=11)
RULE = InnerRule(0.1, 1.0, 2)
NETWORKS: dict[str, Network] = {
    "4CONV": FourConv(3, 1, SIDE, filters=8),
    "4CONV, TaskNorm": TaskNormed(FourConv(3, 1, SIDE, filters=8)),
    "ResNet-12": ResNet12(3, 1, SIDE, filters=2),
    "search network": SearchNetwork(3, 1, channels=4, nodes=1),
    # Among them are all operations.
    **{f"genotype {seed}": DecodedNetwork(random_genotype(seed, 2), 3, 1, channels=4) for seed in (0, 2, 6)},
    # Pools of 2 x 2, and convolutions with a bottleneck.
    "AmoebaNet-B": DecodedNetwork(next(k for k in KNOWN if k.name == "AmoebaNet-B").architecture, 3, 1, channels=4),
}
COMPARING: dict[str, Learner] = {
    "ProtoNets": ProtoNets(FourConv(3, 1, SIDE, filters=8), 3),
    "matching nets": MatchingNets(FourConv(3, 1, SIDE, filters=8), 3),
    "matching nets, full context": MatchingNetsFCE(FourConv(3, 1, SIDE, filters=8), 3),
    "Siamese nets": Siamese(FourConv(3, 1, SIDE, filters=8), 3),
    "R2-D2": R2D2(FourConv(3, 1, SIDE, filters=8), 3),
    "Meta-LSTM": MetaLSTM(TorchEngine(), FourConv(3, 1, SIDE, filters=8), 2, 2),
    "TADAM": Tadam(ResNet12(3, 1, SIDE, filters=2), 3),
    "CompareNets": CompareNets(RelationNetwork(3, 1, SIDE, filters=8), 3),
    "memory module": MemoryModule(MemoryNetwork(3, 1, SIDE, filters=8), 3),
    "Neural Statistician": NeuralStatistician(StatisticianNetwork(3, 1, SIDE, filters=4), 3),
}
#: The shapes of methods with weights besides those of the network.
SHAPES = {
    "matching nets, full context": shapes_with_context,
    "Siamese nets": shapes_with_judge,
    "R2-D2": shapes_with_ridge,
    "TADAM": tadam.shapes,
    "Meta-LSTM": shapes_with_optimiser,
}
#: Relative, 1e-5 if not here: the divergences of this one divide by variances of e^-10, and are as large as 1e5.
ROUNDING = {"Neural Statistician": 1e-4}
SETTINGS = TrainSettings("x", way=3)
MEANS = "4CONV, class means"
ALL = [*NETWORKS, *COMPARING, MEANS]


def fitted(name: str) -> tuple[TaskModule, Tensor]:
    """The module of a network that was fitted to a task, and its inductive logits [N, way] for the query images."""
    network = name.removesuffix(", class means")
    learner = COMPARING[name] if name in COMPARING else GradientSteps(TorchEngine(), NETWORKS[network], RULE, RULE)
    shapes = SHAPES.get(name, lambda network, settings: network.specs())(learner.network, SETTINGS)  # type: ignore[attr-defined]
    member = learner.fit(draw(shapes, torch.Generator().manual_seed(0)), BATCH.support)
    member = member.by("means" if name == MEANS else "linear")
    return of_member(member).eval(), member.inductive(BATCH.query_x)[0]


@pytest.mark.parametrize("name", ALL)
def test_a_module_answers_as_the_task_does(name: str) -> None:
    module, expected = fitted(name)
    x = BATCH.query_x[0]
    with torch.no_grad():
        torch.testing.assert_close(module(x), expected, rtol=ROUNDING.get(name, 1e-5), atol=1e-5)
        alone = torch.cat([module(x[n : n + 1]) for n in range(len(x))])
    torch.testing.assert_close(alone, expected, rtol=ROUNDING.get(name, 1e-5), atol=1e-5)


def test_a_module_is_an_ordinary_one() -> None:
    """It keeps its numbers in a state_dict, changes its type, and is fine-tuned by a plain loop."""
    module, expected = fitted("genotype 0")
    x, y = BATCH.query_x[0], BATCH.query_y[0]
    other, _ = fitted("genotype 0")
    for tensor in other.state_dict().values():
        tensor.zero_()
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert torch.equal(other(x), module(x))
        torch.testing.assert_close(module.double()(x.double()).float(), expected, rtol=1e-4, atol=1e-4)
    module.float().train()
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    losses, before = [], {name: tensor.clone() for name, tensor in module.named_buffers()}
    for _ in range(20):
        loss = nn.functional.cross_entropy(module(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
    assert all(not torch.equal(tensor, before[name]) for name, tensor in module.named_buffers())
    with torch.no_grad():
        right = float((module.eval()(x).argmax(-1) == y).float().mean())
    assert right > 0.9


@pytest.mark.parametrize("name", ALL)
def test_both_files_give_the_same_logits_for_any_number_of_images(name: str, tmp_path: Path) -> None:
    module, expected = fitted(name)
    exported = export.program_of(module, torch.zeros(2, 1, SIDE, SIDE))
    (tmp_path / "net").write_bytes(export.program_bytes(exported, {"classes": "[]"}))
    extra = {"classes": ""}
    program = torch.export.load(tmp_path / "net", extra_files=extra).module()
    assert extra == {"classes": "[]"}
    for images in (1, 3, 33):
        answered = program(BATCH.query_x[0, :images]).detach()
        torch.testing.assert_close(answered, expected[:images], rtol=ROUNDING.get(name, 1e-5), atol=1e-5)
    runtime = pytest.importorskip("onnxruntime")
    (tmp_path / "net.onnx").write_bytes(export.onnx_bytes(exported, {"classes": "[]"}))
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    assert session.get_modelmeta().custom_metadata_map == {"classes": "[]"}
    for images in (1, 3, 33):
        (found,) = session.run(None, {"images": BATCH.query_x[0, :images].numpy()})
        torch.testing.assert_close(torch.from_numpy(found), expected[:images], rtol=ROUNDING.get(name, 1e-5), atol=1e-5)
