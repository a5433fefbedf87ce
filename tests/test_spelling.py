"""Words come back from a shell as they were, and nothing on a screen or in a spreadsheet obeys them."""

from __future__ import annotations

import os
import random
import subprocess
import unicodedata
from pathlib import Path

import pytest

from tnas_cli.spelling import cell, command, quoted, safe_name, visible

SIGNS = "ab -~$`'\"\\!*?[]{}()<>|&;#%=^\n\r\t\x1b\x07\x00\x7f\x9b\u202e\u200b\u2028\ufeff\xad é日\U0001f600\udce9\udc80"


def _words(seed: int, forbidden: str = "\0") -> list[str]:
    """Random words of the signs that matter."""
    draw = random.Random(seed)
    signs = [sign for sign in SIGNS if sign not in forbidden]
    return ["".join(draw.choices(signs, k=draw.randrange(1, 9))) for _ in range(200)]


def _read_by(shell: str, line: str) -> list[bytes]:
    return subprocess.run([shell, "-c", line], check=True, stdout=subprocess.PIPE).stdout.split(b"\0")[:-1]


def test_a_shell_reads_every_word_as_it_was() -> None:
    words = [*_words(0), "", "-x", "~", "~root", "$HOME", "a\n"]
    printed = command("printf", "%s\\0", *words)
    assert printed.count("\n") == 0
    assert visible(printed) == printed
    assert _read_by("bash", printed) == [os.fsencode(word) for word in words]


def test_a_path_is_never_an_option_nor_a_home() -> None:
    for word in ("-x", "--help", "~", "~root/x"):
        (read,) = _read_by("bash", f"printf '%s\\0' {quoted(Path(word))}")
        assert read.decode() == f"./{word}"


def test_what_is_visible_is_one_line_without_controls() -> None:
    for word in _words(1, forbidden=""):
        shown = visible(word)
        assert all(unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in shown)
        assert shown.encode("utf-8")
        assert visible(shown) == shown


@pytest.mark.parametrize("text", ["cat", "Häuser (2)", "日本語", "\U0001f600 [bold] :cat: $x$ <b>", "a\xa0b"])
def test_what_can_be_seen_is_not_changed(text: str) -> None:
    assert visible(text) == text


def test_no_cell_begins_a_formula_and_numbers_are_numbers() -> None:
    for word in _words(2):
        shown = str(cell(word))
        assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert shown.removeprefix("'") == visible(word).removeprefix("'")
    assert (cell(-0.5), cell(None), cell(3)) == (-0.5, None, 3)


def test_a_folders_name_stays_in_its_folder() -> None:
    for word in [*_words(3, forbidden=""), "..", ".", "../x", "a/b"]:
        assert len(Path("x", safe_name(word)).parts) == 2
        assert safe_name(word) not in (".", "..")
