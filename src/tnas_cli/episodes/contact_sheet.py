"""A contact sheet: a few images of a few classes of each split, to check what was prepared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.cache_writer import SPLITS
from tnas_cli.runs.files import replacing
from tnas_cli.spelling import visible

CLASSES_OF_A_SPLIT = 6
IMAGES_OF_A_CLASS = 10
SMALLEST_TILE = 56  # pixels; smaller images are enlarged by whole factors
GAP = 4
NAMES = 200
TITLE = 28
GROUND, INK, QUIET = (255, 255, 255), (20, 20, 20), (110, 110, 110)
FONT_SIZE = 14


def draw_contact_sheet(cache: ImageCache) -> Image.Image:
    """One row for each of up to six evenly spaced classes per split, with the first images of the class."""
    factor = max(1, -(-SMALLEST_TILE // cache.size))
    tile = cache.size * factor
    chosen = {split: _evenly(cache.classes(split).tolist()) for split in SPLITS}
    rows = sum(map(len, chosen.values()))
    width = NAMES + IMAGES_OF_A_CLASS * (tile + GAP) + GAP
    sheet = Image.new("RGB", (width, rows * (tile + GAP) + len(chosen) * TITLE + GAP), GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    top = 0
    for split, ids in chosen.items():
        counts = cache.summary()[split]
        title = f"{visible(cache.dataset)} · {split} · {counts['classes']:,} classes, {counts['images']:,} images"
        draw.text((GAP, top + TITLE // 2), title, INK, font, anchor="lm")
        top += TITLE
        for number in ids:
            name = _shortened(visible(cache.class_names[number]), draw, font)
            draw.text((NAMES - 2 * GAP, top + tile // 2), name, QUIET, font, anchor="rm")
            first, stop = cache.class_offset[number : number + 2].tolist()
            images = cache.load(np.arange(first, min(stop, first + IMAGES_OF_A_CLASS)))  # [n, H, W, C]
            for column, pixels in enumerate(images):
                picture = Image.fromarray(pixels[..., 0] if cache.channels == 1 else pixels)
                picture = picture.resize((tile, tile), Image.Resampling.NEAREST)
                sheet.paste(picture, (NAMES + column * (tile + GAP), top))
            top += tile + GAP
    return sheet


def write_contact_sheet(cache: ImageCache, path: Path) -> None:
    """Draw the sheet into a PNG file, whole or not at all. Raises TnasError when it cannot be written."""
    sheet = draw_contact_sheet(cache)
    with replacing(path) as partial, partial.open("wb") as file:
        sheet.save(file, format="PNG")


def _evenly(ids: list[int]) -> list[int]:
    if len(ids) <= CLASSES_OF_A_SPLIT:
        return ids
    return [ids[k * len(ids) // CLASSES_OF_A_SPLIT] for k in range(CLASSES_OF_A_SPLIT)]


def _shortened(name: str, draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """A class's name, shortened in the middle if it is too long for its column."""
    shown, keep = name, len(name)
    while keep > 2 and draw.textlength(shown, font) > NAMES - 4 * GAP:
        keep -= 1
        shown = f"{name[: keep // 2]}…{name[-(keep - keep // 2) :]}"
    return shown
