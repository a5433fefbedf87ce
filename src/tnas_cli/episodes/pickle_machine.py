"""The part of pickle's machine that builds plain values, with limits on what it takes. pickletools explains opcodes.

Numbers, strings, lists, tuples and dicts are built here; a name is looked up by the caller, who may refuse it.
"""

from __future__ import annotations

import codecs
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tnas_cli.episodes.regions import Region

STEPS = 2_000_000  # opcodes, five times those of the largest data set
SMALL = 2**16  # bytes of a string that is kept in memory; a longer one stays in the file
IN_MEMORY = 128 * 2**20  # bytes of all small strings
MOST_LARGE = 4  # long strings that one pickle may have rewritten
LONGEST_LINE = 16 * 2**20  # protocol 0 writes values as lines of text
LARGEST_KEY = 2**60  # numbers beyond it can be chosen to have the same hash


class Refused(Exception):  # noqa: N818  a reason, not an error
    """The pickle asks for something that plain data does not need."""


@dataclass(frozen=True)
class Stored:
    """A long string that stays where it is."""

    region: Region


class _Mark:
    """Where a list of arguments begins."""


MARK = _Mark()


class Machine:
    """Runs one pickle. `named` gives what a module's name stands for, or raises Refused."""

    def __init__(self, region: Region, named: Callable[[str, str], Callable[..., Any]]) -> None:
        self._region, self._named = region, named
        self._stream = region.open()
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._held = self._large = 0

    def run(self) -> Any:
        """The value that the pickle builds. Raises Refused, or whatever a damaged pickle leads to."""
        for _ in range(STEPS):
            code = self._stream.read(1)
            if code == pickle.STOP:
                return self._stack.pop()
            step = _STEPS.get(code)
            if step is None:
                raise Refused(f"opcode {code!r}" if code else "it ends too early")
            step(self)
        raise Refused(f"more than {STEPS:,} steps")

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise Refused("it ends too early")
        return data

    def number(self, form: str) -> int:
        """The next number, of a form of `struct`."""
        value: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def line(self) -> bytes:
        """The next line of text, without its end."""
        line = self._stream.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise Refused("it ends too early, or has an endless line")
        self._hold(len(line))
        return line[:-1]

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > IN_MEMORY:
            raise Refused(f"more than {IN_MEMORY / 2**20:.0f} MiB of strings")

    def string(self, form: str) -> bytes | Stored:
        """A string after its length; a long one is passed over."""
        size = self.number(form)
        if size < 0:
            raise Refused("a string of less than no bytes")
        if size <= SMALL:
            self._hold(size)
            return self._take(size)
        at = self._stream.tell()
        if at + size > self._region.size:
            raise Refused("it ends too early")
        self._stream.seek(at + size)
        return Stored(self._region.part(at, size))

    def text(self, form: str) -> str | Stored:
        """The same for text."""
        found = self.string(form)
        return found if isinstance(found, Stored) else found.decode("utf-8", "surrogatepass")

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        """The value on top; what is no value ends the pickle."""
        value = self._stack.pop()
        if value is MARK:
            raise Refused("a mark in place of a value")
        return value

    def drop(self) -> None:
        self._stack.pop()

    def top(self) -> Any:
        self.push(value := self.pop())
        return value

    def marked(self) -> list[Any]:
        """The values above the last mark, which are taken off with it."""
        for at in range(len(self._stack) - 1, -1, -1):
            if self._stack[at] is MARK:
                found = self._stack[at + 1 :]
                del self._stack[at:]
                return found
        raise Refused("values without a mark")

    def remember(self, place: int | None = None) -> None:
        self._memo[len(self._memo) if place is None else place] = self.top()

    def recall(self, place: int) -> None:
        self.push(self._memo[place])

    def extend(self, values: list[Any]) -> None:
        found = self.top()
        if type(found) is not list:
            raise Refused("values for what is no list")
        found += values

    def update(self, values: list[Any]) -> None:
        found = self.top()
        if type(found) is not dict or len(values) % 2:
            raise Refused("values for what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            found[_key(key)] = value

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("a name that is no text")
        self.push(self._named(module, name))

    def call(self) -> None:
        values, function = self.pop(), self.pop()
        if not isinstance(values, tuple) or not callable(function):
            raise Refused("a call of what is no function")
        self._large += any(isinstance(value, Stored) for value in values)
        if self._large > MOST_LARGE:
            raise Refused(f"more than {MOST_LARGE} large arrays")
        self.push(made := function(*values))
        self._hold(len(made) if isinstance(made, bytes) else 0)

    def set_state(self) -> None:
        state, value = self.pop(), self.top()
        if isinstance(value, type) or not hasattr(value, "set_state"):
            raise Refused("a state for what has none")
        value.set_state(state)


def _key(key: Any) -> Any:
    """A key of a dict, as text where Python 2 wrote bytes. A tuple could take for ever to hash."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if isinstance(key, str) or (isinstance(key, int) and abs(key) < LARGEST_KEY):
        return key
    raise Refused(f"a key of type {type(key).__name__}")


def _quoted(line: bytes) -> bytes:
    """A string as Python 2 wrote it in protocol 0: in quotes, with escapes."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Refused("a string without quotes")
    text: bytes = codecs.escape_decode(line[1:-1])[0]
    return text


def _whole(line: bytes) -> int | bool:
    """Protocol 0 writes True and False as the numbers 01 and 00."""
    return line == b"01" if line in (b"00", b"01") else int(line.rstrip(b"L"))


Step = Callable[[Machine], None]


def _pushing(value: Callable[[Machine], Any]) -> Step:
    return lambda machine: machine.push(value(machine))


def _skipping(form: str) -> Step:
    def step(machine: Machine) -> None:
        machine.number(form)

    return step


def _pop_mark(machine: Machine) -> None:
    machine.marked()


def _reversed(machine: Machine, count: int) -> tuple[Any, ...]:
    return tuple([machine.pop() for _ in range(count)][::-1])


def _dict_of(machine: Machine) -> None:
    values = machine.marked()
    machine.push({})
    machine.update(values)


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _long(form: str) -> Step:
    def step(machine: Machine) -> None:
        data = machine.string(form)
        if isinstance(data, Stored) or len(data) > 64:
            raise Refused("an endless number")
        machine.push(int.from_bytes(data, "little", signed=True))

    return step


_STEPS: dict[bytes, Step] = {
    pickle.PROTO: _skipping("<B"),
    pickle.FRAME: _skipping("<Q"),
    pickle.MARK: _pushing(lambda m: MARK),
    pickle.POP: Machine.drop,
    pickle.POP_MARK: _pop_mark,
    pickle.DUP: _pushing(Machine.top),
    pickle.NONE: _pushing(lambda m: None),
    pickle.NEWTRUE: _pushing(lambda m: True),
    pickle.NEWFALSE: _pushing(lambda m: False),
    pickle.INT: _pushing(lambda m: _whole(m.line())),
    pickle.LONG: _pushing(lambda m: _whole(m.line())),
    pickle.BININT: _pushing(lambda m: m.number("<i")),
    pickle.BININT1: _pushing(lambda m: m.number("<B")),
    pickle.BININT2: _pushing(lambda m: m.number("<H")),
    pickle.LONG1: _long("<B"),
    pickle.LONG4: _long("<i"),
    pickle.FLOAT: _pushing(lambda m: float(m.line())),
    pickle.BINFLOAT: _pushing(lambda m: m.number(">d")),
    pickle.STRING: _pushing(lambda m: _quoted(m.line())),
    pickle.BINSTRING: _pushing(lambda m: m.string("<i")),
    pickle.SHORT_BINSTRING: _pushing(lambda m: m.string("<B")),
    pickle.BINBYTES: _pushing(lambda m: m.string("<I")),
    pickle.SHORT_BINBYTES: _pushing(lambda m: m.string("<B")),
    pickle.BINBYTES8: _pushing(lambda m: m.string("<Q")),
    pickle.BYTEARRAY8: _pushing(lambda m: m.string("<Q")),
    pickle.UNICODE: _pushing(lambda m: m.line().decode("raw-unicode-escape")),
    pickle.BINUNICODE: _pushing(lambda m: m.text("<I")),
    pickle.SHORT_BINUNICODE: _pushing(lambda m: m.text("<B")),
    pickle.BINUNICODE8: _pushing(lambda m: m.text("<Q")),
    pickle.EMPTY_LIST: _pushing(lambda m: []),
    pickle.EMPTY_DICT: _pushing(lambda m: {}),
    pickle.EMPTY_TUPLE: _pushing(lambda m: ()),
    pickle.LIST: _pushing(Machine.marked),
    pickle.DICT: _dict_of,
    pickle.TUPLE: _pushing(lambda m: tuple(m.marked())),
    pickle.TUPLE1: _pushing(lambda m: _reversed(m, 1)),
    pickle.TUPLE2: _pushing(lambda m: _reversed(m, 2)),
    pickle.TUPLE3: _pushing(lambda m: _reversed(m, 3)),
    pickle.APPEND: lambda m: m.extend([m.pop()]),
    pickle.APPENDS: lambda m: m.extend(m.marked()),
    pickle.SETITEM: lambda m: m.update(list(_reversed(m, 2))),
    pickle.SETITEMS: lambda m: m.update(m.marked()),
    pickle.PUT: lambda m: m.remember(int(m.line())),
    pickle.BINPUT: lambda m: m.remember(m.number("<B")),
    pickle.LONG_BINPUT: lambda m: m.remember(m.number("<I")),
    pickle.MEMOIZE: lambda m: m.remember(),
    pickle.GET: lambda m: m.recall(int(m.line())),
    pickle.BINGET: lambda m: m.recall(m.number("<B")),
    pickle.LONG_BINGET: lambda m: m.recall(m.number("<I")),
    pickle.GLOBAL: lambda m: m.name(m.line().decode(), m.line().decode()),
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: Machine.call,
    pickle.BUILD: Machine.set_state,
}
