"""`tnas models`: the models that come with tnas, and an example task to try them on."""

from __future__ import annotations

import json
from pathlib import Path

from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.records.codec import decode
from tnas_cli.records.kinds import ModelCard
from tnas_cli.records.other_results import ModelsResult
from tnas_cli.runs import shipped


def models(name: str | None = None, *, example: Path | str | None = None) -> tuple[list[ModelCard], ModelsResult]:
    """The cards of all models, the most accurate one first, or of one; and the result.

    example: a folder that is written, a task of drawn characters. Raises SettingsError for a name that is no model's,
    and TnasError for a folder that is not empty or cannot be written.
    """
    known = shipped.names()
    if name is not None and name not in known:
        raise SettingsError(f"there is no model {name!r}.", hint=did_you_mean(name, known))
    if example is not None:
        from tnas_cli.episodes.example_task import write_example  # what draws takes time to import

        write_example(Path(example))
    found = [_card(shipped.FOLDER / f"{one}.json") for one in ([name] if name is not None else known)]
    found.sort(key=lambda card: card.accuracy[0].inductive.mean, reverse=True)
    return found, ModelsResult(models=len(found), example=None if example is None else str(example))


def _card(path: Path) -> ModelCard:
    return decode(ModelCard, json.loads(path.read_text(encoding="utf-8")))
