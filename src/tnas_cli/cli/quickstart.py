"""`tnas quickstart`: one line per step, the report, and what to try next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen, duration
from tnas_cli.runs import events


def quickstart(
    runs: options.Runs = Path("runs"),
    device: options.Device = "auto",
    threads: options.Threads = None,
    engine: options.Engine = "auto",
    cache_dir: options.CacheDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """See the whole pipeline in minutes: data, search, adapt, decode, train, measure, report. Needs no network."""
    import time

    from tnas_cli.cli.report_table import TableOf
    from tnas_cli.commands.quickstart import quickstart as run
    from tnas_cli.commands.report import report
    from tnas_cli.runs.device import Machine

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    begin = time.monotonic()
    with screen.progress() as listener:
        # Each step says one line of its own; what the commands would note besides is for -v.
        def shown(event: events.Event) -> None:
            if verbose or isinstance(event, events.Progress):
                listener(event)

        machine = Machine(device, threads, cache_dir, engine=engine)
        results: list[dict[str, Any]] = [
            r.to_json() for r in run(runs=runs, machine=machine, listener=shown, say=screen.say)
        ]
    if as_json:
        for result in results[:-1]:
            screen.record({**result, "event": "step"})
        screen.record(results[-1])
        return
    screen.say("6 report")
    screen.show(TableOf(report([results[-1]["run"]])))
    screen.say(f"all of it took {duration(time.monotonic() - begin)}. Try next:")
    search = results[1]["checkpoint"]
    for command in (
        f"tnas adapt {search} YOUR_TASK/              # support/<class>/*.png, query/*.png",
        f"tnas decode {search} --picture cells.svg",
        "tnas search --dataset omniglot --way 5 --shot 1   # downloads 16 MB first",
    ):
        screen.say(f"  {command}")
