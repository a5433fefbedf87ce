"""One image file: it is read in any mode, and any error names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import picture, truncated
from tnas_cli.episodes import formats, images
from tnas_cli.errors import DataError


@pytest.mark.parametrize(
    ("image", "mode", "expected"),
    [
        (Image.new("1", (3, 2), 1), "L", 255),
        (Image.new("L", (3, 2), 77), "L", 77),
        (Image.new("I;16", (3, 2), 65535), "L", 255),
        (Image.new("I;16", (3, 2), 257 * 100), "L", 100),
        (Image.new("RGB", (3, 2), (1, 2, 3)), "RGB", (1, 2, 3)),
        (Image.new("RGBA", (3, 2), (10, 20, 30, 0)), "RGB", (255, 255, 255)),
        (Image.new("RGBA", (3, 2), (10, 20, 30, 255)), "RGB", (10, 20, 30)),
        (Image.new("LA", (3, 2), (0, 0)), "RGB", (255, 255, 255)),
        (Image.new("RGB", (3, 2), (200, 10, 10)).convert("P", palette=Image.Palette.ADAPTIVE), "RGB", (200, 10, 10)),
    ],
    ids=["1", "L", "I;16 white", "I;16 gray", "RGB", "clear", "opaque", "clear gray", "palette"],
)
def test_modes(tmp_path: Path, image: Image.Image, mode: str, expected: int | tuple[int, ...]) -> None:
    image.save(tmp_path / "a.png")
    read = images.read_image(tmp_path / "a.png")
    assert (read.mode, read.size) == (mode, (3, 2))
    assert read.getpixel((0, 0)) == expected


@pytest.mark.parametrize("extension", ["jpg", "jpeg", "webp", "PNG"])
def test_formats(tmp_path: Path, extension: str) -> None:
    path = picture(tmp_path / f"a.{extension}", (40, 90, 200))
    assert np.abs(np.asarray(images.read_image(path)).astype(int) - (40, 90, 200)).max() <= 6
    assert formats.is_image_name(path.name)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (6, 2), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    image.save(tmp_path / "a.jpg", exif=exif)
    assert images.read_image(tmp_path / "a.jpg").size == (2, 6)


def test_names() -> None:
    assert [n for n in (".a.png", "a.txt", "Thumbs.db", "png", "a.png", "b.JPEG") if formats.is_image_name(n)] == [
        "a.png",
        "b.JPEG",
    ]


def test_files_that_are_no_images(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("hello")
    empty = tmp_path / "empty.png"
    empty.touch()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    for path, words in (
        (text, "is not an image"),
        (empty, "is not an image"),
        (truncated(tmp_path / "cut.png"), "cannot be read as an image"),
        (tmp_path / "missing.png", "cannot read .*missing.png: No such file"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            images.read_image(path)
        assert str(path) in caught.value.message


def test_images_too_large_to_unfold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "a.png", 0, size=(50, 50))
    monkeypatch.setattr(images, "LARGEST", 2000)
    with pytest.raises(DataError, match="too large an image: 50 x 50"):
        images.read_image(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own limit, met while the file is opened
    with pytest.raises(DataError, match="too large an image"):
        images.read_image(path)


def test_gray_is_decided_by_pixels() -> None:
    gray = Image.new("RGB", (4, 4), (9, 9, 9))
    assert images.is_gray(gray)
    gray.putpixel((3, 3), (9, 9, 10))
    assert not images.is_gray(gray)
    assert images.is_gray(Image.new("L", (2, 2)))


def test_a_wide_image_is_padded_with_its_border_colour() -> None:
    image = Image.new("RGB", (80, 40), (10, 200, 30))
    image.paste((255, 0, 255), (20, 10, 60, 30))
    square = images.to_square(image, 40, 3)  # scaled to 40 x 20, ten rows above and below
    assert square.shape == (40, 40, 3)
    assert (square[:10] == (10, 200, 30)).all()
    assert (square[30:] == (10, 200, 30)).all()
    assert (square[20, 20] == (255, 0, 255)).all()
    assert (images.to_square(image.transpose(Image.Transpose.ROTATE_90), 40, 3)[:, :10] == (10, 200, 30)).all()


def test_channels_are_what_is_asked_for() -> None:
    assert images.to_square(Image.new("RGB", (9, 9), "white"), 28, 1).shape == (28, 28, 1)
    gray = images.to_square(Image.new("L", (90, 90), 50), 28, 3)
    assert gray.shape == (28, 28, 3)
    assert (gray == 50).all()


def test_an_extremely_narrow_image_keeps_a_line() -> None:
    line = images.to_square(Image.new("L", (500, 1), 0), 20, 1)
    assert line.shape == (20, 20, 1)


def test_border_colour_is_the_median() -> None:
    pixels = np.zeros((5, 5, 1), dtype=np.uint8)
    pixels[1:-1, 1:-1] = 255
    pixels[0, 0] = 9
    assert images.border_colour(pixels).tolist() == [0]


@pytest.mark.parametrize(
    ("size", "needed", "expected"),
    [
        ((1600, 800), 0, (1600, 800)),
        ((1600, 800), 84, (400, 200)),  # a quarter; an eighth would leave 100 rows, less than 168
        ((1600, 1600), 84, (200, 200)),
        ((1600, 960), 224, (800, 480)),
        ((300, 300), 84, (300, 300)),
        ((100, 100), 224, (100, 100)),
    ],
)
def test_a_large_jpeg_is_decoded_no_larger_than_needed(
    tmp_path: Path, size: tuple[int, int], needed: int, expected: tuple[int, int]
) -> None:
    photo = picture(tmp_path / "a.jpg", (200, 100, 50), size)
    read = images.read_image(photo, needed=needed)
    assert read.size == expected
    assert np.abs(np.asarray(read).astype(int) - (200, 100, 50)).max() <= 4
    assert images.read_image(picture(tmp_path / "a.png", 3, size), needed=needed).size == size
    assert images.read_image(photo.read_bytes(), "a.jpg", needed).size == expected


def test_bytes_are_called_by_their_name() -> None:
    with pytest.raises(DataError, match=r"all\.zip/a\.png is not an image"):
        images.read_image(b"hello", "all.zip/a.png")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", images.RESIZES)
def test_an_image_of_the_right_size_is_not_touched(resize: images.Resize, channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, channels), dtype=np.uint8)
    image = Image.fromarray(noise[..., 0] if channels == 1 else noise)
    np.testing.assert_array_equal(images.Squares(32, channels, resize).of(image), noise)
    np.testing.assert_array_equal(images.Squares(32, 3, resize).of(image), np.broadcast_to(noise, (32, 32, 3)))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("resize", "ends", "middle"),
    [("fit", (0, 0, 250), (0, 0, 250)), ("crop", (250, 0, 0), (250, 0, 0)), ("stretch", (0, 0, 250), (250, 0, 0))],
)
def test_how_an_oblong_becomes_a_square(
    resize: images.Resize, ends: tuple[int, ...], middle: tuple[int, ...], turned: bool
) -> None:
    image = Image.new("RGB", (120, 40), (0, 0, 250))
    image.paste((250, 0, 0), (30, 0, 90, 40))  # the middle half
    image = image.transpose(Image.Transpose.ROTATE_90) if turned else image
    square = images.Squares(40, 3, resize).of(image).astype(int)
    square = square.swapaxes(0, 1) if turned else square
    assert square.shape == (40, 40, 3)
    for column in (1, 38):
        assert np.abs(square[20, column] - ends).max() <= 3
    assert np.abs(square[2, 20] - middle).max() <= 3
    assert np.abs(square[20, 20] - (250, 0, 0)).max() <= 3
