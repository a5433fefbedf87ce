"""The checkpoints of the best validations."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.runs.kept import Kept


def validated(kept: Kept, accuracies: list[float]) -> list[str]:
    """The names that remain after validations with these accuracies, one every 100 tasks."""
    history: list[dict[str, float]] = []
    for number, accuracy in enumerate(accuracies, start=1):
        history.append({"tasks": 100 * number, "accuracy": accuracy})
        kept.after(history)
    return [path.name for path in kept.paths()]


def test_the_best_are_kept_and_the_others_go(tmp_path: Path) -> None:
    saved: list[str] = []

    def save(path: Path) -> None:
        saved.append(path.name)
        path.write_text("state")

    left = validated(Kept(tmp_path, 2, save), [0.5, 0.7, 0.6, 0.7, 0.65, 0.8])
    assert left == ["top-200.pt", "top-600.pt"]  # the earlier of two with 0.7
    assert saved == [f"top-{tasks}.pt" for tasks in (100, 200, 300, 400, 600)]


def test_a_single_one_is_best_pt(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1, lambda path: path.write_text("state"))
    assert validated(kept, [0.5, 0.6]) == []
    assert not list(tmp_path.iterdir())
