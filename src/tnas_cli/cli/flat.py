"""Commands that share options: one parameter of a function can stand for several options of the command line.

    def search(wanted: Annotated[Wanted, From(wanted_of(Settings))], screen: Annotated[Screen, From(screen)]): ...

`flat` replaces these two parameters by those of `wanted_of(...)` and of `screen`, and calls `search` with what the two
functions return. Typer sees plain options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class From:
    """Marks a parameter whose value `make` makes, from options of its own."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """The command with plain options instead of marked parameters."""
    own = parameters_of(command)
    makers = {p.name: marker.make for p in own if (marker := _marker(p.annotation)) is not None}
    options = {p.name: parameters_of(makers[p.name]) if p.name in makers else [p] for p in own}

    def called(**values: Any) -> None:
        made = {name: make(**{p.name: values[p.name] for p in options[name]}) for name, make in makers.items()}
        command(**{p.name: made.get(p.name, values.get(p.name)) for p in own})

    called.__name__, called.__module__ = command.__name__, command.__module__
    # Typer wraps the lines of the help itself.
    called.__doc__ = "\n\n".join(" ".join(text.split()) for text in (command.__doc__ or "").split("\n\n"))
    return with_parameters(called, [p for name in options for p in options[name]])


def with_parameters(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    """The function, which takes any keywords, with the signature of these parameters."""
    shown: Any = function
    # A parameter without a default may follow one with a default only if both are keyword-only.
    named = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    shown.__signature__ = inspect.Signature(named)
    shown.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return function


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters, with resolved annotations."""
    hints = get_type_hints(function, include_extras=True)
    return [p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()]


def _marker(annotation: Any) -> From | None:
    if get_origin(annotation) is not Annotated:
        return None
    return next((word for word in get_args(annotation)[1:] if isinstance(word, From)), None)
