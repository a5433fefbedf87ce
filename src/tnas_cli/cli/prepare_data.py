"""`tnas prepare-data`: prepare a data set, and show its record as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.colours import WARNING
from tnas_cli.cli.console import Screen, add_row, size, table
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.say_account import say_account
from tnas_cli.errors import SettingsError
from tnas_cli.records.other_results import DataSets, PreparedData, UnreadableCache
from tnas_cli.settings.applies import refuse

Text = str | None


@flat
def prepare_data(
    *,
    dataset: Annotated[
        Text,
        typer.Argument(
            help="glyphs, omniglot, fc100, cifar-fs, mini-imagenet, cifar10, imagenet, or folder (images of your own)."
        ),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="Folder, archive or CSV to read instead of downloading.")
    ] = None,
    protocol: Annotated[Text, typer.Option("--protocol", help="Split protocol; omniglot: random or vinyals.")] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of the images in pixels, 20 to 224.")] = None,
    channels: Annotated[int | None, typer.Option("--channels", help="folder: 1 (gray) or 3 (colour).")] = None,
    resize: Annotated[
        Text, typer.Option("--resize", help="How an image becomes a square: fit (pad), crop or stretch.")
    ] = None,
    split: Annotated[
        Text, typer.Option("--split", help="folder: percent of the classes for train/val/test; default: 64/16/20.")
    ] = None,
    seed: options.Seed = None,
    name: Annotated[Text, typer.Option("--name", help="Name of your own data set; default: its folder's name.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out and list images that cannot be read.")
    ] = False,
    invert: Annotated[
        Text, typer.Option("--invert", help="Turn black into white: yes, no, or auto (images on a bright ground).")
    ] = None,
    normalise: Annotated[
        Text,
        typer.Option("--normalise", metavar="HOW", help="measured (on training images), none, imagenet, or MEAN/STD."),
    ] = None,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="folder: keep a picture that is twice in its class.")
    ] = False,
    preview: Annotated[Path | None, typer.Option("--preview", help="Write a contact sheet to this PNG file.")] = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the known and the prepared data sets, and stop.")
    ] = False,
    cache_dir: options.CacheDir = None,
    force: Annotated[bool, typer.Option("--force", help="Prepare again, even if prepared already.")] = False,
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Turn images into a cache: one HDF5 file with splits, provenance and fixed test tasks.

    Prints what it holds and, where there are images enough for one, the next command. A data set that is prepared
    already is opened, not prepared again.
    """
    from tnas_cli.commands import prepare_data as command
    from tnas_cli.commands.next_steps import after_data

    if list_all:
        _refuse_beside_list(
            dataset,
            source=source,
            protocol=protocol,
            size=size,
            channels=channels,
            resize=resize,
            split=split,
            name=name,
            preview=preview,
            skip_bad=skip_bad or None,
            keep_duplicates=keep_duplicates or None,
            invert=invert,
            normalise=normalise,
            force=force or None,
            seed=seed,
        )
        _list(screen, command.data_sets(cache_dir))
        return
    if dataset is None:
        raise SettingsError("no data set given.", hint="tnas prepare-data --list")
    with screen.progress() as listener:
        record = command.prepare_data(
            dataset,
            source=source,
            protocol=protocol,
            size=size,
            channels=channels,
            resize=resize,
            shares=_shares(split),
            skip_bad=skip_bad,
            keep_duplicates=keep_duplicates or None,
            invert=invert,
            normalise=normalise,
            seed=seed or 0,
            name=name,
            root=cache_dir,
            force=force,
            preview=preview,
            listener=listener,
        )
    _warn(screen, record)
    if screen.as_json:
        screen.record(record.to_json())
        return
    _show(screen, record)
    screen.next(after_data(record, cache_dir))


def _refuse_beside_list(dataset: str | None, **options: object) -> None:
    """Raises SettingsError for options about one data set."""
    if dataset is not None:
        raise SettingsError(f"--list shows every data set, not {dataset} alone.", hint="tnas prepare-data --list")
    given = [name for name, value in options.items() if value is not None]
    refuse(given, dict.fromkeys(given, "one data set"), frozenset(), "--list", {})


def _shares(split: str | None) -> tuple[int, int, int] | None:
    if split is None:
        return None
    parts = split.split("/")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise SettingsError(f"--split {split!r} is not three whole numbers.", hint="for example: --split 64/16/20")
    train, val, test = map(int, parts)
    return train, val, test


def _warn(screen: Screen, record: PreparedData) -> None:
    say_account(screen, record.account)
    if record.duplicates_across_splits and not (record.account and record.account.count("duplicate")):
        screen.say(
            f"warning: {record.duplicates_across_splits:,} images are, pixel for pixel, in more than one split",
            style=WARNING,
            always=True,
        )


def _show(screen: Screen, record: PreparedData) -> None:
    screen.text(f"{record.dataset} ({record.protocol}), {_images(record)}, {size(record.bytes)}")
    drawn = table(["split"])
    drawn.add_column("classes", justify="right")
    drawn.add_column("images", justify="right")
    for split, counts in record.splits.items():
        add_row(drawn, split, f"{counts.classes:,}", f"{counts.images:,}")
    screen.show(drawn)
    facts = [("path", record.path), ("split", record.split_note), ("licence", record.licence)]
    if record.preview:
        facts.append(("preview", record.preview))
    if screen.verbose:
        facts += [("source", record.source), ("fingerprint", record.fingerprint)]
    screen.facts(facts, 9)


def _images(record: PreparedData) -> str:
    colour = "gray" if record.channels == 1 else "colour"
    return f"{record.size} x {record.size} {colour}"


def _list(screen: Screen, known: DataSets) -> None:
    if screen.as_json:
        screen.record(known.to_json())
        return
    drawn = table(("data set", "what", "from", "prepared"))
    for entry in known.data_sets:
        add_row(drawn, entry.dataset, entry.about, entry.how, [_prepared(record) for record in entry.prepared] or "-")
    screen.show(drawn)


def _prepared(record: PreparedData | UnreadableCache) -> str:
    if isinstance(record, UnreadableCache):
        return f"unreadable: {Path(record.path).name}"
    images = sum(counts.images for counts in record.splits.values())
    return f"{record.protocol}, {_images(record)}, {images:,} images, {size(record.bytes)}"
