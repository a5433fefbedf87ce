"""Genotypes from wherever they come: adapted or genotype records, a checkpoint, a text, a file, standard input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tnas_cli.errors import GenotypeError, SettingsError
from tnas_cli.recipes.meta_architecture import load_meta_architecture
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.decode import decode
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.known_genotypes import KNOWN, Known, known
from tnas_cli.spaces.parameters import THETA, count

Record = dict[str, Any]

_HINT = (
    "pass records of `tnas adapt --json`, a checkpoint, a genotype as JSON or Genotype(...), or one of "
    f"{', '.join(entry.name for entry in KNOWN)}"
)

#: What a genotype record takes over from the record or checkpoint it was decoded from.
_CONTEXT = ("name", "task", "run", "method", "seed", "data", "way", "shot", "channels", "search_tasks", "max_skips")


def read_genotypes(source: str, stdin: str | None = None, max_skips: int | None = None) -> list[Record]:
    """A `genotype` record for every genotype in `source`: '-', a path, the text of a genotype, or a published name.

    max_skips: at most so many skip connections per cell (`space.decode.decode`). Raises GenotypeError or
    CheckpointError that names what cannot be read, and SettingsError for `max_skips` where there is no theta.
    """
    records = _read(source, stdin, max_skips)
    if max_skips is not None and any(record.get("max_skips") != max_skips for record in records):
        raise SettingsError(
            "--max-skips needs theta, which a decoded genotype no longer has.",
            hint="pass the records of `tnas adapt --json` or a checkpoint",
        )
    return records


def _read(source: str, stdin: str | None, max_skips: int | None) -> list[Record]:
    if source == "-":
        if not (stdin or "").strip():
            raise GenotypeError("standard input is empty.", hint=_HINT)
        return _from_text(stdin or "", "standard input", max_skips)
    if source.lstrip().startswith(("Genotype(", "{")):
        return _from_text(source, "the argument", max_skips)
    published = known(source)
    if published is not None:
        return [_from_known(published)]
    path = Path(source)
    if path.suffix == ".pt":
        return [_from_checkpoint(path, max_skips)]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is no text file" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        shown = source if len(source) <= 200 else f"{source[:60]}..."
        raise GenotypeError(f"{shown} {reason}.", hint=_HINT) from error
    if not text.strip():
        raise GenotypeError(f"{source} is empty.", hint=_HINT)
    return _from_text(text, source, max_skips)


def decoded_record(theta: torch.Tensor, context: Record, max_skips: int | None = None) -> Record:
    """The `genotype` record of what theta [2, edges, 8] decodes to; it names `max_skips` where that was given."""
    named = {} if max_skips is None else {"max_skips": max_skips}
    return genotype_record(decode(theta, max_skips), context | named)


def genotype_record(genotype: Genotype, context: Record) -> Record:
    """The `genotype` record: the architecture in both forms, its weights' number, and where it came from."""
    way, data = context.get("way", 5), context.get("data") or {"channels": 3}
    width = context.get("channels", 16)
    network = DecodedNetwork(genotype, way, data["channels"], width)
    return {
        "event": "genotype",
        "version": 1,
        "digest": genotype.digest,
        "genotype": genotype.to_json(),
        "darts": genotype.to_darts(),
        "parameters": count(network.specs()),
        **genotype.without_weights,
        **{name: context[name] for name in _CONTEXT if name in context},
    }


def cells_record(cells: Cells, context: Record) -> Record:
    """The `genotype` record of cells that the search space may not hold; then their number of weights is null, since
    the network of two cells (Section 5.2.2) cannot be built of them."""
    if cells.in_search_space:
        return genotype_record(cells.to_genotype(), context)
    return {
        "event": "genotype",
        "version": 1,
        "digest": cells.digest,
        "genotype": cells.to_json(),
        "darts": cells.to_darts(),
        "parameters": None,
        "skip_connections": cells.count("skip_connect"),
        "pools": cells.count("max_pool_3x3", "avg_pool_3x3"),
        **{name: context[name] for name in _CONTEXT if name in context},
    }


