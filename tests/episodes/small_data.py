"""Small image trees and caches that the tests of `episodes` share."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tnas_cli.episodes.cache import Attributes, ClassImages, ImageCache, open_cache, write_cache
from tnas_cli.episodes.class_split import SHARES
from tnas_cli.episodes.dataset import Request
from tnas_cli.runs.events import Event, Note
from tnas_cli.runs.paths import from_environment

#: Characters that fill every split of protocol `vinyals`.
CHARACTERS = (
    "images_background/Armenian/character01",
    "images_background/Latin/character01",
    "images_background/Latin/character02",
    "images_evaluation/Gurmukhi/character41",
    "images_evaluation/Gurmukhi/character42",
    "images_evaluation/Tibetan/character01",
)


def random_classes(counts: dict[str, list[int]], size: int = 4, channels: int = 1) -> list[ClassImages]:
    """Classes of random pixels: for each split, the number of images of each class."""
    generator = np.random.default_rng(0)
    return [
        ClassImages(f"{split}{k}", split, generator.integers(0, 256, (n, size, size, channels), dtype=np.uint8))
        for split, sizes in counts.items()
        for k, n in enumerate(sizes)
    ]


def attributes(**changes: object) -> Attributes:
    """Attributes of a test cache, with changes."""
    values = {
        "dataset": "toy",
        "protocol": "plain",
        "licence": "none",
        "source": "here",
        "split_note": "as given",
        "seed": 0,
        "mean": (0.0,),
        "std": (1.0,),
    }
    return Attributes(**(values | changes))  # type: ignore[arg-type]


def small_cache(path: Path, counts: dict[str, list[int]], channels: int = 1, **changes: object) -> ImageCache:
    """A cache of random pixels."""
    each = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    write_cache(path, random_classes(counts, channels=channels), attributes(**(each | changes)))
    return open_cache(path)


def drawing(number: int) -> Image.Image:
    """A 1-bit 105 x 105 drawing, black on white: an L, which every quarter turn changes."""
    pixels = np.full((105, 105), 255, dtype=np.uint8)
    pixels[20:80, 30 : 33 + number % 3] = 0
    pixels[77:80, 30 : 60 + number % 5] = 0
    return Image.fromarray(pixels).convert("1")


def omniglot_tree(root: Path, drawings: int = 2) -> Path:
    """An Omniglot folder of six characters in the official layout."""
    for character, key in enumerate(CHARACTERS):
        folder = root / key
        folder.mkdir(parents=True)
        for k in range(1, drawings + 1):
            drawing(character).save(folder / f"{character + 1:04d}_{k:02d}.png")
    return root


def zip_of(tree: Path, part: str, target: Path) -> Path:
    """The archive `<target>/<part>.zip` of one part of a tree."""
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target / f"{part}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tree / part).rglob("*.png")):
            archive.write(path, path.relative_to(tree))
    return target / f"{part}.zip"


def picture(path: Path, value: int | tuple[int, ...], size: tuple[int, int] = (12, 12)) -> Path:
    """An image file of one colour (a number: gray)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(value, int) else "RGB", size, value).save(path)
    return path


def truncated(path: Path, keep: float = 0.5) -> Path:
    """Cut a file's end off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def real_data(folder: str, file: str) -> Path:
    """The folder of real data that holds `file`; without it, the test is skipped."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = (from_environment("TNAS_TEST_DATA") or beside) / folder
    if not (path / file).is_file():
        pytest.skip(f"the real {folder}/{file} is not here (set TNAS_TEST_DATA to the folder above {folder}/)")
    return path


def facts(file: str) -> Any:
    """A published list beside the repository; without it, the test is skipped."""
    path = Path(__file__).parents[3] / "shared" / "facts" / file
    if not path.is_file():
        pytest.skip(f"the published list {file} is not here")
    return json.loads(path.read_text())


def notes(events: list[Event]) -> str:
    """The notes among events, one per line."""
    return "\n".join(event.text for event in events if isinstance(event, Note))


