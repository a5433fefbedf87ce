"""The one writer of records."""

from __future__ import annotations

import json

from tnas_cli.errors import TnasError
from tnas_cli.records.codec import Part
from tnas_cli.records.kinds import Record


def to_json(record: Part) -> dict[str, object]:
    """The plain values of a record or of a part of one."""
    return record.to_json()


def line(record: Record) -> str:
    """One line of JSON with its end. Raises TnasError for a number that JSON does not have (NaN, infinity)."""
    try:
        return json.dumps(record.to_json(), allow_nan=False) + "\n"
    except ValueError as error:
        raise TnasError(
            f"the {record.event} record holds a number that is not finite.",
            hint="look at its losses: a lower step size may help",
        ) from error
