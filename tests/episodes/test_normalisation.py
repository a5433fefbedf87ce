"""What `prepare-data --normalise` does to the pixels that networks see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import class_tree, succeeding, tnas
from tnas_cli.episodes import registry
from tnas_cli.episodes.normalisation import NAMED, Normalisation, each_channel, normalisation_of
from tnas_cli.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("measured", NAMED["measured"]),
        ("0.5/0.25", Normalisation((0.5,), (0.25,))),
        ("0.1,0.2,0.3/1,2,3", Normalisation((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))),
    ],
)
def test_texts(text: str, found: Normalisation) -> None:
    assert normalisation_of(text) == found


@pytest.mark.parametrize("text", ["", "0.5", "0.5/0", "0.5/-1", "nan/1", "0.5/inf", "0.5/0.5/0.5", "a/b", "Imagenet"])
def test_texts_that_say_nothing(text: str) -> None:
    with pytest.raises(SettingsError, match="neither measured, none, imagenet nor MEAN/STD") as caught:
        normalisation_of(text)
    assert "0.5/0.5" in caught.value.hint


def test_one_number_is_for_all_channels() -> None:
    assert each_channel((0.5,), 3) == (0.5, 0.5, 0.5)
    with pytest.raises(SettingsError, match="is for 3 channels, and the images have 1"):
        each_channel((0.1, 0.2, 0.3), 1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(3)), ("val", range(3, 6)), ("test", range(6, 9))):
        class_tree(tmp_path / "photos" / split, numbers, colour=True)
    return tmp_path / "photos"


def test_what_is_chosen_is_in_the_cache_and_asked_for_again(photos: Path, tmp_path: Path) -> None:
    asked = ("prepare-data", "folder", "--source", photos, "--size", 20, "--cache-dir", tmp_path / "cache", "--json")
    measured = succeeding(*asked).result
    assert succeeding(*asked, "--normalise", "measured").result["mean"] == measured["mean"]
    assert len(measured["mean"]) == 3 and measured["mean"] != [0.5, 0.5, 0.5]
    refused = tnas(*asked, "--normalise", "0.5/0.25")
    assert refused.code == 2 and "was prepared with mean" in refused.stderr and "--force" in refused.stderr
    chosen = succeeding(*asked, "--normalise", "0.5/0.25", "--force").result
    assert (chosen["mean"], chosen["std"]) == ([0.5] * 3, [0.25] * 3)
    assert chosen["fingerprint"] == measured["fingerprint"]
    assert succeeding(*asked, "--normalise", "0.5/0.25").result["mean"] == [0.5] * 3
    unlike = tnas(*asked, "--normalise", "measured")
    assert unlike.code == 2 and "was prepared with normalise 0.5/0.25, not measured" in unlike.stderr
    named = succeeding(*asked, "--normalise", "imagenet", "--force").result
    assert named["mean"] == [0.485, 0.456, 0.406]


def test_numbers_for_other_channels_leave_no_cache(photos: Path, tmp_path: Path) -> None:
    asked = ("prepare-data", "folder", "--source", photos, "--channels", 1, "--cache-dir", tmp_path / "cache")
    ran = tnas(*asked, "--normalise", "imagenet")
    assert ran.code == 2 and "is for 3 channels, and the images have 1" in ran.stderr
    assert not list((tmp_path / "cache").glob("*.h5"))


def test_a_published_data_set_is_measured_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 4, "val": 3, "test": 3})
    assert registry.prepare("glyphs", root=tmp_path).mean == (0.0,)
    assert 0 < registry.prepare("glyphs", root=tmp_path, normalise="measured", force=True).mean[0] < 1
