"""Genotypes from wherever they come: adapted or genotype records, a checkpoint, a text, a file, standard input.

Names and texts need no PyTorch; records of adaptations and checkpoints bring their theta.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnas_cli.errors import CheckpointError, DataError, GenotypeError, SettingsError, did_you_mean
from tnas_cli.plain import NOT_AS_WRITTEN
from tnas_cli.recipes.decoded import Origin, decoded, decoded_theta
from tnas_cli.records.codec import decode
from tnas_cli.records.kinds import Adapted, Decoded
from tnas_cli.records.parts import DataFacts, TaskName
from tnas_cli.records.reading import Found, kind_of, parse, text_of, values_of
from tnas_cli.runs import events, shipped
from tnas_cli.runs.endings import CHECKPOINTS, has_ending
from tnas_cli.runs.files import is_file
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.architecture import architecture
from tnas_cli.spaces.genotype import CELLS
from tnas_cli.spaces.genotype_text import Written, find, is_log
from tnas_cli.spaces.known_genotypes import KNOWN, known, unpublished
from tnas_cli.spaces.registry import space
from tnas_cli.spaces.space import Space

_HINT = (
    "pass records of `tnas adapt --json`, a checkpoint, a genotype as JSON or Genotype(...), or one of "
    f"{', '.join(entry.name for entry in KNOWN)}"
)


def read_genotypes(
    source: str,
    stdin: str | None = None,
    max_skips: int | None = None,
    listener: events.Listener = events.ignore,
) -> list[Decoded]:
    """The record of every genotype in `source`: '-', a path, the text of a genotype, or a published name.

    A text may hold other words and several genotypes: all of them are read, but of a log the last one, which the
    listener is told. 'FILE:NAME' takes the one that is assigned to that name.

    max_skips: at most so many skip connections per cell (`spaces.decode.decode`). Raises GenotypeError or
    CheckpointError that names what cannot be read, and SettingsError for `max_skips` where there is no theta.
    """
    records = _read(source, stdin, max_skips, listener)
    if max_skips is not None and any(record.max_skips != max_skips for record in records):
        raise SettingsError(
            "--max-skips needs theta, which a decoded genotype no longer has.",
            hint="pass the records of `tnas adapt --json` or a checkpoint",
        )
    return records


def _read(source: str, stdin: str | None, max_skips: int | None, listener: events.Listener) -> list[Decoded]:
    if source == "-":
        text = (stdin or "").removeprefix("\ufeff")
        if not text.strip():
            raise GenotypeError("standard input is empty.", hint=_HINT)
        return _from_text(text, "standard input", max_skips, listener)
    if source.lstrip().startswith(("{", "[")) or "Genotype(" in source:
        return _from_text(source, "the argument", max_skips, listener)
    published = known(source)
    if published is not None:
        return [decoded(published.architecture, Origin(name=published.name, method=published.method))]
    missing = unpublished(source)
    path, name = shipped.located(Path(source)), None
    before, _, after = source.rpartition(":")
    if not is_file(path) and is_file(Path(before)):
        path, name = Path(before), after
    if missing is not None and not is_file(path):
        raise GenotypeError(
            f"the cells of {missing} were found in no public code or genotype file: tnas has its row of Table 8, but "
            "not its cells.",
            hint="take NASNet-A: tnas decode NASNet-A",
        )
    if has_ending(path, CHECKPOINTS):
        return [_from_checkpoint(path, max_skips)]
    try:
        text = text_of(path, str(path))
    except DataError as error:
        if not is_file(path):
            reason = "is no file, and no genotype that tnas knows"
        else:
            reason = "is not a text file" if "is not text" in error.message else "cannot be read"
        shown = source if len(source) <= 200 else f"{source[:60]}..."
        raise GenotypeError(f"{shown} {reason}.", hint=_HINT) from error
    if not text.strip():
        raise GenotypeError(f"{source} is empty.", hint=_HINT)
    return _from_text(text, str(path), max_skips, listener, name)


def _from_text(
    text: str, where: str, max_skips: int | None, listener: events.Listener, name: str | None = None
) -> list[Decoded]:
    """Records, or any number of Genotype(...) among other words; `name`: the one that is assigned to it."""
    bracketed = text.lstrip().startswith(("{", "["))
    written = [] if bracketed else find(text)
    try:
        records = [] if written else list(values_of(text, where))
    except DataError as error:
        written = find(text) if bracketed else []  # a log may begin with a bracket too
        if not written:
            raise GenotypeError(error.message, hint=_HINT) from error
    if written:
        return [_from_json(one.arguments, Origin()) for one in _chosen(written, name, where, listener)]
    if name is not None:
        raise GenotypeError(f"{where} holds no Genotype(...) called {name}.", hint=_HINT)
    try:
        found = [_from_object(entry, max_skips) for entry in records if not _is_result(entry)]
    except DataError as error:
        raise GenotypeError(error.message, hint=_HINT) from error
    if not found:
        raise _nothing(where)
    return found


def _chosen(written: list[Written], name: str | None, where: str, listener: events.Listener) -> list[Written]:
    """The named one, the last one of a log, or all; what is left out, and how many there are, is said."""
    if name is not None:
        chosen = [one for one in written if one.name == name][-1:]
        if not chosen:
            names = sorted({one.name for one in written if one.name is not None})
            raise GenotypeError(f"{where} holds no genotype called {name}.", hint=did_you_mean(name, names))
        return chosen
    if len(written) == 1:
        return written
    many, last = f"{len(written)} genotypes", written[-1]
    if is_log(written):
        listener(events.Note(f"{where}: a log of {many}; the last one, in line {last.line}, is taken"))
        return [last]
    listener(events.Note(f"{where}: {many}"))
    return written


def _is_result(entry: Found) -> bool:
    return entry.values.get("event") == "result"


def _nothing(where: str) -> GenotypeError:
    return GenotypeError(f"{where} holds no genotype and no adapted task.", hint=_HINT)


def _from_object(entry: Found, max_skips: int | None) -> Decoded:
    """One JSON object: a record, or a bare genotype."""
    values, where = entry.values, entry.where
    if kind_of(values) is Adapted:
        record = parse(values, where)
        assert isinstance(record, Adapted)
        return _from_adapted(record, where, max_skips)
    if kind_of(values) is Decoded:
        record = parse(values, where)
        assert isinstance(record, Decoded)
        _check_network(record, where)
        return _from_json(record.genotype, Origin.of(record))
    if "event" not in values and all(cell in values for cell in CELLS):
        return _from_json(values, Origin())
    if values.get("event") == "network":
        raise GenotypeError(
            f"{where} names the network {values.get('network')!r}, not a genotype.",
            hint="train it by its name, in a separate call: tnas train-eval 4conv",
        )
    raise _nothing(where)


def _from_json(value: object, origin: Origin) -> Decoded:
    return decoded(architecture(value), origin)


def _from_adapted(record: Adapted, where: str, max_skips: int | None) -> Decoded:
    import torch

    _check_network(record, where)
    if record.theta is None:
        network = record.network or "its network"
        raise GenotypeError(
            f"{where} has no theta: {network} was trained, not searched.",
            hint="adapt the best.pt of `tnas search` to decode architectures",
        )
    try:
        theta = torch.tensor(record.theta, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise GenotypeError(f"{where} carries no theta.", hint=_HINT) from error
    columns = len(_space(record.space, where).operations)
    if theta.dim() != 3 or theta.shape[0] != len(CELLS) or theta.shape[2] != columns:
        raise GenotypeError(f"theta of {where} has shape {list(theta.shape)}; it needs [2, 14, {columns}].", hint=_HINT)
    return decoded_theta(theta, Origin.of(record, max_skips))


def _space(name: str, where: str) -> Space:
    """The space that a record names; raises GenotypeError if there is none."""
    try:
        return space(name)
    except SettingsError as error:
        raise GenotypeError(f"{where}: {error.message}", hint=error.hint) from error


def _check_network(record: Adapted | Decoded, where: str) -> None:
    """Raise GenotypeError if a record describes an impossible network, since a network is built from it."""
    if record.data is not None and record.data.channels not in (1, 3):
        raise GenotypeError(f"{where} has impossible data: {record.data.to_json()!r}.", hint=_HINT)
    if record.channels is not None and record.channels % 2:
        raise GenotypeError(f"{where} has an impossible number of channels: {record.channels!r}.", hint=_HINT)


def _from_checkpoint(path: Path, max_skips: int | None) -> Decoded:
    import torch

    from tnas_cli.recipes.meta_architecture import load_meta_architecture
    from tnas_cli.runs import checkpoint
    from tnas_cli.spaces.parameters import THETA

    saved = checkpoint.load(path, checkpoint.META_ARCHITECTURE, checkpoint.DECODED_WEIGHTS)
    if saved.kind == checkpoint.DECODED_WEIGHTS:
        return _from_trained(path, saved.about)
    meta = load_meta_architecture(path, torch.device("cpu"))
    origin = Origin(
        task=TaskName(meta_architecture=str(path)),
        run=meta.run,
        method=meta.settings.method,
        seed=meta.settings.seed,
        data=meta.data,
        way=meta.settings.way,
        shot=meta.settings.shot,
        channels=meta.network.channels,
        search_tasks=meta.tasks_done,
        max_skips=max_skips,
        space=meta.settings.space,
    )
    return decoded_theta(meta.parameters[THETA], origin)


def _from_trained(path: Path, about: Mapping[str, Any]) -> Decoded:
    """The genotype whose network `tnas train-eval` trained."""
    if "genotype" not in about:
        raise GenotypeError(f"{path} is a {about.get('network')}, which is no genotype.", hint=_HINT)
    try:
        settings, data = TrainSettings.from_dict(about["settings"]), decode(DataFacts, about["data"])
        size = {name: getattr(settings, name) for name in ("seed", "way", "shot", "channels")}
        run, method = str(about["run"]), str(about["found_by"])
        return _from_json(about["genotype"], Origin(run=run, method=method, data=data, **size))
    except (*NOT_AS_WRITTEN, SettingsError) as error:
        hint = "pass a best.pt written by `tnas train-eval`"
        raise CheckpointError(f"{path} does not describe its network ({error!s:.200}).", hint=hint) from error
