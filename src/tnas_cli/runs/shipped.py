"""The models that come with tnas: checkpoints in the package, each with a card, that a name stands for."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "zoo"


def names() -> list[str]:
    """Their names, in order."""
    return sorted(card.stem for card in FOLDER.glob("*.json"))


def located(path: Path) -> Path:
    """The file of the model that `path` names, or the path itself; a file of that name in the way wins."""
    if str(path) in names() and not path.exists():
        return FOLDER / f"{path.name}.pt"
    return path
