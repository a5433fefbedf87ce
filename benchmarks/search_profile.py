"""Where the time of a real `tnas search` goes: the engine's steps, and everything around them.

    python benchmarks/search_profile.py [--dataset omniglot] [--tasks 400] [--cache-dir DIR]

Runs the search as the command does, in a temporary folder, with a clock around each part, and writes
benchmarks/search_profile.md. The data set must be prepared; glyphs needs no preparation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import search as search_case  # noqa: E402
from benchmarks.cases import seconds  # noqa: E402
from benchmarks.live_view import share_of_a_core  # noqa: E402
from tnas_cli.cli.console import Screen  # noqa: E402
from tnas_cli.commands.search import search  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.methods import streams  # noqa: E402
from tnas_cli.methods.together import Alone  # noqa: E402
from tnas_cli.recipes import search as work  # noqa: E402
from tnas_cli.runs import checkpoint  # noqa: E402
from tnas_cli.runs.device import Machine  # noqa: E402
from tnas_cli.settings.preset import preset  # noqa: E402
from tnas_cli.settings.search import SearchSettings  # noqa: E402
from tnas_cli.update import outer  # noqa: E402

spent: dict[str, float] = defaultdict(float)


def clocked(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; its time is added to a part."""

    def timed(*arguments: Any, **options: Any) -> Any:
        begin = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            spent[part] += time.perf_counter() - begin

    return timed


def clock(owner: Any, name: str, part: str) -> None:
    """Put a clock around a function of a module, a class or an object."""
    setattr(owner, name, clocked(part, getattr(owner, name)))


def main() -> None:
    """Search with clocks, and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dataset", default="omniglot")
    arguments.add_argument("--tasks", type=int, default=400)
    arguments.add_argument("--cache-dir", type=Path)
    options = arguments.parse_args()

    engine = FusedEngine()
    step = search_case(1, 28, 1, 0, 0).by_engine(engine)
    step()
    before = min(seconds(step) for _ in range(5))

    work.engine_for_tasks = lambda *_, **__: engine  # type: ignore[attr-defined]
    clock(engine, "meta_gradient", "engine")
    clock(streams, "load_batch", "reading images")
    clock(streams, "sample_indices", "sampling tasks")
    clock(outer, "step", "Adam")
    clock(work.Search, "prepare", "start")
    clock(work.SearchWork, "_decoded", "summary")
    clock(checkpoint, "save", "checkpoints")
    of_tasks = Alone.accuracies
    Alone.accuracies = clocked("validation", lambda *a: list(of_tasks(*a)))  # type: ignore[method-assign]
    settings = SearchSettings.from_dict(
        preset("search", "quick")
        | {"dataset": options.dataset, "tasks": options.tasks, "validate_every": 10**9, "validation_tasks": 8}
    )
    with tempfile.TemporaryDirectory() as folder, Screen().progress() as listener:
        machine = Machine(cache_root=options.cache_dir, offline=True)
        about = clocked("all", search)(settings, runs=Path(folder), machine=machine, listener=listener)
    once = ("start", "validation", "checkpoints", "summary")
    loop = spent["all"] - sum(spent[part] for part in once)
    steps = about.tasks / settings.meta_batch
    lines = [
        f"| {part} | {1e3 * spent[part] / steps:.2f} | {spent[part] / loop:.2%} |"
        for part in ("engine", "sampling tasks", "reading images", "Adam")
    ]
    rest = loop - sum(spent[part] for part in ("engine", "sampling tasks", "reading images", "Adam"))
    lines.append(f"| everything else (checks, logging, progress) | {1e3 * rest / steps:.2f} | {rest / loop:.2%} |")
    after = min(seconds(step) for _ in range(5))
    page = f"""# Where the time of a real search goes

`make profile` writes this page: `tnas search --dataset {options.dataset} --way 5 --shot 1 --tasks {options.tasks}`
runs with a clock around each part of the command's own code, on {engine.threads} threads.

| part | ms per step | share |
| --- | --- | --- |
{chr(10).join(lines)}

Not counted, because it does not grow with the steps: {", ".join(f"{part} {spent[part]:.2f} s" for part in once)}.
A benchmark step on random images: {1e3 * before:.0f} ms before the search, {1e3 * after:.0f} ms after (minima).
The live view on a terminal (benchmarks/live_view.py, measured alone) takes {share_of_a_core():.2%} of one core.
"""
    (ROOT / "benchmarks" / "search_profile.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
