"""Results for a person: tables and the measured number on stdout, details on stderr."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from rich.table import Table

from tnas_cli.cli.colours import WARNING
from tnas_cli.cli.console import Screen, add_row, size, table
from tnas_cli.records.other_results import Estimate, GrowEstimate, TrainEstimate
from tnas_cli.records.parts import Accuracy, Budget, OwnTasks, PlannedCost
from tnas_cli.records.results import (
    GrowResult,
    Result,
    SearchResult,
    SupervisedResult,
    TrainResult,
    TransferResult,
)
from tnas_cli.spelling import command, duration


def show(screen: Screen, result: Result) -> None:
    """The result of any kind of run: its record with --json, otherwise a summary."""
    if screen.as_json:
        screen.record(result.to_json())
    elif isinstance(result, SearchResult):
        _search(screen, result)
    elif isinstance(result, TrainResult):
        _over_seeds(screen, result) if result.seeds else _training(screen, result)
    elif isinstance(result, SupervisedResult):
        _supervised(screen, result)
    elif isinstance(result, TransferResult):
        _transfer(screen, result)
    elif isinstance(result, GrowResult):
        _grow(screen, result)
    else:
        screen.record(result.to_json())


#: The column in which the values of an estimate begin.
ESTIMATES = 19


def show_estimate(screen: Screen, cost: Estimate) -> None:
    """The cost of a long computation, in words or as a record."""
    if screen.as_json:
        screen.record(cost.to_json())
        return
    facts = [("weights", f"{cost.parameters:,}")]
    if cost.flops_per_task is not None:
        facts.append(("arithmetic", f"{cost.flops_per_task / 1e9:.2f} GFLOP per task"))
    facts.append(("measured", f"{cost.seconds_per_step:.3g} s per meta-batch, {cost.steps:,} of them"))
    facts.append(("validation", f"{duration(cost.seconds_per_validation)} each time"))
    if isinstance(cost, TrainEstimate):
        facts += _of_training(cost)
    if isinstance(cost, GrowEstimate):
        many = f"{cost.cells:,}, {cost.side_by_side} at a time"
        facts.append(("cells", f"{many}; what is above holds for one of the final size"))
    screen.facts([*facts, ("total to expect", duration(cost.total_seconds))], ESTIMATES)


def _of_training(cost: TrainEstimate) -> list[tuple[str, str]]:
    """Of trainings: how they are divided, what they leave on the disk, and what others would cost."""
    at_a_time = f"{cost.side_by_side} at a time" + ("" if cost.workers is None else f", by {cost.workers} workers")
    facts = [("networks", f"{cost.genotypes:,}, {at_a_time}")] if cost.genotypes > 1 or cost.workers else []
    if cost.bytes is not None:
        facts.append(("storage", f"{size(cost.bytes.storage)} in the run's folder"))
        if cost.bytes.traffic is not None:
            facts.append(("traffic", f"{size(cost.bytes.traffic)} in all, between workers and shared files"))
    for name, planned in (("cost", cost.cost), ("the paper's cell", cost.paper_cost), ("a tenth", cost.tenth_cost)):
        if planned is not None:
            facts.append((name, _planned(planned)))
    return facts


def _planned(cost: PlannedCost) -> str:
    price = "" if cost.price is None else f", price {cost.price:,.2f}"
    what = f"{cost.genotypes:,} x {cost.tasks:,} tasks"
    hours = f"{cost.core_hours:,.0f}" if cost.core_hours >= 100 else f"{cost.core_hours:.3g}"
    return f"{what}: {hours} core hours{price}, {duration(cost.seconds)}"


def whole(value: int | None) -> str:
    """A number of things as '4,711'; empty for None."""
    return "" if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """A share of 1 as '0.987'; empty for None."""
    return "" if value is None else f"{value:.3f}"


def with_interval(mean: float, interval: float | None) -> str:
    """An accuracy and the half-width of its interval, shares of 1, as '98.76 ± 0.20%'."""
    return f"{percent(mean)}%" if interval is None else f"{percent(mean)} ± {percent(interval)}%"


def percent(value: float | None) -> str:
    """A share of 1 as '98.76'; empty for None."""
    return "" if value is None else f"{100 * value:.2f}"


def _search(screen: Screen, found: SearchResult) -> None:
    from tnas_cli.commands.next_steps import after_search

    for line in search_lines(found):
        screen.say(line)
    if found.warning:
        screen.say(f"warning: {found.warning}", style=WARNING)
    screen.next(after_search(found))
    screen.path(found.checkpoint)


def search_lines(found: SearchResult) -> list[str]:
    """What a search found, in lines."""
    lines = []
    if found.seeds:
        rows = zip(found.seeds, found.validation_accuracies or (), found.runs or (), strict=False)
        lines += [f"seed {seed}: {percent(accuracy)}% ({run})" for seed, accuracy, run in rows]
        lines.append(
            f"mean over {len(found.seeds)} seeds {percent(found.mean_over_seeds)}%, standard deviation "
            f"{percent(found.spread_over_seeds)}; the run with the best validation accuracy:"
        )
    seconds = found.wall_seconds or 0.0
    # The time is that of the call that ended the search; an earlier one did the first of its tasks.
    since = f", {whole(found.tasks_this_time)} of them since it was resumed," if found.resumed else ""
    rate = (found.tasks_this_time or 0) / seconds if seconds else 0
    return [
        *lines,
        f"searched {found.tasks:,} tasks{' with each seed, all' if found.seeds else since} in "
        f"{duration(seconds)} ({rate:.2g} tasks per second)",
        f"validation accuracy {percent(found.validation_accuracy)}% of the adapted search network "
        f"({found.validation_tasks} tasks)",
        f"theta~: largest probability {share(found.theta_largest_probability)}, mean of the edges' largest "
        f"{share(found.theta_mean_largest_probability)} (uniform: {_uniform(found.space)}); adapted to validation "
        f"tasks: {share(found.adapted_mean_largest_probability)}",
        f"decoded on the validation tasks: {found.distinct_genotypes} distinct genotypes, "
        f"{100 * (found.skip_share or 0):.1f}% skip connections, {100 * (found.pool_share or 0):.1f}% pools",
    ]


def _uniform(searched: str) -> str:
    from tnas_cli.spaces.registry import space

    return f"{space(searched).uniform:.3g}"


def _training(screen: Screen, result: TrainResult) -> None:
    from tnas_cli.commands.next_steps import after_training

    if result.per_genotype and result.weights != "inherited":
        screen.show(_networks(result))
    screen.text(f"accuracy {percent(result.mean)} ± {percent(result.interval)}%")
    _inductive(screen, result.inductive, result.classifier)
    _calibration(screen, result)
    if result.weights == "inherited":
        own = "all tasks" if result.per_genotype else "the test task that decoded to it"
        screen.say(
            f"{result.genotypes} genotypes with the search's weights, each on {own}: {result.tasks} test tasks, 95% "
            f"interval over {result.covered}; meta-trained once on {_amount(result.budget)}, validation "
            f"{percent(result.validation)}%, {_took(result)}"
        )
    else:
        _own_tasks(screen, result.own_tasks)
        trained = result.network or f"{result.genotypes_trained} of {result.genotypes} genotypes"
        screen.say(
            f"{result.tasks} test tasks, 95% interval over {result.covered}, batch norm over the query set; {trained} "
            f"trained from scratch on {_amount(result.budget)}{'' if result.network else ' each'}, {_took(result)}"
        )
    _until(screen, result)
    screen.next(after_training(result, result.run))


def _until(screen: Screen, result: TrainResult) -> None:
    """Why a run ended that went on by itself."""
    if (until := result.until) is not None:
        looks = "1 look" if until.looks == 1 else f"{until.looks} looks"
        screen.say(f"± {percent(until.asked)} points {until.ended} after {looks} at the interval (docs/intervals.md)")


def _networks(result: TrainResult) -> Table:
    from tnas_cli.methods.registry import title_of

    title = f"{result.dataset} ({result.protocol} split), {result.way}-way {result.shot}-shot"
    one_network = result.network is not None
    training = title_of(result.training or "") or result.training
    named = (f"network ({training})",) if one_network else ("genotype", "tasks decoded to it")
    drawn = table((*named, "weights", "validation", f"test, {result.tasks} tasks"), title=title)
    for row in result.per_genotype or ():
        add_row(
            drawn,
            row.digest,
            *(() if one_network else (str(row.count),)),
            whole(row.parameters),
            f"{percent(row.validation)}%",
            f"{percent(row.mean)} ± {percent(row.interval)}%",
        )
    return drawn


def _inductive(screen: Screen, found: Accuracy | None, classifier: str | None) -> None:
    if found is not None:
        by = {"means": ", by class means", "mixed": ", by what was best for each network"}.get(classifier or "", "")
        reached = f"{percent(found.mean)} ± {percent(found.interval)}%"
        screen.say(f"each image by itself, by the support set's statistics{by} (inductive): {reached}")


def _calibration(screen: Screen, result: TrainResult | SupervisedResult | TransferResult) -> None:
    if result.ece is None:
        return
    alone = result.inductive.ece if isinstance(result, TrainResult) and result.inductive is not None else None
    also = "" if alone is None else f", {percent(alone)}% each image by itself"
    screen.say(f"expected calibration error {percent(result.ece)}%{also}")


def _own_tasks(screen: Screen, own: OwnTasks | None) -> None:
    if own is not None:
        screen.say(
            f"each genotype on the tasks that decoded to it: {percent(own.mean)} ± {percent(own.interval)}% "
            f"({own.tasks} tasks)"
        )


def _took(result: TrainResult | SupervisedResult | TransferResult) -> str:
    """How long the call took that ended the run."""
    return duration(result.wall_seconds or 0) + (" since it was resumed" if result.resumed else "")


def _amount(budget: Budget) -> str:
    """'3,000 tasks'."""
    return "" if budget.training is None else f"{budget.training.amount:,} {budget.training.unit}"


def _over_seeds(screen: Screen, result: TrainResult) -> None:
    from tnas_cli.commands.next_steps import after_training

    runs = result.runs or ()
    for seed, mean, run in zip_longest(result.seeds or (), result.means or (), runs):
        screen.say(f"seed {seed}: {percent(mean)}%" + (f" ({run})" if run else ""))
    screen.text(
        f"accuracy {percent(result.mean)} ± {percent(result.interval)}% over {result.tasks} tasks, 95% interval over "
        f"{result.covered}; standard deviation over {len(result.seeds or ())} seeds {percent(result.spread_over_seeds)}"
    )
    _until(screen, result)
    screen.next(after_training(result, *(runs or (result.run,))))


def _supervised(screen: Screen, result: SupervisedResult) -> None:
    from tnas_cli.commands.next_steps import after_training

    names = ("task", "genotypes", f"test, {result.way * result.query} query images")
    drawn = table(names, title=f"{result.dataset}, {result.way}-way {result.shot}-shot, {result.method}")
    for row in result.per_task or ():
        digests = ", ".join(entry.digest for entry in row.genotypes)
        add_row(drawn, str(row.task), digests, f"{percent(row.mean)}%")
    screen.show(drawn)
    screen.text(f"accuracy {percent(result.mean)} ± {percent(result.interval)}%")
    _calibration(screen, result)
    if result.search_seconds is not None:
        screen.say(f"search {duration(result.search_seconds)} per task")
    screen.say(
        f"{result.tasks} tasks, 95% interval over tasks, {result.genotypes_trained} networks trained for "
        f"{_amount(result.budget)}, {_took(result)}"
    )
    screen.next(after_training(result, result.run))


def _transfer(screen: Screen, result: TransferResult) -> None:
    from tnas_cli.commands.next_steps import after_training

    names = ("genotype", "weights", "validation", f"test, {result.images:,} images", "top 5")
    drawn = table(names, title=f"{result.dataset}, {result.layers} cells, {result.channels} channels")
    for row in result.per_genotype or ():
        add_row(
            drawn,
            row.digest,
            whole(row.parameters),
            "" if row.validation is None else f"{percent(row.validation)}%",
            f"{percent(row.mean)} ± {percent(row.interval)}%",
            f"{percent(row.top5_mean)}%",
        )
    screen.show(drawn)
    _calibration(screen, result)
    screen.text(f"error {percent(1 - result.mean)} ± {percent(result.interval)}%")
    if result.method == "random" and result.budget.search is not None:
        took = f"{result.budget.search.amount:,} {result.budget.search.unit}"
        screen.say(f"the best of {result.genotypes} random genotypes by validation, which took {took} in all")
        screen.say(f"its genotype: {command('tnas', 'decode', Path(result.run or '') / 'chosen.jsonl')}")
    screen.say(f"{_amount(result.budget)} on {result.train_split}, 95% interval over test images, {_took(result)}")
    screen.next(after_training(result, result.run))


def _grow(screen: Screen, found: GrowResult) -> None:
    from tnas_cli.commands.next_steps import after_growing

    title = f"{found.dataset}, {found.way}-way {found.shot}-shot, {found.validation_tasks} validation tasks"
    drawn = table(("nodes", "considered", "trained", "predicted", "mean", "best", "genotype"), title=title)
    for row in found.levels:
        predicted = "" if row.predicted is None else f"{percent(row.predicted)}%"
        reached = (predicted, f"{percent(row.mean)}%", f"{percent(row.best)}%")
        add_row(drawn, str(row.nodes), f"{row.considered:,}", f"{row.trained:,}", *reached, row.digest)
    screen.show(drawn)
    # The best of several has also been the luckiest of them.
    screen.say(
        f"{found.trained:,} cells trained on {found.tasks:,} tasks each, which took {duration(found.training_seconds)} "
        "in all; what the chosen one is worth, other tasks say"
    )
    screen.next(after_growing(found))
    screen.path(found.path)
