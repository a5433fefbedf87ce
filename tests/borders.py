"""Lets each call of the system fail while each command works, and looks at what the command makes of it.

    python tests/borders.py                     every call of every command, with one error each: half an hour
    python tests/borders.py --tries 200         so many of them, drawn with --seed
    python tests/borders.py --errors all        with every error

A library in C stands in front of the system's functions (failing_calls.c), so HDF5 and PyTorch meet them too. A command
may do without what failed. Otherwise it ends with the documented code and a message that names a file; what was there
before is whole, and nothing half is left.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("failing_calls.c")
KINDS = ("open", "create", "read", "write", "fsync", "rename", "mkdir", "flock")
ERRORS = {
    "open": ("EACCES", "EIO", "EMFILE", "ENAMETOOLONG"),
    "create": ("ENOSPC", "EACCES", "EROFS", "EIO", "EMFILE", "ENAMETOOLONG"),
    "read": ("EIO",),
    "write": ("ENOSPC", "EIO", "EDQUOT", "EFBIG"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("ENOSPC", "EACCES", "EROFS", "EIO"),
    "mkdir": ("ENOSPC", "EACCES", "EROFS", "ENAMETOOLONG"),
    "flock": ("ENOLCK", "EOPNOTSUPP", "EIO"),
}
#: What is in a file before the command writes it anew.
EARLIER = b"what was there before"


@dataclass(frozen=True)
class Failure:
    """The `at`-th call of a kind fails with an error; or, of kind 'space', the `at`-th file takes `room` bytes."""

    command: str
    kind: str
    at: int
    error: str = ""
    room: int = 0

    def arm(self, library: ctypes.CDLL) -> None:
        if self.kind == "space":
            library.failing_space(self.at, ctypes.c_long(self.room))
        elif self.kind:
            library.failing_call(KINDS.index(self.kind), self.at, getattr(errno, self.error))


@dataclass(frozen=True)
class Ended:
    """How a command ended, its calls of each kind, and the sizes of the files that it made."""

    code: int
    stdout: str
    stderr: str
    counts: tuple[int, ...]
    sizes: tuple[int, ...]


Arguments = list[str | Path | int]
Command = Callable[[Path, Path], Arguments]

DATA: Arguments = ["--dataset", "shapes"]
HERE: Arguments = ["--threads", 1, "--device", "cpu", "--engine", "torch"]


def _adapt(given: Path, work: Path) -> Arguments:
    return ["adapt", given / "best.pt", given / "task", "--save", _earlier(work / "out.pt"), *HERE, "--json"]


def _earlier(path: Path) -> Path:
    path.write_bytes(EARLIER)
    return path


def _resumed(given: Path, work: Path) -> Arguments:
    shutil.copytree(given / "unfinished", work / "run")
    return ["resume", work / "run", *HERE]


def commands(tiny: tuple[Arguments, Arguments]) -> dict[str, Command]:
    """Every command that reads and writes files, on the tiny pipeline in `given`, writing into `work`."""
    search, training = tiny

    def cached(given: Path) -> Arguments:
        return ["--cache-dir", given / "cache", *HERE]

    return {
        "prepare-data": lambda g, w: ["prepare-data", "folder", "--source", g / "shapes", "--cache-dir", w / "cache"],
        "search": lambda g, w: ["search", *search, "--runs", w / "runs", *cached(g)],
        "resume": _resumed,
        "train-eval": lambda g, w: ["train-eval", g / "one.jsonl", *training, "--runs", w / "runs", *cached(g)],
        "adapt": _adapt,
        "adapt --dataset": lambda g, w: ["adapt", g / "best.pt", "-d", "shapes", "--tasks", 2, *cached(g), "--json"],
        "decode -p": lambda g, w: ["decode", "DARTS_V2", "-p", _earlier(w / "out.svg")],
        "decode -m": lambda g, w: ["decode", g / "adapted.jsonl", "-m", w / "out.py"],
        "report -o": lambda g, w: ["report", g / "runs", "-o", _earlier(w / "out.md")],
        "report --html": lambda g, w: ["report", g / "runs", "--html", _earlier(w / "out.html"), *cached(g)[:2]],
        "predict --page": lambda g, w: ["predict", g / "model.pt", g / "query", "--page", _earlier(w / "out.html")],
        "predict --sort-into": lambda g, w: [
            "predict",
            g / "model.pt",
            g / "query",
            "--sort-into",
            w / "sorted",
            "--csv",
        ],
        "export": lambda g, w: ["export", g / "model.pt", _earlier(w / "out.pt2")],
        "models --example": lambda g, w: ["models", "--example", w / "example"],
    }


def attempt(library: ctypes.CDLL, root: Path, command: Command, failure: Failure) -> Ended:
    """Run the command in a process of its own, with the failure."""
    from tests.running import tnas

    arguments = command(root / "given", root / "work")
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        try:
            library.failing_watch(str(root).encode())
            failure.arm(library)
            ran = tnas(*arguments)
            sizes = tuple(library.failing_size(n + 1) for n in range(library.failing_files()))
            counts = tuple(library.failing_count(n) for n in range(len(KINDS)))
            library.failing_watch(b"")
            with os.fdopen(theirs, "wb") as pipe:
                pickle.dump(Ended(ran.code, ran.stdout, ran.stderr, counts, sizes), pipe)
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(data) if data else Ended(-1, "", "the process died", (), ())


def problem(root: Path, failure: Failure, ended: Ended) -> str | None:
    """What is wrong with how the command ended; None if nothing is."""
    left = [path for path in root.rglob("*") if path.suffix in (".part", ".lock", ".owner")]
    if left:
        return f"left: {left}"
    for path in (root / "work").glob("out.*"):
        if ended.code != 0 and path.read_bytes() != EARLIER and "-" not in path.stem:
            # A command may fail after the file is whole: its folder could not be flushed, or a later one written.
            if failure.kind in ("fsync", "open") and path.stat().st_size > 100:
                continue
            if f"{path} shows what was answered" in ended.stderr:  # to the images that could be read
                continue
            return f"{path.name} is no longer what it was"
    if ended.code == 0:
        return None
    if "unexpected" in ended.stderr or "Traceback" in ended.stderr or "\nhint: " not in ended.stderr:
        return "not an error of ours"
    if str(root) not in ended.stderr:
        return "no file is named"
    message = ended.stderr[ended.stderr.index("error: ") :]
    if "cannot write" in message:
        return None if ended.code == 1 else f"code {ended.code}"
    if failure.kind in ("open", "read") and ended.code in (3, 4):
        return None if "delete" not in message and "damaged" not in message.split("hint:")[0] else "blames the file"
    return f"code {ended.code}"


def failures(name: str, calm: Ended, errors: str) -> Iterator[Failure]:
    """Everything that can fail, by what the command does when nothing fails."""
    for kind, count in zip(KINDS, calm.counts, strict=True):
        for at in range(1, count + 1):
            some = ERRORS[kind] if errors == "all" else (ERRORS[kind][at % len(ERRORS[kind])],)
            yield from (Failure(name, kind, at, error) for error in some)
    for at, size in enumerate(calm.sizes, start=1):
        yield from (Failure(name, "space", at, room=room) for room in sorted({0, size // 2, size - 1}) if room < size)


def prepare(root: Path) -> None:
    """The tiny pipeline: a data set, a search, adapted records, a genotype, a kept model, runs to report."""
    from tests.killing.jobs import SEARCH, TESTING, TRAINING
    from tests.running import class_tree, succeeding, task_folder, unfinished

    given = root / "given"
    for split, numbers in (("train", range(9)), ("val", range(9, 12)), ("test", range(12, 15))):
        class_tree(given / "shapes" / split, numbers, images=4)
    here = ("--cache-dir", given / "cache", *HERE)
    succeeding("prepare-data", "folder", "--source", given / "shapes", "--size", 20, "--cache-dir", given / "cache")
    best = succeeding("search", *DATA, *SEARCH, "--runs", given / "runs", *here, "--json").result["checkpoint"]
    shutil.copy(best, given / "best.pt")
    adapted = succeeding("adapt", best, *DATA, "--tasks", 2, *here, "--json").stdout
    (given / "adapted.jsonl").write_text(adapted)
    decoded = succeeding("decode", "-", "--json", stdin=adapted).stdout.splitlines()
    (given / "one.jsonl").write_text(decoded[0] + "\n")
    succeeding("train-eval", given / "one.jsonl", *TRAINING, *TESTING, "--runs", given / "runs", *here)
    task_folder(given / "task", range(12, 14))
    succeeding("adapt", best, given / "task", "--save", given / "model.pt", *HERE)
    (given / "query").symlink_to(given / "task" / "query")
    shutil.copytree(Path(best).parent, given / "unfinished")
    unfinished(given / "unfinished")
    succeeding("export", given / "model.pt", given / "warm.pt2")  # what is loaded now need not be loaded again
    succeeding("decode", "DARTS_V2", "-p", given / "warm.svg")
    succeeding("report", given / "runs", "--html", given / "warm.html", "--cache-dir", given / "cache")


def run(root: Path, library: ctypes.CDLL, tries: int | None, seed: int, errors: str, only: str | None) -> int:
    """Try them; returns how many were handled wrongly."""
    from tests.killing.jobs import SEARCH, TESTING, TRAINING

    prepare(root)
    known = {
        name: one for name, one in commands(([*DATA, *SEARCH], [*TRAINING, *TESTING])).items() if only in (None, name)
    }
    wanted: list[Failure] = []
    for name, command in known.items():
        _empty(root / "work")
        calm = attempt(library, root, command, Failure(name, "", 0))
        if calm.code != 0:
            print(f"{name} fails by itself: {calm.stderr}")
            return 1
        wanted += failures(name, calm, errors)
    all_of_them = len(wanted)
    if tries is not None and tries < all_of_them:
        wanted = random.Random(seed).sample(wanted, tries)
    print(f"{len(wanted)} of {all_of_them} failures to try", flush=True)
    wrong, codes = 0, []
    for failure in wanted:
        _empty(root / "work")
        ended = attempt(library, root, known[failure.command], failure)
        codes.append(ended.code)
        if (why := problem(root, failure, ended)) is not None:
            wrong += 1
            print(f"{failure}: {why}\n    {ended.stderr.strip()[-600:]}", flush=True)
    counts = {code: codes.count(code) for code in sorted(set(codes))}
    print(f"{len(codes)} failures tried, {wrong} handled wrongly; exit codes: {counts}")
    return wrong


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def build(folder: Path) -> Path | None:
    """The library, or None where there is no compiler for it."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "failing_calls.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--errors", choices=("one", "all"), default="one")
    parser.add_argument("--only", help="one command, such as 'report -o'")
    wanted = parser.parse_args()
    loaded = os.environ.get("TNAS_FAILING_CALLS")
    with tempfile.TemporaryDirectory() as folder:
        if loaded is None:
            library = build(Path(folder))
            if library is None:
                sys.exit("a C compiler and Linux are needed")
            again = {"LD_PRELOAD": str(library), "TNAS_FAILING_CALLS": str(library), "OMP_NUM_THREADS": "1"}
            sys.exit(subprocess.run([sys.executable, *sys.argv], env=os.environ | again).returncode)
        sys.path.insert(0, str(Path(__file__).parent.parent))
        root = Path(folder).resolve() / "root"
        root.mkdir()
        wrong = run(root, ctypes.CDLL(loaded), wanted.tries, wanted.seed, wanted.errors, wanted.only)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
