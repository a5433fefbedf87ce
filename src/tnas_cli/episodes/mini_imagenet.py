"""mini-ImageNet (Vinyals et al., 2016; classes of Ravi and Larochelle, 2017). There is no lawful download."""

from __future__ import annotations

from tnas_cli.episodes.catalogue import ClassPictures
from tnas_cli.episodes.dataset import IMAGENET_MEAN, IMAGENET_STD, Built, Request, built
from tnas_cli.episodes.mini_imagenet_classes import mini_imagenet_split
from tnas_cli.episodes.mini_imagenet_layouts import LAYOUTS, SPLITS, read
from tnas_cli.episodes.places import open_place
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Note

LICENCE = "ImageNet's terms: non-commercial research and education only"
PER_CLASS, CLASSES = 600, 100


def build(request: Request) -> Built:
    """mini-ImageNet, 64 / 16 / 20 classes, from whatever layout the source has."""
    if request.source is None:
        raise DataError("mini-imagenet cannot be downloaded; it needs --source.", hint=LAYOUTS)
    split = mini_imagenet_split()
    pictures, how = read(open_place(request.source, LAYOUTS, request.account), split)
    stray = sorted(set(pictures) - set(split))
    if stray:
        raise DataError(
            f"{request.source} holds {len(stray)} classes that mini-ImageNet does not have ({', '.join(stray[:3])}).",
            hint="for all of ILSVRC-2012, put train.csv, val.csv and test.csv beside it: they choose 600 images of "
            "each of 100 classes; other images are read by: tnas prepare-data folder --source DIR",
        )
    total = sum(map(len, pictures.values()))
    if (len(pictures), total) != (CLASSES, CLASSES * PER_CLASS):
        request.listener(
            Note(
                f"{request.source} holds {len(pictures)} of mini-ImageNet's {CLASSES} classes and {total:,} of its "
                f"{CLASSES * PER_CLASS:,} images; using these"
            )
        )
    classes = [
        ClassPictures(name, part, pictures[name])
        for part in SPLITS
        for name in split
        if split[name] == part and name in pictures
    ]
    note = f"by WordNet id, 64 / 16 / 20 (Ravi and Larochelle, 2017); read from {how}"
    request.listener(Note(f"reading {how}"))
    return built(request, classes, note, LICENCE, str(request.source.resolve()), (IMAGENET_MEAN, IMAGENET_STD))
