"""Class means as a linear layer, against distances written out one by one."""

import pytest
import torch

from tests.glyph_tasks import SIDE, VALIDATION, glyph_tasks
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.methods.class_means import as_linear_layer, class_means
from tnas_cli.methods.learner import FittedNetwork
from tnas_cli.methods.proto_nets import ProtoNets
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.moments import logits_of
from tnas_cli.spaces.parameters import for_tasks
from tnas_cli.spaces.search_network import SearchNetwork

ENGINES: list[Engine] = [TorchEngine(), FusedEngine()]


def test_the_linear_layer_has_the_softmax_of_minus_squared_distances() -> None:
    """With unequal shots, one class and one image at a time."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 6, 7, generator=generator, dtype=torch.float64)
    query = torch.randn(2, 4, 7, generator=generator, dtype=torch.float64)
    labels = torch.tensor([[0, 0, 0, 1, 2, 2], [2, 0, 1, 1, 1, 0]])
    layer = as_linear_layer(class_means(features, labels, 3))
    found = query @ layer["classifier.weight"].transpose(1, 2) + layer["classifier.bias"].unsqueeze(1)
    for task in range(2):
        for number, one in enumerate(query[task]):
            means = [features[task][labels[task] == k].mean(0) for k in range(3)]
            distances = torch.stack([(one - mean).square().sum() for mean in means])
            torch.testing.assert_close(found[task, number].softmax(0), (-distances).softmax(0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", [FourConv(3, 1, 20, filters=8), SearchNetwork(3, 1, 8, 2)], ids=["4CONV", "search"])
def test_a_fitted_network_answers_by_the_class_means_of_its_features(
    engine: Engine, network: FourConv | SearchNetwork
) -> None:
    own = for_tasks(parameters_of(network), 2)
    support, query = labelled(2, 3, 2, 1, 20, seed=1), labelled(2, 3, 4, 1, 20, seed=2)[0]
    fitted = FittedNetwork(engine, network, own, support)
    found = fitted.by("means").inductive(query).softmax(-1)
    # Features of support and query images by the support images' moments, from a linear layer that changes nothing.
    length = own["classifier.weight"].shape[2]
    bare = own | {
        "classifier.weight": torch.eye(length, dtype=torch.float64).expand(2, -1, -1),
        "classifier.bias": torch.zeros(2, length, dtype=torch.float64),
    }
    seen, asked = (logits_of(network, bare, x, support[0]) for x in (support[0], query))
    means = torch.stack([torch.stack([seen[t][support[1][t] == k].mean(0) for k in range(3)]) for t in range(2)])
    expected = (-(asked.unsqueeze(2) - means.unsqueeze(1)).square().sum(-1)).softmax(-1)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    assert not torch.allclose(found, fitted.inductive(query).softmax(-1), atol=1e-3)
    # The published way keeps the adapted linear layer.
    assert torch.equal(fitted.by("means").transductive(query), fitted.transductive(query))
    assert torch.equal(fitted.by("means").by("linear").inductive(query), fitted.inductive(query))
    assert fitted.classifiers == ("linear", "means")


def test_prototypical_networks_have_no_other_classifier() -> None:
    batch, network = glyph_tasks(0, 1, classes=VALIDATION, way=3), FourConv(3, 1, SIDE, filters=8)
    learner = ProtoNets(network, 3)
    parameters = {name: w.float() for name, w in parameters_of(network).items() if not name.startswith("classifier.")}
    fitted = learner.fit(parameters, batch.support)
    assert fitted.classifiers == ("linear",)
    assert torch.equal(fitted.by("means").inductive(batch.query_x), fitted.inductive(batch.query_x))
