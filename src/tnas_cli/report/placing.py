"""Which row of a table a result belongs to, and the name of a row that the paper does not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tnas_cli.methods.registry import title_of
from tnas_cli.records.results import Measured
from tnas_cli.report.measured import dataset_of, is_adapted, split_of, train_epochs, training_tasks
from tnas_cli.report.paper_tables import PaperRow, PaperTable
from tnas_cli.spaces.registry import USUAL

#: Ways to an architecture (Section 5.3) that are not methods, as the paper calls them.
WAYS = {"s1": "S1", "s2": "S2"}


#: The space that the paper searches.
SPACE = USUAL


@dataclass
class Group:
    """A row: one of the paper's with our matching results, or one with our results alone."""

    method: str
    label: str
    row: PaperRow | None
    by_shot: bool
    ours: list[Measured] = field(default_factory=list)

    def has_room(self, m: Measured) -> bool:
        """In the few-shot setting a row holds a result per shot, otherwise one."""
        return self.at(m.shot) is None if self.by_shot else not self.ours

    def at(self, shot: int | None) -> Measured | None:
        """The result for a column of this shot; a column without a shot takes any."""
        return next((m for m in self.ours if shot in (None, m.shot)), None)


def place(paper: PaperTable, measurements: Sequence[Measured]) -> list[Group]:
    """The paper's rows with the matching results, then a row for each other kind of result."""
    by_shot = paper.setting == "few-shot"
    groups = [Group(row.method, f"{row.name} ({row.citation})", row, by_shot) for row in paper.rows]
    others: list[tuple[tuple[object, ...], Group]] = []
    # If two results claim a cell of the paper's row, the one with the larger budget gets it.
    for m in sorted(measurements, key=lambda m: (-training_tasks(m), -(train_epochs(m) or 0))):
        theirs = [group for group in groups if group.row and _same(m, group.row, paper) and group.has_room(m)]
        if theirs:
            theirs[0].ours.append(m)
            continue
        key = (m.method, m.network, m.command, m.weights, m.dataset, m.protocol, m.way, m.split, m.space, m.seed)
        found = next((group for known, group in others if known == key and group.has_room(m)), None)
        if found is None:
            found = Group(m.method, _label(m, paper), None, by_shot)
            others.append((key, found))
        found.ours.append(m)
    return groups + [group for _, group in sorted(others, key=lambda pair: tuple(map(str, pair[0])))]


def _same(m: Measured, row: PaperRow, paper: PaperTable) -> bool:
    """Whether the result measures what the row does: the table's tasks, test split, weights from scratch."""
    tasks = (m.dataset, m.protocol, m.split) == (paper.dataset, paper.protocol, "test")
    tasks = tasks and paper.way in (None, m.way) and paper.query in (None, m.query)
    # train-eval uses first order by default; older records do not say.
    method = m.method == row.measured_by and row.order in (None, m.order or "first")
    method = method and row.network_in(f"{m.shot}-shot") in (None, m.network)
    shot = not paper.shots or m.shot in paper.shots
    return tasks and method and shot and m.space == SPACE and m.weights == "from-scratch" and not is_adapted(m)


def _label(m: Measured, paper: PaperTable) -> str:
    """A further row's name: the method and how it differs from the paper's measurement."""
    # A record of version 0.1 has no title.
    name = m.title or title_of(m.method) or WAYS.get(m.method, m.method)
    if is_adapted(m):
        name += f", {m.network}, adapted" if m.training else " search network, adapted"
    elif m.network is not None:
        name += f", {m.network}"
    if not is_adapted(m) and m.weights != "from-scratch":
        name += f", {m.weights} weights"
    protocol = (
        f" ({m.protocol} split)" if m.protocol and (m.dataset, m.protocol) != (paper.dataset, paper.protocol) else ""
    )
    parts = [f"{name}: {dataset_of(m)}{protocol}"]
    if m.space != SPACE:
        parts.append(f"space {m.space}")
    if m.way != paper.way and m.way:
        parts.append(f"{m.way}-way")
    if paper.query not in (None, m.query):
        parts.append(f"{m.query}-query")
    if m.split != "test":
        parts.append(f"{split_of(m)} tasks")
    if m.seed:
        parts.append(f"seed {m.seed}")
    return ", ".join(parts)
