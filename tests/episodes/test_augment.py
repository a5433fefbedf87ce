"""Random changes of images: each against an image-by-image version, or against a property that determines it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tnas_cli.episodes.augment import colour_jitter, cutout, random_flip, random_resized, random_shift
from tnas_cli.runs.seeds import torch_generator

IMAGES = torch.rand(64, 3, 9, 11, generator=torch_generator(0, "pictures"))


def generator(index: int = 0) -> torch.Generator:
    return torch_generator(0, "augment", index)


def test_a_shift_is_one_of_all_shifts_of_the_padded_image() -> None:
    moved = random_shift(IMAGES, 2, generator())
    padded = F.pad(IMAGES, (2, 2, 2, 2))
    offsets = set()
    for image, before in zip(moved, padded, strict=True):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(image, before[:, top : top + 9, left : left + 11])
        ]
        assert len(places) == 1
        offsets.add(places[0])
    assert len(offsets) > 15  # of 25
    assert random_shift(IMAGES, 0, generator()) is IMAGES


def test_a_flip_exchanges_left_and_right_in_half_of_the_images() -> None:
    flipped = random_flip(IMAGES, generator())
    kept = [torch.equal(a, b) for a, b in zip(flipped, IMAGES, strict=True)]
    assert 20 < sum(kept) < 44
    for image, before, same in zip(flipped, IMAGES, kept, strict=True):
        assert torch.equal(image, before if same else before.flip(2))


def test_cutout_hides_a_square_that_may_be_cut_at_the_border() -> None:
    ones = torch.ones(400, 2, 9, 11)
    hidden = cutout(ones, 4, generator()) == 0
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    rows, columns = hidden[:, 0].any(2).sum(1), hidden[:, 0].any(1).sum(1)
    assert torch.equal(hidden[:, 0].sum((1, 2)), rows * columns)  # a rectangle
    assert sorted(rows.unique().tolist()) == sorted(columns.unique().tolist()) == [2, 3, 4]
    assert hidden[:, 0].any(0).all()  # everywhere in turn
    assert cutout(ones, 0, generator()) is ones


def test_a_resized_part_lies_in_the_image() -> None:
    # On a ramp, an enlarged part is a ramp again; its ends show how much of the image it was.
    ramp = torch.linspace(0, 1, 64).expand(200, 1, 64, 64)
    across = random_resized(ramp, generator())
    down = random_resized(ramp.transpose(2, 3), generator())
    width, height = ((y.amax((1, 2, 3)) - y.amin((1, 2, 3))) for y in (across, down))
    assert bool((width > 0.2).all()) and bool((width * height > 0.06).all())
    assert float(width.min()) < 0.45 and float(width.max()) > 0.9
    aspect = (width / height)[(width < 0.9) & (height < 0.9)]
    assert float(aspect.min()) > 0.7 and float(aspect.max()) < 1.43
    assert bool((across[:, 0, :1] - across[:, 0]).abs().max() < 1e-5)  # all rows alike
    assert torch.equal(random_resized(ramp, generator()), across)


def test_jitter_stays_in_range_and_leaves_gray_gray() -> None:
    changed = colour_jitter(IMAGES, 0.4, generator())
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1
    assert not torch.allclose(changed, IMAGES, atol=0.05)
    gray = IMAGES[:, :1].expand(-1, 3, -1, -1)
    turned = colour_jitter(gray, 0.4, generator())
    torch.testing.assert_close(turned[:, 0], turned[:, 2], atol=1e-5, rtol=0)
    one = torch.full((500, 3, 2, 2), 0.5)
    bright = colour_jitter(one, 0.4, generator()).amax((1, 2, 3))  # contrast and saturation do nothing here
    assert float(bright.min()) == pytest.approx(0.3, abs=0.01) and float(bright.max()) == pytest.approx(0.7, abs=0.01)
    assert colour_jitter(IMAGES, 0.0, generator()) is IMAGES
