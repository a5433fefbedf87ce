"""docs/cli.md is what the commands say of themselves today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_cli_page", DOCS / "write_cli_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(writer: ModuleType) -> None:
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == writer.page(), "run `make docs`"


def test_the_page_has_every_command(writer: ModuleType) -> None:
    assert writer.commands() == [
        "prepare-data",
        "search",
        "adapt",
        "decode",
        "train-eval",
        "report",
        "quickstart",
        "doctor",
    ]
