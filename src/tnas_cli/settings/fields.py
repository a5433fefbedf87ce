"""What describes a setting besides its default: help, panel, range, and the machinery that it belongs to.

Typer's options, the table in docs/settings.md, the check of values and the refusal of options without effect all read
this.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tnas_cli.errors import SettingsError, did_you_mean

#: Panels of a command's help, in its order. Those without a name come first.
PANELS = TASK, INNER, OUTER, PIECES, NETWORK, TRAINING, SEARCH, IMAGES, CHOICE, INHERITED = (
    *("", "Inner loop", "Outer loop", "Pieces of MAML++", "Network"),
    *("Training", "Search of genotypes", "Images", "Validation and test", "Inherited weights"),
)

#: Whole numbers have 64 bits, in TOML as in PyTorch.
LARGEST = 2**63 - 1

Kind = Literal["whole", "number", "text", "yes or no", "two numbers"]


@dataclass(frozen=True)
class Setting:
    """A setting. least, most: its range, both included; above, below: excluded. choices: the words that it can be.

    needs: the machinery that reads it (`settings.features`), None for what every method reads. value_needs: the same
    for single values. only_with: another setting, and the value that it must have for this one to be read. switch: off
    by default and in every preset, so any other value comes from the user. option: how the command line spells it,
    if that is not its name. even: whether it must be an even number.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    panel: str
    least: float | None
    above: float | None
    most: float | None
    below: float | None
    choices: tuple[str, ...]
    even: bool
    needs: str | None
    value_needs: Mapping[str, str]
    only_with: tuple[str, object] | None
    switch: bool
    option: str | None

    @property
    def options(self) -> str:
        """As the command line spells it."""
        if self.option is not None:
            return self.option
        dashed = self.name.replace("_", "-")
        return f"--{dashed}/--no-{dashed}" if self.kind == "yes or no" else f"--{dashed}"

    def spelled(self, value: object) -> list[str]:
        """The words of a command line that set it."""
        if isinstance(value, bool):
            on, off = self.options.split("/")
            return [on if value else off]
        return [self.options, *map(str, value)] if isinstance(value, tuple) else [self.options, str(value)]

    @property
    def described(self) -> str:
        """Help and choices in one sentence."""
        if not self.choices:
            return self.help
        *first, last = self.choices
        return f"{self.help.rstrip('.')}: {', '.join(first)} or {last}."

    @property
    def range(self) -> str:
        """Its range in signs, as '≥ 1' or '> 0, ≤ 1'; empty for what has none."""
        bounds = (("≥", self.least), (">", self.above), ("≤", self.most), ("<", self.below))
        return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    def check(self, value: object) -> None:
        """Raises SettingsError that names the value and says what to choose."""
        hint = getattr(self, _CHECKS[self.kind])(value)
        if hint is not None:
            raise SettingsError(f"{self.name} is {value!r}.", hint=hint)

    def checked_in(self, values: Mapping[str, Any]) -> Any:
        """Its value in `values`, or its default; raises SettingsError for an invalid one."""
        value = values.get(self.name, self.default)
        self.check(value)
        return value

    def needed_by(self, value: object) -> str | None:
        """The machinery that reads this value of it."""
        return self.value_needs.get(str(value), self.needs)

    def _whole(self, value: object) -> str | None:
        if isinstance(value, int) and value > LARGEST:
            return f"choose a whole number of at most {LARGEST}"
        if isinstance(value, int) and not isinstance(value, bool) and self._in_range(value):
            return None if not self.even or value % 2 == 0 else f"choose an even number, at least {self.least:g}"
        return f"choose a whole number of at least {self.least:g}"

    def _number(self, value: object) -> str | None:
        return None if _is_number(value) and self._in_range(value) else f"choose {self._numbers()}"

    def _two_numbers(self, value: object) -> str | None:
        good = isinstance(value, tuple) and len(value) == 2 and all(_is_number(v) and self._in_range(v) for v in value)
        return None if good else f"choose two numbers, each {self.range}"

    def _text(self, value: object) -> str | None:
        if isinstance(value, str) and (not self.choices or value in self.choices):
            return None
        return did_you_mean(str(value), self.choices) if self.choices else "choose a text"

    def _yes_or_no(self, value: object) -> str | None:
        return None if isinstance(value, bool) else "choose true or false"

    def _in_range(self, value: Any) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def _numbers(self) -> str:
        if self.least is not None and self.most is not None:
            return f"a number from {self.least:g} to {self.most:g}"
        return f"a finite number {f'above {self.above:g}' if self.above is not None else f'of at least {self.least:g}'}"


_CHECKS: Mapping[Kind, str] = {
    "whole": "_whole",
    "number": "_number",
    "text": "_text",
    "yes or no": "_yes_or_no",
    "two numbers": "_two_numbers",
}


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str,  # noqa: A002  what Typer calls it
    panel: str = TASK,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    even: bool = False,
    needs: str | None = None,
    value_needs: Mapping[str, str] | None = None,
    only_with: tuple[str, object] | None = None,
    switch: bool = False,
    option: str | None = None,
) -> Any:
    """A field of a settings dataclass; `Setting` explains the arguments. The field's type gives kind and choices."""
    said = {
        "help": help,
        "panel": panel,
        "least": least,
        "above": above,
        "most": most,
        "below": below,
        "even": even,
        "needs": needs,
        "value_needs": value_needs or {},
        "only_with": only_with,
        "switch": switch,
        "option": option,
    }
    return field(default=default, metadata=said)


_KNOWN: dict[type[Any], Mapping[str, Setting]] = {}


def settings_of(cls: type[Any]) -> Mapping[str, Setting]:
    """The settings of a dataclass by name, in its order."""
    if cls not in _KNOWN:
        _KNOWN[cls] = _settings_of(cls)
    return _KNOWN[cls]


def _settings_of(cls: type[Any]) -> Mapping[str, Setting]:
    hints = get_type_hints(cls)
    return {
        found.name: Setting(
            name=found.name,
            kind=_kind(hints[found.name]),
            choices=_choices(hints[found.name]),
            default=None if found.default is dataclasses.MISSING else found.default,
            **found.metadata,
        )
        for found in dataclasses.fields(cls)
    }


def _kind(hint: Any) -> Kind:
    kinds: dict[Any, Kind] = {int: "whole", float: "number", str: "text", bool: "yes or no"}
    if get_origin(hint) is tuple:
        return "two numbers"
    return "text" if get_origin(hint) is Literal else kinds[hint]


def _choices(hint: Any) -> tuple[str, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _is_number(value: object) -> bool:
    # Neither infinity nor NaN, nor a whole number that is too large for a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
