"""Names of images that cannot be paths are named as missing."""

from __future__ import annotations

import pytest

from tnas_cli.episodes.given_images import given_images
from tnas_cli.errors import DataError


@pytest.mark.parametrize("word", ["x" * 300, "a\0b", "a/" * 3000, "x" * 300 + "*"])
def test_words_that_cannot_be_paths(word: str) -> None:
    for words, lines in (([word], None), (["-"], word)):
        with pytest.raises(DataError, match=r"does not exist|nothing matches"):
            given_images(words, lines)
