"""Matplotlib with its own defaults, whatever backend, style or settings file a user has; and the other way round: what
is drawn here leaves the user's settings as they were."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from tnas_cli.errors import TnasError

#: What names a user's backend and settings file.
_ENVIRONMENT = ("MPLBACKEND", "MATPLOTLIBRC")


@contextmanager
def own_settings() -> Iterator[None]:
    """Within the block figures are drawn and written with the library's defaults.

    Raises TnasError if the library cannot be imported.
    """
    with _in_silence():
        matplotlib = sys.modules.get("matplotlib") or _imported()
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams["svg.hashsalt"] = "tnas"  # random names in SVG would make equal pictures differ
            matplotlib.rcParams["text.parse_math"] = False  # a dollar in a name is a dollar
            yield


@contextmanager
def drawing() -> Iterator[None]:
    """Within the block, what keeps the library from its fonts and folders becomes a TnasError."""
    try:
        yield
    except OSError as error:
        raise TnasError(
            f"matplotlib cannot draw: {error}.", hint="are its fonts readable? pip install --force-reinstall matplotlib"
        ) from error


@contextmanager
def _in_silence() -> Iterator[None]:
    """What the library thinks of a settings file, a cache folder, its list of fonts or a letter that its font lacks is
    no news of ours."""
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"(Glyph|Matplotlib currently does not support)")
            yield
    finally:
        log.setLevel(level)


def _imported() -> ModuleType:
    """The library, imported without the user's settings; it takes most of a second, and few commands draw."""
    kept = {name: os.environ.pop(name) for name in _ENVIRONMENT if name in os.environ}
    try:
        import matplotlib
    except OSError as error:
        raise TnasError(
            f"matplotlib cannot be imported: {error}.", hint="name a folder: export TMPDIR=FOLDER"
        ) from error
    except Exception as error:  # a settings file in the working folder is read in any case, and may hold any bytes
        raise TnasError(
            f"matplotlib cannot be imported: {error}.", hint="is there a file matplotlibrc in this folder?"
        ) from error
    finally:
        os.environ.update(kept)
    return matplotlib
