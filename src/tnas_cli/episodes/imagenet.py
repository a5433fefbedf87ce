"""ImageNet (ILSVRC-2012) for the transfer setting: train/<id>/* and val/<id>/*, as torchvision unpacks them."""

from __future__ import annotations

from tnas_cli.episodes.catalogue import ClassPictures, from_file
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.class_split import held_out
from tnas_cli.episodes.dataset import IMAGENET_MEAN, IMAGENET_STD, Built, Request, built
from tnas_cli.episodes.inside import find_inside
from tnas_cli.episodes.places import Folder, open_place
from tnas_cli.errors import DataError

LICENCE = "ImageNet's terms: non-commercial research and education only"
LAYOUTS = (
    "--source is a folder with train/<class>/* and val/<class>/*; torchvision makes it from the official archives: "
    "torchvision.datasets.ImageNet(FOLDER, 'train'), then the same with 'val'"
)


def build(request: Request) -> Built:
    """ImageNet: its validation images are test, a tenth of each class's training images is val."""
    if request.source is None:
        raise DataError("imagenet cannot be downloaded; it needs --source.", hint=LAYOUTS)
    place = open_place(request.source, LAYOUTS, request.account)
    place = find_inside(place, _holds_both) or place
    train, validation = place.find("train"), place.find("val")
    if train is None or validation is None:
        raise DataError(f"{request.source} has no {'train' if train is None else 'val'}/.", hint=LAYOUTS)
    official = class_folders(train, fewest=2, hint=LAYOUTS)
    test = class_folders(validation, fewest=2, hint=LAYOUTS)
    if set(official) != set(test):
        different = min(set(official) ^ set(test))
        raise DataError(f"class {different} of {request.source} is not in both train/ and val/.", hint=LAYOUTS)
    kept, tenth = held_out(official, request.seed, "imagenet/split")
    classes = [
        ClassPictures(name, split, [from_file(file) for file in files])
        for split, part in (("train", kept), ("val", tenth), ("test", test))
        for name, files in part.items()
    ]
    note = (
        f"the official validation images are test, a tenth of each class's training images val, by seed {request.seed}"
    )
    return built(request, classes, note, LICENCE, str(request.source.resolve()), (IMAGENET_MEAN, IMAGENET_STD))


def _holds_both(folder: Folder) -> Folder | None:
    return folder if folder.find("train") is not None and folder.find("val") is not None else None
