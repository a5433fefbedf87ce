"""Complete settings that a method would ignore are refused, wherever they come from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers import network_for
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import SettingsError
from tnas_cli.methods.fits import check_fit
from tnas_cli.methods.registry import about, method, readers, training_methods
from tnas_cli.settings.features import ENGINE, PIECES
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.search_network import SearchNetwork

PIECES_OF_THE_LOOP = ({"learned_rates": "step"}, {"step_norms": True}, {"multi_step": 0.1}, {"order": "annealed"})


@pytest.mark.parametrize("method", training_methods())
def test_pieces_of_maml_plus_plus_belong_to_methods_with_an_inner_loop(method: str) -> None:
    for piece in PIECES_OF_THE_LOOP:
        settings = TrainSettings("x", method=method, **piece)
        if PIECES not in about(method).reads:
            with pytest.raises(SettingsError, match=f"no effect with {method}") as caught:
                check_fit(settings, about(method), "auto")
            assert "maml++" in caught.value.hint and "protonets" not in caught.value.hint
        elif method == "meta-sgd" and "learned_rates" in piece:
            with pytest.raises(SettingsError, match="--learned-rates has no effect with meta-sgd"):
                check_fit(settings, about(method), "auto")
        else:
            check_fit(settings, about(method), "auto")
    assert TrainSettings("x", method=method, step_norms=True).pieces == ["step_norms"]


@pytest.mark.parametrize("method", [*readers(searches=True), *readers(searches=False)])
def test_a_method_fits_its_own_settings(method: str) -> None:
    known = about(method)
    make = SearchSettings if known.searches else TrainSettings
    check_fit(make(dataset="x", method=method, **known.differs), known, "auto")
    check_fit(make(dataset="x", method=method, **known.differs), known, "torch")


def test_equation_5_is_refused_where_it_is_not_read() -> None:
    with pytest.raises(SettingsError, match="--alternating has no effect with auto-maml") as caught:
        check_fit(SearchSettings("x", method="auto-maml", alternating=True), about("auto-maml"), "auto")
    assert caught.value.hint == "leave it out, or choose t-nas"


@pytest.mark.parametrize("method", [name for name in training_methods() if ENGINE not in about(name).reads])
def test_the_fused_engine_is_refused_where_pytorch_computes(method: str) -> None:
    with pytest.raises(SettingsError, match=f"--engine has no effect with {method}"):
        check_fit(TrainSettings("x", method=method), about(method), "fused")


#: Settings that an inner loop may read, each with a value other than the default.
INNER = {
    "alpha_inner": 0.7,
    "beta_inner": 3.0,
    "inner_steps": 2,
    "test_steps": 3,
    "order": "second",
    "learned_rates": "weight",
    "step_norms": True,
    "multi_step": 0.5,
    "alternating": True,
}


@pytest.mark.parametrize("name", [*readers(searches=True), *readers(searches=False)])
def test_a_method_reads_what_it_declares_and_nothing_else(name: str) -> None:
    """The learner and its meta-parameters depend on exactly those settings of the inner loop that the method reads."""
    engine, known, declared = TorchEngine(), about(name), method(name)
    network: Any = SearchNetwork(3, 1, 4) if known.searches else network_for(name, 3, 1, 28)
    cls: Any = SearchSettings if known.searches else TrainSettings
    # Pieces that are off by default, so that each can be turned on alone; Equation 5 combines with none of them.
    off = {"order": "first", "learned_rates": "none", "step_norms": False, "multi_step": 0.0}
    plain = cls(dataset="x", method=name, **{**known.differs, **off, "inner_steps": 1, "test_steps": 1})
    for setting in settings_of(cls).values():
        if setting.name in INNER and (name, setting.name) != ("t-nas++", "alternating"):
            changed = plain.replace(**{setting.name: INNER[setting.name]})
            same = declared.learner(engine, network, plain) == declared.learner(engine, network, changed)
            same = same and declared.shapes(network, plain) == declared.shapes(network, changed)
            assert same == (setting.needs not in known.reads), setting.name
