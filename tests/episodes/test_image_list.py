"""The lists of published data sets: errors name the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tnas_cli.episodes.image_list import read_rows
from tnas_cli.episodes.places import disk_file
from tnas_cli.errors import DataError


def test_rows_say_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('a,b\n1,"two\nlines"\n3,4\n')
    rows = read_rows(disk_file(path), ("b", "a"))
    assert [row.values for row in rows] == [("two\nlines", "1"), ("4", "3")]
    assert rows[1].where == f"{path}, line 4,"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,\n", "line 2, lacks a b"),
        (b"a\n1\n", "has no column 'b'; its header is a"),
        (b"", "has no column 'a'; its header is empty"),
        (b"a,b\n", "lists no image"),
        (b"a,b\n\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "list.csv").write_bytes(data)
    with pytest.raises(DataError, match=words):
        read_rows(disk_file(tmp_path / "list.csv"), ("a", "b"))
