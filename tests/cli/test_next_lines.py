"""Each `next:` line is pasted as it was printed, from the data to the report, wherever the data and the folders are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.pasting import HOSTILE, next_line, pasted, words_of
from tests.running import Ran, class_tree, succeeding, task_folder, tnas, unfinished
from tnas_cli.commands.next_steps import after_data, after_search
from tnas_cli.commands.prepare_data import prepare_data
from tnas_cli.records.reading import parse
from tnas_cli.records.results import SearchResult
from tnas_cli.report.reproduce import reproduce
from tnas_cli.report.source import read_sources

MACHINE = ("--threads", 1, "--device", "cpu")
SHORT = ("--tasks", 4, "--validate-every", 2, "--validation-tasks", 2, "--meta-batch", 2, "--channels", 4)
SHORT_TRAINING = (*SHORT, "--test-tasks", 4, "--limit", 1)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a name that shells and terminals take for something else."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TNAS_CACHE", raising=False)
    return folder


def _nine_classes() -> Path:
    """A folder of nine classes of six images: three classes for each split."""
    return class_tree(Path(HOSTILE), range(9), images=6)


def _prepared(*where: str | Path) -> Ran:
    Path(f"{HOSTILE}-cache").mkdir()  # $HOME in the name of a folder that is not there is the home folder
    source = f"./{_nine_classes()}"
    split = ("--split", "34/33/33")
    return succeeding("prepare-data", "folder", "--source", source, "--name", "mine", "--size", 20, *split, *where)


def in_a_folder() -> str:
    """A search on data in a folder that --cache-dir names."""
    return next_line(_prepared("--cache-dir", f"./{HOSTILE}-cache"))


def in_a_file() -> str:
    """A search on a cache that is given by its file."""
    _prepared("--cache-dir", f"./{HOSTILE}-cache")
    made = Path(f"./{HOSTILE}-cache", "mine-classes-20.h5")
    shutil.move(made, Path(f"{HOSTILE}.h5"))
    return f"tnas search -d $'./{HOSTILE.replace(chr(39), chr(92) + chr(39))}.h5' --way 3 --shot 1 --query 5"


def of_the_environment() -> str:
    """A search on data in a folder that TNAS_CACHE named while it was prepared, and no longer does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TNAS_CACHE", f"./{HOSTILE}-cache")
        return next_line(_prepared())


@pytest.mark.parametrize("place", [in_a_folder, in_a_file, of_the_environment])
def test_each_next_line_works_when_it_is_pasted(hostile: Path, place: Callable[[], str]) -> None:
    searched = pasted(place(), *SHORT, *MACHINE, "--runs", f"./{HOSTILE}")
    adapted = pasted(next_line(searched), "--tasks", 2, *MACHINE)
    decoded = pasted(next_line(adapted))
    trained = pasted(next_line(decoded), *SHORT_TRAINING, *MACHINE, "--runs", f"./{HOSTILE}")
    reported = pasted(next_line(trained))
    assert "mine (classes split), 3-way 1-shot" in reported.stdout
    assert "next:" not in reported.stderr


def test_a_search_with_seeds_and_one_that_was_resumed_say_how_to_go_on(hostile: Path) -> None:
    line = in_a_folder()
    searched = pasted(line, *SHORT, *MACHINE, "--seeds", 2)
    assert pasted(next_line(searched), "--tasks", 2).code == 0
    again = succeeding("resume", unfinished("runs/search-mine-3w1s-t-nas-1"))
    assert pasted(next_line(again), "--tasks", 2).code == 0
    assert "searched 4 tasks, 0 of them since it was resumed, in" in again.stderr


