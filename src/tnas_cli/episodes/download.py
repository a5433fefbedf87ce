"""Downloading the official Omniglot archives, with their checksums, through torchvision."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from filelock import FileLock

from tnas_cli.errors import DataError
from tnas_cli.runs.events import Listener, Note
from tnas_cli.runs.files import cannot_write

OMNIGLOT_URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
OMNIGLOT_BYTES = 15_927_098
OMNIGLOT_LICENCE = "MIT (Lake, Salakhutdinov, Tenenbaum, 2015)"


def download_omniglot(folder: Path, listener: Listener) -> Path:
    """Fetch the two official zips into `folder` unless they lie there whole; returns `folder`.

    URL, size and licence are announced before the first byte. Raises DataError when the network or the checksum
    fails, TnasError when the folder cannot be written.
    """
    # torchvision takes a second to import, and only a download needs it.
    from torchvision.datasets import Omniglot
    from torchvision.datasets.utils import check_integrity, download_url

    archives = {f"{part}.zip": md5 for part, md5 in Omniglot.zips_md5.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            missing = [name for name, md5 in archives.items() if not check_integrity(folder / name, md5)]
            if missing:
                listener(
                    Note(
                        f"downloading {' and '.join(missing)} from {Omniglot.download_url_prefix} "
                        f"({OMNIGLOT_BYTES / 1e6:.0f} MB in all; licence: {OMNIGLOT_LICENCE})"
                    )
                )
            for name in missing:
                # torchvision draws a bar of its own; ours is the only one.
                with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                    download_url(f"{Omniglot.download_url_prefix}/{name}", str(folder), name, archives[name])
    except (RuntimeError, OSError) as error:
        # URLError is an OSError; a full disk and a read-only folder are too, but carry the path they failed on.
        if isinstance(error, OSError) and error.filename is not None:
            raise cannot_write(folder, error) from error
        raise DataError(
            f"Omniglot could not be downloaded from {Omniglot.download_url_prefix}: {error}.",
            hint="check the network and run again, or get the zips elsewhere and run: "
            "tnas prepare-data omniglot --source DIR",
        ) from error
    return folder
