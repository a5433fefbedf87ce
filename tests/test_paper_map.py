"""docs/paper-map.md names only existing objects, and covers all equations and algorithms of the paper."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "paper-map.md").read_text(encoding="utf-8")


def rows() -> list[tuple[str, list[str], list[str]]]:
    """(part of the paper, functions, tests) of each row of the table."""
    lines = [line for line in TEXT.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(part, re.findall(r"`([^`]+)`", code), re.findall(r"`([^`]+)`", tests)) for part, code, tests in cells]


ROWS = rows()
FUNCTIONS = sorted({name for _, names, _ in ROWS for name in names})
TESTS = sorted({name for _, _, names in ROWS for name in names})


def resolve(dotted: str) -> object:
    """The object of a dotted name: the longest importable module, then attributes."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(dotted)


@cache
def names_of_tests(path: str) -> set[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_named_function_exists(name: str) -> None:
    assert callable(resolve(name))


@pytest.mark.parametrize("name", TESTS)
def test_every_named_test_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert test in names_of_tests(path)


def test_every_row_has_a_function_and_a_test() -> None:
    assert len(ROWS) == 33
    assert all(functions and tests for _, functions, tests in ROWS)


def test_all_equations_and_algorithms_are_mapped_or_named_as_missing() -> None:
    missing = TEXT.partition("Not in this version:")[2]
    for kind, numbers in (("Equation", range(1, 9)), ("Algorithm", range(1, 4))):
        for number in numbers:
            label = f"{kind} {number}"
            assert (label in [part for part, _, _ in ROWS]) != (label in missing), label


def mentions(docstring: str, kind: str, number: str) -> bool:
    """Whether the text mentions this number, as in 'Equation 7', 'Equations 1, 5 and 7' or 'Equation 2, 6 or 8'."""
    lists = re.findall(rf"{kind}s? (\d(?:(?:, | and | or |, or )\d)*)", docstring)
    return any(number in re.findall(r"\d", entry) for entry in lists)


@pytest.mark.parametrize(
    ("part", "function"),
    [(part, name) for part, names, _ in ROWS if re.match(r"(Equation|Algorithm) \d", part) for name in names],
)
def test_a_function_says_which_equation_it_implements(part: str, function: str) -> None:
    kind, number = part.split()
    assert mentions(resolve(function).__doc__ or "", kind, number)
