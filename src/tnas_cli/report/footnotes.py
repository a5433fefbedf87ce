"""What belongs to a measured number, in one paragraph: how it was measured, at what cost, where."""

from __future__ import annotations

from tnas_cli.report.paper_tables import PaperBudget
from tnas_cli.report.records import Measurement


def footnote(m: Measurement, paper: PaperBudget) -> str:
    """One paragraph that says everything a reader needs to judge the number."""
    protocol = f" ({m.protocol} split)" if m.protocol else ""
    test = "transductive batch norm" if m.transductive else "not transductive"
    query = f"{count(m.query, 'query image')} per class, " if m.query else ""
    sentences = [
        f"{m.dataset}{protocol}, {m.way}-way {m.shot}-shot, {query}{count(m.tasks, m.split + ' task')}, {test}",
        f"weights {m.weights.replace('-', ' ')}" + (", adapted search network" if m.command == "adapt" else ""),
    ]
    if m.network is not None:
        sentences.append(f"network {m.network}")
    if m.search_tasks is not None:
        sentences.append(f"search: {count(m.search_tasks, 'task')}, {share(m.search_tasks, paper.search_tasks)}")
    if m.train_tasks_per_genotype is not None:
        sentences.append(_training(m, paper))
    if m.parameters_mean is not None:
        average = " on average" if m.network is None else ""
        sentences.append(f"{m.parameters_mean:,.0f} parameters{average}")
    sentences.append(f"seed {m.seed}")
    machine = [f"{_hours(m.wall_seconds)}" if m.wall_seconds is not None else "", m.device or ""]
    machine.append(count(m.threads, "thread") if m.threads and m.device == "cpu" else "")
    machine.append(f"tnas {m.package_version}" if m.package_version else "")
    sentences.append(", ".join(part for part in machine if part))
    sentences.append(m.run or "")
    return "; ".join(sentence for sentence in sentences if sentence) + "."


def _training(m: Measurement, paper: PaperBudget) -> str:
    text = f"training: {count(m.train_tasks_per_genotype or 0, 'task')}"
    if m.network is not None:  # the paper's budget is that of its decoded networks
        return text
    if m.genotypes_trained is None:
        return f"{text} per genotype"
    of = f" of {m.genotypes:,}" if m.genotypes and m.genotypes != m.genotypes_trained else ""
    whole = paper.train_tasks_per_genotype * paper.genotypes_trained
    return f"{text} for each of {m.genotypes_trained:,}{of} genotypes, {share(m.training_tasks, whole)}"


def share(ours: int, paper: int) -> str:
    """Part of the paper's budget, to two significant digits: '16% of the paper's 50,000'."""
    percent = 100 * ours / paper
    text = (
        f"{percent:,.0f}" if percent >= 10 else f"{percent:.2g}" if percent >= 1e-4 or not ours else "less than 0.0001"
    )
    return f"{text}% of the paper's {paper:,}"


def count(number: int, unit: str) -> str:
    """'1 task', '8,000 tasks'."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _hours(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
