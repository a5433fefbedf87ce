"""What `tnas report` and `tnas cite` print: tables, comparisons, outcomes, figures, works, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count, Seconds, Share
from tnas_cli.records.kinds import Record
from tnas_cli.records.parts import Amount
from tnas_cli.records.results import Result


@dataclass(frozen=True, kw_only=True)
class Reference(Record):
    """A work to cite."""

    event = "reference"

    key: str
    bibtex: str


@dataclass(frozen=True, kw_only=True)
class FigureFiles(Record):
    """A figure that was drawn: its title, its caption in words and numbers, and its files."""

    event = "figure"

    figure: str
    caption: str
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TableRecord(Record):
    """A table of the paper with our numbers beside it: `records` has a flat record per row and column of numbers."""

    event = "table"

    table: int
    title: str
    source: str
    records: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Side(Part):
    """One of two results that are compared; accuracies in percent."""

    source: str
    command: str
    method: str
    network: str | None
    weights: str
    seed: int
    run: str | None
    mean: float
    interval: float


@dataclass(frozen=True, kw_only=True)
class Comparison(Record):
    """A minus B over the tasks that both were measured on: `difference` and `interval` in points."""

    event = "comparison"

    a: Side
    b: Side
    setting: str
    dataset: str | None
    protocol: str | None
    fingerprint: str | None
    split: str | None
    way: int | None
    shot: int | None
    query: int | None
    tasks: int
    own_tasks: bool
    difference: float
    interval: float
    better: Count
    worse: Count
    equal: Count
    decided: bool


@dataclass(frozen=True, kw_only=True)
class Outcome(Record):
    """An expectation with the results for it: accuracies as shares of 1; `status` is met, outside or not measured."""

    event = "expectation"

    status: str
    which: Mapping[str, str | int]
    at_least: float
    at_most: float
    means: tuple[Share, ...]
    runs: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Difference(Part):
    """A difference in points over tasks, with the half-width of its 95% interval."""

    difference: float
    interval: float
    tasks: Count


@dataclass(frozen=True, kw_only=True)
class ReportResult(Result):
    """What `tnas report` did: a table, a comparison, ranks, an advantage, a check, figures or a page; the keys of the
    others are absent. `p`: the share of random swaps with at least such a difference, over `pairs` of tasks.
    `in_place`: own genotypes minus others in their place, by what these are. `tau`: Kendall's tau-b between the
    accuracies of `genotypes` in two results, with the half-width of its interval; `tau_ceiling` is what the noise of
    the test tasks would leave of a tau of 1."""

    command = "report"

    table: int | None = None
    measured: Count | None = None
    output: str | None = None
    tasks: Count | None = None
    difference: float | None = None
    interval: float | None = None
    p: Share | None = None
    pairs: Count | None = None
    in_place: Mapping[str, Difference] | None = None
    genotypes: Count | None = None
    tau: float | None = None
    tau_ceiling: float | None = None
    expectations: Count | None = None
    met: Count | None = None
    html: str | None = None
    sources: Count | None = None
    figures: str | None = None
    drawn: Count | None = None
    left_out: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class CiteResult(Result):
    """The methods and data sets that were named, and how many works are cited for them."""

    command = "cite"

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    references: Count


@dataclass(frozen=True, kw_only=True)
class ReproducedCell(Part):
    """A cell of a table: its `row` and `column`, `paper` as it is printed there (null: the paper has no such row), and
    what was measured: accuracy (`mean` and `interval` as shares of 1, also where the paper prints an error), mean
    number of weights (`parameters`), how much each network was `trained`, the run that measured it (for a searched
    network that answers itself, the file of what it answered), and how many of its units were `set_aside`. `differs`
    says what of the row's experiment is not the paper's, where that is known.

    `state`: planned (`--dry-run`), measured, failed, or left out, the last two with the reason `why`. `seconds` are
    those of this call, or of the plan; null where nobody knows.
    """

    row: str
    method: str
    column: str
    paper: str | None
    state: str
    why: str | None = None
    differs: str | None = None
    mean: Share | None = None
    interval: Share | None = None
    parameters: Count | None = None
    trained: Amount | None = None
    seconds: Seconds | None = None
    run: str | None = None
    set_aside: Count | None = None


@dataclass(frozen=True, kw_only=True)
class ReproduceResult(Result):
    """A table of the paper, measured on `dataset` within `hours` (null: with the budgets of the `preset`), or what that
    would cost. `paper_dataset` is the table's own. `folder` has all runs."""

    command = "reproduce"

    table: Count
    title: str
    dataset: str
    paper_dataset: str
    preset: str
    hours: Seconds | None
    folder: str
    cells: tuple[ReproducedCell, ...]
