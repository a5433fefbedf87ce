"""Between a dataclass of `records/` and plain JSON values, by the types of its fields.

Rules, for every record and every part of one:

* a key is the name of its field, without the underscore that keeps `class_` from being a keyword;
* a field without a default is always written, also as null; one with a default is left out where it has it;
* a field that may be None is None where its key is missing;
* keys that no field has are kept in `extra`, and written again.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tnas_cli.records.fields import LARGEST, Range

Read = Callable[[object], Any]
P = TypeVar("P", bound="Part")


class MisfitError(ValueError):
    """A value that its field cannot hold: the way to it ('budget.search.amount') and what it is."""

    def __init__(self, key: str, value: object) -> None:
        super().__init__(key, value)
        self.key = key
        self.value = value

    def below(self, key: str) -> MisfitError:
        """The same one level further out."""
        return MisfitError(f"{key}.{self.key}" if self.key else key, self.value)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a record is made of. `constants` are keys with values that all of its kind have, such as event."""

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
    """The part or the numbers that stand among `further`, from which they are taken."""
    if slot.part is not None:
        keys = {inner.key for inner in _slots(slot.part)}
        own = {key: further.pop(key) for key in list(further) if key in keys}
        return decode(slot.part, own)
    return {key: float(_number(further.pop(key))) for key in list(further) if _is_number(further[key])}


@dataclass(frozen=True)
class _Slot:
    """A field: its key, how its value is read, and what stands for one that is not there."""

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
        read = _reader(hint)
        slots.append(
            _Slot(f.name, f.name.rstrip("_"), read, default, missing, is_flat, parts[0] if is_flat and parts else None)
        )
    return tuple(slots)


_KNOWN: dict[type, tuple[_Slot, ...]] = {}


def _is_optional(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint is None or hint is types.NoneType or types.NoneType in get_args(hint)


def _reader(hint: Any) -> Read:
    """How a value of a type is read."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _within(_reader(arguments[0]), arguments[1])
    if origin in (Union, types.UnionType):
        return _first_of([_reader(kind) for kind in sorted(arguments, key=lambda kind: kind is not types.NoneType)])
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _tuple([_reader(kind) for kind in arguments if kind is not ...], endless=arguments[-1] is ...)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(_reader(arguments[1]))
    if hint is object:
        return lambda value: value
    if hint is None or hint is types.NoneType:
        return _one_of((None,))
    if isinstance(hint, type) and issubclass(hint, Part):
        return _part(hint)
    return {int: _whole, float: _number, str: _text, bool: _truth}[hint]


def _within(read: Read, within: Range) -> Read:
    def reader(value: object) -> Any:
        found = read(value)
        if not within.least <= found <= within.most:
            raise MisfitError("", value)
        return found

    return reader


def _first_of(readers: Sequence[Read]) -> Read:
    def reader(value: object) -> Any:
        wrong = MisfitError("", value)
        for read in readers:
            try:
                return read(value)
            except MisfitError as error:
                # What lies deepest says most.
                wrong = error if error.key else wrong
        raise wrong

    return reader


def _one_of(values: Sequence[object]) -> Read:
    def reader(value: object) -> Any:
        if not any(value == known and type(value) is type(known) for known in values):
            raise MisfitError("", value)
        return value

    return reader


def _tuple(readers: Sequence[Read], *, endless: bool) -> Read:
    def reader(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not (endless or len(value) == len(readers)):
            raise MisfitError("", value)
        try:
            if endless:
                return tuple(map(readers[0], value))
            return tuple(read(entry) for read, entry in zip(readers, value, strict=True))
        except MisfitError as error:
            # A list is named whole, but for what lies below a key in it.
            raise (error if error.key else MisfitError("", value)) from None

    return reader


def _mapping(read: Read) -> Read:
    def reader(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise MisfitError("", value)
        found = {}
        for key, entry in value.items():
            try:
                found[str(key)] = read(entry)
            except MisfitError as error:
                raise error.below(str(key)) from None
        return found

    return reader


def _part(cls: type[Part]) -> Read:
    def reader(value: object) -> Part:
        if not isinstance(value, Mapping):
            raise MisfitError("", value)
        return decode(cls, value)

    return reader


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: object) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -LARGEST < value < LARGEST:
        raise MisfitError("", value)
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -LARGEST < value < LARGEST:
        raise MisfitError("", value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MisfitError("", value)
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise MisfitError("", value)
    return value