def request(source: Path | None, events: list[Event] | None = None, **changes: Any) -> Request:
    """A request for `source`, small and in colour, with changes; its events go to `events`."""
    values: dict[str, Any] = {
        "name": "toy",
        "protocol": "plain",
        "size": 20,
        "channels": 3,
        "resize": "fit",
        "shares": SHARES,
        "skip_bad": False,
        "seed": 0,
        "root": (source or Path()).parent,
    }
    heard: list[Event] = [] if events is None else events
    return Request(source=source, listener=heard.append, **(values | changes))


def whole_classes(pieces: Iterable[ClassImages]) -> dict[tuple[str, str], npt.NDArray[np.uint8]]:
    """Pieces of classes joined: {(split, name): images}."""
    found: dict[tuple[str, str], list[npt.NDArray[np.uint8]]] = {}
    for item in pieces:
        found.setdefault((item.split, item.name), []).append(item.images)
    return {key: np.concatenate(images) for key, images in found.items()}


def class_tree(root: Path, classes: Iterable[str], images: int = 2, ending: str = "png") -> Path:
    """Folders of colour images; no two images of a tree are alike."""
    for k, name in enumerate(classes):
        for i in range(images):
            picture(root / name / f"{i}.{ending}", (10 * k % 256, i, 7))
    return root


def packed(tree: Path, target: Path) -> Path:
    """A tree as an archive, zip or tar by the target's name, below one top folder."""
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(tree.parent))
        return target
    kind = target.suffix[1:].replace("tgz", "gz").replace("tar", "")
    with tarfile.open(target, f"w:{kind}") as packing:  # type: ignore[call-overload]
        for path in files:
            packing.add(path, path.relative_to(tree.parent))
    return target


class Payload:
    """Its unpickling writes the file 'executed' into the current folder."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def _string(data: bytes) -> bytes:
    """A Python-2 string in a pickle."""
    if len(data) < 256:
        return pickle.SHORT_BINSTRING + bytes([len(data)]) + data
    return pickle.BINSTRING + len(data).to_bytes(4, "little") + data


def _python2(value: Any) -> bytes:
    if isinstance(value, bytes):
        return _string(value)
    if isinstance(value, int):
        return pickle.BININT + value.to_bytes(4, "little", signed=True)
    if isinstance(value, list):
        return pickle.EMPTY_LIST + pickle.MARK + b"".join(map(_python2, value)) + pickle.APPENDS
    if isinstance(value, dict):
        inner = b"".join(_python2(key) + _python2(item) for key, item in value.items())
        return pickle.EMPTY_DICT + pickle.MARK + inner + pickle.SETITEMS
    array = np.ascontiguousarray(value, dtype=np.uint8)
    kind = (
        b"cnumpy\ndtype\n" + _string(b"u1") + b"K\x00K\x01" + pickle.TUPLE3 + pickle.REDUCE
        + b"(K\x03" + _string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00" + pickle.TUPLE + pickle.BUILD
    )  # fmt: skip
    shape = b"(" + b"".join(map(_python2, array.shape)) + pickle.TUPLE
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00" + pickle.TUPLE1 + _string(b"b")
    state = b"(K\x01" + shape + kind + pickle.NEWFALSE + _string(array.tobytes()) + pickle.TUPLE
    return made + pickle.TUPLE3 + pickle.REDUCE + state + pickle.BUILD


def python2_pickle(value: Any) -> bytes:
    """What Python 2 wrote for dicts, lists, numbers, strings (bytes here) and arrays uint8, with protocol 2."""
    return b"\x80\x02" + _python2(value) + pickle.STOP


def image_bytes(value: int | tuple[int, ...] = 0, size: tuple[int, int] = (4, 4)) -> bytes:
    """A PNG file of one colour."""
    file = io.BytesIO()
    Image.new("L" if isinstance(value, int) else "RGB", size, value).save(file, "PNG")
    return file.getvalue()
