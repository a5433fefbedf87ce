"""Commands whose options come from elsewhere: a parameter that stands for several options becomes those options.

    def search(given: Annotated[Given, From(given_of(SearchSettings))], screen: Annotated[Screen, From(screen)]): ...

`flat` puts the parameters of `screen` and of `given_of(...)` in the place of the two, and calls `search` with what the
functions make of them. Typer sees plain options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class From:
    """Marks a parameter that `make` makes, of options of its own."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """The command with plain options."""
    own = parameters_of(command)
    makers = {p.name: marker.make for p in own if (marker := _marker(p.annotation)) is not None}
    options = {p.name: parameters_of(makers[p.name]) if p.name in makers else [p] for p in own}

    def called(**values: Any) -> None:
        made = {name: make(**{p.name: values[p.name] for p in options[name]}) for name, make in makers.items()}
        command(**{p.name: made.get(p.name, values.get(p.name)) for p in own})

    called.__name__, called.__module__ = command.__name__, command.__module__
    # The help wraps lines itself.
    called.__doc__ = "\n\n".join(" ".join(text.split()) for text in (command.__doc__ or "").split("\n\n"))
    return with_parameters(called, [p for name in options for p in options[name]])


def with_parameters(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    """The function, which takes keywords, as if it had been written with these parameters."""
    shown: Any = function
    # A parameter without a default cannot stand behind one that has one, but may where both are given by name.
    named = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    shown.__signature__ = inspect.Signature(named)
    shown.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return function


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters, with annotations that need no looking up."""
    hints = get_type_hints(function, include_extras=True)
    return [p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()]


def _marker(annotation: Any) -> From | None:
    if get_origin(annotation) is not Annotated:
        return None
    return next((word for word in get_args(annotation)[1:] if isinstance(word, From)), None)
