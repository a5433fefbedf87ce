"""Runs the whole pipeline once per session, with a data set and budgets so small that it takes seconds."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import Ran, class_tree, succeeding, task_folder

#: What every tiny search and training has in common.
TINY = ("--dataset", "shapes", "--way", 3, "--shot", 1, "--query", 2, "--channels", 4, "--meta-batch", 2)
SEARCH = (*TINY, "--tasks", 8, "--validate-every", 4, "--validation-tasks", 2)
TRAINING = ("--query", 2, "--tasks", 4, "--meta-batch", 2, "--validate-every", 2, "--validation-tasks", 2)
TESTING = ("--test-tasks", 4, "--limit", 2)


#: Tests that run whole commands, trainings and compiled kernels: folders, and files beside them.
SLOW = (
    *("cli", "commands", "engines", "golden", "methods", "recipes", "scale", "report/figures"),
    *("report/html/test_browser.py", "runs/test_cores.py", "test_examples.py", "test_extension.py", "test_start.py"),
)


#: Tests that spend their time in compilers, which coverage slows down without seeing anything of them.
COMPILING = ("engines", "golden", "recipes/test_export.py", "cli/test_engine_option.py")


#: Files that take a minute or more: two processes share the work better if these do not come last.
LONG = (*COMPILING, "test_examples.py", "test_extension.py", "docs/test_readme.py", "cli/test_cli_own_images.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the tests in these places, and those that need the whole pipeline; leave compilers uncovered; begin
    with long files."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not item.path.relative_to(here).as_posix().startswith(LONG))
    for item in items:
        place = item.path.relative_to(here).as_posix()
        if place.startswith(SLOW) or {"pipeline", "trained"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if place.startswith(COMPILING):
            item.add_marker(pytest.mark.no_cover)


@dataclass(frozen=True)
class Pipeline:
    """Where everything is, and what each command of the pipeline wrote with `--json`."""

    folder: Path
    cache: Path
    runs: Path
    task: Path
    prepared: Ran
    searched: Ran
    adapted: Ran
    adapted_folder: Ran
    decoded: Ran
    trained: Ran

    @property
    def here(self) -> tuple[str | Path, ...]:
        """The options that keep a command inside the test's folders."""
        return ("--cache-dir", self.cache, "--threads", "1", "--device", "cpu")

    @property
    def best(self) -> Path:
        """The checkpoint that the search chose."""
        return Path(self.searched.result["checkpoint"])


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> None:
    """A shell makes background processes ignore Ctrl-C, and nohup SIGHUP; tests of these would then wait for ever."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """prepare-data, search, adapt (tasks of the data set, and a folder), decode and train-eval."""
    folder = tmp_path_factory.mktemp("pipeline")
    for split, numbers in (("train", range(12)), ("val", range(12, 18)), ("test", range(18, 24))):
        class_tree(folder / "shapes" / split, numbers)
    cache, runs = folder / "cache", folder / "runs"
    here = ("--cache-dir", cache, "--threads", "1", "--device", "cpu")
    source = ("folder", "--source", folder / "shapes", "--size", 20)
    prepared = succeeding("prepare-data", *source, "--cache-dir", cache, "--json")
    searched = succeeding("search", *SEARCH, "--runs", runs, *here, "--json")
    best = searched.result["checkpoint"]
    adapted = succeeding("adapt", best, "--dataset", "shapes", "--tasks", 4, *here, "--json")
    task = task_folder(folder / "task", range(18, 21))
    adapted_folder = succeeding("adapt", best, task, *here, "--json")
    decoded = succeeding("decode", "-", "--json", stdin=adapted.stdout)
    trained = succeeding("train-eval", "-", *TRAINING, *TESTING, "--runs", runs, *here, "--json", stdin=decoded.stdout)
    return Pipeline(folder, cache, runs, task, prepared, searched, adapted, adapted_folder, decoded, trained)