def _from_known(published: Known) -> Record:
    return cells_record(published.cells, {"name": published.name, "method": published.method})


def _from_text(text: str, where: str, max_skips: int | None) -> list[Record]:
    if "Genotype(" in text and not text.lstrip().startswith("{"):
        return [genotype_record(Genotype.parse(text), {})]
    try:
        whole = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return _from_lines(text, where, max_skips)
    return _from_record(whole, where, max_skips) if isinstance(whole, dict) else _refuse(where)


def _from_lines(text: str, where: str, max_skips: int | None) -> list[Record]:
    found: list[Record] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise GenotypeError(f"line {number} of {where} is not JSON: {line[:60]!r}.", hint=_HINT) from error
        if isinstance(value, dict) and value.get("event") == "result":
            continue
        line_of = f"line {number} of {where}"
        found += _from_record(value, line_of, max_skips) if isinstance(value, dict) else _refuse(where)
    return found or _refuse(where)


def _refuse(where: str) -> list[Record]:
    raise GenotypeError(f"{where} holds no genotype and no adapted task.", hint=_HINT)


def _from_record(value: Record, where: str, max_skips: int | None) -> list[Record]:
    event = value.get("event")
    if event in ("adapted", "genotype") and value.get("version") != 1:
        raise GenotypeError(
            f"{where} is a record of version {value.get('version')!r}, this tnas reads version 1.",
            hint="install the version of tnas that wrote it",
        )
    _check_context(value, where)
    if event == "adapted":
        return [decoded_record(_theta(value, where), value, max_skips)]
    if event == "genotype" or "normal" in value:
        return [_from_json(value)]
    if event == "network":
        raise GenotypeError(
            f"{where} names the network {value.get('network')!r}, no genotype.",
            hint="train it by its name, in a call of its own: tnas train-eval 4conv",
        )
    return _refuse(where)


def _from_json(value: Record) -> Record:
    """A genotype, or cells as NASNet-A's; what is wrong is said as of a genotype."""
    content = value.get("genotype", value)
    try:
        return genotype_record(Genotype.from_json(content), value)
    except GenotypeError as error:
        try:
            return cells_record(Cells.from_json(content), value)
        except GenotypeError:
            raise error from None


def _check_context(value: Record, where: str) -> None:
    """Raise GenotypeError where what a record says of its network cannot be: a network is built from it."""
    data = value.get("data") or {"channels": 3}
    for name, found, works in (
        ("data", data, isinstance(data, dict) and data.get("channels") in (1, 3)),
        ("task", value.get("task"), isinstance(value.get("task", {}), dict)),
        ("way", value.get("way"), _whole(value.get("way", 2), 2)),
        ("max_skips", value.get("max_skips"), _whole(value.get("max_skips", 0), 0)),
        ("channels", value.get("channels"), _whole(value.get("channels", 2), 2) and value.get("channels", 2) % 2 == 0),
    ):
        if not works:
            raise GenotypeError(f"{name} of {where} is {found!r}.", hint=_HINT)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _theta(value: Record, where: str) -> torch.Tensor:
    try:
        theta = torch.tensor(value["theta"], dtype=torch.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise GenotypeError(f"{where} carries no theta.", hint=_HINT) from error
    if theta.dim() != 3 or theta.shape[0] != 2 or theta.shape[2] != 8 or not bool(torch.isfinite(theta).all()):
        raise GenotypeError(f"theta of {where} has shape {list(theta.shape)}, needed is [2, 14, 8].", hint=_HINT)
    return theta


def _from_checkpoint(path: Path, max_skips: int | None) -> Record:
    meta = load_meta_architecture(path, torch.device("cpu"))
    context = {
        "task": {"meta_architecture": str(path)},
        "run": meta.run,
        "method": meta.settings.method,
        "seed": meta.settings.seed,
        "data": meta.data,
        "way": meta.settings.way,
        "shot": meta.settings.shot,
        "channels": meta.network.channels,
        "search_tasks": meta.tasks_done,
    }
    return decoded_record(meta.parameters[THETA], context, max_skips)
