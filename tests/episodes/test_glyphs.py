"""Glyphs: the same pixels for the same seed on any machine; tasks are hard enough, but not too hard."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from tnas_cli.episodes import glyphs
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.registry import prepare
from tnas_cli.episodes.tasks import evaluation_indices, load_batch


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    return prepare("glyphs", root=tmp_path_factory.mktemp("glyphs"))


def test_the_pixels_of_seed_0_are_known(cache: ImageCache) -> None:
    # Changing this changes every number measured on glyphs: it needs a line in the changelog.
    pixels = cache.load(np.arange(cache.class_offset[-1]))
    assert (
        hashlib.sha256(pixels.tobytes()).hexdigest()
        == "6bc927271c9ed292f55d967b6346cad391cb55c4c212a7d78c23d0bd4d94a7f1"
    )


def test_splits_and_sizes(cache: ImageCache) -> None:
    assert cache.summary() == {
        "train": {"classes": 160, "images": 3200},
        "val": {"classes": 30, "images": 600},
        "test": {"classes": 50, "images": 1000},
    }
    assert (cache.size, cache.channels, cache.mean, cache.std) == (28, 1, (0.0,), (1.0,))
    assert len(set(cache.class_names)) == 240


def test_every_drawing_differs_and_shows_ink_on_dark(cache: ImageCache) -> None:
    pixels = cache.load(np.arange(cache.class_offset[-1]))
    assert len({image.tobytes() for image in pixels}) == 4800
    ink = pixels.mean(axis=(1, 2, 3)) / 255
    assert ink.min() > 0.005
    assert ink.max() < 0.5
    assert (pixels.max(axis=(1, 2, 3)) > 200).all()


def test_another_seed_and_another_size() -> None:
    assert (glyphs.draw_class(0, 3, 28) != glyphs.draw_class(1, 3, 28)).any()
    small, large = glyphs.draw_class(0, 3, 28), glyphs.draw_class(0, 3, 56)
    assert large.shape == (20, 56, 56, 1)
    # The same drawing at twice the size: averaged down, it is at the same place as the small one.
    averaged = large.reshape(20, 28, 2, 28, 2).mean(axis=(2, 4))
    for a, b in zip(averaged, small[..., 0], strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.85


def test_points_lie_closer_than_the_pen_is_wide() -> None:
    """Otherwise a stroke would be drawn as dots."""
    for number in range(0, 240, 5):
        curve = glyphs._bezier(glyphs.stroke_program(0, number))  # [strokes, POINTS, 2]
        assert np.linalg.norm(np.diff(curve, axis=1), axis=2).max() < 2 * glyphs.THICKNESS[0] + 2 / 28


def test_strokes_against_a_fine_polyline() -> None:
    """Bezier points against de Casteljau's construction."""
    control = glyphs.stroke_program(0, 0)[0]  # [4, 2]
    t = np.linspace(0, 1, glyphs.POINTS)[:, None]
    level = [control[i][None] for i in range(4)]
    while len(level) > 1:
        level = [a + t * (b - a) for a, b in itertools.pairwise(level)]
    np.testing.assert_allclose(glyphs._bezier(control[None])[0], level[0], atol=1e-12)


def test_nearest_neighbour_on_pixels_is_well_above_chance_and_far_from_perfect(cache: ImageCache) -> None:
    batch = load_batch(cache, evaluation_indices(cache, "test", 5, 1, 15, 300), 1)
    support, query = batch.support_x.flatten(2), batch.query_x.flatten(2)  # [T, 5, 784], [T, 75, 784]
    nearest = ((query[:, :, None] - support[:, None]) ** 2).sum(-1).argmin(-1)  # [T, 75]
    accuracy = (nearest == batch.query_y).float().mean().item()
    assert 0.60 < accuracy < 0.75
