"""How good it is, and how sure that is: the sentences that a report opens with."""

from __future__ import annotations

from collections.abc import Sequence

from tnas_cli.records.results import Measured
from tnas_cli.report.footnotes import count
from tnas_cli.report.measured import accuracy_of, dataset_of, has_interval, is_adapted, seeds_of, split_of


def answers(measured: Sequence[Measured]) -> list[str]:
    """For each question that was measured (data set, split, way, shot), two sentences: the best accuracy, with what its
    interval covers, and where others answered the same question, the next best."""
    questions: dict[tuple[object, ...], list[Measured]] = {}
    for m in measured:
        questions.setdefault((m.setting, m.dataset, m.protocol, m.split, m.way, m.shot), []).append(m)
    return [_answer(sorted(of, key=lambda m: -accuracy_of(m).mean)) for of in questions.values()]


def _answer(results: Sequence[Measured]) -> str:
    best, *others = results
    text = f"{_accuracy(best)} right: {who(best)} on {question(best)}, {_amount(best)}. {_sure(best)}"
    if not others:
        return text
    overlap = "overlap" if _overlap(best, others[0]) else "do not overlap"
    next_best = f"{who(others[0])} with {_accuracy(others[0])}"
    return f"{text} It is the best of {len(results)}; the next is {next_best}: their intervals {overlap}."


def who(m: Measured) -> str:
    """The method, and what tells two of its results apart."""
    if is_adapted(m):
        return f"{m.method} (adapted)"
    parts = [m.network or "", "inherited weights" if m.weights == "inherited" else ""]
    told = ", ".join(part for part in parts if part)
    return f"{m.method} ({told})" if told else m.method


def question(m: Measured) -> str:
    """What was asked: 'omniglot (random split), 5-way 1-shot'."""
    protocol = f" ({m.protocol} split)" if m.protocol else ""
    size = f", {m.way}-way {m.shot}-shot" if m.shot else ""
    return f"{dataset_of(m)}{protocol}{size}"


def _accuracy(m: Measured) -> str:
    reached = accuracy_of(m)
    return f"{100 * reached.mean:.2f}" + (f" ± {100 * reached.interval:.2f}%" if has_interval(m) else "%")


def _amount(m: Measured) -> str:
    return count(m.tasks, f"{split_of(m)} task") if m.tasks else f"{split_of(m)} images"


def _sure(m: Measured) -> str:
    """What the interval covers, and that one seed says nothing of others."""
    if not has_interval(m):
        return "One task has no interval."
    seeds = len(seeds_of(m))
    one = "" if "seeds" in (m.interval_over or ()) or seeds > 1 else "; another seed may differ by more: one was run"
    return f"The 95% interval is for other {m.covered}{one}."


def _overlap(a: Measured, b: Measured) -> bool:
    first, second = accuracy_of(a), accuracy_of(b)
    return first.mean - first.interval <= second.mean + second.interval
