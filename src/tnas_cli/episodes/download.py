"""Downloading official archives, with their checksums, through torchvision."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.runs.events import Listener, Note
from tnas_cli.runs.files import cannot_write
from tnas_cli.runs.lock import one_process

OMNIGLOT_URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
OMNIGLOT_BYTES = 15_927_098
OMNIGLOT_LICENCE = "MIT (Lake, Salakhutdinov, Tenenbaum, 2015)"
CIFAR_LICENCE = "none stated; cite Krizhevsky (2009)"
CIFAR_URL = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Archive:
    """A CIFAR archive: the class in torchvision.datasets that knows its checksum, its name and its size."""

    known_to: str
    filename: str
    bytes: int

    @property
    def url(self) -> str:
        return f"{CIFAR_URL}/{self.filename}"


def download_omniglot(folder: Path, listener: Listener) -> Path:
    """Fetch the two official zips into `folder` unless they are there and complete; returns `folder`.

    URL, size and licence are announced before the first byte. Raises DataError when the network or the checksum
    fails, TnasError when the folder cannot be written.
    """
    # torchvision takes a second to import, and only a download needs it.
    from torchvision.datasets import Omniglot

    files = {f"{part}.zip": md5 for part, md5 in Omniglot.zips_md5.items()}
    _fetch("Omniglot", OMNIGLOT_URL, files, OMNIGLOT_BYTES, OMNIGLOT_LICENCE, folder, listener)
    return folder


def download(archive: Archive, folder: Path, listener: Listener) -> Path:
    """Fetch one archive into `folder`; returns its path. A complete one is kept. Raises as `download_omniglot` does."""
    from torchvision import datasets

    files = {archive.filename: getattr(datasets, archive.known_to).tgz_md5}
    _fetch(archive.known_to, CIFAR_URL, files, archive.bytes, CIFAR_LICENCE, folder, listener)
    return folder / archive.filename


def _fetch(
    what: str, url: str, files: dict[str, str], size: int, licence: str, folder: Path, listener: Listener
) -> None:
    from torchvision.datasets.utils import check_integrity, download_url

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with one_process(folder / ".lock", lambda holder: listener(Note(f"{holder} is downloading it; waiting"))):
            missing = [name for name, md5 in files.items() if not check_integrity(folder / name, md5)]
            if missing:
                listener(
                    Note(
                        f"downloading {' and '.join(missing)} from {url} "
                        f"({size / 1e6:.0f} MB in all; licence: {licence})"
                    )
                )
            for name in missing:
                # torchvision draws its own progress bar; only ours should show.
                with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                    download_url(f"{url}/{name}", str(folder), name, files[name])
    except (RuntimeError, OSError) as error:
        # URLError is an OSError; a full disk and a read-only folder are too, but carry the path they failed on.
        if isinstance(error, OSError) and error.filename is not None:
            raise cannot_write(folder, error) from error
        raise DataError(
            f"{what} could not be downloaded from {url}: {error}.",
            hint="check the network and run again, or get the archives elsewhere and run: "
            "tnas prepare-data NAME --source DIR",
        ) from error
