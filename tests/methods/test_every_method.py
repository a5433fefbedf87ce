"""Every listed method learns learnable tasks, and resumes to the same numbers."""

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
import torch

from tests.glyph_tasks import SIDE, glyph_tasks
from tests.helpers import network_for
from tests.methods.learning import CPU, in_halves, tasks_for
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import SettingsError
from tnas_cli.methods import auto_maml, t_nas
from tnas_cli.methods.learner import accuracies, mean_and_interval
from tnas_cli.methods.meta_learn import MetaState, Plan
from tnas_cli.methods.registry import about, method, search_method, search_methods, training_method, training_methods
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.methods.unrolled import RATE, weight_count
from tnas_cli.report.references import references
from tnas_cli.runs.events import StepDone, Validated
from tnas_cli.settings import features
from tnas_cli.settings.features import ENSEMBLE, OUTER_LOOP
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import THETA
from tnas_cli.update.outer import cosine, rates

FEATURES = {value for name, value in vars(features).items() if name.isupper() and isinstance(value, str)}
#: Filters of networks, where 8 would take long.
FILTERS = {"tadam": 4, "mtl": 4}

#: A third step takes the second query image of each class.
_FEW_BY_TASK = {"channels": 4, "inner_steps": 3, "test_steps": 3, "alpha_outer": 1e-2, "beta_outer": 1e-2}
#: Less than a method's own values, for the sake of the time.
QUICK: dict[str, dict[str, Any]] = {
    "base-softmax": _FEW_BY_TASK,
    "base-gumbel-softmax": _FEW_BY_TASK,
    "meta-lstm": {"inner_steps": 2, "test_steps": 2, "meta_batch": 2, "tasks": 120, "validate_every": 120},
    "tadam": {"meta_batch": 4, "tasks": 80},
    "reptile": {"alpha_inner": 5e-3, "inner_steps": 4, "test_steps": 5, "tasks": 100, "validate_every": 100},
    "mtl": {"meta_batch": 4, "inner_steps": 5, "test_steps": 5, "alpha_inner": 0.2, "pretrain": 40, "tasks": 40},
    "neural-statistician": {"query": 4, "alpha_outer": 2e-3, "tasks": 600, "validate_every": 200},
    "llama": {"alpha_outer": 1e-2, "meta_batch": 2, "tasks": 80, "validate_every": 80},
    "memory-module": {"alpha_outer": 5e-3},
}

#: With random weights the first already answers as well as the nearest neighbour, and the second learns what images
#: look like; their own tests ask for more.
MARGINS = {"memory-module": 0.01, "neural-statistician": 0.02}


def learned(network: Any, settings: Any, state: MetaState) -> tuple[float, float]:
    """Validation accuracy at the start and at the end; a phase before the meta-learning is part of the training.

    On the way, each step has the rates that the settings and the method's schedule give it.
    """
    declared, source, plan = method(settings.method), tasks_for(settings.method, settings.way), Plan.of(settings)
    learner = declared.learner(TorchEngine(), network, settings)

    before, _ = mean_and_interval(accuracies(learner, state.parameters, source.validate()))
    start, begun = rates(state.optimiser, state.parameters), 0.0
    for event in declared.learn(network, settings, learner, state, source, plan):
        if isinstance(event, StepDone):
            assert 0 <= event.accuracy <= 1
            factor = cosine(begun, settings.cosine_to) * declared.schedule(begun)
            now = rates(state.optimiser, state.parameters)
            assert now == {name: pytest.approx(factor * rate) for name, rate in start.items()}
            begun = plan.progress(state)
    return before, state.best_accuracy


@pytest.mark.parametrize("name", training_methods())
def test_training_methods_learn(name: str) -> None:
    values = {"way": 3, "query": 2, "inner_steps": 2, "test_steps": 2, "alpha_outer": 5e-3, "tasks": 240}
    values |= {"validate_every": 80}
    method = training_method(name)
    settings = TrainSettings.from_dict(
        {"dataset": "glyphs", **values, **method.about.differs, **QUICK.get(name, {}), "method": name}
    )
    network, classes = network_for(name, 3, 1, SIDE, FILTERS.get(name, 8)), tasks_for(name, settings.way).classes
    state = method.start(network, settings, CPU, "weights", classes)
    again = method.start(network, settings, CPU, "weights", classes)
    assert all(torch.equal(tensor, again.parameters[n]) for n, tensor in state.parameters.items())
    before, after = learned(network, settings, state)
    assert after > before + MARGINS.get(name, 0.1)


@pytest.mark.parametrize("name", training_methods())
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(name: str) -> None:
    """With everything that its optimiser, a phase before the meta-learning and its own state keep."""
    few = {"way": 3, "query": 2, "inner_steps": 2, "test_steps": 2, "meta_batch": 2, "tasks": 8, "validate_every": 4}
    declared = training_method(name)
    settings = TrainSettings.from_dict(
        {"dataset": "glyphs", **declared.about.differs, **QUICK.get(name, {}), **few, "method": name}
    )
    network, source = network_for(name, 3, 1, SIDE, 8), tasks_for(name, 3)
    learner, plan = declared.learner(TorchEngine(), network, settings), Plan.of(settings)
    whole, first, second = (declared.start(network, settings, CPU, "weights", source.classes) for _ in range(3))
    list(declared.learn(network, settings, learner, whole, source, plan))
    for event in declared.learn(network, settings, learner, first, source, plan):
        if isinstance(event, Validated):
            break
    restore(to_checkpoint("training", first, {}), second)
    assert 0 < second.tasks_done < settings.tasks
    list(declared.learn(network, settings, learner, second, source, plan))
    assert all(torch.equal(tensor, whole.parameters[n]) for n, tensor in second.parameters.items())
    assert [entry["accuracy"] for entry in second.history] == [entry["accuracy"] for entry in whole.history]


