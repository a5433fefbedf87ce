"""Finished settings that a method would ignore are refused, whoever made them."""

from __future__ import annotations

import pytest

from tnas_cli.errors import SettingsError
from tnas_cli.methods.fits import check_fit
from tnas_cli.methods.registry import about, readers, training_methods
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

PIECES = ({"learned_rates": "step"}, {"step_norms": True}, {"multi_step": 0.1}, {"order": "annealed"})


@pytest.mark.parametrize("method", training_methods())
def test_pieces_of_maml_plus_plus_belong_to_methods_with_an_inner_loop(method: str) -> None:
    for piece in PIECES:
        settings = TrainSettings("x", method=method, **piece)
        if method in ("protonets", "matching-nets", "compare-nets"):
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


@pytest.mark.parametrize("method", ["protonets", "matching-nets", "compare-nets"])
def test_the_fused_engine_is_refused_where_pytorch_computes(method: str) -> None:
    with pytest.raises(SettingsError, match=f"--engine has no effect with {method}"):
        check_fit(TrainSettings("x", method=method), about(method), "fused")
