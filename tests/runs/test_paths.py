"""Paths with ~ and variables, from options and from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import tnas
from tnas_cli.episodes.cache import cache_root
from tnas_cli.errors import SettingsError
from tnas_cli.runs.paths import expanded, expanded_words, from_environment, own_cache


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    monkeypatch.delenv("NOTHING", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_words_are_expanded_as_a_shell_does(tmp_path: Path) -> None:
    home, data = str(tmp_path / "home"), str(tmp_path / "data")
    for word, expected in {
        "~": home,
        "~/x": f"{home}/x",
        "$DATA/x": f"{data}/x",
        "${DATA}/x": f"{data}/x",
        "--cache-dir=~/x": f"--cache-dir={home}/x",
        "--cache-dir=$DATA/a b": f"--cache-dir={data}/a b",
        "--cache-dir": "--cache-dir",
        "a~": "a~",
        "x/~/y": "x/~/y",
        "$NOTHING/x": "$NOTHING/x",
        "~nobody-of-this-name/x": "~nobody-of-this-name/x",
        "a=~/x": "a=~/x",
        "": "",
    }.items():
        assert expanded_words([word]) == [expected]


def test_a_file_of_that_very_name_wins() -> None:
    for name in ("~", "~x", "$DATA", "--cache-dir=~x"):
        Path(name.rpartition("=")[2]).mkdir(exist_ok=True)
        assert expanded_words([name]) == [name]


def test_root_has_a_home_of_its_own() -> None:
    assert expanded("~root/x").startswith("/")


@pytest.mark.parametrize("name", ["TNAS_CACHE", "TNAS_KERNELS", "TNAS_TEST_DATA"])
def test_variables_of_ours_are_paths_too(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("~/x", home / "x"), ("$DATA", home.parent / "data"), ("", None)):
        monkeypatch.setenv(name, value)
        assert from_environment(name) == expected


def test_a_command_takes_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNAS_CACHE", "~/of the variable")
    assert cache_root() == home / "of the variable"
    ran = tnas("decode", "DARTS_V2", "--module=~/net.py", "--quiet")
    assert ran.code == 0, ran.stderr
    assert (home / "net.py").is_file() and not list(Path().iterdir())


def test_without_a_home_no_folder_is_called_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: "~/.cache/tnas")
    with pytest.raises(SettingsError, match="no home folder"):
        own_cache()
