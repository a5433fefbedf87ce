"""The best checkpoint of a run's folder, whichever command made it."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.errors import CheckpointError, DataError
from tnas_cli.runs.files import read_json
from tnas_cli.spelling import command


def best_of(run: Path) -> Path:
    """The best.pt of a run; of a run that trained several networks, that of the best one by validation tasks.

    Raises CheckpointError where the folder has none.
    """
    if not run.is_dir():
        raise CheckpointError(
            f"there is no run in {run}.", hint="name the folder of a run: they are in runs/, or in --runs"
        )
    if (run / "best.pt").is_file():
        return run / "best.pt"
    trained = {path.parent / "best.pt": _validation(path) for path in run.glob("*/result.json")}
    trained = {path: reached for path, reached in trained.items() if path.is_file()}
    if not trained:
        raise CheckpointError(
            f"{run} holds no finished network.", hint=f"finish the run first: {command('tnas', 'resume', run)}"
        )
    return max(trained, key=lambda path: trained[path])


def _validation(path: Path) -> float:
    """The validation accuracy of a finished network; raises CheckpointError."""
    try:
        return float(read_json(path)["validation"])
    except (OSError, DataError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}).", hint="give a best.pt of the run instead") from error
