"""`prepare-data`: images to one cache file that every other command reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tnas_cli.episodes import registry
from tnas_cli.runs.events import Listener, ignore


def prepare_data(
    dataset: str,
    *,
    source: Path | str | None = None,
    protocol: str | None = None,
    size: int | None = None,
    seed: int = 0,
    name: str | None = None,
    root: Path | str | None = None,
    force: bool = False,
    listener: Listener = ignore,
) -> dict[str, Any]:
    """Prepare a data set and say what it holds; one that is prepared already is opened (`force` prepares it anew).

    `dataset` is 'glyphs' (drawn here), 'omniglot' (downloaded, or read from `source`) or 'folder' (class folders below
    `source`, called `name`). `size` is the images' side in pixels, `seed` decides random splits and drawings, `root` is
    the cache folder. Returns a record that can be written as JSON. Raises SettingsError, DataError or TnasError.
    """
    cache = registry.prepare(
        dataset,
        protocol=protocol,
        source=None if source is None else Path(source),
        size=size,
        seed=seed,
        root=None if root is None else Path(root),
        force=force,
        listener=listener,
        own_name=name,
    )
    return {
        "dataset": cache.dataset,
        "protocol": cache.protocol,
        "split_note": cache.split_note,
        "seed": cache.seed,
        "size": cache.size,
        "channels": cache.channels,
        "mean": list(cache.mean),
        "std": list(cache.std),
        "splits": cache.summary(),
        "licence": cache.licence,
        "source": cache.source,
        "fingerprint": cache.fingerprint,
        "path": str(cache.path),
        "bytes": cache.path.stat().st_size,
    }
