"""How text that others chose (names of files, classes and runs) is spelled: on a screen, in a shell, in a spreadsheet,
in a folder's name; and how a duration is.

HTML, LaTeX and Markdown have signs of their own; `report` escapes those in what `visible` returns.
"""

from __future__ import annotations

import re
import shlex
import textwrap
import unicodedata
from pathlib import Path

#: What a screen obeys instead of showing: controls, directions and joiners of letters, half characters, line ends.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: One to be typed, not one that a sentence mentions in backticks.
_COMMAND = re.compile(r"(?<!`)\btnas [a-z]")

#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@")


def visible(text: str) -> str:
    """The text on one line, with an escape for every character that cannot be seen.

    >>> visible("cat\\x1b[2J\\n")
    'cat\\\\x1b[2J\\\\n'
    """
    if text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _UNSEEN else c for c in text)


def _escape(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file name that is no UTF-8, as Python keeps it
        number -= 0xDC00
    if number < 0x100:
        return _SHORT.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def broken_between_words(line: str, columns: int, indent: str = "") -> str:
    """A line for a terminal that would break it within words; a line with a command stays whole, to be copied.

    indent: what further lines begin with.

    >>> broken_between_words("the cells of all networks", 20)
    'the cells of all\\nnetworks'
    >>> broken_between_words("next: tnas resume runs/search-1", 20)
    'next: tnas resume runs/search-1'
    """
    if _COMMAND.search(line) is not None:
        return line
    form = textwrap.TextWrapper(columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return form.fill(line) or line


def safe_name(name: str) -> str:
    """The name of a class or a data set as the name of a folder: separators, and what systems forbid, become
    underscores.

    >>> safe_name("../cat")
    '_cat'
    """
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", name).strip(" .") or "_"


def quoted(word: str | Path) -> str:
    """The word as a shell reads it back; a path that begins like an option is given as one in this folder.

    >>> quoted("my runs")
    "'my runs'"
    >>> quoted(Path("-runs"))
    './-runs'
    """
    if isinstance(word, Path):
        word = f"./{word}" if str(word).startswith(("-", "~")) else str(word)
    if word.isprintable() or visible(word) == word:
        return shlex.quote(word)
    # bash, zsh and ksh read escapes in $'...'; three octal digits end where they end.
    return "$'" + "".join(map(_in_shell, word)) + "'"


def _in_shell(character: str) -> str:
    if unicodedata.category(character) in _UNSEEN:
        number = ord(character)
        kept = 0xDC80 <= number <= 0xDCFF
        data = bytes([number - 0xDC00]) if kept else character.encode("utf-8", "surrogatepass")
        return "".join(f"\\{byte:03o}" for byte in data)
    return f"\\{character}" if character in "\\'" else character


def command(*words: str | Path) -> str:
    """A command line that works when it is pasted; words that name files are paths.

    >>> command("tnas", "resume", Path("my runs/search-1"))
    "tnas resume 'my runs/search-1'"
    """
    return " ".join(map(quoted, words))


def cell(value: object) -> object:
    """A value in a CSV file: numbers as they are, texts on one line, and none that a spreadsheet takes for a formula.

    >>> cell("=cmd.png")
    "'=cmd.png"
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def duration(seconds: float) -> str:
    """Seconds in a readable form: '8 s', '3 min 20 s', '2 h 05 min', '12 days 3 h'."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 72:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} days {hours % 24} h"
