"""The page of predictions in a real browser: no messages, nothing loaded, within its width, names that do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.browser import Browser, needs_browser
from tnas_cli.records.kinds import Predicted
from tnas_cli.records.parts import LeftOut
from tnas_cli.report.predictions_page import PredictionsPage

pytestmark = needs_browser

NASTY = "<img src=x onerror='window.ran = 1'>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty answers for three classes, one of them with a name that would run if it were not escaped."""
    folder = tmp_path_factory.mktemp("page")
    made = PredictionsPage(folder / "out.html", "cats.pt", ("cat", "dog", NASTY))
    for number in range(30):
        file = folder / f"{number:02d}.png"
        Image.new("L", (30 + 10 * number, 60), 8 * number).save(file)
        names = [made.classes[number % 3], made.classes[(number + 1) % 3]]
        share = 0.4 + number / 60
        made.add(
            Predicted(
                image=str(file),
                class_=names[0],
                probability=share,
                runner_up=names[1],
                runner_up_probability=1 - share,
                unsure=number < 4,
            )
        )
    return made.write([LeftOut(file="notes.txt", reason="not an image")])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_says_nothing_loads_nothing_and_fits_its_width(
    chromium: Browser, page: Path, width: int, scheme: str
) -> None:
    chromium.open(page, width=width, scheme=scheme)
    assert chromium.complaints() == []
    assert [url for url in chromium.requests() if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("typeof window.ran") == "undefined"


def test_the_least_certain_come_first_and_links_lead_to_their_class(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    assert chromium.run("[...document.querySelectorAll('main h2')].map(h => h.textContent)") == [
        *("unsure", "cat", "dog", NASTY, "Left out")
    ]
    values = "[...document.querySelectorAll('main section:nth-of-type({}) meter')].map(m => m.value)"
    for section in range(1, 5):
        shares = chromium.run(values.format(section))
        assert len(shares) >= 4
        assert shares == sorted(shares)
    chromium.run("document.querySelectorAll('nav a')[2].click()")
    assert chromium.run("Math.abs(document.querySelectorAll('main h2')[2].getBoundingClientRect().top)") < 200
