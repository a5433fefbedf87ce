"""Decoding: in order, in pieces, with a bounded look-ahead, and with errors that name the image."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import whole_classes
from tnas_cli.episodes.account import Account
from tnas_cli.episodes.catalogue import ClassPictures, Picture, from_file
from tnas_cli.episodes.decoding import CHUNK, LARGE, Keep, decode, in_order
from tnas_cli.episodes.images import Squares
from tnas_cli.episodes.places import File
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Event, Progress, ignore

SMALL, HUGE = (20, 20), (200, 200)
HOW = (Account(), Keep())
SQUARES = Squares(20, 3, "stretch")


def flat(label: str, value: int, size: tuple[int, int] = SMALL) -> Picture:
    return Picture(label, lambda needed: Image.new("RGB", size, (value, value // 2, 7)))


def broken(label: str) -> Picture:
    return from_file(File(label, lambda: io.BytesIO(b"no image")))


def classes(sizes: tuple[int, ...], size: tuple[int, int] = SMALL) -> list[ClassPictures]:
    return [
        ClassPictures(f"c{k}", "train", [flat(f"c{k}/{i}", 10 * k + i, size) for i in range(n)])
        for k, n in enumerate(sizes)
    ]


def values(found: dict[tuple[str, str], np.ndarray]) -> dict[str, list[int]]:
    return {name: images[:, 3, 3, 0].tolist() for (_, name), images in found.items()}


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("size", [SMALL, HUGE])
def test_classes_and_images_keep_their_order(
    monkeypatch: pytest.MonkeyPatch, cores: int, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    sizes = (3, 2 * CHUNK + 1, 1, CHUNK, 50)
    events: list[Event] = []
    pieces = list(decode(classes(sizes, size), SQUARES, "stage", events.append, *HOW))
    assert max(len(item.images) for item in pieces) == CHUNK
    found = whole_classes(pieces)
    assert values(found) == {f"c{k}": [10 * k + i for i in range(n)] for k, n in enumerate(sizes)}
    assert {images.shape[1:] for images in found.values()} == {(20, 20, 3)}
    last = events[-1]
    assert isinstance(last, Progress)
    assert (last.stage, last.done, last.total) == ("stage", sum(sizes), sum(sizes))


@pytest.mark.parametrize(("size", "threads"), [((127, 128), 1), ((128, 128), 4)])
def test_threads_are_for_large_pictures(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], threads: int) -> None:
    assert 127 * 128 < LARGE <= 128 * 128
    monkeypatch.setattr("tnas_cli.episodes.decoding.usable_cores", lambda: 4)
    seen: set[str] = set()

    def drawn(needed: int) -> Image.Image:
        seen.add(threading.current_thread().name)
        time.sleep(0.002)
        return Image.new("RGB", size)

    list(decode([ClassPictures("a", "train", [Picture("x", drawn)] * 10 * CHUNK)], SQUARES, "", ignore, *HOW))
    assert len(seen - {threading.main_thread().name}) == (threads if threads > 1 else 0)


def test_what_is_decoded_knows_how_much_is_needed() -> None:
    asked: list[int] = []

    def drawn(needed: int) -> Image.Image:
        asked.append(needed)
        return Image.new("L", SMALL)

    list(decode([ClassPictures("a", "train", [Picture("x", drawn)])], Squares(20, 1), "", ignore, *HOW))
    assert asked == [0, 20]


@pytest.mark.parametrize("size", [SMALL, HUGE])
def test_one_broken_image_names_itself(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    data = classes((40, 40), size)
    data[1].pictures[17] = broken("c1/broken.png")  # type: ignore[index]
    with pytest.raises(DataError, match=r"c1/broken\.png is not an image"):
        list(decode(data, SQUARES, "", ignore, *HOW))


@pytest.mark.parametrize("size", [SMALL, HUGE])
def test_bad_images_are_left_out_listed_and_counted(size: tuple[int, int]) -> None:
    data = classes((40, 40), size)
    bad = ((0, 0), (0, 1), (0, 39), (1, 5))
    for k, i in bad:
        data[k].pictures[i] = broken(f"bad{k}-{i}.png")  # type: ignore[index]
    account = Account()
    events: list[Event] = []
    found = values(whole_classes(decode(data, SQUARES, "", events.append, account, Keep(bad_out=True))))
    assert found == {f"c{k}": [10 * k + i for i in range(40) if (k, i) not in bad] for k in range(2)}
    (noted,) = [one for one in account.record().noted if one.fate == "left out"]
    assert list(noted.names) == [f"bad{k}-{i}.png" for k, i in bad]
    assert account.read == 80 - len(bad)
    assert isinstance(events[-1], Progress) and events[-1].done == 80


@pytest.mark.parametrize("pictures", [[], [broken("x.png")], [broken("x.png")] * 40], ids=["none", "one", "many"])
@pytest.mark.parametrize("place", [0, 1, 9])
def test_a_class_of_which_nothing_is_left(pictures: list[Picture], place: int) -> None:
    data = classes((1,) * 10)
    data[place] = ClassPictures("gone", "train", pictures)
    with pytest.raises(DataError, match="class 'gone' has no image that can be read"):
        list(decode(data, SQUARES, "", ignore, Account(), Keep(bad_out=True)))


def test_a_class_may_be_left_in_one_split_and_not_in_another() -> None:
    data = [ClassPictures("a", "train", [flat("x", 1)]), ClassPictures("a", "val", [broken("y.png")])]
    with pytest.raises(DataError, match="class 'a' has no image"):
        list(decode(data, SQUARES, "", ignore, Account(), Keep(bad_out=True)))


class Counted:
    """A function that counts how often it was started, and items that count how many were taken."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.started = self.taken = 0
        self.fail_at = fail_at
        self._lock = threading.Lock()

    def __call__(self, item: int) -> int:
        with self._lock:
            self.started += 1
        if item == self.fail_at:
            raise ValueError(f"item {item}")
        return -item

    def items(self) -> Iterator[int]:
        for item in count():
            self.taken += 1
            yield item


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 9), (3, 13)])
def test_the_look_ahead_is_bounded(threads: int, ahead: int) -> None:
    function = Counted()
    results = in_order(function, function.items(), threads)
    assert function.taken == 0
    assert next(results) == 0
    time.sleep(0.05)
    assert function.started <= function.taken <= ahead
    assert [next(results) for _ in range(100)] == [-k for k in range(1, 101)]
    assert function.taken <= 100 + ahead
    results.close()  # type: ignore[attr-defined]
    before = function.started
    time.sleep(0.02)
    assert function.started == before
    assert threading.active_count() == 1 or not any("ThreadPool" in t.name for t in threading.enumerate())


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_the_middle_stops_all(threads: int) -> None:
    function = Counted(fail_at=20)
    results = in_order(function, function.items(), threads)
    with pytest.raises(ValueError, match="item 20"):
        for _ in range(1000):
            next(results)
    assert function.taken <= 21 + 4 * threads
    assert not any("ThreadPool" in thread.name for thread in threading.enumerate())


def test_threads_may_finish_out_of_order() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item

    assert list(in_order(slow_first, iter(range(30)), 4)) == list(range(30))
