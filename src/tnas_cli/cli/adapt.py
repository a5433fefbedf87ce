"""`tnas adapt`: what a learned network makes of new tasks, as tables or as records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.say_account import say_account
from tnas_cli.cli.show_adapted import show
from tnas_cli.errors import DataError, SettingsError, TnasError, reasons
from tnas_cli.records.kinds import Adapted
from tnas_cli.runs.device import Machine
from tnas_cli.settings.applies import refuse
from tnas_cli.spelling import command

if TYPE_CHECKING:
    from tnas_cli.commands.adapt import Adaptation
    from tnas_cli.methods.class_means import Classifier

DATA_SET, FOLDERS = "Tasks of a data set", "Task folders"

_INVERT: dict[str, Literal["auto"] | bool] = {"auto": "auto", "yes": True, "no": False}

_AtLeast1 = options.at_least(1)


@dataclass(frozen=True)
class _Tasks:
    """Which tasks of a data set; None is the default."""

    split: str | None
    tasks: int | None
    protocol: str | None
    shot: int | None
    query: int | None


def _tasks(
    split: Annotated[
        str | None, typer.Option("--split", help="train, val or test; default: test.", rich_help_panel=DATA_SET)
    ] = None,
    tasks: Annotated[
        int | None,
        typer.Option(
            "--tasks", callback=_AtLeast1, metavar="N", help="How many; default: 20.", rich_help_panel=DATA_SET
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Split protocol of the data set.", rich_help_panel=DATA_SET)
    ] = None,
    shot: Annotated[
        int | None,
        typer.Option(
            "--shot",
            callback=_AtLeast1,
            metavar="N",
            help="Support images per class; default: the checkpoint's.",
            rich_help_panel=DATA_SET,
        ),
    ] = None,
    query: Annotated[
        int | None,
        typer.Option(
            "--query",
            callback=_AtLeast1,
            metavar="N",
            help="Query images per class; default: the checkpoint's.",
            rich_help_panel=DATA_SET,
        ),
    ] = None,
) -> _Tasks:
    return _Tasks(split, tasks, protocol, shot, query)


@dataclass(frozen=True)
class _Folders:
    """How task folders are read, answered and kept; None is the default."""

    invert: str | None
    keep_duplicates: bool
    transductive: bool
    reject: float
    beside: str | None
    save: Path | None


def _folders(
    invert: Annotated[
        str | None,
        typer.Option("--invert", help="Turn dark ink bright: auto, yes or no.", rich_help_panel=FOLDERS),
    ] = None,
    keep_duplicates: Annotated[
        bool,
        typer.Option(
            "--keep-duplicates", help="Keep a support image that is twice in its class.", rich_help_panel=FOLDERS
        ),
    ] = False,
    transductive: Annotated[
        bool,
        typer.Option(
            "--transductive",
            help="Answer all query images together, as published.",
            rich_help_panel=FOLDERS,
        ),
    ] = False,
    reject: Annotated[
        float,
        typer.Option(
            "--reject",
            metavar="P",
            help="Answer 'unsure' below this probability.",
            show_default=False,
            rich_help_panel=FOLDERS,
        ),
    ] = 0.0,
    beside: Annotated[
        str | None,
        typer.Option(
            "--beside",
            metavar="NAME[=FILE]",
            help="Also ask a frozen network of torchvision, such as resnet18.",
            rich_help_panel=FOLDERS,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="MODEL.pt", help="Keep the adapted model for tnas predict.", rich_help_panel=FOLDERS
        ),
    ] = None,
) -> _Folders:
    return _Folders(invert, keep_duplicates, transductive, reject, beside, save)


@flat
def adapt(
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CHECKPOINT] [TASK]...",
            help="best.pt of a search or a training, then task folders: support/<class>/*, query/...",
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Take the best checkpoint of this run instead.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Adapt to this data set's tasks.")] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", callback=_AtLeast1, metavar="N", help="Inner steps; default: the checkpoint's."),
    ] = None,
    ensemble: Annotated[
        bool | None,
        typer.Option(
            "--ensemble/--no-ensemble",
            help="Average the answers of the best checkpoints; default: if several were kept (T-NAS++).",
        ),
    ] = None,
    every_step: Annotated[
        bool, typer.Option("--every-step", help="Also give accuracies before each step and after the last one.")
    ] = False,
    classifier: Annotated[
        str | None,
        typer.Option(
            "--classifier",
            help="What answers for single images: linear or means; default: the better one on validation tasks.",
        ),
    ] = None,
    tasks: Annotated[_Tasks, From(_tasks)],
    folders: Annotated[_Folders, From(_folders)],
    machine: Annotated[Machine, From(options.on_cluster("tensorboard"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Adapt what was learned to tasks (Algorithm 2): predictions for query images, support losses, and theta_i.

    An answer for an image of a task folder depends on the support images and that image alone; --transductive is the
    published way. Tasks of a data set are answered both ways. Of several folders, those that cannot be used are named
    at the end, and the exit code is then 3.
    """
    from tnas_cli.commands.adapt import adapt_dataset, adapt_folders
    from tnas_cli.recipes.adapt import Asked

    checkpoint, given = _checkpoint(paths or [], run)
    _check_what(given, dataset, tasks, folders, checkpoint)

    def each(record: Adapted) -> None:
        if screen.as_json:
            screen.record(record.to_json())
        if record.preparation is not None:
            where = f"{record.task.folder}: " if len(given) > 1 else ""
            say_account(screen, record.preparation.account, where)

    asked = Asked(
        steps,
        ensemble,
        every_step,
        folders.transductive,
        folders.reject,
        folders.beside,
        cast("Classifier | None", classifier),
    )
    with screen.progress() as listener:
        if dataset is None:
            found = adapt_folders(
                checkpoint,
                given,
                asked,
                invert=_INVERT[folders.invert or "auto"],
                keep_duplicates=folders.keep_duplicates,
                save=folders.save,
                each=each,
                machine=machine,
                listener=listener,
            )
        else:
            found = adapt_dataset(
                checkpoint,
                dataset,
                asked,
                split=tasks.split or "test",
                tasks=tasks.tasks or 20,
                protocol=tasks.protocol,
                shot=tasks.shot,
                query=tasks.query,
                each=each,
                machine=machine,
                listener=listener,
            )
    if screen.as_json:
        screen.record(found.result.to_json())
    else:
        _show(screen, found, folders.save, given)
    if aside := found.result.set_aside:
        why = reasons([one.error for one in aside])
        kind = DataError if machine.cluster is None else TnasError  # on a cluster, work fails for other reasons too
        raise kind(
            f"{len(aside)} of {len(aside) + found.result.tasks} tasks have no answer: {why}",
            hint="the others are answered; put these right, and call it again for them",
        )


