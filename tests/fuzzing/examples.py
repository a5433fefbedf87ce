"""Good examples of each kind of file, made by tnas itself: what is changed, and the files that lie beside it."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.episodes.small_data import python2_pickle, small_cache
from tests.fuzzing import bytewise, containers, texts
from tests.records.examples import EVERY
from tests.report.kept import a_trained_run, an_adaptation
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import to_checkpoint
from tnas_cli.methods.t_nas import search_network
from tnas_cli.records.parts import DataFacts
from tnas_cli.records.writing import line
from tnas_cli.runs import checkpoint, shipped
from tnas_cli.settings.file import COMMANDS
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

#: A search whose checkpoint has few tensors.
SMALL = SearchSettings(dataset="shapes", way=3, shot=1, channels=2, space="tiny", nodes=2)

Change = Callable[[bytes, bytes, Random], bytes]


@dataclass(frozen=True)
class Example:
    """The file `name` with good content, how it may be changed, which reader gets it, and the files beside it."""

    name: str
    content: bytes
    reader: str
    change: Change = bytewise.changed
    beside: dict[str, bytes] = field(default_factory=dict)


def _textwise(change: Callable[[str, Random], str]) -> Change:
    """A change of a text, or, one time in four, of its bytes."""

    def changed(data: bytes, other: bytes, random: Random) -> bytes:
        if random.random() < 0.25:
            return bytewise.changed(data, other, random)
        return change(data.decode(), random).encode("utf-8", "surrogatepass")

    return changed


JSON, TOML, PYTHON, CSV = map(
    _textwise, (texts.changed_json, texts.changed_toml, texts.changed_python, texts.changed_csv)
)


def caches() -> list[Example]:
    """Gray and coloured, with evaluation tables and without."""
    counts = {"train": [3, 2], "val": [2], "test": [17, 16, 18, 16, 16]}
    few = {"train": [2], "val": [1], "test": [2]}
    with tempfile.TemporaryDirectory() as folder:
        made = [
            small_cache(Path(folder) / "a.h5", counts).path,
            small_cache(Path(folder) / "b.h5", few, channels=3).path,
        ]
        return [Example("input.h5", path.read_bytes(), "cache", containers.changed_cache) for path in made]


def checkpoints() -> list[Example]:
    """One that can be resumed, with an optimiser; a shipped one; and a kept model."""
    data = DataFacts(
        dataset="shapes", protocol="classes", size=20, channels=1, mean=(0.0,), std=(1.0,), fingerprint="ab"
    )
    settings = SMALL
    network, method = search_network(settings, 1), search_method(settings.method)
    state = method.start(network, settings, torch.device("cpu"))
    for tensor in state.parameters.values():
        tensor.grad = torch.ones_like(tensor)
    state.optimiser.step()
    about = {"settings": settings.to_dict(), "data": data.to_json(), "engine": "torch", "run": "runs/search-1"}
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "last.pt"
        checkpoint.save(last, to_checkpoint(checkpoint.META_ARCHITECTURE, state, about))
        resumable = last.read_bytes()
        parameters = {f"parameters/{name}": tensor for name, tensor in state.parameters.items()}
        learned = to_checkpoint(checkpoint.META_ARCHITECTURE, state, about)
        checkpoint.save(last, checkpoint.Checkpoint(learned.kind, learned.about, parameters))
        best = last.read_bytes()
    trained = (shipped.FOLDER / "omniglot-5w1s.pt").read_bytes()
    kept = _kept_model()
    return [
        Example("input.pt", content, reader, containers.changed_checkpoint)
        for content, reader in (
            *((best, reader) for reader in ("learned", "learned", "decoded", "exported")),
            *((resumable, "restored"), (resumable, "restored")),
            *((trained, "learned"), (trained, "decoded"), (kept, "model")),
        )
    ]


def _kept_model() -> bytes:
    from tnas_cli.commands.adapt import adapt_folders
    from tnas_cli.episodes.example_task import write_example

    with tempfile.TemporaryDirectory() as folder:
        write_example(Path(folder) / "task")
        adapt_folders("omniglot-5w1s", [Path(folder) / "task"], save=Path(folder) / "kept.pt")
        return (Path(folder) / "kept.pt").read_bytes()


def _run_file() -> bytes:
    machine = {"device": "cpu", "threads": 1, "engine": "torch", "cache_root": None, "tensorboard": False}
    settings = SearchSettings(dataset="nowhere", way=3, shot=1)
    values = {"version": 2, "kind": "search", "settings": settings.to_dict(), "options": {}, "fingerprint": "ab"}
    more = {"machine": machine | {"allow_other_data": False}, "argv": ["tnas", "search"], "package_version": "0.2.0"}
    return json.dumps(values | more).encode()


def records() -> list[Example]:
    """Lines of every kind of record, of this version and the first; and the files of run folders."""
    every = "".join(map(line, EVERY)).encode()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a_trained_run(folder / "a", (3, [0.5, 0.75, 1.0]), (1, [0.25, 0.5, 0.75]))
        a_trained_run(folder / "b", (2, [0.5, 0.5, 1.0]))
        adapted = an_adaptation(folder / "adapted.jsonl", [0.5, 0.75, 1.0]).read_bytes()
        run = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run["a/run.json"], run["a/settings.toml"] = _run_file(), TrainSettings(dataset="nowhere").to_toml().encode()
    run["a/environment.json"] = b'{"package_version": "0.2.0", "device": "cpu", "threads": 2}'
    found = [
        Example("input.jsonl", content, reader, JSON)
        for content in (every, adapted)
        for reader in (
            *["found"] * 24,
            *["decoded"] * 2,
            "table",
            "formats",
            "decoded",
            "cited",
            "page",
        )  # a page takes a second
    ]
    for name in run:
        beside = {other: content for other, content in run.items() if other != name}
        for reader in ("found run", "found run", "run", "compared") if name.startswith("a/") else ("compared",):
            found.append(Example(name, run[name], reader, TOML if name.endswith(".toml") else JSON, beside))
    result = json.dumps({"event": "result", **json.loads(run["a/events.jsonl"])}).encode()
    found.append(Example("a/run.json", run["a/run.json"], "resumed", JSON, run))
    found.append(Example("a/result.json", result, "resumed", JSON, run))
    return found


def genotypes() -> list[Example]:
    """As DARTS prints them, in modules and logs, as JSON and as records."""
    from tnas_cli.spaces.known_genotypes import known

    published = [entry.cells for entry in map(known, ("DARTS_V1", "DARTS_V2", "NASNet-A")) if entry is not None]
    darts = [cells.to_darts() for cells in published]
    module = "from collections import namedtuple\n# found\nA = " + darts[0] + "\nB = " + darts[1] + "\n"
    log = "".join(f"2026-01-01 12:00:0{k} epoch {k} genotype = {text}\n" for k, text in enumerate(darts))
    every = "".join(line(record) for record in EVERY[:6]).encode()
    bare = json.dumps(EVERY[3].to_json()["genotype"]).encode()
    found = [Example("input.txt", text.encode(), "decoded", PYTHON) for text in (*darts, module, log)]
    found += [Example("input.txt", text.encode(), "argument", PYTHON) for text in (*darts, module)]
    return found + [Example("input.jsonl", text, "decoded", JSON) for text in (every, bare)]


def _picture(form: str, random: Random, mode: str = "RGB", side: int = 24) -> bytes:
    out = io.BytesIO()
    pixels = np.frombuffer(random.randbytes(side * side * 3), np.uint8).reshape(side, side, 3)
    image = Image.fromarray(pixels).convert(mode)
    more = {"save_all": True, "append_images": [image.rotate(90)]} if form in ("GIF", "TIFF") else {}
    image.save(out, form, **more)
    return out.getvalue()


def images() -> list[Example]:
    """In the formats and modes that Pillow writes."""
    random = Random(0)
    kinds = [("png", "PNG", mode) for mode in ("RGB", "L", "RGBA", "P", "1", "I;16", "LA")]
    kinds += [("jpg", "JPEG", "RGB"), ("jpg", "JPEG", "L"), ("jpg", "JPEG", "CMYK"), ("webp", "WEBP", "RGB")]
    kinds += [("gif", "GIF", "P"), ("bmp", "BMP", "RGB"), ("tif", "TIFF", "RGB"), ("tif", "TIFF", "L")]
    kinds += [
        ("ppm", "PPM", "RGB"),
        ("tga", "TGA", "RGB"),
        ("ico", "ICO", "RGBA"),
        ("pcx", "PCX", "RGB"),
        ("jp2", "JPEG2000", "RGB"),
    ]
    return [
        Example(f"input.{ending}", _picture(form, random, mode), reader, containers.changed_png)
        for ending, form, mode in kinds
        for reader in ("image", "image", "image", "task")
    ]


def _tree(random: Random) -> dict[str, bytes]:
    """Class folders, enough for all splits."""
    return {f"own/{name}/{k}.png": _picture("PNG", random, side=8) for name in "abc" for k in range(2)}


def archives() -> list[Example]:
    """Class folders in a zip and in tars, and the pickles of data sets."""
    tree = _tree(Random(1))
    zipped, packed = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tree.items():
            archive.writestr(name, content)
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in tree.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    plain = packed.getvalue()
    pixels = np.arange(2 * 48, dtype=np.uint8).reshape(2, 4, 4, 3)
    content: dict[str, Any] = {"image_data": pixels, "class_dict": {"n01": [0, 1], "n02": [1]}, "fine_labels": [1, 2]}
    pickles = [containers.pickled(content, protocol) for protocol in (0, 2, 4, 5)]
    pickles.append(python2_pickle({b"data": pixels, b"fine_labels": [1, 2], b"filenames": [b"a", b"b"]}))
    return [
        Example("own.zip", zipped.getvalue(), "prepared", containers.changed_zip),
        Example("own.tar", plain, "prepared", containers.changed_tar),
        Example("own.tar.gz", containers.zlib.compress(plain, wbits=31), "prepared", containers.changed_tar),
        *(Example("input.pkl", pickle, "pickle", containers.changed_pickle) for pickle in pickles),
    ]


def lists() -> list[Example]:
    """Lists with two and with three columns, and the images that they name."""
    tree = _tree(Random(2))
    splits = {"a": "train", "b": "val", "c": "test"}
    two = "path,label\n" + "".join(f"{name},{name[4]}\n" for name in tree)
    three = "path,label,split\n" + "".join(f"{name},{name[4]},{splits[name[4]]}\n" for name in tree)
    more = [Example("input.csv", text.encode(), "prepared", CSV, tree) for text in (two, three)]
    return [*more, Example("input.txt", "".join(f"{name}\n" for name in tree).encode(), "given", CSV, tree)]


def settings() -> list[Example]:
    """The file of settings of each command, and one of expectations."""
    wanted = b'[[expect]]\ntable = 2\nmethod = "t-nas"\nway = 5\nshot = 1\nat_least = 0.5\nat_most = 1.0\n'
    found = [
        Example("input.toml", cls(dataset="nowhere").to_toml().encode(), reader, TOML)
        for command, cls in COMMANDS.items()
        for reader in (command, *[f"values of {command}"] * 8)
    ]
    log = json.dumps(EVERY[-5].to_json()).encode()
    return [
        *found,
        *[Example("input.toml", wanted, "expected", TOML)] * 8,
        Example("input.toml", wanted, "checked", TOML, {"records.jsonl": log}),
    ]


KINDS: dict[str, Callable[[], list[Example]]] = {
    "caches": caches,
    "checkpoints": checkpoints,
    "records": records,
    "genotypes": genotypes,
    "images": images,
    "archives": archives,
    "lists": lists,
    "settings": settings,
}


def made(kind: str, seed: int, index: int, examples: list[Example]) -> tuple[Example, bytes]:
    """The `index`-th input of a kind: an example, and its changed content. It depends on nothing else."""
    random = Random(f"{seed}/{kind}/{index}")
    example = random.choice(examples)
    return example, example.change(example.content, random.choice(examples).content, random)
