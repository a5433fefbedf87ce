"""A linear layer of zeros as the start of each task: what its first step is, and that nothing else moves it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.conftest import SEARCH, Pipeline
from tests.methods.learning import trained
from tests.running import succeeding, tnas
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.methods.class_means import BIAS, WEIGHT
from tnas_cli.methods.head import is_head, with_zero_head
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.unrolled import RATE
from tnas_cli.runs import checkpoint
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters

WAY, SIDE, ALPHA = 3, 20, 0.1
NETWORK = FourConv(WAY, 1, SIDE, filters=8)
ENGINES = pytest.mark.parametrize("engine", [TorchEngine(), FusedEngine(threads=1)], ids=["torch", "fused"])


def adapted(engine: Engine, start: Parameters, steps: int) -> Parameters:
    values = {"dataset": "x", "way": WAY, "alpha_inner": ALPHA, "test_steps": steps, "head": "zero"}
    learner = training_method("maml").learner(engine, NETWORK, TrainSettings.from_dict(values))
    return learner.fit(start, labelled(2, WAY, 2, 1, SIDE, seed=1)).own


@ENGINES
def test_the_first_step_moves_the_head_alone_by_the_centred_class_means(engine: Engine) -> None:
    start = with_zero_head(parameters_of(NETWORK))
    x, y = labelled(2, WAY, 2, 1, SIDE, seed=1)
    own = adapted(engine, start, 1)
    features = NETWORK.features({name: t.expand(2, *t.shape) for name, t in start.items()}, x)  # [T, S, F]
    signs = F.one_hot(y, WAY).to(features.dtype) - 1 / WAY  # [T, S, way]
    torch.testing.assert_close(own[WEIGHT], ALPHA / y.shape[1] * signs.transpose(1, 2) @ features)
    torch.testing.assert_close(own[BIAS], ALPHA / y.shape[1] * signs.sum(1))
    for name, tensor in start.items():
        if not is_head(name):
            torch.testing.assert_close(own[name], tensor.expand_as(own[name]), rtol=0, atol=1e-15)


@ENGINES
def test_equal_rows_are_as_good_as_zeros(engine: Engine) -> None:
    drawn = parameters_of(NETWORK)
    zeros, equal = with_zero_head(drawn), {**drawn, WEIGHT: drawn[WEIGHT][:1].expand(WAY, -1).clone()}
    equal[BIAS] = torch.zeros_like(equal[BIAS])
    one, other = adapted(engine, zeros, 4), adapted(engine, equal, 4)
    for name in zeros:
        expected = one[name] + (equal[WEIGHT] if name == WEIGHT else 0)
        torch.testing.assert_close(other[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["maml", "maml++", "meta-sgd", "anil"])
def test_training_moves_all_but_the_head(name: str) -> None:
    values = {"query": 2, "tasks": 8, "validate_every": 8}
    moved = {head: trained(name, NETWORK, {**values, "head": head})[0].parameters for head in ("zero", "learned")}
    start = training_method(name).start(
        NETWORK, TrainSettings.from_dict({"dataset": "glyphs", "way": WAY}), torch.device("cpu"), "weights"
    )
    for part in (WEIGHT, BIAS):
        assert not moved["zero"][part].any()
        assert moved["learned"][part].any()
    convs = [part for part in start.parameters if part.endswith(".conv") and not part.startswith(RATE)]
    assert convs and all(not torch.equal(moved["zero"][part], start.parameters[part]) for part in convs)


def test_a_search_with_it_and_what_inherits_from_that(pipeline: Pipeline, tmp_path: Path) -> None:
    here = ("--runs", tmp_path, *pipeline.here, "--json")
    found = succeeding("search", *SEARCH, "--head", "zero", *here).result
    adapted = succeeding("adapt", found["checkpoint"], "-d", "shapes", "--tasks", 2, *pipeline.here, "--json").stdout
    decoded = succeeding("decode", "-", "--json", stdin=adapted).stdout
    budget = ("--query", 2, "--tasks", 4, "--meta-batch", 2, "--validate-every", 2, "--validation-tasks", 2)
    inherited = succeeding("train-eval", "-", "--weights", "inherited", *budget, *here, stdin=decoded).result
    for file, kind in (
        (Path(found["checkpoint"]), checkpoint.META_ARCHITECTURE),
        (Path(inherited["run"]) / "best.pt", checkpoint.INHERITED_WEIGHTS),
    ):
        kept = checkpoint.load(file, kind).group("parameters")
        assert not kept[WEIGHT].any() and not kept[BIAS].any()


@pytest.mark.parametrize("method", ["boil", "protonets", "bilevel"])
def test_methods_that_need_another_head_refuse_it(method: str) -> None:
    ran = tnas("train-eval", "4conv", "-d", "glyphs", "--method", method, "--head", "zero")
    assert ran.code == 2
    assert "--head has no effect with" in ran.stderr and "maml" in ran.stderr