def _show(screen: Screen, found: Adaptation, save: Path | None, given: list[Path]) -> None:
    show(screen, found)
    if save is not None:
        from tnas_cli.episodes.task_folder import images_to_ask

        screen.next(command("tnas", "predict", save, images_to_ask(given[0])))
    elif found.tasks[0].theta is not None:
        from tnas_cli.commands.next_steps import after_adapting

        screen.next(after_adapting())


def _checkpoint(paths: list[Path], run: Path | None) -> tuple[Path, list[Path]]:
    """The checkpoint and the task folders; raises SettingsError without a checkpoint."""
    if run is not None:
        from tnas_cli.recipes.from_run import best_of

        return best_of(run), paths
    if not paths:
        raise SettingsError("no checkpoint is given.", hint="for example: tnas adapt CHECKPOINT TASK")
    return paths[0], paths[1:]


def _check_what(given: list[Path], dataset: str | None, tasks: _Tasks, folders: _Folders, best: Path) -> None:
    """Raises SettingsError for neither task folders nor a data set, for both, and for options of the other one."""
    if bool(given) == (dataset is not None):
        example = command("tnas", "adapt", best, "TASK")
        raise SettingsError("give either task folders or --dataset.", hint=f"for example: {example}")
    if folders.invert not in (None, *_INVERT):
        raise SettingsError(f"--invert is {folders.invert!r}.", hint="choose auto, yes or no")
    panels = {DATA_SET: vars(tasks), FOLDERS: vars(folders)}
    set_here = [
        name for options_of in panels.values() for name, value in options_of.items() if value not in (None, False, 0.0)
    ]
    needs = {name: panel for panel, options_of in panels.items() for name in options_of}
    reads, who = (FOLDERS, "task folders") if given else (DATA_SET, "--dataset")
    others = {"--dataset": frozenset({DATA_SET}), "task folders": frozenset({FOLDERS})}
    refuse(set_here, needs, frozenset({reads}), who, others)
