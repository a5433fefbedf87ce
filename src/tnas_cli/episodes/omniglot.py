"""Omniglot (Lake et al., 2015): 1,623 characters of 50 alphabets, 20 drawings each; every rotation is a class."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tnas_cli.episodes.cache_writer import ClassImages
from tnas_cli.episodes.images import is_image_name, read_image
from tnas_cli.episodes.omniglot_splits import Split
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Listener, Progress

PARTS = ("images_background", "images_evaluation")
ROTATIONS = (0, 90, 180, 270)
LAYOUT_HINT = (
    "give --source a folder that holds images_background/ and images_evaluation/ (or their zips), or one of them"
)


@dataclass
class Source:
    """The drawings of an Omniglot tree, wherever they lie.

    `drawings` maps '<part>/<Alphabet>/<character>' to the sorted names of its drawings; `read` gives one's bytes.
    """

    drawings: dict[str, list[str]] = field(default_factory=dict)
    readers: dict[str, Callable[[], bytes]] = field(default_factory=dict)

    def add(self, inner: tuple[str, ...], label: str, read: Callable[[], bytes]) -> None:
        """Take one file by its path inside the tree; what does not look like a drawing is left alone."""
        if len(inner) >= 4 and inner[-4] in PARTS and is_image_name(inner[-1]):
            self.drawings.setdefault("/".join(inner[-4:-1]), []).append(label)
            self.readers[label] = read

    def characters(self) -> list[str]:
        """All characters: background before evaluation, then by name (the order that the published split cuts)."""
        return sorted(self.drawings)


def open_source(source: Path) -> Source:
    """List the drawings below a folder or in zip archives; nothing is extracted.

    Raises DataError when the path is missing, an archive is damaged, or no drawing is found.
    """
    found = Source()
    if source.is_dir():
        archives = [source / f"{part}.zip" for part in PARTS if not (source / part).is_dir()]
        root = source.parent if source.name in PARTS else source
        folders = [source] if source.name in PARTS else [source / part for part in PARTS]
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                found.add(path.relative_to(root).parts, str(path), path.read_bytes)
        for archive in archives:
            if archive.is_file():
                _list_archive(archive, found)
    elif source.is_file():
        _list_archive(source, found)
    else:
        raise DataError(f"{source} does not exist.", hint=LAYOUT_HINT)
    if not found.drawings:
        raise DataError(f"{source} holds no Omniglot drawings.", hint=LAYOUT_HINT)
    return found


def _list_archive(path: Path, found: Source) -> None:
    damaged = "the archive is damaged or incomplete; download or copy it again"
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a zip archive: {error}.", hint=damaged) from error

    def reader(member: str) -> Callable[[], bytes]:
        def read() -> bytes:
            try:
                return archive.read(member)
            except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
                raise DataError(f"{member} in {path} cannot be read: {error}.", hint=damaged) from error

        return read

    for member in archive.namelist():
        found.add(tuple(member.split("/")), f"{path}/{member}", reader(member))


def ink(drawing: Image.Image, size: int) -> npt.NDArray[np.uint8]:
    """One drawing, black on white and of any size, as ink bright on dark, uint8 [size, size, 1].

    The filter averages over the whole footprint of a pixel: thin strokes grow fainter, none vanishes.
    """
    small = drawing.convert("L").resize((size, size), Image.Resampling.LANCZOS)
    return 255 - np.asarray(small)[:, :, None]


def read_classes(source: Source, split: Split, size: int, listener: Listener) -> Iterator[ClassImages]:
    """All classes of a split, rotations of a character next to each other and in the character's split.

    Class names are '<Alphabet>/<character>/rot090'; the angle is anticlockwise, in degrees.
    """
    characters = source.characters()
    for done, key in enumerate(characters, start=1):
        drawings = [ink(read_image(source.readers[label](), label), size) for label in sorted(source.drawings[key])]
        images = np.stack(drawings)  # [n, H, W, 1]
        name = key.split("/", 1)[1]
        for angle in ROTATIONS:
            rotated = np.rot90(images, k=angle // 90, axes=(1, 2))  # [n, H, W, 1]
            yield ClassImages(f"{name}/rot{angle:03d}", split.of[key], rotated)
        if done % 50 == 0 or done == len(characters):
            listener(Progress("prepare omniglot", done, len(characters), "characters"))