def test_what_continues_a_stopped_run_can_be_pasted(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    line = in_a_folder()
    with monkeypatch.context() as patch:
        patch.setattr("tnas_cli.recipes.search.SearchWork._result", stop)
        stopped = tnas(*words_of(line)[0], *SHORT, *MACHINE, "--runs", f"./{HOSTILE}")
    assert stopped.code == 130
    hint = stopped.stderr.splitlines()[-1].removeprefix("hint: continue with: ")
    assert "validation accuracy" in pasted(hint).stderr


def test_too_few_classes_are_not_told_to_search(hostile: Path) -> None:
    class_tree(Path("three"), range(3))
    three = succeeding("prepare-data", "folder", "--source", "three", "--size", 20, "--cache-dir", "cache")
    assert "next:" not in three.stderr
    class_tree(Path("single"), range(9), images=1)
    single = succeeding("prepare-data", "folder", "--source", "single", "--size", 20, "--cache-dir", "cache")
    assert "next:" not in single.stderr


def test_a_cache_of_another_size_is_named_by_its_file(hostile: Path) -> None:
    for size in (20, 24):
        made = _prepared_again(size)
    assert ".h5" in next_line(made)
    assert pasted(next_line(made), "--dry-run", *SHORT[:6], *MACHINE).code == 0


def _prepared_again(size: int) -> Ran:
    if not Path(HOSTILE).exists():
        _nine_classes()
    source = ("--source", f"./{HOSTILE}", "--name", "mine", "--size", size, "--split", "34/33/33")
    return succeeding("prepare-data", "folder", *source, "--cache-dir", "cache")


def test_a_kept_model_and_a_task_folder(pipeline: Pipeline, hostile: Path) -> None:
    task = task_folder(Path(HOSTILE), range(3))
    kept = succeeding("adapt", pipeline.best, f"./{task}", "--save", "./-my $model.pt", *MACHINE)
    predicted = pasted(next_line(kept))
    assert "6 images" in predicted.stderr
    shown = succeeding("adapt", pipeline.best, "--steps", 2, f"./{task}", *MACHINE)
    assert "--steps 2" in next_line(shown)
    assert "Genotype(" in pasted(next_line(shown)).stdout


def test_genotypes_in_a_file_go_to_a_training(pipeline: Pipeline, hostile: Path) -> None:
    Path(f"{HOSTILE}.jsonl").write_text(pipeline.adapted.stdout)
    decoded = succeeding("decode", f"./{HOSTILE}.jsonl", "--max-skips", 1)
    trained = pasted(next_line(decoded), *SHORT_TRAINING, *MACHINE)
    assert "--max-skips 1" in next_line(decoded)
    assert pasted(next_line(trained)).code == 0


def test_seeds_of_a_training_are_reported_together(pipeline: Pipeline, hostile: Path) -> None:
    words = ("--dataset", "shapes", "--way", 3, "--shot", 1, "--query", 2, "--cache-dir", pipeline.cache)
    trained = succeeding("train-eval", "4conv", *words, *SHORT[:8], "--test-tasks", 4, "--seeds", 2, *MACHINE)
    assert next_line(trained).count("runs/") == 2
    assert pasted(next_line(trained)).code == 0


def test_a_model_and_its_example(hostile: Path) -> None:
    listed = succeeding("models")
    made = pasted(next_line(listed))
    assert pasted(next_line(made)).code == 0


def _hint(*arguments: object, code: int = 2) -> str:
    """The hint of a command that fails."""
    ran = tnas(*arguments)
    assert ran.code == code, ran.stderr
    return ran.stderr.splitlines()[-1].removeprefix("hint: ")


def test_a_hint_about_classes_and_images_is_not_refused_in_turn(hostile: Path) -> None:
    cache = ("--cache-dir", "cache")
    class_tree(Path("data/train"), range(4), images=6)
    class_tree(Path("data/val"), range(4, 7), images=5)
    class_tree(Path("data/test"), range(7, 9), images=4)
    made = succeeding("prepare-data", "folder", "--source", "data", "--name", "few", "--size", 20, *cache)
    assert "--way 2 --shot 1 --query 3" in next_line(made)
    search = ["search", "--dataset", "few", *cache, *SHORT, *MACHINE, "--dry-run"]
    for expected in ("--way 3", "--query 4"):
        hint = _hint(*search)
        assert hint.startswith(f"add {expected}")
        search += hint.removeprefix("add ").split(", or ")[0].split()
    assert tnas(*search).code == 0
    assert _hint(*search[:-2], "--shot", 7) == "add --shot 4 --query 1"
    assert tnas(*search[:-2], "--shot", 4, "--query", 1).code == 0


def test_hints_with_a_users_own_words_can_be_pasted(pipeline: Pipeline, hostile: Path) -> None:
    shutil.copytree(pipeline.best.parent, HOSTILE)
    folder = f"./{HOSTILE}"
    asked = _hint("adapt", folder, pipeline.task, code=4)
    assert asked.startswith("did you mean ")
    ((word,),) = words_of(f"tnas {asked.removeprefix('did you mean ').removesuffix('?')}")
    assert Path(word).is_file()
    example = _hint("adapt", f"{folder}/best.pt").removeprefix("for example: ")
    assert words_of(example) == [["adapt", f"./{HOSTILE}/best.pt", "TASK"]]
    for copy in Path(HOSTILE).glob("*.pt"):
        copy.unlink()
    for finished in ("result.json", "searched.json"):
        Path(HOSTILE, finished).unlink()
    unfinished_run = _hint("adapt", "--from", folder, pipeline.task, code=4)
    resumed = unfinished_run.removeprefix("finish the run first: ")
    assert words_of(resumed)[0][0] == "resume"
    assert Path(words_of(resumed)[0][1]).is_dir()
    assert pasted(resumed).code == 0


def test_the_commands_of_a_page_can_be_pasted(pipeline: Pipeline, hostile: Path) -> None:
    Path(HOSTILE).mkdir()
    for run in (pipeline.searched.result["run"], pipeline.trained.result["run"]):
        (source,) = read_sources([run]).read
        prepare, again = reproduce(source).lines
        assert "already prepared" in pasted(prepare).stderr
        done = pasted(again, "--runs", f"./{HOSTILE}")
        assert next_line(done)


def test_nothing_is_said_where_the_data_is_gone(pipeline: Pipeline, tmp_path: Path) -> None:
    prepared = prepare_data("glyphs", root=tmp_path)
    assert after_data(prepared, tmp_path) is not None
    Path(prepared.path).unlink()
    assert after_data(prepared, tmp_path) is None
    searched = parse(pipeline.searched.result)
    assert isinstance(searched, SearchResult)
    shutil.copytree(Path(searched.run), tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    assert after_search(replace(searched, checkpoint=str(tmp_path / "run" / "best.pt"))) is None
