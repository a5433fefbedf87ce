"""Where the files lie that paths name: also the models that come with tnas, which are checkpoints in the package, each
with a card, and what another machine has sent."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "zoo"


def names() -> list[str]:
    """Their names, in order."""
    return sorted(card.stem for card in FOLDER.glob("*.json"))


#: Files and folders of another machine, and where they lie here.
_sent: dict[Path, Path] = {}


def lies(path: Path, here: Path) -> None:
    """From now on what another machine knows by `path` is taken from `here`."""
    _sent[path] = here


def located(path: Path) -> Path:
    """The file of the model that `path` names, what another machine has sent of that name, or the path itself; a file
    of a model's name in the way wins."""
    if path in _sent:
        return _sent[path]
    if str(path) in names() and not path.exists():
        return FOLDER / f"{path.name}.pt"
    return path
