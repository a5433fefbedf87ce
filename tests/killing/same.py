"""What two folders hold, without the times: equal for an undisturbed run and for one that was killed and resumed."""

from __future__ import annotations

import hashlib
import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

#: Values that differ between calls by their nature: speeds, how often a run was continued, and by which command line;
#: and whatever has `seconds` in its name.
TIMES = {"tasks/s", "batches/s", "images_per_second", "resumed", "again", "tasks_this_time", "argv", "sorted_files"}


def facts(root: Path) -> dict[str, Any]:
    """Every file and folder below `root` by its path, with what it holds."""
    return {str(path.relative_to(root)): _of(path) for path in sorted(root.rglob("*"))}


def lines(text: str) -> list[Any]:
    """JSON lines without times."""
    return [timeless(json.loads(line)) for line in text.splitlines()]


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """A few words for each path whose content differs, is missing, or should not be there."""
    said = [f"left: {path}" for path in found.keys() - wanted.keys()]
    said += [f"missing: {path}" for path in wanted.keys() - found.keys()]
    differing = [path for path in wanted if path in found and found[path] != wanted[path]]
    return sorted(said) + [f"differs: {path}{_where(found[path], wanted[path])}" for path in differing]


def _where(found: Any, wanted: Any) -> str:
    """The first record that differs."""
    if not (isinstance(found, list) and isinstance(wanted, list)):
        return ""
    pairs = zip_longest(found, wanted)
    return next((f" ({one} instead of {other})" for one, other in pairs if one != other), "")


def timeless(value: Any) -> Any:
    """A JSON value without the times in it."""
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items() if key not in TIMES and "seconds" not in key}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def _of(path: Path) -> Any:
    if path.is_symlink() or path.is_dir():
        return str(path.readlink()) if path.is_symlink() else "folder"
    try:
        if path.suffix == ".pt":
            kept = torch.load(path, weights_only=True)
            tensors = {name: (str(t.dtype), tuple(t.shape), _hash(t)) for name, t in kept["tensors"].items()}
            return timeless(json.loads(kept["header"])), tensors
        if path.suffix == ".json":
            return timeless(json.loads(path.read_text()))
        if path.suffix == ".jsonl":
            # Processes side by side add to one log: only the order within a stage is given.
            return sorted(lines(path.read_text()), key=lambda record: record.get("stage", "~"))
    except Exception as error:  # a half file, which equals nothing
        return f"cannot be read: {error}, {_bytes(path)}"
    return _bytes(path)


def _bytes(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