@pytest.mark.parametrize("name", search_methods())
def test_search_methods_learn(name: str) -> None:
    values = {"way": 5, "query": 2, "channels": 8, "nodes": 2, "inner_steps": 2, "test_steps": 2, "alpha_inner": 0.1}
    values |= {"alpha_outer": 5e-3, "beta_outer": 5e-3, "tasks": 200, "validate_every": 100}
    method = search_method(name)
    own = {**method.about.differs, **values, **QUICK.get(name, {})}
    settings = SearchSettings.from_dict({"dataset": "glyphs", **own, "method": name})
    network = t_nas.search_network(settings, 1)
    state = method.start(network, settings, CPU)
    theta = state.parameters[THETA].clone()
    before, after = learned(network, settings, state)
    assert after > before + 0.05
    assert not torch.equal(state.parameters[THETA], theta)


def test_auto_maml_moves_w_and_theta_in_turn_and_theta_never_inside_a_task() -> None:
    settings = SearchSettings("x", way=3, query=2, channels=4, nodes=2, method="auto-maml")
    network = t_nas.search_network(settings, 1)
    state = auto_maml.METHOD.start(network, settings, CPU)
    learner = auto_maml.METHOD.learner(TorchEngine(), network, settings)
    first, second = (learner.meta_gradient(state.parameters, in_halves(start, 4), 0.0).gradients for start in (0, 4))
    assert set(second) == {THETA}
    assert set(first) == set(state.parameters) - {THETA}
    batch = glyph_tasks(0, 2)
    adapted = learner.adapt(state.parameters, (batch.support_x, batch.support_y)).parameters
    assert torch.equal(adapted[THETA][0], state.parameters[THETA])
    assert not torch.equal(adapted["stem.0.conv"][0], state.parameters["stem.0.conv"])


@pytest.mark.parametrize("name", [*search_methods(), *training_methods()])
def test_what_a_method_declares(name: str) -> None:
    found = about(name)
    assert (found.name, method(name).about) == (name, found)
    assert found.searches == (name in search_methods())
    assert found.title
    assert found.reads <= FEATURES
    assert {OUTER_LOOP, ENSEMBLE} <= found.reads
    cited = {reference.key for reference in references() if name in reference.methods}
    assert set(found.citation) - {reference.key for reference in references() if reference.always} == cited
    settings = SearchSettings if found.searches else TrainSettings
    assert set(found.differs) <= {field.name for field in dataclasses.fields(settings)}


@pytest.mark.parametrize("name", training_methods())
def test_shapes_are_those_of_a_started_state(name: str) -> None:
    settings = TrainSettings("x", way=3, learned_rates=about(name).differs.get("learned_rates", "none"))
    settings = settings.replace(method=name)
    network = network_for(name, 3, 1, SIDE)
    state = training_method(name).start(network, settings, CPU)
    shapes = training_method(name).shapes(network, settings)
    assert {n: spec.shape for n, spec in shapes.items()} == {n: tuple(t.shape) for n, t in state.parameters.items()}


def test_learned_rates_and_norms_per_step_are_among_the_shapes() -> None:
    settings = SearchSettings("x", way=3, channels=4, nodes=2, method="t-nas++", learned_rates="step", step_norms=True)
    network = t_nas.search_network(settings, 1)
    shapes = search_method("t-nas++").shapes(network, settings)
    assert set(shapes) == set(network.specs()) | {
        RATE + name for name in network.specs() if not name.endswith((".gain", ".bias")) or name == "classifier.bias"
    }
    assert shapes["stem.0.gain"].shape == (6, *network.specs()["stem.0.gain"].shape)
    assert shapes[RATE + THETA].shape == (5,)
    assert weight_count(shapes) == weight_count(search_method("t-nas++").start(network, settings, CPU).parameters)


def test_a_method_of_the_other_command_and_an_unknown_one() -> None:
    with pytest.raises(SettingsError, match="maml trains a given network") as caught:
        search_method("maml")
    assert "t-nas" in caught.value.hint
    with pytest.raises(SettingsError, match="auto-maml searches") as caught:
        training_method("auto-maml")
    assert "protonets" in caught.value.hint
    with pytest.raises(SettingsError, match="unknown method 'meta-sgb'") as caught:
        training_method("meta-sgb")
    assert "meta-sgd" in caught.value.hint


def test_names_need_no_torch() -> None:
    code = (
        "import sys; from tnas_cli.methods.registry import search_methods, training_methods; "
        "assert 't-nas' in search_methods() and 'maml' in training_methods(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_declaration_that_contradicts_itself_cannot_be_made() -> None:
    known = about("maml")
    with pytest.raises(ValueError, match="'inner lop'"):
        dataclasses.replace(known, reads=frozenset({"inner lop"}))
    declared = training_method("maml")
    with pytest.raises(TypeError, match="must be a SearchMethod"):
        dataclasses.replace(declared, about=dataclasses.replace(known, searches=True))
    with pytest.raises(TypeError, match="not an About"):
        dataclasses.replace(declared, about={"name": "maml"})
