"""Wrong inputs: how one is described and checked, and the makers of broken files."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest
import torch

from tests.conftest import SEARCH, Pipeline
from tests.helpers import AUTO_MAML_1SHOT
from tests.running import Argument, Ran, class_tree, task_folder, tnas


@dataclass(frozen=True)
class Wrong:
    """A wrong input: the exit code, words of the message, and how to make its arguments."""

    code: int
    words: tuple[str, ...]
    arguments: Callable[[Pipeline, Path], tuple[Argument, ...]]
    stdin: str = ""


def searching(p: Pipeline, folder: Path, *options: Argument) -> tuple[Argument, ...]:
    """A tiny search; later options win."""
    return ("search", *SEARCH, "--runs", folder / "runs", *p.here, *options)


def adapting(p: Pipeline, checkpoint: Path) -> tuple[Argument, ...]:
    """Adapting a checkpoint to the pipeline's task folder."""
    return ("adapt", checkpoint, p.task, *p.here)


def preparing(folder: Path, source: Path, *options: Argument) -> tuple[Argument, ...]:
    """Preparing a folder of classes."""
    return ("prepare-data", "folder", "--source", source, "--name", "mine", "--cache-dir", folder / "cache", *options)


def prepared_again(p: Pipeline) -> tuple[Argument, ...]:
    """What the pipeline prepared, unchanged."""
    return ("folder", "--source", p.folder / "shapes", "--size", 20, "--cache-dir", p.cache)


def cut(original: Path, copy: Path, keep: float = 0.5) -> Path:
    """A copy without its end."""
    data = original.read_bytes()
    copy.write_bytes(data[: int(len(data) * keep)])
    return copy


def cache_of(p: Pipeline) -> Path:
    """The pipeline's prepared data set."""
    return Path(p.prepared.result["path"])


def written(path: Path, text: str) -> Path:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def foreign_hdf5(folder: Path) -> Path:
    """An HDF5 file of another program."""
    with h5py.File(folder / "foreign.h5", "w") as file:
        file["images"] = [1, 2, 3]
    return folder / "foreign.h5"


def newer_hdf5(p: Pipeline, folder: Path) -> Path:
    """A cache as a later version may write it."""
    path = folder / "newer.h5"
    shutil.copy(cache_of(p), path)
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = 99
    return path


def changed_checkpoint(p: Pipeline, folder: Path, **changes: object) -> Path:
    """A checkpoint whose header says something else."""
    content = torch.load(p.best, weights_only=True)
    header = json.loads(content["header"]) | changes
    torch.save({"header": json.dumps(header), "tensors": content["tensors"]}, folder / "changed.pt")
    return folder / "changed.pt"


class Payload:
    """An object whose unpickling writes the file 'executed' into the current folder."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def pickle_in_a_checkpoint(folder: Path) -> Path:
    """Code, packed as torch.save packs checkpoints."""
    torch.save({"header": Payload(), "tensors": {}}, folder / "code.pt")
    return folder / "code.pt"


def bare_pickle(folder: Path) -> Path:
    """Code as a plain pickle."""
    (folder / "code.pt").write_bytes(pickle.dumps(Payload()))
    return folder / "code.pt"


def genotype(folder: Path, old: str, new: str) -> Path:
    """A published genotype with one thing changed."""
    return written(folder / "genotype.txt", AUTO_MAML_1SHOT.to_darts().replace(old, new, 1))


def images(folder: Path, classes: int, per_class: int = 4) -> Path:
    """A folder of class folders."""
    return class_tree(folder / "images", range(classes), images=per_class)


def one_file_wrong(tree: Path, wrong: Callable[[Path], object]) -> Path:
    """The tree with its first image spoilt."""
    wrong(sorted(tree.rglob("*.png"))[0])
    return tree


def with_folder(tree: Path, name: str) -> Path:
    """The tree with one more, empty, folder."""
    (tree / name).mkdir(parents=True)
    return tree


def cut_zip(folder: Path) -> Path:
    """A zip of images that ends too early."""
    tree = images(folder, 4)
    with zipfile.ZipFile(folder / "whole.zip", "w") as archive:
        for path in tree.rglob("*.png"):
            archive.write(path, path.relative_to(tree))
    return cut(folder / "whole.zip", folder / "cut.zip")


def linked_tar(folder: Path) -> Path:
    """An archive that holds a link."""
    with tarfile.open(folder / "linked.tar", "w") as archive:
        member = tarfile.TarInfo("a/0.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return folder / "linked.tar"


def escaping_zip(folder: Path) -> Path:
    """An archive with a file that would lie outside of it."""
    with zipfile.ZipFile(folder / "escaping.zip", "w") as archive:
        archive.writestr("../executed", "evil")
    return folder / "escaping.zip"


def code_as_cifar(folder: Path) -> Path:
    """CIFAR-100's folder with code in place of its images."""
    cifar = folder / "cifar-100-python"
    cifar.mkdir()
    for part in ("train", "test"):
        (cifar / part).write_bytes(pickle.dumps({b"data": Payload()}))
    return cifar


def class_in_two_splits(folder: Path) -> Path:
    """Class folders by split; one class is in two splits."""
    for split, numbers in (("train", range(3)), ("val", range(2, 5)), ("test", range(5, 8))):
        class_tree(folder / "images" / split, numbers, images=1)
    return folder / "images"


def without_support(folder: Path) -> Path:
    """A task folder with nothing but query images."""
    task = task_folder(folder / "task", range(3))
    shutil.rmtree(task / "support")
    return task


def unfinished_copy(p: Pipeline, folder: Path) -> Path:
    """A copy of the search's run, as if it had been stopped at its end."""
    copy = Path(shutil.copytree(p.searched.result["run"], folder / "copy"))
    (copy / "result.json").unlink()
    return copy


def check(ran: Ran, code: int, words: tuple[str, ...]) -> None:
    """Checks for one paragraph on stderr that contains `words`, a hint after it, and no data."""
    assert ran.code == code, ran.stderr
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert "unexpected" not in ran.stderr
    lines = ran.stderr.splitlines()
    assert [line for line in lines if line.startswith("error: ")], ran.stderr
    assert lines[-1].startswith("hint: "), ran.stderr
    assert lines[-1] != "hint: "
    for word in words:
        assert word in ran.stderr, ran.stderr


def run_wrong(wrong: Wrong, pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a wrong input inside `folder`: it is refused, nothing in it is executed, and no half-written file is left."""
    monkeypatch.chdir(folder)
    arguments = wrong.arguments(pipeline, folder)
    check(tnas(*arguments, stdin=wrong.stdin), wrong.code, wrong.words)
    assert not (folder / "executed").exists()
    assert not list(folder.rglob("*.part"))
