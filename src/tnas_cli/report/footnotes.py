"""The note on a measured number, in one paragraph: how it was measured, at what cost, and where."""

from __future__ import annotations

from tnas_cli.records.results import Measured, TransferResult
from tnas_cli.report.measured import (
    dataset_of,
    has_interval,
    is_adapted,
    search_tasks,
    split_of,
    tasks_per_genotype,
    train_epochs,
    training_tasks,
)
from tnas_cli.report.paper_tables import PaperBudget


def footnote(m: Measured, paper: PaperBudget) -> str:
    """One paragraph that says everything a reader needs to judge the number."""
    sentences = [
        _tasks(m),
        f"weights {m.weights.replace('-', ' ')}" + (", adapted search network" if is_adapted(m) else ""),
    ]
    if m.network is not None and not is_adapted(m):
        sentences.append(f"network {m.network}")
    if m.max_skips is not None:
        sentences.append(f"decoded with at most {count(m.max_skips, 'skip connection')} per cell")
    if m.order is not None:
        sentences.append(f"{m.order} order")
    if m.head is not None:
        sentences.append(f"linear layer {m.head} before a task's first step")
    if m.paths is not None:
        sentences.append(f"weights meta-trained along {m.paths} genotypes")
    if (searched := search_tasks(m)) is not None:
        sentences.append(f"search: {count(searched, 'task')}{_of_paper(searched, paper.search_tasks)}")
    if m.search_seconds is not None:
        sentences.append(f"search time {_hours(m.search_seconds)}" + (" per task" if m.setting == "supervised" else ""))
    if m.search_seconds_before is not None:
        sentences.append(f"earlier search on other tasks {_hours(m.search_seconds_before)}")
    sentences.append(_training(m, paper))
    if m.parameters_mean is not None:
        average = " on average" if m.network is None else ""
        sentences.append(f"{m.parameters_mean:,.0f} parameters{average}")
    sentences += [_seeds(m), f"interval over {m.covered}" if has_interval(m) else "", _files(m)]
    sentences += [_machine(m), m.run or ""]
    return "; ".join(sentence for sentence in sentences if sentence) + "."


def _files(m: Measured) -> str:
    """Which of the files that the images came from were not used as they are, and why."""
    account = m.preparation.account if m.preparation is not None else None
    if account is None or not account.noted:
        return ""
    fates = dict.fromkeys(one.fate for one in account.noted)
    reasons = {
        fate: ", ".join(f"{one.why.replace(';', ',')} ({one.count:,})" for one in account.noted if one.fate == fate)
        for fate in fates
    }
    return f"{count(account.read, 'image')} read; " + "; ".join(f"{fate}: {why}" for fate, why in reasons.items())


def _machine(m: Measured) -> str:
    """How long it took, and where."""
    where = m.environment
    since = " since it was resumed" if getattr(m, "resumed", False) else ""
    parts = ["" if m.wall_seconds is None else f"{_hours(m.wall_seconds)}{since}", where.device or ""]
    parts.append(count(where.threads, "thread") if where.threads and where.device == "cpu" else "")
    parts.append(f"{m.engine} engine" if m.engine else "")
    parts.append(f"tnas {where.package_version}" if where.package_version else "")
    return ", ".join(part for part in parts if part)


def _tasks(m: Measured) -> str:
    protocol = f" ({m.protocol} split)" if m.protocol else ""
    test = "transductive batch norm" if m.transductive else "not transductive"
    if isinstance(m, TransferResult):
        images = f"{m.split} images" if m.images is None else count(m.images, f"{m.split} image")
        return f"{m.dataset}{protocol}, {images}, {test}"
    query = f"{count(m.query, 'query image')} per class, " if m.query else ""
    tasks = count(m.tasks or 0, f"{split_of(m)} task")
    return f"{dataset_of(m)}{protocol}, {m.way}-way {m.shot}-shot, {query}{tasks}, {test}"


def _training(m: Measured, paper: PaperBudget) -> str:
    """What training took, and its share of the paper's."""
    epochs = train_epochs(m)
    each = tasks_per_genotype(m) if epochs is None else epochs
    if each is None:
        return ""
    text = f"training: {count(each, 'task' if epochs is None else 'epoch')}"
    if m.network is not None:  # the paper's budget is that of its decoded networks
        return text
    if m.genotypes_trained is None:
        return f"{text} per genotype"
    of = f" of {m.genotypes:,}" if m.genotypes and m.genotypes > m.genotypes_trained else ""
    return f"{text} for each of {m.genotypes_trained:,}{of} genotypes{_of_paper(*training(m, paper))}"


def _seeds(m: Measured) -> str:
    """The seed, or all of them with their mean and spread."""
    if m.seeds is None or len(m.seeds) < 2:
        return f"seed {m.seed}"
    text = f"seeds {', '.join(map(str, m.seeds))}"
    if m.mean_over_seeds is not None:
        text += f": mean {100 * m.mean_over_seeds:.2f}%"
        text += "" if m.spread_over_seeds is None else f", standard deviation {100 * m.spread_over_seeds:.2f} points"
    return text


def _of_paper(ours: int | None, paper: int | None) -> str:
    return "" if ours is None or paper is None else f", {share(ours, paper)}"


def training(m: Measured, paper: PaperBudget) -> tuple[int | None, int | None]:
    """What training took, and what the paper's took: tasks of all genotypes together, or epochs of each.

    A fixed network has none to compare: the paper's budget is that of its decoded networks.
    """
    if m.network is not None or m.genotypes_trained is None:
        return None, None
    epochs = train_epochs(m)
    if epochs is not None:
        return epochs, paper.train_epochs
    return (training_tasks(m) if tasks_per_genotype(m) is not None else None), paper.training_tasks


def part(ours: int | None, paper: int | None) -> float | None:
    """Ours as a part of the paper's, where both are known."""
    return None if ours is None or paper is None else ours / paper


def share(ours: int, paper: int) -> str:
    """Part of the paper's budget, to two significant digits: '16% of the paper's 50,000'."""
    return f"{percent(ours, paper)} of the paper's {paper:,}"


def percent(ours: int, paper: int) -> str:
    """'16%'; never '0%' for something.

    >>> percent(1, 180_000_000)
    'less than 0.0001%'
    """
    part = 100 * ours / paper
    if part >= 10:
        return f"{part:,.0f}%"
    return f"{part:.2g}%" if part >= 1e-4 or not ours else "less than 0.0001%"


def count(number: int, unit: str) -> str:
    """'1 task', '8,000 tasks'."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _hours(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
