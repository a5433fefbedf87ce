"""A person's own images: one image gets the answer that it gets in any company, from every checkpoint, and a kept model
answers as the adaptation did."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import TRAINING, Pipeline
from tests.helpers import train_eval_with
from tests.running import Ran, class_tree, drawing, succeeding, task_folder, tnas
from tnas_cli.commands.predict import predict
from tnas_cli.errors import DataError
from tnas_cli.methods.registry import training_methods
from tnas_cli.records.kinds import Predicted
from tnas_cli.runs.events import Note

CLASSES = range(18, 21)


def answers(ran: Ran) -> dict[str, tuple[str, float]]:
    """Class and probability of every predicted image, by its file name."""
    (record, _) = ran.records
    return {Path(row["image"]).name: (row["class"], row["probability"]) for row in record["predictions"]}


@pytest.fixture(scope="module")
def kept(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A saved model, and what `tnas adapt` said when it was saved."""
    model = tmp_path_factory.mktemp("kept") / "cats and dogs.pt"
    return model, succeeding("adapt", pipeline.best, pipeline.task, "--save", model, *pipeline.here, "--json")


def test_one_image_gets_the_answer_that_it_gets_among_others(pipeline: Pipeline, tmp_path: Path) -> None:
    """Alone, and among the images of one class: to the last bit."""
    whole = task_folder(tmp_path / "whole", CLASSES, query=4, labelled=False)
    expected = answers(succeeding("adapt", pipeline.best, whole, *pipeline.here, "--json"))
    assert len(set(expected.values())) > 3
    names = sorted(expected)
    for number, some in enumerate((names[:1], names[5:6], names[:4], names[::-1])):
        part = tmp_path / f"part{number}"
        shutil.copytree(whole / "support", part / "support")
        (part / "query").mkdir()
        for name in some:
            shutil.copy(whole / "query" / name, part / "query" / name)
        found = answers(succeeding("adapt", pipeline.best, part, *pipeline.here, "--json"))
        assert found == {name: expected[name] for name in some}


