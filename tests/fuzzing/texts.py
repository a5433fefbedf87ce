"""Changes of texts that keep their form: JSON, TOML, CSV and Python literals with values that no program expects."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

#: JSON texts that take the place of a value.
VALUES = (
    *("null", "true", "-1", "0", "1", "2", "1.5", "1e308", "-1e308", "1e999", "NaN", "Infinity", "-Infinity"),
    *("9223372036854775807", "18446744073709551616", "9" * 400, "9" * 5000, "-0.0", "1e-320"),
    *('""', '"x"', '"\\ud800"', '"\\u0000"', '"\\u202e"', '"../../x"', '"/dev/zero"', '"[bold]x"', '"=1+1"'),
    *("[]", "{}", "[[]]", "[null]", '{"": 1}', "[0, 0, 0]", '{"a": {"b": []}}'),
    "[" * 500 + "]" * 500,
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000,
    '"' + "x" * 100_000 + '"',
    "[" + "0," * 50_000 + "0]",
)
_HOLE = "\x1ahole\x1a"


def changed_json(text: str, random: Random) -> str:
    """JSON, or lines of it, with up to three values, keys or lines changed."""
    try:
        json.loads(text)
        lines = [text]
    except ValueError:
        lines = text.splitlines(keepends=True)
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(lines))
        try:
            lines[at] = _in_one(lines[at], random)
        except (ValueError, RecursionError):  # it is no longer JSON, or nested deeply
            break
    kind = random.random()
    if kind < 0.05:
        random.shuffle(lines)
    elif kind < 0.1:
        lines.append(random.choice(lines))
    elif kind < 0.13:
        lines = ["[", ",".join(lines), "]"]
    elif kind < 0.16:
        lines[-1] = lines[-1][: random.randrange(len(lines[-1]) + 1)]
    return "".join(lines)


def _in_one(line: str, random: Random) -> str:
    end = "\n" if line.endswith("\n") else ""
    value = json.loads(line)
    filled = changed_value(value, random)
    return filled + end


def changed_value(value: Any, random: Random) -> str:
    """The JSON text of `value` with one node changed."""
    nodes: list[tuple[Any, Any]] = []
    _collect(value, nodes)
    if not nodes:
        return random.choice(VALUES)
    holder, key = random.choice(nodes)
    kind = random.random()
    if kind < 0.15:
        del holder[key]
    elif kind < 0.25 and isinstance(holder, dict):
        holder[random.choice(("event", "version", "x", "", *map(str, holder)))] = holder.pop(key)
    elif kind < 0.35:
        other, from_key = random.choice(nodes)
        holder[key] = json.loads(json.dumps(other[from_key])) if _has(other, from_key) else None
    else:
        holder[key] = _HOLE
    return json.dumps(value).replace(json.dumps(_HOLE), random.choice(VALUES))


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _collect(value: Any, nodes: list[tuple[Any, Any]]) -> None:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        nodes.append((value, key))
        _collect(value[key], nodes)


#: TOML texts that take the place of a value.
TOML_VALUES = (
    *("true", "-1", "0", "1.5", "1e999", "nan", "inf", "-inf", "9" * 400, "9" * 5000, "0x" + "f" * 5000, "1979-05-27"),
    *('""', '"x"', '"\\u0000"', '"../../x"', "'''x'''", "[]", "{}", "[[]]", "{a = 1}", "[1, 'a']", "07:32:00"),
    "[" * 500 + "]" * 500,
    "[" * 100_000,
    "{a=" * 50_000 + "1" + "}" * 50_000,
    '"' + "x" * 100_000 + '"',
)


def changed_toml(text: str, random: Random) -> str:
    """TOML with up to three lines changed."""
    lines = text.splitlines()
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(lines))
        key = lines[at].partition("=")[0].strip() or "x"
        lines[at] = random.choice(
            (
                f"{key} = {random.choice(TOML_VALUES)}",
                f"{key} = {random.choice(TOML_VALUES)}",
                f"{key} = {random.choice(TOML_VALUES)}",
                f"{random.choice(('x', '', key + key, 'a.' * 5000 + 'b'))} = 1",
                f"[{random.choice((key, 'x', '', 'a.b', '[x]'))}]",
                f"{lines[at]}\n{lines[at]}",
                lines[at][: random.randrange(len(lines[at]) + 1)],
                "",
            )
        )
    return "\n".join(lines) + random.choice(("\n", "\n", "", "\x00", "\ufeff"))


_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")
LITERALS = (
    *(
        "None",
        "-1",
        "0",
        "1.5",
        "1e999",
        "9" * 400,
        "9" * 5000,
        "''",
        "'x'",
        "()",
        "[]",
        "{}",
        "range(10**9)",
        "range(2, 6)",
    ),
    *("list(range(10**12))", "__import__('os').system('touch canary')", "lambda: 0", "f'{1}'", "b'x'", "'a' * 10**9"),
    *(
        "Genotype(",
        "Genotype()",
        "(" * 500,
        "(" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "#",
        "'",
        "\n",
        "\x00",
        "\ufeff",
    ),
    *("-" * 100_000 + "1", "not " * 50_000 + "1", "1" + "+1" * 50_000, "sep_conv_3x3", "normal", "=", ","),
)


def changed_python(text: str, random: Random) -> str:
    """A text with up to four tokens changed."""
    tokens = _TOKEN.findall(text)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(tokens))
        tokens[at] = random.choice((random.choice(LITERALS), random.choice(LITERALS), random.choice(tokens), ""))
    return "".join(tokens)


CELLS = (
    "",
    "x",
    "../../x",
    "/dev/zero",
    "/etc/passwd",
    ".",
    "x" * 300,
    "x" * 200_000,
    "\x00",
    '"',
    "train",
    "=1+1",
    "ü",
)


def changed_csv(text: str, random: Random) -> str:
    """A list with up to three cells, lines or signs changed."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(random.choice((1, 1, 2, 3))):
        row = random.choice(rows)
        if not row:
            continue
        at, kind = random.randrange(len(row)), random.random()
        if kind < 0.6:
            row[at] = random.choice((*CELLS, random.choice(random.choice(rows) or [""])))
        elif kind < 0.75:
            row.insert(at, random.choice(CELLS))
        elif kind < 0.9:
            del row[at]
        else:
            rows.insert(random.randrange(len(rows)), list(row))
    sign, end = random.choice((",", ",", ",", ";", "\t", "|")), random.choice(("\n", "\n", "\r\n", "\r", "\n\n"))
    return random.choice(("", "", "", "\ufeff", "sep=;\n")) + end.join(sign.join(row) for row in rows)
