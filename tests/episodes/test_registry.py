"""Getting a data set by name: prepared, opened, or refused with the command that prepares it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.episodes.small_data import omniglot_tree, picture
from tnas_cli.episodes import download, registry, specs
from tnas_cli.episodes.dataset import Built, Request
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.runs.events import Event, Note


@pytest.fixture
def few_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 2, "val": 1, "test": 2})


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    for k in range(5):
        picture(tmp_path / "birds" / f"kind{k}" / "1.png", (40 * k, 10, 0))
    return tmp_path / "birds"


def notes(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Note))


def test_every_data_set_of_the_registry_is_consistent() -> None:
    for name, spec in registry.datasets().items():
        assert spec.name == name
        assert spec.protocol in spec.protocols
        assert sum((spec.embedded, spec.downloadable, spec.needs_source)) == 1
        assert bool(spec.url) == bool(spec.bytes)


@pytest.mark.usefixtures("few_glyphs")
def test_embedded_data_is_prepared_when_it_is_needed(tmp_path: Path) -> None:
    events: list[Event] = []
    cache = registry.ensure("glyphs", root=tmp_path, offline=True, listener=events.append)
    assert "not prepared yet" in notes(events)
    assert cache.path == tmp_path / "glyphs-drawn-28.h5"
    assert registry.ensure("glyphs", root=tmp_path) is cache
    assert registry.ensure(str(cache.path)) is cache


@pytest.mark.usefixtures("few_glyphs")
def test_prepared_is_said_and_force_prepares_again(tmp_path: Path) -> None:
    cache = registry.prepare("glyphs", root=tmp_path)
    events: list[Event] = []
    assert registry.prepare("glyphs", root=tmp_path, listener=events.append) is cache
    assert "already prepared" in notes(events)
    with pytest.raises(SettingsError, match="prepared with seed 0, not 7"):
        registry.prepare("glyphs", root=tmp_path, seed=7)
    forced = registry.prepare("glyphs", root=tmp_path, seed=7, force=True)
    assert (forced.seed, forced.path) == (7, cache.path)
    assert forced.fingerprint != cache.fingerprint
    cache.path.write_text("damaged")
    with pytest.raises(DataError, match="cannot be read"):
        registry.prepare("glyphs", root=tmp_path)
    assert registry.prepare("glyphs", root=tmp_path, force=True).fingerprint == cache.fingerprint


def test_omniglot_from_a_folder_in_both_protocols(tmp_path: Path) -> None:
    source = omniglot_tree(tmp_path / "tree")
    events: list[Event] = []
    caches = {
        protocol: registry.prepare("omniglot", protocol=protocol, source=source, root=tmp_path, listener=events.append)
        for protocol in ("random", "vinyals")
    }
    assert "holds 6 of Omniglot's 1,623 characters" in notes(events)
    assert caches["random"].fingerprint != caches["vinyals"].fingerprint
    assert registry.ensure("omniglot", protocol="vinyals", root=tmp_path, offline=True) is caches["vinyals"]
    assert registry.ensure("omniglot", root=tmp_path, offline=True) is caches["random"]
    assert caches["random"].mean == (0.0,)


def test_offline_says_which_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="omniglot is not prepared") as caught:
        registry.ensure("omniglot", protocol="vinyals", size=32, root=tmp_path, offline=True)
    assert "tnas prepare-data omniglot --protocol vinyals --size 32 --source DIR" in caught.value.hint


def test_a_download_is_announced_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import utils

    fetched: list[str] = []

    def fetch(url: str, root: str, filename: str, md5: str) -> None:
        fetched.append(url)
        assert len(md5) == 32
        (Path(root) / filename).write_text("archive")

    monkeypatch.setattr(utils, "download_url", fetch)
    monkeypatch.setattr(utils, "check_integrity", lambda path, md5: Path(path).is_file())
    events: list[Event] = []
    folder = download.download_omniglot(tmp_path / "downloads", events.append)
    assert fetched == [f"{download.OMNIGLOT_URL}/images_{part}.zip" for part in ("background", "evaluation")]
    assert download.OMNIGLOT_URL in notes(events)
    assert "16 MB" in notes(events)
    assert "MIT" in notes(events)
    download.download_omniglot(folder, events.append)
    assert len(fetched) == 2


@pytest.mark.parametrize("error", [RuntimeError("File not found or corrupted."), ConnectionResetError("reset")])
def test_a_download_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    from torchvision.datasets import utils

    def fetch(*_: object) -> None:
        raise error

    monkeypatch.setattr(utils, "download_url", fetch)
    with pytest.raises(DataError, match="could not be downloaded from https://") as caught:
        registry.ensure("omniglot", root=tmp_path)
    assert "--source" in caught.value.hint
    assert not list(tmp_path.glob("*.h5"))


def test_a_folder_becomes_a_data_set(tmp_path: Path, birds: Path) -> None:
    root = tmp_path / "cache"
    cache = registry.prepare("folder", source=birds, size=20, root=root)
    assert (cache.dataset, cache.channels, cache.size) == ("birds", 3, 20)
    assert cache.std[0] > cache.std[1]  # measured: red varies, green does not
    assert registry.ensure("birds", root=root) is cache
    large = registry.prepare("folder", source=birds, root=root, own_name="birds-large")
    assert large.size == 84
    assert registry.ensure("birds-large", root=root) is large
    assert registry.ensure("birds", root=root) is cache
    with pytest.raises(DataError, match="not with this size") as caught:
        registry.ensure("birds", size=40, root=root)
    assert f"--source {birds} --name birds --size 40 --cache-dir {root}" in caught.value.hint
    registry.prepare("folder", source=birds, size=40, root=root)
    with pytest.raises(SettingsError, match="more than once"):
        registry.ensure("birds", root=root)


def test_a_prepared_folder_is_not_looked_through_again(
    tmp_path: Path, birds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = registry.prepare("folder", source=birds, root=tmp_path)
    monkeypatch.setattr("tnas_cli.episodes.folder.channels_of", lambda tree: pytest.fail("images were read"))
    assert registry.prepare("folder", source=birds, root=tmp_path) is cache


def test_a_name_stands_for_one_source(tmp_path: Path, birds: Path) -> None:
    registry.prepare("folder", source=birds, root=tmp_path)
    other = birds.rename(tmp_path / "others")
    with pytest.raises(SettingsError, match="was prepared from"):
        registry.prepare("folder", source=other, own_name="birds", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "words", "hint"),
    [
        ("omniglott", {}, "'omniglott'", "did you mean 'omniglot'"),
        ("omniglot", {"protocol": "vinyal"}, "'vinyal'", "did you mean 'vinyals'"),
        ("glyphs", {"size": 19}, "--size 19", "range"),
        ("glyphs", {"size": 225}, "--size 225", "range"),
        ("glyphs", {"source": Path()}, "takes no --source", "leave"),
        ("glyphs", {"own_name": "x"}, "--name x", "leave"),
        ("folder", {}, "needs --source", "SOURCE/<class>/"),
        ("mini-imagenet", {}, "needs --source", "train.csv"),
        ("imagenet", {}, "needs --source", "train/<class>/"),
        ("glyphs", {"skip_bad": True}, "--skip-bad does not apply to glyphs", "leave --skip-bad out"),
        ("glyphs", {"channels": 1}, "--channels does not apply to glyphs", "leave --channels out"),
        ("fc100", {"resize": "crop"}, "--resize does not apply to fc100", "leave --resize out"),
        ("imagenet", {"shares": (64, 16, 20)}, "--split does not apply to imagenet", "leave --split out"),
        ("folder", {"source": Path(), "channels": 2}, "--channels 2", "1 or 3"),
        ("folder", {"source": Path(), "shares": (64, 16, 21)}, "--split 64/16/21", "64/16/20"),
        ("folder", {"source": Path(), "shares": (100, 0, 0)}, "--split 100/0/0", "64/16/20"),
        ("folder", {"source": Path(), "resize": "strech"}, "'strech'", "did you mean 'stretch'"),
        ("folder", {"source": Path(), "own_name": "a/b"}, "'a/b'", "--name"),
        ("folder", {"source": Path(), "own_name": "glyphs"}, "'glyphs'", "--name"),
    ],
)
def test_choices_that_cannot_work(tmp_path: Path, name: str, options: dict, words: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        registry.prepare(name, root=tmp_path, **options)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["omniglott", "folder", "bird"])
def test_unknown_names_get_a_suggestion(tmp_path: Path, birds: Path, name: str) -> None:
    registry.prepare("folder", source=birds, root=tmp_path)
    with pytest.raises(SettingsError, match=repr(name)) as caught:
        registry.ensure(name, root=tmp_path)
    expected = {"omniglott": "'omniglot'", "bird": "'birds'", "folder": "prepare-data folder --source"}
    assert expected[name] in caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.h5"):
        registry.ensure(str(tmp_path / "nowhere.h5"))


def test_a_builder_that_fails_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(request: Request) -> Built:
        raise KeyboardInterrupt

    monkeypatch.setitem(specs.DATASETS, "glyphs", replace(specs.DATASETS["glyphs"], build=build))
    with pytest.raises(KeyboardInterrupt):
        registry.prepare("glyphs", root=tmp_path)
    assert list(tmp_path.iterdir()) == []
