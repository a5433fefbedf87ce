"""Why a system did not do what it was asked for, in words, and what a user can do about it.

Libraries in C pass the system's error number on in a text: HDF5 as 'errno = 28'. PyTorch's writer says no number at
all, only that less was written than it wanted.
"""

from __future__ import annotations

import errno
import os
import re
from typing import NamedTuple


class Refusal(NamedTuple):
    """The reason and a hint; `writing`: whether only a write can fail so."""

    reason: str
    hint: str
    writing: bool = False


_FULL = "free some space or choose another folder"
_PLACE = "choose a folder you can write to"
_KNOWN = {
    errno.ENOSPC: Refusal("no space left", _FULL, writing=True),
    errno.EDQUOT: Refusal("no space left of your quota", _FULL, writing=True),
    errno.EFBIG: Refusal("the file would be larger than is allowed", "raise the limit: ulimit -f", writing=True),
    errno.EROFS: Refusal("Read-only file system", _PLACE, writing=True),
    errno.EACCES: Refusal("Permission denied", "check the permissions of it and of its folder, or choose another one"),
    errno.EPERM: Refusal("Operation not permitted", "check the permissions of it and of its folder"),
    errno.EIO: Refusal("Input/output error", "the disk or the connection to it fails: look at the system's log"),
    errno.ENOLCK: Refusal("this file system has no locks", "choose a folder on another file system"),
    errno.EMFILE: Refusal("Too many open files", "raise the limit: ulimit -n 4096"),
    errno.ENFILE: Refusal("Too many open files in the system", "end other programs"),
    errno.ENAMETOOLONG: Refusal("File name too long", "choose a shorter name"),
    errno.ENOENT: Refusal("No such file or directory", "check the path"),
    errno.ENOMEM: Refusal("not enough memory", "take fewer tasks at a time, or end other programs"),
}

_NUMBER = re.compile(r"\berrno = (\d+)")
#: PyTorch's writer where the file does not take all bytes.
_CUT_SHORT = ("PytorchStreamWriter", "inline_container.cc", "unexpected pos")


def errno_of(error: Exception) -> int | None:
    """The system's number of an error, also where a library has put it into its text; None if there is none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    return int(found[1]) if found else None


def refusal_of(error: Exception) -> Refusal:
    """What the system or a library refused."""
    number = errno_of(error)
    if number in _KNOWN:
        return _KNOWN[number]
    if number is not None:
        return Refusal(os.strerror(number), _PLACE)
    if any(word in str(error) for word in _CUT_SHORT):
        return Refusal("not all of it could be written", _FULL, writing=True)
    return Refusal(str(error).splitlines()[0] if str(error) else type(error).__name__, _PLACE)
