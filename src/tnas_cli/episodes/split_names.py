"""The names that people give to the parts of a data set: which of them train, validate and test."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Without case, signs and the words of NOISE.
_NAMES = {
    "train": ("train", "training", "trn", "base", "background", "metatrain", "metatraining", "trainset", "seen"),
    "val": ("val", "valid", "validate", "validation", "dev", "development", "metaval", "metavalid", "metavalidation"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "novel", "metatest", "metatesting", "testset", "unseen"),
}
_SPLIT_OF = {name: split for split, names in _NAMES.items() for name in names}
NOISE = frozenset(
    ("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "split", "folder", "class", "classes", "meta")
)


def split_of(name: str) -> str | None:
    """'train', 'val' or 'test' for a name of one of them, in any case; None for other names.

    >>> [split_of(name) for name in ("Training Set", "meta-val", "images_evaluation", "novel", "cat", "trainer")]
    ['train', 'val', 'test', 'test', None, None]
    """
    return _SPLIT_OF.get("".join(_words(name)))


def splits_among(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of each split among those of some folders: {'train': ['Train'], ...}.

    Folders that have a further word in common count too (`seg_train`, `seg_test`), if there are two or more. The
    plain name of a split (train, val, test) goes before its other names.
    """
    names = list(names)
    found = _grouped((split, name) for name in names if (split := split_of(name)))
    if len(found) >= 2:
        return found
    by_rest: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        words = _words(name)
        known = [word for word in words if word in _SPLIT_OF]
        if len(known) == 1:
            rest = " ".join(word for word in words if word != known[0])
            by_rest.setdefault(rest, []).append((_SPLIT_OF[known[0]], name))
    several = [group for pairs in by_rest.values() if len(group := _grouped(pairs)) >= 2]
    return several[0] if len(several) == 1 else found


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for split, name in pairs:
        groups.setdefault(split, []).append(name)
    plain = {split: [name for name in names if name.lower() == split] for split, names in groups.items()}
    return {split: plain[split] or groups[split] for split in _NAMES if split in groups}


def _words(name: str) -> list[str]:
    words = re.findall(r"[a-z]+", name.lower())
    return [word for word in words if word not in NOISE]
