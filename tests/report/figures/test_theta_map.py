"""theta as heat maps: the numbers beside them, the names, the scale and the marks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.helpers import OPERATIONS
from tests.report.figures.looking import assert_words_stand_apart, words
from tnas_cli.errors import DataError
from tnas_cli.report.figures.smoothness import checked_theta, probabilities, range_of, smoothness
from tnas_cli.report.figures.theme import THEMES, Theme
from tnas_cli.report.figures.theta_map import Encoding, edge_names, theta_picture
from tnas_cli.spaces.decode import decidedness, decode


def a_theta(seed: int, scale: float = 1.0, edges: int = 14) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (2, edges, 8))


def test_the_ends_of_both_numbers() -> None:
    uniform = smoothness(np.full((2, 14, 8), 3.0))
    assert uniform.largest == pytest.approx(1 / 8) and uniform.entropy == pytest.approx(1)
    decided = smoothness(np.where(np.arange(8) == 3, 800.0, -800.0) + np.zeros((2, 14, 8)))
    assert decided.largest == pytest.approx(1) and decided.entropy == pytest.approx(0)


def test_the_numbers_are_those_of_other_ways_to_compute_them() -> None:
    theta = a_theta(0)
    found = smoothness(theta)
    assert found.largest == pytest.approx(float(decidedness(torch.from_numpy(theta))))
    entropy = torch.distributions.Categorical(logits=torch.from_numpy(theta)).entropy().mean() / math.log(8)
    assert found.entropy == pytest.approx(float(entropy))
    assert np.allclose(probabilities(theta), torch.from_numpy(theta).softmax(-1).numpy())


@pytest.mark.parametrize(
    "values",
    [None, "theta", [[1.0]], np.zeros((2, 13, 8)).tolist(), np.zeros((1, 14, 8)).tolist(), [[[math.nan] * 8] * 14] * 2],
)
def test_what_is_no_theta_is_refused_by_its_place(values: object) -> None:
    with pytest.raises(DataError, match="line 7 of x"):
        checked_theta(values, "line 7 of x")


def test_edges_are_named_by_their_ends() -> None:
    names = edge_names(4)
    assert names[:3] == ["cₖ₋₂ → 0", "cₖ₋₁ → 0", "cₖ₋₂ → 1"] and names[-1] == "2 → 3"
    assert len(names) == 14


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_name_and_number_is_there_and_covers_nothing(theme: Theme, count: int) -> None:
    encodings = [Encoding(f"task {number}", a_theta(number), decoded=True) for number in range(count)]
    figure = theta_picture("theta", "a title", encodings).draw(theme)
    texts = [text for text, _ in words(figure)]
    for name in (*edge_names(4), *(operation.split("_")[0] for operation in OPERATIONS)):
        assert any(name in text for text in texts), name
    for encoding in encodings:
        assert any(f"{smoothness(encoding.theta).entropy:.3f}" in text for text in texts)
    assert_words_stand_apart(figure, slanted=True)
    level = [(text, box) for text, box in words(figure) if "conv" not in text and "pool" not in text]
    for index, (one, first) in enumerate(level):
        for other, second in level[index + 1 :]:
            apart = first.x1 < second.x0 + 1.5 or second.x1 < first.x0 + 1.5
            apart |= first.y1 < second.y0 + 1.5 or second.y1 < first.y0 + 1.5
            assert apart or {one, other} <= {"none", "skip connect"}, f"{one!r} covers {other!r}"


def test_all_panels_share_a_scale_from_zero_that_holds_every_value() -> None:
    thetas = [a_theta(0, 0.1), a_theta(1, 3.0)]
    figure = theta_picture("theta", "t", [Encoding(str(n), theta) for n, theta in enumerate(thetas)]).draw(THEMES[0])
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == 4
    limits = {image.get_clim() for image in images}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == 0 and max(probabilities(theta).max() for theta in thetas) <= high <= 1
    assert np.allclose(images[0].get_array(), probabilities(thetas[0][0]))


def test_the_marks_are_what_is_decoded() -> None:
    theta = a_theta(5)
    figure = theta_picture("theta", "t", [Encoding("task", theta, decoded=True)]).draw(THEMES[0])
    genotype = decode(torch.from_numpy(theta))
    for axes, cell in zip(figure.axes[:2], (genotype.normal, genotype.reduce), strict=True):
        (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
        operations = sorted(OPERATIONS[int(x)] for x in marks.get_xdata())
        assert operations == sorted(operation for operation, _ in cell)
    bare = theta_picture("theta", "t", [Encoding("task", theta)])
    assert not [line for axes in bare.draw(THEMES[0]).axes[:2] for line in axes.lines if line.get_marker() == "o"]
    assert "dot" not in bare.caption


def test_the_caption_names_both_numbers_for_each() -> None:
    picture = theta_picture("theta", "t", [Encoding("meta", a_theta(0, 0.01)), Encoding("task 3", a_theta(1), True)])
    for expected in ("meta: mean largest probability 0.1", "task 3: mean largest", "normalised entropy", "dot"):
        assert expected in picture.caption
    assert range_of([0.2351, 0.2349]) == "0.235" and range_of([0.25, 0.5]) == "0.250 to 0.500"


@pytest.mark.parametrize("title", ["a title that is longer than one panel is wide, with many words", "x" * 90])
def test_a_long_title_is_broken_into_lines(title: str) -> None:
    figure = theta_picture("theta", title, [Encoding("meta-architecture", a_theta(0))]).draw(THEMES[0])
    assert_words_stand_apart(figure, slanted=True)
