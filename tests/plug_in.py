"""A package of another author, installed for one test."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tnas_cli.runs import plug_ins
from tnas_cli.runs.plug_ins import PlugIns


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str, registry: ModuleType, **entries: str
) -> None:
    """A package of one module with entry points of the registry's group: their names, and the objects they name."""
    (folder / f"{module}.py").write_text(text, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    package = module.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{name} = {module}:{attribute}" for name, attribute in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines, ""]), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(plug_ins, "_problems", {})
    monkeypatch.delitem(sys.modules, module, raising=False)
    known = registry._ADDED
    monkeypatch.setattr(registry, "_ADDED", PlugIns(known.group, known.kind, known.taken))
