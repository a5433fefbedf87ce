"""A page with some of everything, for tests to vary."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.helpers import AUTO_MAML_1SHOT
from tnas_cli.report.cell_graph import cells_picture
from tnas_cli.report.figures.accuracies import Reached, accuracies_picture
from tnas_cli.report.figures.steps import Steps, steps_picture
from tnas_cli.report.html.page import Commands, HtmlTable, Page, PaperPart, SideBySide, SourceFigures, as_figure

SUMMARY = HtmlTable(
    "summary-table",
    "What was measured",
    ("source", "accuracy", "seconds"),
    (False, True, True),
    (("", (("run-b", "64.07 ± 5.42", "1,200"), ("run-a", "9.5", ""), ("run-c", "86.00", "59.5"))),),
)
TABLE = HtmlTable(
    "table-2",
    "The paper's numbers and ours",
    ("Method", "paper 1-shot", "ours 1-shot"),
    (False, True, True),
    (
        ("", (("T-NAS", "99.16 ± 0.34", "64.07 [1]"), ("MAML", "98.7 ± 0.4", ""))),
        ("not in the paper's table:", (("x", "", "1"),)),
    ),
)
SETTINGS = SideBySide(
    HtmlTable(
        "settings-differ", "settings", ("setting", "run-a", "run-b"), (False,) * 3, (("", (("way", "5", "20"),)),)
    ),
    HtmlTable("settings-same", "settings: the same", ("setting", "all"), (False, False), (("", (("shot", "1"),)),)),
)


def a_page(**changes: Any) -> Page:
    """Two figures, one of them wide, two tables of the paper, settings and commands."""
    figures = (
        as_figure(steps_picture("steps", "adaptation", [Steps("task 0", (1.6, 0.5), 5)])),
        as_figure(cells_picture("cells", "genotype", AUTO_MAML_1SHOT)),
    )
    page = Page(
        title="T-NAS report",
        facts=("3 sources",),
        answers=("64.07 ± 5.42% right.",),
        summary=SUMMARY,
        comparison=as_figure(
            accuracies_picture("accuracies", "all", [Reached("a", "q", 0.64, 0.05), Reached("b", "q", 0.5, 0.0)])
        ),
        papers=(
            PaperPart("paper-table-2", "Table 2: 5-way accuracy on Omniglot", (TABLE,), ("[1] a note",), True),
            PaperPart(
                "paper-table-3", "Table 3: mini-ImageNet", (dataclasses.replace(TABLE, id="table-3"),), (), False
            ),
        ),
        figures=(SourceFigures("run-a", figures),),
        left_out=("run-b: nothing to draw",),
        settings=SETTINGS,
        environment=None,
        commands=(Commands("run-a", ("tnas search --dataset omniglot",), ("Version of tnas: 0.1.0.",)),),
        version="0.1.0",
    )
    return dataclasses.replace(page, **changes)
