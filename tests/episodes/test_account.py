"""The account of a user's files: counted whole, named in part, and the same after it was written and read."""

from __future__ import annotations

import pytest

from tnas_cli.episodes import account as module
from tnas_cli.episodes.account import Account, from_text, to_text


def test_every_file_is_counted_and_the_first_are_named() -> None:
    account = Account()
    account.used(3)
    account.understand("as the folders say")
    account.understand("as the folders say")
    for number in range(1000):
        account.left_out("files that are no images", f"{number}.txt")
    account.left_out("files in a folder", "old/", 7)
    account.converted("images of 1 bit", "a.png")
    account.warn("dark images", "b.png")
    account.duplicate("images again", "c.png")
    found = account.record()
    assert found.lines() == [
        "understood: as the folders say",
        "left out: files that are no images (1,000): 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, ...",
        "left out: files in a folder (7): old/",
        "duplicate: images again (1): c.png",
        "converted: images of 1 bit (1): a.png",
        "warning: dark images (1): b.png",
    ]
    assert (found.read, found.count("left out"), len(found.noted[0].names)) == (3, 1007, module.NAMED)
    assert [len(one.names) for one in found.brief().noted] == [5, 1, 1, 1, 1]
    assert found.brief().lines() == found.lines()
    assert from_text(to_text(found)) == found


def test_reasons_do_not_grow_without_end() -> None:
    account = Account()
    for number in range(1000):
        account.left_out(f"reason {number}", "x")
    found = account.record()
    assert len(found.noted) == module.REASONS + 1
    assert found.count("left out") == 1000


@pytest.mark.parametrize("text", ["", "[]", "5", "{", "[" * 100_000, '{"read": -1}', '{"read": 1, "noted": [{}]}'])
def test_what_is_no_account(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_text(text)
