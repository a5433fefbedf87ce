import tomllib
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from tests.running import tnas
from tnas_cli.errors import SettingsError
from tnas_cli.settings import file as settings_file
from tnas_cli.settings.fields import PANELS, settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.preset import preset, presets
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

PAPER_SEARCH = {  # Lian et al., Section 5.2.1
    "alpha_inner": 0.1,
    "beta_inner": 30.0,
    "inner_steps": 5,
    "alpha_outer": 1e-3,
    "beta_outer": 1e-3,
    "channels": 16,
    "nodes": 4,
    "order": "first",
    "alternating": False,
    "reduction": "sum",
    "tasks": 10 * 5_000,
    "train_split": "train+val",
    "theta_betas": (0.9, 0.999),
    "theta_weight_decay": 0.0,
}
AUTHORS_SEARCH = {  # the authors' published settings
    **PAPER_SEARCH,
    "alpha_inner": 0.01,
    "test_steps": 10,
    "reduction": "mean",
    "meta_batch": 4,
    "query": 15,
    "train_split": "train",
    "theta_betas": (0.5, 0.999),
    "theta_weight_decay": 1e-3,
}
PAPER_TRAINING = {  # Lian et al., Section 5.2.2
    "alpha_inner": 0.1,
    "inner_steps": 5,
    "alpha_outer": 1e-3,
    "channels": 16,
    "order": "first",
    "reduction": "sum",
    "tasks": 20 * 15_000,
}


@pytest.mark.parametrize(
    ("kind", "settings", "name", "values"),
    [
        ("search", SearchSettings, "paper", PAPER_SEARCH),
        ("search", SearchSettings, "authors", AUTHORS_SEARCH),
        ("train_eval", TrainSettings, "paper", PAPER_TRAINING),
    ],
)
def test_presets_hold_the_published_values(kind, settings, name, values) -> None:
    found = asdict(settings.from_dict({"dataset": "omniglot"} | preset(kind, name)))
    assert {key: found[key] for key in values} == values


@pytest.mark.parametrize(("kind", "settings"), [("search", SearchSettings), ("train_eval", TrainSettings)])
def test_every_preset_is_valid(kind, settings) -> None:
    names = presets(kind)
    assert {"paper", "quick"} <= set(names)
    for name in names:
        assert settings.from_dict({"dataset": "glyphs"} | preset(kind, name)).dataset == "glyphs"


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="unknown preset 'papr'") as caught:
        preset("search", "papr")
    assert caught.value.exit_code == 2
    assert caught.value.hint == "did you mean 'paper'?"
    with pytest.raises(SettingsError) as caught:
        preset("train_eval", "zzz")
    assert caught.value.hint == "known: affordable, paper, quick"


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'alpha_iner'") as caught:
        SearchSettings.from_dict({"dataset": "glyphs", "alpha_iner": 0.1})
    assert caught.value.hint == "did you mean 'alpha_inner'?"
    with pytest.raises(SettingsError, match="unknown setting 'beta_inner'"):
        TrainSettings.from_dict({"dataset": "glyphs", "beta_inner": 30.0})


