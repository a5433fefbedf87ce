"""The classes of CIFAR-10 and CIFAR-100, and how FC100 and CIFAR-FS divide CIFAR-100's.

CIFAR: Krizhevsky (2009). FC100: Oreshkin et al. (2018), by superclass, 12 / 4 / 4 of 20. CIFAR-FS: Bertinetto et al.
(2019), 64 / 16 / 20 classes; a class not named here is for training.
"""

from __future__ import annotations

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SUPERCLASSES: dict[str, tuple[str, ...]] = {
    name: tuple(classes.split())
    for name, classes in {
        "aquatic_mammals": "beaver dolphin otter seal whale",
        "fish": "aquarium_fish flatfish ray shark trout",
        "flowers": "orchid poppy rose sunflower tulip",
        "food_containers": "bottle bowl can cup plate",
        "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
        "household_electrical_devices": "clock keyboard lamp telephone television",
        "household_furniture": "bed chair couch table wardrobe",
        "insects": "bee beetle butterfly caterpillar cockroach",
        "large_carnivores": "bear leopard lion tiger wolf",
        "large_man-made_outdoor_things": "bridge castle house road skyscraper",
        "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
        "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
        "medium_mammals": "fox porcupine possum raccoon skunk",
        "non-insect_invertebrates": "crab lobster snail spider worm",
        "people": "baby boy girl man woman",
        "reptiles": "crocodile dinosaur lizard snake turtle",
        "small_mammals": "hamster mouse rabbit shrew squirrel",
        "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
        "vehicles_1": "bicycle bus motorcycle pickup_truck train",
        "vehicles_2": "lawn_mower rocket streetcar tank tractor",
    }.items()
}
CIFAR100 = tuple(sorted(name for classes in SUPERCLASSES.values() for name in classes))

FC100_VALIDATION = ("large_carnivores", "large_omnivores_and_herbivores", "non-insect_invertebrates", "small_mammals")
FC100_TEST = ("aquatic_mammals", "insects", "medium_mammals", "people")

CIFAR_FS_VALIDATION = (
    "beaver",
    "beetle",
    "butterfly",
    "camel",
    "cattle",
    "crab",
    "crocodile",
    "flatfish",
    "lamp",
    "maple_tree",
    "motorcycle",
    "otter",
    "sea",
    "shark",
    "television",
    "tractor",
)
CIFAR_FS_TEST = (
    "baby",
    "bed",
    "bicycle",
    "chimpanzee",
    "fox",
    "leopard",
    "man",
    "pickup_truck",
    "plain",
    "poppy",
    "rocket",
    "rose",
    "snail",
    "sweet_pepper",
    "table",
    "telephone",
    "wardrobe",
    "whale",
    "woman",
    "worm",
)


def fc100_split() -> dict[str, str]:
    """Maps each class of CIFAR-100 to its split in FC100: 60 train, 20 val, 20 test."""
    parts = dict.fromkeys(FC100_VALIDATION, "val") | dict.fromkeys(FC100_TEST, "test")
    return {name: parts.get(above, "train") for above, classes in SUPERCLASSES.items() for name in classes}


def cifar_fs_split() -> dict[str, str]:
    """Maps each class of CIFAR-100 to its split in CIFAR-FS: 64 train, 16 val, 20 test."""
    parts = dict.fromkeys(CIFAR_FS_VALIDATION, "val") | dict.fromkeys(CIFAR_FS_TEST, "test")
    return {name: parts.get(name, "train") for name in CIFAR100}
