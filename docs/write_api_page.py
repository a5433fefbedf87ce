"""Writes docs/api.md from the docstrings of the Python interface: `make docs`, or `python docs/write_api_page.py`."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import tnas_cli as tnas

PAGE = Path(__file__).with_name("api.md")

HEAD = """# From Python

Written by `make docs` from the docstrings; a test compares the two.

```python
import tnas_cli as tnas

settings = tnas.SearchSettings(dataset="glyphs", way=5, shot=1, tasks=200)
found = tnas.search(settings, listener=tnas.progress())
tasks, result = tnas.adapt_dataset(found.checkpoint, "glyphs", tasks=20)
print(f"{100 * result.mean:.1f}% over {result.tasks} tasks")
```

Every command is a function that returns the records which the command prints with `--json` ([records.md](records.md)).
Nothing is printed unless a `listener` does; `tnas.progress()` is one, for scripts and notebooks. Errors are
`tnas.TnasError` and its kinds, with a message and a hint. `machine=tnas.Machine(...)` says where to compute.
"""


def page() -> str:
    """The whole page; depends on nothing but the interface's own declarations."""
    names = sorted(tnas.__all__, key=str.lower)
    objects = {name: getattr(tnas, name) for name in names if name != "__version__"}
    functions = {name: value for name, value in objects.items() if inspect.isfunction(value)}
    classes = {name: value for name, value in objects.items() if inspect.isclass(value)}
    parts = [HEAD, "## Functions", "", *(_function(name, value) for name, value in functions.items())]
    parts += ["## Classes", "", *(_class(name, value) for name, value in classes.items())]
    return "\n".join(parts).rstrip() + "\n"


def _function(name: str, function: object) -> str:
    return f"### tnas.{name}\n\n```python\n{_signature(name, function)}\n```\n\n{inspect.getdoc(function)}\n"


def _signature(name: str, function: object) -> str:
    """The call, a line for each parameter where it is long."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    shown = []
    for parameter in signature.parameters.values():
        default = "" if parameter.default is inspect.Parameter.empty else f" = {_value(parameter.default)}"
        star = "*, " if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not any("*" in s for s in shown) else ""
        shown.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    joined = ", ".join(shown)
    if len(joined) <= 80:
        return f"{name}({joined}) -> {signature.return_annotation}"
    lines = "".join(f"    {line},\n".replace("*, ", "*,\n    ") for line in shown)
    return f"{name}(\n{lines}) -> {signature.return_annotation}"


def _value(value: object) -> str:
    if inspect.isfunction(value):
        return value.__name__
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}()"
    return f"Path({str(value)!r})" if isinstance(value, Path) else repr(value)


def _class(name: str, cls: type) -> str:
    lines = [f"### tnas.{name}", "", inspect.getdoc(cls) or "", ""]
    if dataclasses.is_dataclass(cls):
        fields = [f"`{field.name}`" for field in dataclasses.fields(cls)]
        lines += [f"Fields: {', '.join(fields)}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
