"""An inductive answer depends on the support set and the image alone: the same for every method, in any company."""

import pytest
import torch

from tests.glyph_tasks import SIDE, VALIDATION, glyph_tasks
from tests.helpers import network_for, random_genotype
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.methods.learner import Fitted, Learner
from tnas_cli.methods.registry import search_method, search_methods, training_method, training_methods
from tnas_cli.methods.siamese import ALPHA
from tnas_cli.methods.soft_pruning import PRUNE_STEPS, SoftPruning
from tnas_cli.methods.t_nas import search_network
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.parameters import Parameters

CPU = torch.device("cpu")
BATCH = glyph_tasks(20_000, 1, classes=VALIDATION, way=3, query=11)
ENGINES: dict[str, Engine] = {"torch": TorchEngine(), "fused": FusedEngine()}


def trained(name: str, network: Network, engine: Engine) -> tuple[Learner, Parameters]:
    """A method that trains a fixed network, with weights of the start."""
    method = training_method(name)
    values = {"dataset": "glyphs", "way": 3, "inner_steps": 2, "test_steps": 2, **method.about.differs, "method": name}
    settings = TrainSettings.from_dict(values)
    parameters = method.start(network, settings, CPU).parameters
    if name == "siamese":  # at its start all classes have the same probability
        parameters[ALPHA].detach().fill_(-1.0)
    return method.learner(engine, network, settings), parameters


def searched(name: str, engine: Engine) -> tuple[Learner, Parameters]:
    """A method that searches, with parameters of the start."""
    method = search_method(name)
    values = {"way": 3, "channels": 8, "nodes": 2, "inner_steps": 2, "test_steps": 2, "alpha_inner": 0.1}
    settings = SearchSettings.from_dict({"dataset": "glyphs", **method.about.differs, **values, "method": name})
    network = search_network(settings, 1)
    return method.learner(engine, network, settings), method.start(network, settings, CPU).parameters


def pruned(engine: Engine) -> tuple[Learner, Parameters]:
    """Inherited weights: the search network that turns into the decoded one."""
    base, parameters = searched("t-nas", engine)
    return SoftPruning(engine, base.network, base, PRUNE_STEPS), parameters  # type: ignore[attr-defined, arg-type]


def assert_same_in_any_company(fitted: Fitted, tolerance: float, norms: bool) -> None:
    """Alone, in batches of any size and in any order an image gets the same class and the same probability.

    norms: whether the network has batch norms, by which transductive answers depend on the other images.
    """
    x = BATCH.query_x
    expected = fitted.inductive(x).softmax(-1)  # [1, 33, 3]
    assert float(expected.std(dim=1).max()) > 1e-4, "the answers must differ, or this says nothing"
    order = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(0))
    shuffled = torch.empty_like(expected)
    shuffled[:, order] = fitted.inductive(x[:, order]).softmax(-1)
    found = [shuffled]
    for size in (1, 7, 20):
        parts = [fitted.inductive(x[:, first : first + size]) for first in range(0, x.shape[1], size)]
        found.append(torch.cat(parts, dim=1).softmax(-1))
    for probabilities in found:
        torch.testing.assert_close(probabilities, expected, rtol=0, atol=tolerance)
        assert torch.equal(probabilities.argmax(-1), expected.argmax(-1))
    transductive = torch.cat([fitted.transductive(x[:, q : q + 1]) for q in range(x.shape[1])], dim=1).softmax(-1)
    assert torch.allclose(transductive, fitted.transductive(x).softmax(-1), atol=1e-4) != norms


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [*training_methods(), "maml on a genotype", *search_methods(), "inherited"])
def test_an_image_gets_the_same_answer_in_any_company(name: str, engine: str) -> None:
    if name == "inherited":
        learner, parameters = pruned(ENGINES[engine])
    elif name in search_methods():
        learner, parameters = searched(name, ENGINES[engine])
    elif name in training_methods():
        if engine == "fused" and not training_method(name).by_engine:
            pytest.skip("computed in PyTorch")
        learner, parameters = trained(name, network_for(name, 3, 1, SIDE), ENGINES[engine])
    else:
        learner, parameters = trained("maml", DecodedNetwork(random_genotype(2, 3), 3, 1, channels=8), ENGINES[engine])
    fitted = learner.fit(parameters, BATCH.support)
    for classifier in fitted.classifiers:
        assert_same_in_any_company(fitted.by(classifier), 0.0 if engine == "fused" else 1e-6, name != "memory-module")


@pytest.mark.parametrize("name", [*training_methods(), *search_methods()])
def test_fitted_once_more_from_its_own_parameters_a_task_answers_as_before(name: str) -> None:
    if name in training_methods():
        learner, parameters = trained(name, network_for(name, 3, 1, SIDE), TorchEngine())
    else:
        learner, parameters = searched(name, TorchEngine())
    fitted = learner.fit(parameters, BATCH.support)
    again = learner.fitted({n: tensor.clone() for n, tensor in fitted.own.items()}, BATCH.support)
    assert torch.equal(again.inductive(BATCH.query_x), fitted.inductive(BATCH.query_x))
