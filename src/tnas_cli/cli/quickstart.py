"""`tnas quickstart`: one line per step, the report, and what to try next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.records.results import SearchResult, TrainResult
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.spelling import command, duration


@flat
def quickstart(
    *,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.machine_without("offline", "tensorboard", "allow_other_data"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """See the whole pipeline in minutes: data, search, adapt, decode, train, measure, report. Needs no network."""
    import time

    from tnas_cli.cli.report_table import TableOf
    from tnas_cli.commands.quickstart import quickstart as run
    from tnas_cli.commands.report import report

    begin = time.monotonic()
    with screen.progress() as listener:
        # Each step prints one line of its own; further notes of the commands are shown only with -v.
        def shown(event: events.Event) -> None:
            if screen.verbose or isinstance(event, events.Progress):
                listener(event)

        results = list(run(runs=runs, machine=machine, listener=shown, say=screen.say))
    if screen.as_json:
        for result in results[:-1]:
            screen.record({**result.to_json(), "event": "step"})
        screen.record(results[-1].to_json())
        return
    searched, trained = results[1], results[-1]
    assert isinstance(searched, SearchResult) and isinstance(trained, TrainResult)
    screen.say("6 report")
    screen.show(TableOf(report([str(trained.run)])))
    screen.say(f"all of it took {duration(time.monotonic() - begin)}. Try next:")
    best = Path(searched.checkpoint)
    for line in (
        f"{command('tnas', 'adapt', best, 'TASK')}   # a folder with support/<class>/*.png and query/*.png",
        command("tnas", "decode", best, "--picture", best.with_name("cells.svg")),
        "tnas search --dataset omniglot --way 5 --shot 1   # downloads 16 MB first",
    ):
        screen.say(f"  {line}")