def test_the_data_set_cannot_be_left_out() -> None:
    with pytest.raises(SettingsError, match="'dataset' is missing"):
        SearchSettings.from_dict({"way": 5})


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("way", 1),
        ("way", 2.5),
        ("way", True),
        ("way", "5"),
        ("way", 10**400),
        ("way", -(10**400)),
        ("seed", 2**63),
        ("alpha_inner", 10**400),
        ("shot", 0),
        ("query", 0),
        ("query", -1),
        ("seed", -1),
        ("inner_steps", 0),
        ("test_steps", 0),
        ("channels", 0),
        ("channels", 7),
        ("channels", 16.0),
        ("channels", "16"),
        ("tasks", 0),
        ("meta_batch", 0),
        ("validate_every", 0),
        ("validation_tasks", 0),
        ("alpha_inner", 0),
        ("alpha_inner", -0.1),
        ("alpha_inner", NAN),
        ("alpha_inner", INF),
        ("alpha_inner", True),
        ("alpha_outer", "fast"),
        ("order", "third"),
        ("reduction", "max"),
        ("train_split", "test"),
        ("nodes", 1),
        ("beta_inner", 0.0),
        ("beta_outer", NAN),
        ("theta_betas", (0.9,)),
        ("theta_betas", (0.9, 1.0)),
        ("theta_betas", ("a", "b")),
        ("theta_betas", 0.9),
        ("theta_weight_decay", -1e-3),
        ("theta_weight_decay", NAN),
        ("theta_weight_decay", "none"),
    ],
)
def test_a_value_that_cannot_work_is_named(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        SearchSettings.from_dict({"dataset": "glyphs", name: value})
    assert name in caught.value.message
    assert str(value) in caught.value.message or repr(value) in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_test_tasks_need_an_interval() -> None:
    with pytest.raises(SettingsError, match="test_tasks is 1"):
        TrainSettings("glyphs", test_tasks=1)


def test_replace_checks_again() -> None:
    settings = SearchSettings("glyphs")
    assert settings.replace(way=7).way == 7
    assert settings.way == 5
    with pytest.raises(SettingsError, match="way is 0"):
        settings.replace(way=0)


@pytest.mark.parametrize(
    "settings",
    [
        SearchSettings("glyphs", theta_betas=(0.5, 0.999), alternating=True, alpha_outer=1e-5, beta_inner=3e20),
        SearchSettings('a "quoted" \\ name', way=20),
        TrainSettings("omniglot", protocol="vinyals", test_tasks=60),
    ],
)
def test_toml_and_plain_values_give_the_settings_back(settings: SearchSettings | TrainSettings) -> None:
    again = type(settings).from_dict(tomllib.loads(settings.to_toml()))
    assert again == settings == type(settings).from_dict(settings.to_dict())
    assert set(settings.to_dict()) == {field.name for field in fields(settings)}


def test_equation_5_has_no_pieces_of_maml_plus_plus() -> None:
    with pytest.raises(SettingsError, match="Equation 5"):
        SearchSettings("x", alternating=True, learned_rates="step")


def test_supervised_settings_check_what_belongs_together() -> None:
    assert SupervisedSettings("x", shot=1, method="random").shot == 1
    with pytest.raises(SettingsError, match="shot is 1") as caught:
        SupervisedSettings("x", shot=1, method="s1")
    assert "half of the support images" in caught.value.hint


ALL = (SearchSettings, TrainSettings, SupervisedSettings, TransferSettings, GrowSettings)


@pytest.mark.parametrize("cls", ALL)
def test_every_setting_says_what_it_is(cls) -> None:
    known = settings_of(cls)
    assert list(known) == [field.name for field in fields(cls)]
    for name, about in known.items():
        assert about.help.endswith(".") and len(about.help) <= 75, name
        assert about.kind in ("text", "yes or no") or about.range, f"{name} has no range"
        assert about.panel in PANELS
        if name != "dataset":
            about.check(about.default)


@pytest.mark.parametrize("cls", ALL)
def test_every_value_of_every_preset_is_a_setting_of_its_kind(cls) -> None:
    for values in presets(cls.presets).values():
        parts = [part for part in values.values() if isinstance(part, dict)] or [values]
        for part in parts:
            settings = cls.from_dict({"dataset": "glyphs"} | part)
            assert {n: v for n, v in settings.to_dict().items() if n in part} == {
                n: tuple(v) if isinstance(v, list) else v for n, v in part.items()
            }


@pytest.mark.parametrize("cls", ALL)
def test_a_file_that_was_written_is_read_back(cls, tmp_path: Path) -> None:
    settings = cls(dataset='a line\nand a "quote"')
    file = tmp_path / "settings.toml"
    file.write_text("\ufeff" + settings.to_toml(), encoding="utf-8")  # as an editor may leave it
    assert cls.from_dict(settings_file.read(cls, file)) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [("way =", "cannot read"), ("ways = 3", "unknown setting 'ways' in"), (None, "cannot read")],
)
def test_a_file_that_cannot_be_used_is_named(text: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        settings_file.read(SearchSettings, file)
    assert str(file) in caught.value.message


def test_a_file_of_another_command_says_whose_it_is(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(SearchSettings("glyphs").to_toml())
    with pytest.raises(SettingsError, match="settings of another command: alternating is not a setting") as caught:
        settings_file.read(TrainSettings, file)
    assert caught.value.hint == "give it to tnas search"


@pytest.mark.parametrize("value", ["3", "[]", "[[1]]", "{name = 't-nas'}", "true"])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("search", "method"),
        ("search", "dataset"),
        ("train-eval DARTS_V2", "method"),
        ("train-eval DARTS_V2", "dataset"),
        ("supervised DARTS_V2", "method"),
        ("supervised DARTS_V2", "dataset"),
        ("transfer DARTS_V2", "dataset"),
    ],
)
def test_a_name_in_a_file_has_to_be_a_text(words: str, name: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"{name} = {value}\n" + ("" if name == "dataset" else "dataset = 'nowhere.h5'\n"))
    ran = tnas(*words.split(), "--settings", file)
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: {name} is ")


def test_the_words_of_a_command_line_for_a_value() -> None:
    known = settings_of(SearchSettings)
    assert known["way"].spelled(5) == ["--way", "5"]
    assert known["alternating"].spelled(False) == ["--simultaneous"]
    assert known["step_norms"].spelled(True) == ["--step-norms"]
    assert known["theta_betas"].spelled((0.5, 0.9)) == ["--theta-betas", "0.5", "0.9"]
