"""Converts a dataclass of `records/` to plain JSON values and back, by the types of its fields.

Rules, for every record and every part of one:

* a key is the name of its field, without the underscore that keeps `class_` from being a keyword;
* a field without a default is always written, even as null; a field that equals its default is left out;
* a field that may be None is None if its key is missing;
* keys that belong to no field are kept in `extra`, and written again.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from tnas_cli.records.readers import MisfitError, Read, is_number, number, reader

P = TypeVar("P", bound="Part")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A record, or a part of one. `constants` are keys whose values are the same in all of its kind, such as event."""

    constants: ClassVar[Mapping[str, object]] = {}

    extra: Mapping[str, object] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, object]:
        """As JSON writes it: plain values, None for null, fields in their order."""
        return encode(self)


def encode(part: Part) -> dict[str, object]:
    """The plain values of a record or part."""
    found: dict[str, object] = dict(part.constants)
    for slot in _slots(type(part)):
        value = getattr(part, slot.name)
        if slot.default is not MISSING and value == slot.default:
            continue
        if slot.flat:
            found |= {} if value is None else _plain(value)
        else:
            found[slot.key] = _plain(value)
    return found | {key: value for key, value in part.extra.items() if key not in found}


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return encode(value)
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value


def decode(cls: type[P], values: Mapping[str, object]) -> P:
    """The record or part that `values` describe; raises MisfitError."""
    for key, constant in cls.constants.items():
        if values.get(key, constant) != constant:
            raise MisfitError(key, values[key])
    found: dict[str, Any] = {}
    known = {*cls.constants, *(slot.key for slot in _slots(cls) if not slot.flat)}
    further = {key: value for key, value in values.items() if key not in known}
    for slot in _slots(cls):
        if slot.flat:
            found[slot.name] = _flat(slot, further)
        elif slot.key in values:
            try:
                found[slot.name] = slot.read(values[slot.key])
            except MisfitError as error:
                raise error.below(slot.key) from None
        elif slot.missing is not MISSING:
            found[slot.name] = slot.missing
        elif slot.default is MISSING:
            raise MisfitError(slot.key, None)
    return cls(**found, extra=further)


def _flat(slot: _Slot, further: dict[str, object]) -> Any:
    """The part or the numbers whose keys are among `further`; takes them out of it."""
    if slot.part is not None:
        keys = {inner.key for inner in _slots(slot.part)}
        own = {key: further.pop(key) for key in list(further) if key in keys}
        return decode(slot.part, own)
    return {key: float(number(further.pop(key))) for key in list(further) if is_number(further[key])}


@dataclass(frozen=True)
class _Slot:
    """A field: its key, how its value is read, and what replaces a missing value."""

    name: str
    key: str
    read: Read
    default: Any
    missing: Any
    flat: bool
    part: type[Part] | None


def _slots(cls: type[Part]) -> tuple[_Slot, ...]:
    if cls not in _KNOWN:
        _KNOWN[cls] = _slots_of(cls)
    return _KNOWN[cls]


def _slots_of(cls: type[Part]) -> tuple[_Slot, ...]:
    hints = get_type_hints(cls, include_extras=True)
    slots = []
    for f in fields(cls):
        if f.name == "extra":
            continue
        hint = hints[f.name]
        optional = _is_optional(hint)
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        missing = f.metadata.get("missing", None if optional and default is MISSING else MISSING)
        parts = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, Part)]
        is_flat = bool(f.metadata.get("flat"))
        read = reader(hint, _part)
        slots.append(
            _Slot(f.name, f.name.rstrip("_"), read, default, missing, is_flat, parts[0] if is_flat and parts else None)
        )
    return tuple(slots)


_KNOWN: dict[type, tuple[_Slot, ...]] = {}


def _is_optional(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint is None or hint is types.NoneType or types.NoneType in get_args(hint)


def _part(cls: type[Part]) -> Read:
    def read_value(value: object) -> Part:
        if not isinstance(value, Mapping):
            raise MisfitError("", value)
        return decode(cls, value)

    return read_value
