"""How the value of a field is read from JSON, by its type; an error names the value that does not fit and its path."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from tnas_cli.records.fields import LARGEST, Range

Read = Callable[[object], Any]


class MisfitError(ValueError):
    """A value that its field cannot hold, and the path to it ('budget.search.amount')."""

    def __init__(self, key: str, value: object) -> None:
        super().__init__(key, value)
        self.key = key
        self.value = value

    def below(self, key: str) -> MisfitError:
        """The same error, one level further out."""
        return MisfitError(f"{key}.{self.key}" if self.key else key, self.value)


def reader(hint: Any, of_part: Callable[[type], Read]) -> Read:
    """The function that reads a value of a type; `of_part` gives it for a class of records."""

    def of(kind: Any) -> Read:
        return reader(kind, of_part)

    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _within(of(arguments[0]), arguments[1])
    if origin in (Union, types.UnionType):
        return _first_of([of(kind) for kind in sorted(arguments, key=lambda kind: kind is not types.NoneType)])
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _tuple([of(kind) for kind in arguments if kind is not ...], endless=arguments[-1] is ...)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(of(arguments[1]))
    if hint is object:
        return lambda value: value
    if hint is None or hint is types.NoneType:
        return _one_of((None,))
    return _PLAIN[hint] if hint in _PLAIN else of_part(hint)


def _within(read: Read, within: Range) -> Read:
    def read_value(value: object) -> Any:
        found = read(value)
        if not within.least <= found <= within.most:
            raise MisfitError("", value)
        return found

    return read_value


def _first_of(readers: Sequence[Read]) -> Read:
    def read_value(value: object) -> Any:
        wrong = MisfitError("", value)
        for read in readers:
            try:
                return read(value)
            except MisfitError as error:
                # The error that lies deepest says most.
                wrong = error if error.key else wrong
        raise wrong

    return read_value


def _one_of(values: Sequence[object]) -> Read:
    def read_value(value: object) -> Any:
        if not any(value == known and type(value) is type(known) for known in values):
            raise MisfitError("", value)
        return value

    return read_value


def _tuple(readers: Sequence[Read], *, endless: bool) -> Read:
    def read_value(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not (endless or len(value) == len(readers)):
            raise MisfitError("", value)
        try:
            if endless:
                return tuple(map(readers[0], value))
            return tuple(read(entry) for read, entry in zip(readers, value, strict=True))
        except MisfitError as error:
            # The error names the whole list, or what lies below a key in it.
            raise (error if error.key else MisfitError("", value)) from None

    return read_value


def _mapping(read: Read) -> Read:
    def read_value(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise MisfitError("", value)
        found = {}
        for key, entry in value.items():
            try:
                found[str(key)] = read(entry)
            except MisfitError as error:
                raise error.below(str(key)) from None
        return found

    return read_value


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object) -> Any:
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


_PLAIN: dict[Any, Read] = {int: _whole, float: number, str: _text, bool: _truth}
