"""Every format that Pillow decodes is read, whatever its file is called; what is lost on the way is told."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tnas_cli.episodes import formats
from tnas_cli.episodes.images import Squares, read_image
from tnas_cli.episodes.places import disk_file
from tnas_cli.errors import DataError

COLOUR = (200, 90, 40)
#: Formats that Pillow writes and that keep colours.
WRITTEN = {
    "png": "PNG", "jpg": "JPEG", "jfif": "JPEG", "jpe": "JPEG", "gif": "GIF", "bmp": "BMP", "dib": "DIB", "tif": "TIFF",
    "TIFF": "TIFF", "webp": "WEBP", "ico": "ICO", "icns": "ICNS", "ppm": "PPM", "pnm": "PPM", "tga": "TGA",
    "pcx": "PCX", "sgi": "SGI", "jp2": "JPEG2000", "avif": "AVIF", "qoi": "QOI", "dds": "DDS",
}  # fmt: skip


@pytest.mark.parametrize("ending", WRITTEN)
def test_formats_that_pillow_reads(tmp_path: Path, ending: str) -> None:
    if WRITTEN[ending] not in formats.readable() or WRITTEN[ending] not in Image.SAVE:
        pytest.skip("this Pillow was built without it")
    path = tmp_path / f"a.{ending}"
    Image.new("RGB", (32, 32), COLOUR).save(path, WRITTEN[ending])
    assert formats.is_image_name(path.name)
    pixels = np.asarray(read_image(path).convert("RGB"), dtype=int)
    assert np.abs(pixels[16, 16] - COLOUR).max() < 12


@pytest.mark.parametrize("name", ["photo", "photo.txt", "photo.dat", "photo.jpg.1"])
def test_an_image_by_its_content(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (9, 9), COLOUR).save(tmp_path / name, "PNG")
    assert not formats.is_image_name(name)
    assert formats.is_image_by_content(disk_file(tmp_path / name))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"P3 results of today",
        b"#define N 5\n",
        b"BM",
        b"GIF89a",
        b"%!PS-Adobe",
        b"\x89HDF\r\n\x1a\n",
        b"P5 1",
    ],
)
def test_what_is_no_image_by_its_content(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert not formats.is_image_by_content(disk_file(tmp_path / "x"))


def test_no_program_is_run_for_an_image(tmp_path: Path) -> None:
    """Ghostscript would be, for EPS."""
    assert not {"EPS", "WMF", "HDF5", "MPEG"} & formats.readable()
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "EPS")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    with pytest.raises(DataError, match="is not an image"):
        read_image(tmp_path / "a.png")


NOISE = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
GRADIENT = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (60, 1))


def _clear() -> Image.Image:
    image = Image.fromarray(NOISE).convert("RGBA")
    image.putalpha(90)
    return image


CONVERSIONS = [
    ("a.png", Image.fromarray((GRADIENT * 65535).astype(np.uint16)), {}, "16 bits, reduced to 8"),
    ("a.tif", Image.fromarray((GRADIENT * 4000).astype(np.uint16)), {}, "use 12 or fewer, and come out dark"),
    ("a.tif", Image.fromarray((GRADIENT * 10**6).astype(np.int32)), {}, "scaled by its own brightest pixel"),
    ("a.tif", Image.fromarray(GRADIENT), {}, "floating-point numbers from 0 to 1"),
    ("a.tif", Image.fromarray(GRADIENT * 255), {}, "floating-point numbers from 0 to 255"),
    ("a.tif", Image.fromarray(GRADIENT * 9 - 5), {}, "stretched from its darkest to its brightest"),
    ("a.jpg", Image.fromarray(NOISE).convert("CMYK"), {}, "CMYK images, as RGB"),
    ("a.gif", Image.fromarray(NOISE).convert("P"), {}, "palette"),
    ("a.png", _clear(), {}, "transparency, laid on white"),
    ("a.png", Image.fromarray(NOISE).convert("1"), {}, "1 bit"),
    ("a.gif", Image.fromarray(NOISE), {"save_all": True, "append_images": [Image.fromarray(255 - NOISE)]}, "frames"),
    ("a.tif", Image.fromarray(NOISE), {"save_all": True, "append_images": [Image.fromarray(255 - NOISE)]}, "pages"),
    ("a.png", Image.fromarray(np.tile(NOISE, (3, 3, 1))), {}, "scaled down to less than half, to 84"),
    ("a.png", Image.fromarray(NOISE[:20, :20]), {}, "scaled up more than twice, to 84"),
    ("a.png", Image.fromarray(NOISE[..., 0]), {}, "gray images, repeated in three channels"),
]


@pytest.mark.parametrize(("name", "image", "how", "words"), CONVERSIONS, ids=[words for *_, words in CONVERSIONS])
def test_conversions_are_told(
    tmp_path: Path, name: str, image: Image.Image, how: dict[str, object], words: str
) -> None:
    image.save(tmp_path / name, **how)  # type: ignore[arg-type]
    said: list[str] = []
    found = Squares(84, 3).of(read_image(tmp_path / name, needed=84, said=said.append), said.append)
    assert any(words in one for one in said), said
    assert found.max() > found.min()


def test_what_is_used_as_it_is_is_not_told(tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    said: list[str] = []
    Squares(84, 3).of(read_image(tmp_path / "a.png", needed=84, said=said.append), said.append)
    assert said == []
    Squares(84, 1).of(read_image(tmp_path / "a.png", needed=84, said=said.append), said.append)
    assert said == ["images in colour, made gray"]


def test_the_first_frame_is_the_one_that_is_read(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (9, 9), COLOUR), Image.new("RGB", (9, 9), (0, 0, 255))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.tif").getpixel((4, 4)) == COLOUR


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 9), np.nan, dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="not finite"):
        read_image(tmp_path / "a.tif")
