"""The life of a run, whatever it computes: made, locked, driven, saved, stopped, continued, finished.

A `Recipe` is what was asked for; prepared, it is `Work`, which does its units and returns the result. Everything else
about a run is here and in the files beside this one:

    made          `start`: folder, run.json, settings.toml, environment.json, the genotypes that were given
    running       one process at a time (lock.py); SIGINT, SIGTERM and SIGHUP ask it to stop (interrupt.py)
    stopped       unfinished work is saved (drive.py); the error says `tnas resume RUN`
    continued     `resume`: with the settings, data, engine and options of run.json, from any working directory
    finished      the result is in result.json and is the last line of events.jsonl; it is not computed again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tnas_cli.errors import DataError, DivergedError, SettingsError, TnasError
from tnas_cli.plain import as_written
from tnas_cli.records import reading, writing
from tnas_cli.records.results import Result
from tnas_cli.runs import ranks, run_file
from tnas_cli.runs.called import argv
from tnas_cli.runs.changes import NONE, Changes
from tnas_cli.runs.contents import GIVEN, RESULT
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.events import Listener, Note, ignore
from tnas_cli.runs.files import read_bytes, remove, write_text
from tnas_cli.runs.held import remove_left
from tnas_cli.runs.interrupt import stop_request
from tnas_cli.runs.life import Life
from tnas_cli.runs.lock import locked
from tnas_cli.runs.recipe import Recipe, Work
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.run_file import RunFile
from tnas_cli.runs.stopped import continuation, interrupted_with

R = TypeVar("R", bound=Result)


def start(recipe: Recipe, kind: type[R], *, runs: Path, machine: Machine = HERE, listener: Listener = ignore) -> R:
    """Make a run of this recipe and work on it to the end; returns its result, which is of `kind`.

    Raises what `Recipe.prepare` raises before anything is written, TnasError for an unwritable folder, and Interrupted
    with everything saved.
    """
    return ranks.together(lambda: _start(recipe, kind, runs, machine, listener), kind)


def _start(recipe: Recipe, kind: type[R], runs: Path, machine: Machine, listener: Listener) -> R:
    group = ranks.here()
    if (before := group.made_before()) is not None:
        again = _resume(before, {recipe.kind: lambda: type(recipe)}, NONE, machine, listener)
        assert isinstance(again, kind)
        return again
    work = recipe.prepare(machine, listener)
    group.ready(recipe, machine, work)
    run = _made(work, runs, machine)
    group.made(run.path)
    with interrupted_with(run.path), stop_request(), locked(run.path):
        result = _live(work, _life(run, machine, listener))
    assert isinstance(result, kind)
    return result


def _made(work: Work, runs: Path, machine: Machine) -> RunDirectory:
    others = {run_file.NAME: _file(work, machine).text()}
    if work.recipe.given:
        others[GIVEN] = "".join(map(writing.line, work.recipe.given))
    return RunDirectory.create(runs, work.name, work.settings.to_toml(), environment(work.device), others)


def start_all(
    recipes: Sequence[Recipe],
    kind: type[R],
    together: Callable[[Sequence[Work], Sequence[Life]], list[Work]],
    *,
    runs: Path,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> list[R]:
    """Make a run of each recipe and work on all of them to the end; returns their results. `together` does their units
    at the same time, and returns works that have only their results to make.

    Each run takes its share of the time. Raises as `start` does; the error of a run without a result is raised when the
    others have theirs.
    """
    works = [recipe.prepare(machine, listener) for recipe in recipes]
    made = [_made(work, runs, machine) for work in works]
    with ExitStack() as stack:
        stack.enter_context(interrupted_with(*(run.path for run in made)))
        stack.enter_context(stop_request())
        for run in made:
            stack.enter_context(locked(run.path))
        lives = [_life(run, machine, listener, share=1 / len(made)) for run in made]
        done = together(works, lives)
        results, failed = _results(done, lives)
    if failed:
        raise _without_result([run.path for run in made if run.path not in failed], failed)
    assert all(isinstance(result, kind) for result in results)
    return [result for result in results if isinstance(result, kind)]


def _results(works: Sequence[Work], lives: Sequence[Life]) -> tuple[list[Result], dict[Path, TnasError]]:
    """The results of runs whose units are done, and the errors of those that have none."""
    results: list[Result] = []
    failed: dict[Path, TnasError] = {}
    for work, life in zip(works, lives, strict=True):
        try:
            results.append(_live(work, life))
        except TnasError as error:
            failed[life.run.path] = error
    return results, failed


def _without_result(finished: Sequence[Path], failed: Mapping[Path, TnasError]) -> TnasError:
    """What is said of several runs of which some have no result; of the kind of the first error."""
    first = next(iter(failed.values()))
    kind = TnasError if isinstance(first, DivergedError) else type(first)  # which is about one task
    each = "; ".join(f"{run}: {error.message}" for run, error in failed.items())
    done = f"finished: {', '.join(map(str, finished))}; " if finished else ""
    return kind(
        f"{len(failed)} of {len(finished) + len(failed)} runs have no result: {each}",
        hint=f"{first.hint}; {done}{continuation(*failed)}",
    )


def resume(
    path: Path,
    recipes: Mapping[str, Callable[[], type[Recipe]]],
    *,
    changes: Changes = NONE,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> Result:
    """Continue the run in a folder, whatever its recipe; returns the result that it would have had without the stop.

    A finished run is left as it is, and its result is returned again, unless `changes` give it more to do or some of
    its units were set aside. Raises DataError for a folder that is not a run or whose images have changed since,
    SettingsError for a change that its recipe does not take, and TnasError if another process works on it.
    """
    return ranks.together(lambda: _resume(path, recipes, changes, machine, listener), Result)


def _resume(
    path: Path,
    recipes: Mapping[str, Callable[[], type[Recipe]]],
    changes: Changes,
    machine: Machine,
    listener: Listener,
) -> Result:
    kept = RunFile.read(path)
    if kept.kind not in recipes:
        raise DataError(
            f"{path} is a run of the unknown kind {kept.kind!r}.", hint=f"this tnas knows {', '.join(sorted(recipes))}"
        )
    kind = recipes[kept.kind]()
    for name in changes.named:
        if name not in kind.changeable:
            raise SettingsError(f"--{name.replace('_', '-')} has no effect on {path}.", hint="leave it out")
    with interrupted_with(path), stop_request(), locked(path):
        _remove_left(path)
        if (finished := result_of(path)) is not None:
            RunDirectory(path).events.end(read_bytes(path / RESULT).decode())
            if finished.complete and not changes.named:
                listener(Note(f"{path} is finished; this is its result again"))
                return replace(finished, again=True)
        given = reading.read(path / GIVEN) if (path / GIVEN).is_file() else []
        machine = machine.or_else(kept.machine)
        with as_written(path / run_file.NAME):
            recipe = kind.again(kept.settings, kept.options, given)
        recipe = recipe.changed(changes)
        work = recipe.prepare(machine, listener)
        if work.fingerprint != kept.fingerprint:
            raise DataError(
                f"{work.data_path} does not hold the images that {path} was made with.",
                hint="prepare the data set again with the same protocol and seed",
            )
        ranks.here().ready(recipe, machine, work)
        run = RunDirectory.open(path)
        if changes.named:
            # In this order, since a run that is killed in between must neither pass for finished nor keep the old plan.
            remove(path / RESULT)
            work.reopen(run)
            run.write_settings(work.settings.to_toml())
            _file(work, machine).write(path)
        return _live(work, _life(run, machine, listener, resumed=True))


def result_of(path: Path) -> Result | None:
    """The result of a finished run, or None. Raises DataError if its file does not hold one record."""
    if not (path / RESULT).is_file():
        return None
    found = reading.read(path / RESULT)
    if len(found) != 1:
        raise DataError(
            f"{path / RESULT} holds {len(found)} records and not one.", hint="the file was changed or is damaged"
        )
    return found[0] if isinstance(found[0], Result) else None


def _file(work: Work, machine: Machine) -> RunFile:
    recipe = work.recipe
    where = replace(machine, engine=work.engine_name)
    return RunFile(recipe.kind, work.settings.to_dict(), recipe.options, work.fingerprint, where, argv() or ())


def _remove_left(run: Path) -> None:
    """Remove temporary files that a killed process left anywhere in a run."""
    for folder in (run, *(path for path in run.rglob("*") if path.is_dir())):
        remove_left(folder)


def _life(run: RunDirectory, machine: Machine, listener: Listener, *, resumed: bool = False, share: float = 1) -> Life:
    if machine.tensorboard:
        run.to_tensorboard()
    return Life(run, listener, resumed=resumed, share=share)


def _live(work: Work, life: Life) -> Result:
    run = life.run
    result = replace(work.run(life), argv=argv())
    # The file makes the run a finished one; a resume completes the log if this process is killed in between.
    write_text(run.path / RESULT, writing.line(result))
    run.end(result)
    return result
