"""What methods learn from: labelled batches of all training classes."""

from pathlib import Path

import pytest
import torch

from tests.episodes.small_data import small_cache
from tests.methods import class_pictures as pictures
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import load_batch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.streams import BatchesAsTasks, Episodes, EpisodesBeside, LabelledBatches
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.settings.train import TrainSettings

CPU = torch.device("cpu")
SETTINGS = TrainSettings("x", way=2, query=2)


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return small_cache(tmp_path / "small-random-4.h5", {"train": [5, 4, 4], "val": [3, 3], "test": [3, 3]})


def test_every_image_of_the_training_classes_comes_once_in_an_epoch(cache: ImageCache) -> None:
    """13 images: the last of the third batch does not fill one."""
    batches = LabelledBatches(size=4).open(cache, SETTINGS, CPU)
    assert (batches.classes, batches.per_epoch) == (3, 3)
    found = [batches.batch(number) for number in range(6)]
    assert [tuple(y.shape) for _, y in found] == [(4,)] * 6
    assert all(x.shape == (4, cache.channels, cache.size, cache.size) for x, _ in found)
    for epoch in (found[:3], found[3:]):
        pixels = torch.cat([x for x, _ in epoch]).flatten(1)
        assert len(torch.unique(pixels, dim=0)) == 12
        counts = torch.bincount(torch.cat([y for _, y in epoch])).tolist()
        assert sum(counts) == 12 and all(0 <= full - count <= 1 for full, count in zip([5, 4, 4], counts, strict=True))
    assert not torch.equal(found[0][0], found[3][0])
    everything = LabelledBatches(size=64).open(cache, SETTINGS, CPU)
    assert everything.per_epoch == 1 and torch.bincount(everything.batch(7)[1]).tolist() == [5, 4, 4]


def test_batches_follow_the_seed_and_hold_the_pixels_that_tasks_hold(cache: ImageCache) -> None:
    first, again = (LabelledBatches(size=4).open(cache, SETTINGS, CPU).batch(1) for _ in range(2))
    assert torch.equal(first[0], again[0])
    other = LabelledBatches(size=4).open(cache, SETTINGS.replace(seed=1), CPU).batch(1)
    assert not torch.equal(first[0], other[0])
    offset, ids = cache.class_offset, cache.classes("train")
    for image, label in zip(first[0], first[1].tolist(), strict=True):
        indices = cache.class_offset[ids[label]] + torch.arange(offset[ids[label] + 1] - offset[ids[label]]).numpy()
        own = load_batch(cache, indices.reshape(1, 1, -1), len(indices)).support_x[0]
        assert any(torch.allclose(image, theirs) for theirs in own)


def test_batches_in_the_place_of_tasks(cache: ImageCache) -> None:
    stream = BatchesAsTasks(LabelledBatches(size=4))
    batches, tasks = stream.labelled.open(cache, SETTINGS, CPU), stream.tasks(cache, SETTINGS, CPU)
    found = tasks.train(1, 2)
    for position in range(2):
        x, y = batches.batch(1 + position)
        assert torch.equal(found.query_x[position], x) and torch.equal(found.query_y[position], y)
    assert tasks.classes == 3


def test_images_beside_tasks_are_those_of_the_batches_whichever_tasks_are_drawn_together(cache: ImageCache) -> None:
    """Two tasks of a meta-batch have a chance in common; the seed decides on it."""
    stream, settings = EpisodesBeside(images=8, fewest=3), SETTINGS.replace(meta_batch=2)
    tasks = stream.tasks(cache, settings, CPU)
    whole, part = tasks.train(0, 4), tasks.train(2, 2)
    assert whole.beside is not None and part.beside is not None
    batches = LabelledBatches(size=4).open(cache, settings, CPU)
    for position in range(4):
        x, y = batches.batch(position)
        assert torch.equal(whole.beside.x[position], x) and torch.equal(whole.beside.y[position], y)
    for all_four, two in ((whole.beside.x, part.beside.x), (whole.beside.y, part.beside.y)):
        assert torch.equal(all_four[2:], two)
    assert torch.equal(whole.beside.chance[2:], part.beside.chance)
    drawn = [numpy_generator(0, "labelled images beside", step).random() for step in (0, 0, 1, 1)]
    assert whole.beside.chance.tolist() == pytest.approx(drawn)
    assert torch.equal(whole.query_x, Episodes().tasks(cache, settings, CPU).train(0, 4).query_x)
    other = stream.tasks(cache, settings.replace(seed=1), CPU).train(0, 4).beside
    assert other is not None and not torch.equal(other.chance, whole.beside.chance)
    fewest = EpisodesBeside(images=4, fewest=3).tasks(cache, settings, CPU).train(0, 1).beside
    assert fewest is not None and fewest.x.shape[1] == 3
    assert tasks.classes == 3


def test_data_without_enough_classes_or_labels_of_their_own_are_refused(cache: ImageCache, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has only 3 of them, no more than a task") as caught:
        LabelledBatches().open(cache, SETTINGS.replace(way=3), CPU)
    assert caught.value.hint.startswith("add --way 2, or ")
    shared = pictures.cache(tmp_path / "toy-images-20.h5")
    with pytest.raises(SettingsError, match=r"share their classes, so those of train\+val have no labels"):
        LabelledBatches().open(shared, SETTINGS.replace(train_split="train+val"), CPU)
