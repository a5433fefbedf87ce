"""Genotypes in any text: `Genotype(...)` as DARTS and its descendants print it, in files, logs and Python modules.

Nothing in a text is executed. Around a genotype anything may stand: comments, other code, times of a log.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tnas_cli.errors import GenotypeError
from tnas_cli.spaces.operations_table import SEP_CONV_3X3

#: The fields of DARTS's named tuple, in the order in which they may stand without names.
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

_EDGE = (SEP_CONV_3X3.name, 0)
_HINT = f"expected Genotype(normal=[{_EDGE}, ...], normal_concat=..., reduce=[...], reduce_concat=...)"
_BEGIN = re.compile(r"(?<![\w'\".])(?:\w+\.)?Genotype\s*\(")
_NAMED = re.compile(r"(\w+)\s*(?::[^=\n]*)?=\s*$")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Written:
    """One Genotype(...) of a text: the line where it begins, its arguments, the name that it is assigned to, and
    whether anything else stands in front of it in its line."""

    line: int
    arguments: Mapping[str, object]
    name: str | None
    alone: bool


def find(text: str) -> list[Written]:
    """All of them, in their order; raises GenotypeError, with the line, for one that cannot be read."""
    return [_written(text, begin, open_) for begin, open_ in _begins(text)]


def is_log(found: list[Written]) -> bool:
    """Whether a text reports genotypes as they change: other words stand before one, or a name gets several."""
    names = [one.name for one in found if one.name is not None]
    return any(not one.alone for one in found) or len(set(names)) < len(names)


def _begins(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins, and where its opening parenthesis is; those in comments are left out."""
    for match in _BEGIN.finditer(text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if "#" not in before:
            yield match.start(), match.end() - 1


def _written(text: str, begin: int, open_: int) -> Written:
    line = text.count("\n", 0, begin) + 1
    call = text[open_ : _end(text, open_, line)]
    before = text[text.rfind("\n", 0, begin) + 1 : begin]
    named = _NAMED.search(before)
    return Written(
        line,
        _arguments(call, line),
        named.group(1) if named else None,
        not (before[: named.start()] if named else before).strip(),
    )


def _end(text: str, open_: int, line: int) -> int:
    """The place behind the parenthesis that closes the one at `open_`; strings and comments are passed over."""
    waiting: list[str] = []
    at = open_
    while at < len(text):
        sign = text[at]
        if sign in "'\"":
            at = text.find(sign, at + 1)
        elif sign == "#":
            at = text.find("\n", at)
        elif sign in _BRACKETS:
            waiting.append(_BRACKETS[sign])
        elif sign in ")]}":
            if waiting.pop() != sign:
                raise GenotypeError(f"the brackets of the Genotype(...) in line {line} do not match.", hint=_HINT)
            if not waiting:
                return at + 1
        if at < 0:
            break
        at += 1
    raise GenotypeError(f"the Genotype(...) in line {line} does not end.", hint=_HINT)


def _arguments(call: str, line: int) -> dict[str, object]:
    """The arguments of '(normal=[...], ...)', as literals."""
    try:
        node = ast.parse(f"Genotype{call}", mode="eval").body
        if not isinstance(node, ast.Call) or len(node.args) > len(FIELDS):
            raise ValueError("too many arguments")
        found = {name: _literal(value) for name, value in zip(FIELDS, node.args, strict=False)}
        return found | {str(k.arg): _literal(k.value) for k in node.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise GenotypeError(f"the Genotype(...) in line {line} is not a list of edges.", hint=_HINT) from error


def _literal(node: ast.expr) -> object:
    """A literal, or range(a, b) or list(range(a, b)) of literals."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id in ("list", "tuple") and len(node.args) == 1:
            return _literal(node.args[0])
        if node.func.id == "range" and 1 <= len(node.args) <= 2:
            bounds = [ast.literal_eval(argument) for argument in node.args]
            if all(isinstance(bound, int) and 0 <= bound <= 64 for bound in bounds):
                return list(range(*bounds))
    return ast.literal_eval(node)