def test_the_published_way_depends_on_the_others_and_says_where_that_is_doubtful(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    few = task_folder(tmp_path / "few", CLASSES, query=1)
    together = succeeding("adapt", pipeline.best, few, "--transductive", *pipeline.here, "--json")
    alone = succeeding("adapt", pipeline.best, few, *pipeline.here, "--json")
    assert [record["transductive"] for record in together.records] == [True, True]
    assert [record["transductive"] for record in alone.records] == [False, False]
    assert answers(together) != answers(alone)
    assert "3 query images for 3 classes are few for --transductive" in together.stderr
    assert "few for" not in alone.stderr
    uneven = task_folder(tmp_path / "uneven", CLASSES, query=4)
    for path in sorted((uneven / "query" / "c18").iterdir())[1:]:
        path.unlink()
    ran = succeeding("adapt", pipeline.best, uneven, "--transductive", *pipeline.here)
    assert "the classes have 1 to 4 query images" in ran.stderr
    assert "all query images together" in ran.stderr
    balanced = task_folder(tmp_path / "balanced", CLASSES, query=4)
    assert "warning" not in succeeding("adapt", pipeline.best, balanced, "--transductive", *pipeline.here).stderr


def test_tasks_of_a_data_set_are_answered_both_ways(pipeline: Pipeline) -> None:
    *tasks, result = pipeline.adapted.records
    assert result["transductive"] is True
    mean = sum(task["inductive_accuracy"] for task in tasks) / len(tasks)
    assert result["inductive"]["mean"] == pytest.approx(mean)
    shown = succeeding("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 2, *pipeline.here)
    assert "each image by itself (inductive)" in shown.stderr
    assert "all query images together (transductive)" in shown.stderr


def test_a_kept_model_answers_as_the_adaptation_did(pipeline: Pipeline, kept: tuple[Path, Ran]) -> None:
    model, adapted = kept
    expected = answers(adapted)
    *rows, result = succeeding("predict", model, pipeline.task / "query", "--threads", 1, "--json").records
    assert {Path(row["image"]).name: (row["class"], row["probability"]) for row in rows} == expected
    assert result["images"] == len(expected) == sum(result["classes"].values())
    assert result["left_out"] == []
    for row in rows:
        assert row["probability"] >= row["runner_up_probability"]
        assert row["class"] != row["runner_up"]
    content = torch.load(model, weights_only=True)
    assert set(content) == {"header", "tensors"}


def test_images_by_file_folder_pattern_and_list(
    pipeline: Pipeline, kept: tuple[Path, Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = kept
    photos = tmp_path / "my photos"
    (photos / "deeper").mkdir(parents=True)
    for number in range(3):
        drawing(18, 50 + number).save(photos / f"{number}.png")
    drawing(19, 50).save(photos / "deeper" / "x.jpg")
    (photos / "notes.txt").write_text("no image")
    (photos / "bad.png").write_bytes(b"no image either")
    monkeypatch.chdir(tmp_path)

    def names(*words: str | Path, stdin: str = "") -> list[str]:
        *rows, _ = succeeding("predict", model, *words, "--json", stdin=stdin).records
        return [row["image"] for row in rows]

    everything = succeeding("predict", model, "my photos", "--quiet", "--json")
    assert [row["image"] for row in everything.records[:-1]] == [
        f"my photos/{name}" for name in ("0.png", "1.png", "2.png", "deeper/x.jpg")
    ]
    left_out = {row["file"]: row["reason"] for row in everything.result["left_out"]}
    assert left_out.keys() == {"my photos/notes.txt", "my photos/bad.png"}
    assert "not an image" in left_out["my photos/bad.png"]
    assert "left out: images that cannot be read (1): my photos/bad.png" in everything.stderr, (
        "--quiet hides progress, not this"
    )
    assert names("my photos/[01].png") == ["my photos/0.png", "my photos/1.png"]
    assert names("my photos/0.png", photos / "0.png") == ["my photos/0.png"], "each image once"
    assert names("-", stdin="my photos/2.png\n\nmy photos/0.png\n") == ["my photos/2.png", "my photos/0.png"]


def test_csv_has_no_formulas(kept: tuple[Path, Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = kept
    monkeypatch.chdir(tmp_path)
    drawing(18, 50).save(tmp_path / "=1+1.png")
    drawing(18, 51).save(tmp_path / "[bold]plain, really.png")
    ran = succeeding("predict", model, ".", "--csv")
    rows = list(csv.reader(io.StringIO(ran.stdout)))
    assert rows[0] == ["image", "class", "probability", "runner-up", "its probability"]
    assert [row[0] for row in rows[1:]] == ["'=1+1.png", "[bold]plain, really.png"]
    shown = succeeding("predict", model, ".").stdout
    assert "[bold]plain, really.png" in shown


def test_sorting_copies_or_links_and_never_overwrites(kept: tuple[Path, Ran], tmp_path: Path) -> None:
    model, _ = kept
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        drawing(18, 50 + ord(folder)).save(tmp_path / folder / "same name.png")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    target = tmp_path / "sorted"
    first = succeeding("predict", model, tmp_path / "a", tmp_path / "b", "--sort-into", target, "--json")
    assert first.result["sorted_files"] == 2
    files = sorted(path for path in target.rglob("*") if path.is_file())
    assert len(files) == 2
    again = succeeding("predict", model, tmp_path / "a", tmp_path / "b", "--sort-into", target, "--json")
    assert again.result["sorted_files"] == 0
    assert sorted(path for path in target.rglob("*") if path.is_file()) == files
    assert {path: path.read_bytes() for path in before} == before
    assert {path.read_bytes() for path in files} == set(before.values())
    linked = tmp_path / "linked"
    succeeding("predict", model, tmp_path / "a", "--sort-into", linked, "--link")
    (link,) = (path for path in linked.rglob("*") if path.is_symlink())
    assert Path(os.path.realpath(link)) == (tmp_path / "a" / "same name.png").resolve()


def test_the_page_holds_everything_and_loads_nothing(kept: tuple[Path, Ran], tmp_path: Path) -> None:
    model, _ = kept
    for number in range(3):
        drawing(18, 50 + number).save(tmp_path / f"<b>{number}.png")
    (tmp_path / "bad.png").write_bytes(b"x")
    page = tmp_path / "out.html"
    ran = succeeding("predict", model, tmp_path, "--page", page, "--json")
    text = page.read_text()
    assert "default-src 'none'" in html.unescape(text)
    assert "http" not in text.replace("http-equiv", "")
    assert text.count('src="data:image/') == 3
    assert "&lt;b&gt;0.png" in text
    assert "<b>" not in text
    assert "bad.png" in text
    assert ran.result["page"] == str(page)
    assert f"{len(ran.result['classes'])} classes" in text
    shown = [float(part.split('"')[0]) for part in text.split('<meter min="0" max="1" value="')[1:]]
    by_class = {name: [row["probability"] for row in ran.records[:-1] if row["class"] == name]
                for name in ran.result["classes"]}  # fmt: skip
    assert shown == [value for name in by_class for value in sorted(by_class[name])]


@pytest.fixture(scope="module")
def runs(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of every kind that leaves weights behind, by what its network is called."""
    folder = tmp_path_factory.mktemp("runs")
    found = {"genotypes": Path(pipeline.trained.result["run"])}
    common = ("--dataset", "shapes", "--way", 3, "--shot", 1, *TRAINING, "--test-tasks", 2, *pipeline.here, "--json")
    for method in training_methods():
        ran = succeeding(*train_eval_with(method), *common, "--runs", folder)
        found[method] = Path(ran.result["run"])
    inherited = ("train-eval", "-", "--weights", "inherited", *TRAINING, "--runs", folder, *pipeline.here)
    found["inherited"] = Path(succeeding(*inherited, "--json", stdin=pipeline.decoded.stdout).result["run"])
    return found


KINDS = ("genotypes", *training_methods(), "inherited")


@pytest.mark.parametrize("kind", KINDS)
def test_any_trained_network_adapts_to_folders_of_any_way_and_shot(
    pipeline: Pipeline, runs: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    task = task_folder(tmp_path / "task", range(17, 22), shots=[1, 3, 2, 1, 1], query=3)
    model = tmp_path / "model.pt"
    ran = succeeding("adapt", "--from", runs[kind], task, "--save", model, *pipeline.here, "--json")
    record, result = ran.records
    assert (record["way"], record["shot"]) == (5, [1, 3, 2, 1, 1])
    assert result["training"] == {"genotypes": "maml", "inherited": "soft-pruning"}.get(kind, kind)
    assert result["mean"] == pytest.approx(sum(row["class"] == row["label"] for row in record["predictions"]) / 15)
    assert ("theta" in record and record["theta"] is not None) == (kind == "inherited")
    *rows, _ = succeeding("predict", model, task / "query", "--threads", 1, "--json").records
    found = {Path(row["image"]).name: (row["class"], row["probability"]) for row in rows}
    for name, (label, probability) in answers(ran).items():
        assert found[name] == (label, pytest.approx(probability, abs=1e-6))
    shown = succeeding("adapt", "--from", runs[kind], task, *pipeline.here)
    assert "each image by itself" in shown.stderr


@pytest.mark.parametrize("kind", ["maml", "protonets", "inherited"])
def test_any_trained_network_adapts_to_a_data_set(pipeline: Pipeline, runs: dict[str, Path], kind: str) -> None:
    arguments = ("adapt", "--from", runs[kind], "--dataset", "shapes", "--tasks", 3, *pipeline.here)
    *tasks, result = succeeding(*arguments, "--json").records
    assert len(tasks) == result["tasks"] == 3
    assert result["inductive"]["mean"] == pytest.approx(sum(task["inductive_accuracy"] for task in tasks) / 3)
    reported = succeeding("report", "-", stdin=succeeding(*arguments, "--json").stdout).stdout
    assert "adapted" in reported


def test_what_a_trained_network_measured_is_measured_again(pipeline: Pipeline, runs: dict[str, Path]) -> None:
    """The stored test tasks, both ways: `adapt` of the best.pt gives the numbers of the training's own result."""
    for kind in ("maml", "protonets"):
        run = runs[kind]
        (kept,) = (path for path in run.glob("*/result.json"))
        measured = torch.load(kept.parent / "best.pt", weights_only=True)
        assert "data" in measured["header"]
        *tasks, _ = succeeding("adapt", "--from", run, "-d", "shapes", "--tasks", 2, *pipeline.here, "--json").records
        reached = json.loads(kept.read_text())
        assert [task["accuracy"] for task in tasks] == pytest.approx(reached["accuracies"])
        assert [task["inductive_accuracy"] for task in tasks] == pytest.approx(reached["inductive"])


def test_steps_where_there_are_none(pipeline: Pipeline, runs: dict[str, Path]) -> None:
    for option in (("--steps", 3), ("--every-step",)):
        ran = tnas("adapt", "--from", runs["protonets"], pipeline.task, *option, *pipeline.here)
        assert ran.code == 2
        assert "protonets takes no inner steps" in ran.stderr


def test_a_trained_network_has_no_architecture_to_decode(pipeline: Pipeline, runs: dict[str, Path]) -> None:
    ran = succeeding("adapt", "--from", runs["maml"], pipeline.task, *pipeline.here, "--json")
    decoded = tnas("decode", "-", stdin=ran.stdout)
    assert decoded.code == 4
    assert "has no theta: 4conv-32 was trained, not searched" in decoded.stderr


def refused(*arguments: Any) -> Ran:
    ran = tnas(*arguments)
    assert ran.code in (2, 3, 4), (ran.code, ran.stderr)
    assert "unexpected" not in ran.stderr
    assert "hint:" in ran.stderr
    return ran


def test_what_is_refused(pipeline: Pipeline, kept: tuple[Path, Ran], tmp_path: Path) -> None:
    model, _ = kept
    task, best = pipeline.task, pipeline.best
    assert "an adapted model, not a meta-architecture" in refused("adapt", model, task).stderr
    assert "a meta-architecture, not an adapted model" in refused("predict", best, task).stderr
    assert "--save" in refused("adapt", best, task, "--save", tmp_path / "model.onnx").stderr
    assert "2 tasks are given" in refused("adapt", best, task, task, "--save", tmp_path / "m.pt").stderr
    assert "--transductive" in refused("adapt", best, task, "--transductive", "--save", tmp_path / "m.pt").stderr
    assert "--transductive" in refused("adapt", best, "-d", "shapes", "--transductive").stderr
    assert "no checkpoint is given" in refused("adapt").stderr
    assert "there is no run in" in refused("adapt", "--from", tmp_path / "nowhere", task).stderr
    (tmp_path / "empty").mkdir()
    assert "holds no finished network" in refused("adapt", "--from", tmp_path / "empty", task).stderr
    assert "does not exist" in refused("predict", model, tmp_path / "nowhere.png").stderr
    assert "nothing matches" in refused("predict", model, f"{tmp_path}/*.png").stderr
    assert "no image is among" in refused("predict", model, tmp_path / "empty").stderr
    assert "--link" in refused("predict", model, task, "--link").stderr
    assert "exclude each other" in refused("predict", model, task, "--csv", "--json").stderr
    assert "--page" in refused("predict", model, task, "--page", tmp_path / "page.pdf").stderr
    for folder in ("folder.html", "folder.pt"):
        (tmp_path / folder).mkdir()
    for arguments in (("predict", model, task, "--page", tmp_path / "folder.html"),
                      ("adapt", best, task, "--save", tmp_path / "folder.pt")):  # fmt: skip
        ran = tnas(*arguments)
        assert ran.code == 1
        assert ran.stdout == "", "refused before anything is answered"
        assert "it is a folder" in ran.stderr
    (tmp_path / "folder.pt").rmdir()
    assert not list(tmp_path.glob("*.pt"))


def test_a_model_of_an_older_or_damaged_file(kept: tuple[Path, Ran], tmp_path: Path) -> None:
    model, _ = kept
    content = torch.load(model, weights_only=True)
    for spoil in ("classes", "learned", "preparation"):
        header = json.loads(content["header"])
        del header["about"][spoil]
        torch.save({"header": json.dumps(header), "tensors": content["tensors"]}, tmp_path / "spoiled.pt")
        assert "does not describe its model" in refused("predict", tmp_path / "spoiled.pt", tmp_path).stderr
    first = next(name for name in content["tensors"] if name.startswith("member0/"))
    for change in ({}, {first: torch.zeros(1)}):
        tensors = {name: tensor for name, tensor in content["tensors"].items() if name != first} | change
        torch.save({"header": content["header"], "tensors": tensors}, tmp_path / "changed.pt")
        assert "has shape" in refused("predict", tmp_path / "changed.pt", tmp_path).stderr
    (tmp_path / "cut.pt").write_bytes(model.read_bytes()[:1000])
    assert "damaged" in refused("predict", tmp_path / "cut.pt", tmp_path).stderr


def test_a_page_is_written_when_the_work_ends_early(kept: tuple[Path, Ran], tmp_path: Path) -> None:
    """It has what was answered, and names the rest."""
    for number in range(4):
        drawing(18, 60 + number).save(tmp_path / f"{number}.png")
    page, answered, notes = tmp_path / "out.html", [], []

    def each(answer: Predicted) -> None:
        answered.append(answer)
        if len(answered) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(kept[0], [tmp_path], each=each, page=page, listener=notes.append)
    text = page.read_text()
    assert text.count('src="data:image/') == 2
    assert text.count("not answered: stopped") == 2
    assert Note(f"{page} shows what was answered") in notes


def test_images_of_the_same_name_are_told_apart_on_the_page(kept: tuple[Path, Ran], tmp_path: Path) -> None:
    model, _ = kept
    for folder in ("left", "right"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        drawing(18, 50).save(tmp_path / "photos" / folder / "1.png")
    succeeding("predict", model, tmp_path / "photos", "--page", tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    assert ">left/1.png<" in text
    assert ">right/1.png<" in text


def test_nothing_of_a_task_or_of_photos_is_left_out_in_silence(
    pipeline: Pipeline, kept: tuple[Path, Ran], tmp_path: Path
) -> None:
    task = task_folder(tmp_path / "task", CLASSES, query=1)
    first = sorted((task / "support" / "c18").iterdir())[0]
    shutil.copy(first, first.with_name("zz.png"))
    shutil.copy(first, task / "query" / "c18" / "seen.png")
    (task / "support" / "c18" / "notes.txt").write_text("x")
    ran = succeeding("adapt", pipeline.best, task, *pipeline.here, "--json", "--quiet")
    account = ran.records[0]["preparation"]["account"]
    whys = {one["why"]: one["count"] for one in account["noted"]}
    assert whys["images that are in their class already, left out"] == 1
    assert whys["query images that are support images too, answered"] == 1
    assert whys["files that are no images"] == 1
    for words in ("zz.png", "seen.png", "notes.txt"):
        assert words in ran.stderr, "--quiet hides progress, not this"
    more = succeeding("adapt", pipeline.best, task, *pipeline.here, "--json", "--keep-duplicates")
    shots = [record["shot"] for record in (ran.records[0], more.records[0])]
    assert sum(shots[1]) == sum(shots[0] if isinstance(shots[0], list) else [shots[0]] * len(CLASSES)) + 1
    model, _ = kept
    os.mkfifo(tmp_path / "pipe.png")
    refused = tnas("predict", model, tmp_path / "pipe.png")
    assert refused.code == 3 and "is not a regular file" in refused.stderr
    photos = tmp_path / "photos"
    photos.mkdir()
    drawing(18, 50).convert("RGBA").save(photos / "a.bmp")
    (photos / "lost.png").symlink_to("nowhere")
    (photos / ".hidden.png").write_text("x")
    told = succeeding("predict", model, photos, photos / "a.bmp", "--json", "--quiet")
    assert told.result["images"] == told.result["account"]["read"] == 1
    assert {one["why"] for one in told.result["account"]["noted"]} >= {
        "links that lead nowhere or in a circle",
        "hidden files or folders",
        "images that are named more than once, answered once",
    }
    assert {Path(one["file"]).name for one in told.result["left_out"]} == {"lost.png", ".hidden.png"}
    assert "lost.png" in told.stderr


def test_a_folder_that_cannot_be_used_does_not_keep_the_others_from_their_answers(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    good = [task_folder(tmp_path / name, CLASSES, query=1) for name in ("a", "c")]
    (tmp_path / "b" / "query").mkdir(parents=True)
    words = ("adapt", pipeline.best, good[0], tmp_path / "b", good[1], tmp_path / "d", *pipeline.here)
    ran = tnas(*words, "--json", "--quiet")
    assert ran.code == DataError.exit_code
    assert [record["task"]["folder"] for record in ran.records[:-1]] == list(map(str, good))
    assert ran.result["tasks"] == 2
    reasons = [f"{tmp_path}/b has no folder support/.", f"{tmp_path}/d does not exist."]
    assert [one["error"] for one in ran.result["set_aside"]] == reasons
    assert [one["name"] for one in ran.result["set_aside"]] == [f"{tmp_path}/b", f"{tmp_path}/d"]
    both = "; ".join(reason.rstrip(".") for reason in reasons)
    assert f"error: 2 of 4 tasks have no answer: {both}.\n" in ran.stderr
    alone = [succeeding("adapt", pipeline.best, folder, *pipeline.here, "--json").records[0] for folder in good]
    for one, other in zip(alone, ran.records[:-1], strict=True):  # tasks that are computed together round differently
        for image, same in zip(one["predictions"], other["predictions"], strict=True):
            assert image["image"] == same["image"] and image["class"] == same["class"]
            assert image["probability"] == pytest.approx(same["probability"], abs=1e-5)
    none = tnas("adapt", pipeline.best, tmp_path / "b", tmp_path / "d", *pipeline.here, "--json")
    assert (none.code, none.stdout) == (DataError.exit_code, "")
    assert f"error: none of the 2 task folders can be used: {both}.\n" in none.stderr


def test_what_became_of_the_files_is_said_before_an_error(
    pipeline: Pipeline, kept: tuple[Path, Ran], tmp_path: Path
) -> None:
    """A task, photos and a data set, each with a file that is no image, and an error after it."""
    task = task_folder(tmp_path / "task", CLASSES, query=1)
    (task / "support" / "c18" / "notes.txt").write_text("x")
    shutil.copy(sorted((task / "support" / "c18").glob("*.png"))[0], task / "support" / "c19" / "twin.png")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "notes.txt").write_text("x")
    classes = class_tree(tmp_path / "data", range(3), images=2)
    (classes / "c00" / "notes.txt").write_text("x")
    (classes / "c02" / "bad.png").write_text("x")
    calls: dict[str, tuple[str | Path, ...]] = {
        "the same picture in two classes": ("adapt", pipeline.best, task, *pipeline.here),
        "no image is among the 1 files": ("predict", kept[0], photos),
        "bad.png": ("prepare-data", "folder", "--source", tmp_path / "data", "--cache-dir", tmp_path / "cache"),
    }
    for why, words in calls.items():
        ran = tnas(*words, "--quiet")
        assert ran.code == DataError.exit_code
        told, error = ran.stderr.split("error: ")
        assert why in error and "left out: files that are no images (1): " in told and "notes.txt" in told
