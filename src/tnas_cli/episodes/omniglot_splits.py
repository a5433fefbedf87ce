"""Two ways to divide Omniglot's 1,623 characters into train, val and test; rotations follow their character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tnas_cli.errors import DataError
from tnas_cli.runs.seeds import numpy_generator

CHARACTERS = 1623
TEST = 423
VALIDATION = 100  # of the 1,200 training characters of protocol `random`

# The split of Vinyals et al. (2016) as published with Prototypical Networks (Snell et al., 2017): five alphabets of
# the background set are val (172 characters), the last 423 characters in sorted order are test (characters 42 to 45 of
# Gurmukhi and every evaluation alphabet after it), the other 1,028 are train.
VINYALS_VALIDATION = ("Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)")
VINYALS_TEST_FROM = "images_evaluation/Gurmukhi/character42"


@dataclass(frozen=True)
class Split:
    """`of` maps each character to 'train', 'val' or 'test'; `note` says in one sentence how."""

    of: Mapping[str, str]
    note: str


def split_characters(characters: Sequence[str], protocol: str, seed: int) -> Split:
    """Divide '<part>/<Alphabet>/<character>' keys by a protocol.

    `random`: by seed, 1,100 / 100 / 423; an incomplete set is divided in the same shares. `vinyals`: by alphabet,
    1,028 / 172 / 423, whatever the seed. Raises DataError when a split would be empty.
    """
    split = _random(sorted(characters), seed) if protocol == "random" else _vinyals(characters)
    for part in ("train", "val", "test"):
        if part not in split.of.values():
            raise DataError(
                f"protocol {protocol!r} leaves no character for split {part!r} ({len(characters)} characters found).",
                hint="give the whole of Omniglot, images_background and images_evaluation, or use --protocol random",
            )
    return split


def _random(characters: Sequence[str], seed: int) -> Split:
    total = len(characters)
    test, val = round(total * TEST / CHARACTERS), max(1, round(total * VALIDATION / CHARACTERS))
    # Sorting by a random key uses the raw stream alone, so no NumPy release changes the split.
    keys = numpy_generator(seed, "omniglot/split").random(total)
    shuffled = [characters[i] for i in keys.argsort(kind="stable")]
    names = ["test"] * test + ["val"] * val + ["train"] * (total - test - val)
    note = (
        f"characters at random by seed {seed}: {total - test - val} train, {val} val "
        f"(held out of the {total - test} for training), {test} test"
    )
    return Split(dict(zip(shuffled, names, strict=True)), note)


def _vinyals(characters: Sequence[str]) -> Split:
    def part(key: str) -> str:
        if key.split("/")[1] in VINYALS_VALIDATION:
            return "val"
        return "test" if key >= VINYALS_TEST_FROM else "train"

    of = {key: part(key) for key in characters}
    counts = [sum(value == name for value in of.values()) for name in ("train", "val", "test")]
    note = "alphabets of Vinyals et al. (2016): {} train, {} val, {} test characters".format(*counts)
    return Split(of, note)
