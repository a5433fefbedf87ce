"""What preparing data costs, and what reading an episode batch costs beside a search step.

    python benchmarks/data.py [--omniglot DIR] [--cifar100 DIR] [--output benchmarks/data.md]

Writes benchmarks/data.md. Omniglot and CIFAR-100 are read from the given folders; without a folder, its rows are left
out and the page says so. All data of 84 x 84 pixels is generated: a full-size mini-ImageNet as pickles, and photographs
as ILSVRC-2012 stores them. Needs about 6 GB in the temporary folder.
"""

from __future__ import annotations

import argparse
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import QUERY, WAY, search, seconds  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.episodes import decoding  # noqa: E402
from tnas_cli.episodes.cache import ImageCache, open_cache  # noqa: E402
from tnas_cli.episodes.catalogue import from_file  # noqa: E402
from tnas_cli.episodes.images import Squares  # noqa: E402
from tnas_cli.episodes.mini_imagenet_classes import MINI_IMAGENET  # noqa: E402
from tnas_cli.episodes.places import disk_file  # noqa: E402
from tnas_cli.episodes.tasks import load_batch, sample_indices  # noqa: E402
from tnas_cli.runs.device import environment  # noqa: E402

META_BATCH = 4
PER_CLASS = 600

#: Prepares in a separate process and prints seconds, images, peak memory in kB and the cache's path.
PREPARE = """
import sys, time
from pathlib import Path
from tnas_cli.episodes import registry
name, source, root = sys.argv[1:]
start = time.monotonic()
cache = registry.prepare(name, source=Path(source), root=Path(root))
print(time.monotonic() - start, int(cache.class_offset[-1]),
      [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0], cache.path)
"""


@dataclass(frozen=True)
class Prepared:
    """A data set that was prepared: how long it took, how many images, and the process's peak memory in bytes."""

    name: str
    seconds: float
    images: int
    memory: int
    cache: ImageCache

    def row(self) -> str:
        """A line of the page."""
        rate = self.images / self.seconds
        return f"| {self.name} | {self.images:,} | {self.seconds:.1f} | {rate:,.0f} | {self.memory / 1e9:.2f} |"


def prepare(label: str, name: str, source: Path, root: Path) -> Prepared:
    """Prepare in a separate process, so that its peak memory is only its own. Linux only."""
    ran = subprocess.run(
        [sys.executable, "-c", PREPARE, name, str(source), str(root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    took, images, memory, path = ran.stdout.split(maxsplit=3)
    return Prepared(label, float(took), int(images), int(memory) * 1024, open_cache(Path(path.strip())))


def mini_imagenet_pickles(folder: Path) -> Path:
    """The three pickles in full size, 60,000 random images."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for split, classes in MINI_IMAGENET.items():
        images = generator.integers(0, 256, (len(classes) * PER_CLASS, 84, 84, 3), dtype=np.uint8)
        rows = {name: list(range(k * PER_CLASS, (k + 1) * PER_CLASS)) for k, name in enumerate(classes)}
        with (folder / f"mini-imagenet-cache-{split}.pkl").open("wb") as file:
            pickle.dump({"image_data": images, "class_dict": rows}, file, protocol=4)
    return folder


def photographs(folder: Path, count: int) -> list[Path]:
    """JPEG files of 500 x 375 pixels, smooth as photographs are."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.jpg")
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def decoding_rates(paths: list[Path], repeats: int = 3) -> tuple[float, float]:
    """Photographs per second to 84 x 84, by one thread and by all cores, interleaved; medians."""
    pictures = [from_file(disk_file(path)) for path in paths]
    squares = Squares(84, 3, "stretch")
    chunks = [pictures[i : i + decoding.CHUNK] for i in range(0, len(pictures), decoding.CHUNK)]

    def run(threads: int) -> float:
        start = time.perf_counter()
        for _ in decoding.in_order(lambda chunk: [squares.of(p.decode(84)) for p in chunk], iter(chunks), threads):
            pass
        return len(pictures) / (time.perf_counter() - start)

    rates = [(run(1), run(torch.get_num_threads())) for _ in range(repeats)]
    one, all_cores = zip(*rates, strict=True)
    return statistics.median(one), statistics.median(all_cores)


def reading_row(prepared: Prepared, engine: FusedEngine) -> str:
    """Reading and normalising a meta-batch (1-shot) beside the search step that computes it."""
    cache = prepared.cache

    def read(first: int) -> None:
        indices = [sample_indices(cache, "train", WAY, 1, QUERY, 0, first + i) for i in range(META_BATCH)]
        load_batch(cache, np.stack(indices), 1)

    step = search(cache.channels, cache.size, 1, 0, 0).by_engine(engine)
    step()
    reads, steps = [], []
    for repeat in range(5):
        reads += [seconds(partial(read, first)) for first in range(80 * repeat, 80 * repeat + 80, 4)]
        steps.append(seconds(step))
    took, whole = statistics.median(reads), statistics.median(steps)
    return f"| {prepared.name} | {1e3 * took:.2f} | {1e3 * whole:,.0f} | {took / whole:.1%} |"


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--omniglot", type=Path)
    arguments.add_argument("--cifar100", type=Path)
    arguments.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "data.md")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found, missing = [], []
        for label, name, source in (
            ("Omniglot (PNG in zips)", "omniglot", options.omniglot),
            ("FC100 (WebP in zips)", "fc100", options.cifar100),
        ):
            if source is None:
                missing.append(label)
            else:
                found.append(prepare(label, name, source, folder / "cache"))
        pickles = mini_imagenet_pickles(folder / "pickles")
        found.append(prepare("mini-ImageNet (pickles, full size)", "mini-imagenet", pickles, folder / "cache"))
        one, all_cores = decoding_rates(photographs(folder / "photographs", 600))
        engine = FusedEngine()
        reading = [reading_row(prepared, engine) for prepared in found]
        page = _page(found, missing, (one, all_cores), reading)
    options.output.write_text(page, encoding="utf-8")


def _page(found: list[Prepared], missing: list[str], rates: tuple[float, float], reading: list[str]) -> str:
    about = environment(torch.device("cpu")).to_json()
    left_out = f"\nLeft out, because their folders were not given: {', '.join(missing)}.\n" if missing else ""
    return f"""# Data: preparing and reading

`make bench-data` writes this page.

## Preparing

Each data set is prepared in its own process. Peak memory is that of the whole process, including Python and its
libraries.

| data set | images | seconds | images per second | peak memory, GB |
| --- | --- | --- | --- | --- |
{chr(10).join(prepared.row() for prepared in found)}
{left_out}
Omniglot's images are 32,460 drawings in four rotations. Photographs of 500 x 375 pixels are resized to
84 x 84, as ILSVRC-2012 needs it, at {rates[0]:,.0f} per second with one thread and {rates[1]:,.0f}
with {about["threads"]}, which is {rates[1] / rates[0]:.2f} times as many.

## Reading

Time to read and normalise a meta-batch of {META_BATCH} tasks ({WAY}-way, 1-shot, {QUERY} query images per class) from
the cache, beside the time of the fused engine's search step on it. Medians of interleaved repeats.

| data set | reading, ms | search step, ms | share |
| --- | --- | --- | --- |
{chr(10).join(reading)}

Machine: {about["processor"]}, {about["cores"]} cores, {about["threads"]} threads; {platform.system()};
Python {about["python"]}, torch {about["torch"]}, tnas {about["package_version"]}.
"""


if __name__ == "__main__":
    main()
