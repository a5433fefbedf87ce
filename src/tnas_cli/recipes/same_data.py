"""Whether what was learned and what it is measured on are the same data set, and not two that share a name."""

from __future__ import annotations

from collections.abc import Iterable

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Record
from tnas_cli.records.parts import DataFacts

#: How many digits of a content hash are shown.
DIGITS = 12


def check_same_data(learned_from: DataFacts | None, cache: ImageCache, who: str, *, allowed: bool) -> None:
    """Raises DataError where `who` learned from a data set of the same name whose images or splits are others: test
    classes may then be among those that it learned. allowed: the user knows."""
    if learned_from is None or learned_from.fingerprint is None or learned_from.dataset != cache.dataset:
        return
    theirs, ours = learned_from.fingerprint, cache.fingerprint
    if theirs == ours or allowed:
        return
    here = f"{cache.path} holds"
    if learned_from.protocol != cache.protocol:
        here += f" ({learned_from.protocol} split, here {cache.protocol})"
    raise DataError(
        f"{who} learned from another {cache.dataset} than {here}: content {theirs[:DIGITS]}, here {ours[:DIGITS]}. Its "
        "test classes may be among those that were learned.",
        hint="prepare the data set as it was then (protocol, seed, size), or add --allow-other-data if you know better",
    )


def check_records(records: Iterable[Record], cache: ImageCache, *, allowed: bool) -> None:
    """The same for the searches that found genotypes."""
    seen: set[str | None] = set()
    for record in records:
        data = getattr(record, "data", None)
        if isinstance(data, DataFacts) and data.fingerprint not in seen:
            seen.add(data.fingerprint)
            check_same_data(data, cache, "the search that found the genotypes", allowed=allowed)
