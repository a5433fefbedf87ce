"""Tasks depend on (seed, split, index) and on nothing else; batches hold the right images, labels and values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.episodes.small_data import small_cache
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.sampling import EVALUATION_SEED, draw_task
from tnas_cli.episodes.tasks import evaluation_indices, load_batch, sample_half, sample_indices
from tnas_cli.errors import SettingsError

COUNTS = {"train": [20] * 12 + [9, 7], "val": [18] * 6, "test": [21] * 25}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    path = tmp_path_factory.mktemp("cache") / "toy.h5"
    return small_cache(path, COUNTS, channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def class_of(cache: ImageCache, indices: np.ndarray) -> np.ndarray:
    return np.searchsorted(cache.class_offset, indices, side="right") - 1


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=12),
    way=st.integers(2, 12),
    shot=st.integers(1, 9),
    query=st.integers(0, 8),
    seed=st.integers(0, 2**40),
    index=st.integers(0, 10**9),
)
def test_a_task_holds_different_classes_and_different_images(
    sizes: list[int], way: int, shot: int, query: int, seed: int, index: int
) -> None:
    offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ids = np.arange(len(sizes))
    if way > len(sizes) or shot + query > min(sizes):
        with pytest.raises(SettingsError):
            draw_task(offset, ids, "train", way, shot, query, seed, index)
        return
    task = draw_task(offset, ids, "train", way, shot, query, seed, index)
    assert task.shape == (way, shot + query)
    classes = np.searchsorted(offset, task, side="right") - 1
    assert (classes == classes[:, :1]).all()
    assert len(set(classes[:, 0])) == way
    assert len(np.unique(task)) == task.size


def test_tasks_stay_in_their_split(cache: ImageCache) -> None:
    for split in ("train", "val", "test"):
        drawn = np.stack([sample_indices(cache, split, 4, 1, 5, 3, index) for index in range(50)])
        assert {cache.class_splits[k] for k in class_of(cache, drawn).ravel()} == {split}


def test_classes_and_images_are_uniform(cache: ImageCache) -> None:
    tasks = 3000
    drawn = np.stack([sample_indices(cache, "val", 3, 1, 2, 0, index) for index in range(tasks)])
    first = class_of(cache, drawn)[:, :, 0] - class_of(cache, drawn).min()  # [tasks, way]
    for position in range(3):
        counts = np.bincount(first[:, position], minlength=6)
        assert abs(counts - tasks / 6).max() < 5 * np.sqrt(tasks / 6)
    images = np.bincount(drawn.ravel() - drawn.min(), minlength=6 * 18)
    expected = tasks * 9 / (6 * 18)
    assert abs(images - expected).max() < 5 * np.sqrt(expected)


def test_indices_seeds_and_splits_give_other_tasks(cache: ImageCache) -> None:
    def key(split: str, seed: int, index: int) -> bytes:
        return (
            sample_indices(cache, split, 5, 1, 3, seed, index) - cache.class_offset[cache.classes(split)[0]]
        ).tobytes()

    keys = {key(split, seed, index) for split in ("train", "val") for seed in range(5) for index in range(20)}
    assert len(keys) == 200


def test_shots_of_the_same_task_share_their_classes(cache: ImageCache) -> None:
    one, five = (sample_indices(cache, "test", 5, shot, 3, 0, 7) for shot in (1, 5))
    np.testing.assert_array_equal(class_of(cache, one)[:, 0], class_of(cache, five)[:, 0])


def test_a_known_task_is_the_same_in_every_version() -> None:
    # Changing this changes every published number: it needs a new schema and a line in the changelog.
    offset = np.arange(0, 201, 20)
    task = draw_task(offset, np.arange(10), "train", 3, 1, 2, seed=0, index=0)
    assert task.tolist() == [[25, 27, 33], [61, 77, 69], [126, 136, 139]]


def test_another_process_draws_the_same_tasks(cache: ImageCache) -> None:
    script = (
        "import sys; from pathlib import Path; from tnas_cli.episodes.cache import open_cache\n"
        "from tnas_cli.episodes.tasks import sample_indices\n"
        "c = open_cache(Path(sys.argv[1])); print(sample_indices(c, 'train', 5, 1, 3, 11, 42).tolist())"
    )
    for index in range(5):
        sample_indices(cache, "train", 5, 1, 3, 11, index)  # independent of what ran before
    run = subprocess.run([sys.executable, "-c", script, str(cache.path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(sample_indices(cache, "train", 5, 1, 3, 11, 42).tolist())


@pytest.mark.parametrize(
    ("split", "way", "shot", "query", "words"),
    [
        ("val", 7, 1, 1, "7 classes, but split 'val' has 6"),
        ("train", 5, 1, 15, "1 support .* 15 query .* has only 7"),
        ("val", 1, 1, 1, "1 classes"),
        ("val", 5, 0, 1, "0 support"),
    ],
)
def test_tasks_that_cannot_be_drawn(cache: ImageCache, split: str, way: int, shot: int, query: int, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        sample_indices(cache, split, way, shot, query, 0, 0)


@pytest.mark.parametrize(("way", "shot"), [(5, 1), (5, 5), (20, 1), (20, 5)])
def test_stored_evaluation_tasks_are_the_derived_ones(cache: ImageCache, way: int, shot: int) -> None:
    stored = cache.evaluation_table(f"{way}w{shot}s15q")
    assert stored is not None
    assert stored.shape == (600, way, shot + 15)
    derived = [sample_indices(cache, "test", way, shot, 15, EVALUATION_SEED, index) for index in range(0, 600, 7)]
    np.testing.assert_array_equal(stored[::7], np.stack(derived))
    np.testing.assert_array_equal(evaluation_indices(cache, "test", way, shot, 15, 20), stored[:20])


def test_more_evaluation_tasks_than_stored_begin_with_the_stored_ones(cache: ImageCache) -> None:
    np.testing.assert_array_equal(
        evaluation_indices(cache, "test", 5, 1, 15, 603)[:600], cache.evaluation_table("5w1s15q")
    )


def test_evaluation_tasks_that_are_not_stored_are_derived(cache: ImageCache) -> None:
    assert cache.evaluation_table("3w2s4q") is None
    np.testing.assert_array_equal(
        evaluation_indices(cache, "val", 3, 2, 4, 5)[3], sample_indices(cache, "val", 3, 2, 4, EVALUATION_SEED, 3)
    )
    assert evaluation_indices(cache, "test", 3, 2, 4, 0).shape == (0, 3, 6)


def test_no_table_is_stored_where_the_classes_do_not_suffice(tmp_path: Path) -> None:
    small = small_cache(tmp_path / "toy.h5", {"train": [2], "val": [2], "test": [16] * 5})
    assert small.evaluation_table("5w1s15q") is not None
    assert small.evaluation_table("5w5s15q") is None
    assert small.evaluation_table("20w1s15q") is None


def test_a_batch_against_one_image_at_a_time(cache: ImageCache) -> None:
    way, shot, query = 3, 2, 4
    indices = np.stack([sample_indices(cache, "train", way, shot, query, 0, index) for index in range(2)])
    batch = load_batch(cache, indices, shot)
    assert len(batch) == 2
    assert batch.support_x.shape == (2, way * shot, 3, 4, 4)
    assert batch.query_x.shape == (2, way * query, 3, 4, 4)
    mean, std = np.array(cache.mean), np.array(cache.std)
    for task in range(2):
        for label in range(way):
            for k in range(shot + query):
                image = cache.load(indices[task, label, k])  # [H, W, C]
                expected = ((image / 255 - mean) / std).transpose(2, 0, 1)
                if k < shot:
                    x, y, at = batch.support_x, batch.support_y, label * shot + k
                else:
                    x, y, at = batch.query_x, batch.query_y, label * query + k - shot
                np.testing.assert_allclose(x[task, at].numpy(), expected, atol=1e-6)
                assert y[task, at] == label


def test_batches_move(cache: ImageCache) -> None:
    indices = np.stack([sample_indices(cache, "train", 3, 1, 2, 0, index) for index in range(4)])
    batch = load_batch(cache, indices, 1)
    double = batch.to("cpu", torch.float64)
    assert double.query_x.dtype == torch.float64
    assert double.query_y.dtype == torch.int64
    assert len(double) == 4
    assert double.way == 3


def test_halves_share_no_image_and_miss_none(cache: ImageCache) -> None:
    """Algorithm 3's split of every class's images, 1 : 1; the odd image goes to the second half."""
    seen: dict[int, set[int]] = {1: set(), 2: set()}
    for half, images in seen.items():
        for index in range(200):
            drawn = sample_half(cache, half, "train", 5, 1, 2, 0, index)
            assert drawn.shape == (5, 3)
            classes = class_of(cache, drawn)
            assert (classes == classes[:, :1]).all()
            assert len(set(classes[:, 0].tolist())) == 5
            images |= set(drawn.ravel().tolist())
    assert not seen[1] & seen[2]
    assert seen[1] | seen[2] == set(range(int(cache.class_offset[14])))
    for number in range(14):
        first, stop = cache.class_offset[number : number + 2].tolist()
        assert sum(first <= image < stop for image in seen[1]) == (stop - first) // 2
    with pytest.raises(SettingsError, match="has only 3"):
        sample_half(cache, 1, "train", 5, 1, 3, 0, 0)
