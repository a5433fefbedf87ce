"""Images that are made to take time or memory are refused; large ones take no more memory than they need."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import image_bytes
from tnas_cli.episodes import bands, images, slow_images, turns
from tnas_cli.episodes.images import Squares, border_colour, border_of, read_image
from tnas_cli.errors import DataError


def jpeg(size: int = 10, *, progressive: bool = False) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (9, 99, 199)).save(file, "JPEG", progressive=progressive)
    return file.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def qoi(side: int) -> bytes:
    return b"qoif" + struct.pack(">LLBB", side, side, 3, 0) + bytes(side * side) + b"\0" * 7 + b"\1"


PNG = image_bytes(7)
ENDLESS = {
    "x.png": (
        PNG[:33] + chunk(b"abCd") * 50_001 + PNG[33:],
        r"x\.png cannot be read as an image: it has more than 50,000",
    ),
    "x.jpg": (
        jpeg()[:2] + b"\xff\xfe\0\2" * 5_001 + jpeg()[2:],
        r"x\.jpg cannot be .*: it has more than 5,000 markers",
    ),
    "y.jpg": (jpeg()[:2] + b"\xff" * 9_000 + jpeg()[2:], r"y\.jpg cannot be read as an image: it has more than 5,000"),
    "x.qoi": (qoi(1500), r"x\.qoi is too large an image: 1500 x 1500 pixels in the slow format QOI"),
    "x.ppm": (b"P3\n2000 2000\n255\n1 2 3", r"x\.ppm is too large an image: 2000 x 2000 pixels in the slow format PPM"),
    "y.ppm": (b"P3\n2 2\n255\n" + b" " * 17_000_000, r"y\.ppm is too large an image: 2 x 2 pixels in the slow format"),
}


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
def test_a_strip_that_is_longer_than_any_picture_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=rf"x\.png is too large an image: {size[0]} x {size[1]} pixels"):
        read_image(image_bytes(7, size), "x.png")


@pytest.mark.parametrize("name", ENDLESS)
def test_what_takes_for_ever_is_refused(name: str) -> None:
    data, words = ENDLESS[name]
    with pytest.raises(DataError, match=words):
        read_image(data, name)


def test_a_jpeg_that_is_drawn_again_and_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg(64, progressive=True)
    scans = data.count(b"\xff\xda")
    assert scans > 5 and read_image(data, "x.jpg").size == (64, 64)
    monkeypatch.setattr(images, "LARGEST", 64 * 64)
    monkeypatch.setattr(slow_images, "MOST_SCANS", scans - 1)
    with pytest.raises(DataError, match="64 x 64 pixels, drawn again and again"):
        read_image(data, "x.jpg")


def test_usual_images_have_few_pieces() -> None:
    for data, name in ((PNG, "x.png"), (jpeg(), "x.jpg"), (jpeg(64, progressive=True), "x.jpg"), (qoi(100), "x.qoi")):
        assert read_image(data, name).width > 0


MODES = ["L", "RGB", "RGBA", "LA", "P", "1", "I;16", "I", "F", "CMYK"]


@pytest.mark.parametrize("mode", MODES)
def test_bands_change_no_pixel(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray(values[..., 0].astype(kind) * 250)
    elif mode in ("P", "1"):
        image = Image.fromarray(values[..., :3]).convert(mode)
    else:
        image = Image.fromarray(values[..., : len(mode)] if mode not in ("L", "LA") else values[..., 0]).convert(mode)
        image.putalpha(Image.fromarray(values[..., 3])) if mode in ("RGBA", "LA") else None
    file = io.BytesIO()
    image.save(file, "TIFF")
    whole = read_image(file.getvalue(), "x.tif")
    monkeypatch.setattr(bands, "PIXELS", 30 * 7)
    assert len(list(bands.bands(image))) == 6
    assert read_image(file.getvalue(), "x.tif").tobytes() == whole.tobytes()
    assert (Squares(20, 3).of(whole) == Squares(20, 3).of(read_image(file.getvalue(), "x.tif"))).all()


@pytest.mark.parametrize("size", [(7, 5), (1, 9), (9, 1), (1, 1)])
def test_the_border_is_that_of_all_pixels(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert (border_of(Image.fromarray(pixels)) == border_colour(pixels)).all()
    gray = np.ascontiguousarray(pixels[..., 0])
    assert (border_of(Image.fromarray(gray)) == border_colour(gray[..., None])).all()


def test_a_large_image_of_16_bits_takes_no_numbers_of_64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "PIXELS", 2**16)
    file = io.BytesIO()
    Image.fromarray(np.full((2000, 2000), 30_000, dtype=np.uint16)).save(file, "PNG")
    tracemalloc.start()
    image = read_image(file.getvalue(), "x.png")
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.getextrema() == (117, 117)
    assert used < 8 * 2**20  # whole, the numbers alone would take 32 MiB


def test_large_images_are_read_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LARGE", 50 * 50)
    inside, most = [0], [0]

    def one(size: int) -> None:
        with turns.turn():
            read_image(image_bytes(7, (size, size)), "x.png")
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [60] * 8))
    assert most[0] == 1
    # Outside of a turn nobody waits, and an error ends a turn.
    assert read_image(image_bytes(7, (60, 60)), "x.png").width == 60
    with pytest.raises(DataError), turns.turn():
        read_image(image_bytes(7, (60, 60))[:70], "x.png")
    one(60)
