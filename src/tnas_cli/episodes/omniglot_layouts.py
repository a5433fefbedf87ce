"""The layouts in which people have Omniglot: official folders or zips, alphabets in one folder, torchmeta's HDF5."""

from __future__ import annotations

from tnas_cli.episodes.catalogue import Picture, Pixels, from_file, from_rows
from tnas_cli.episodes.class_folders import images_in
from tnas_cli.episodes.hdf5_tables import image_tables
from tnas_cli.episodes.inside import find_inside, leave
from tnas_cli.episodes.places import Folder
from tnas_cli.errors import DataError

BACKGROUND, EVALUATION = PARTS = ("images_background", "images_evaluation")
LAYOUTS = (
    "--source is a folder (or archive) that holds one of: images_background/ and images_evaluation/, or their zips, or "
    "one of them; all alphabets in one folder (<Alphabet>/<character>/*.png); torchmeta's data.hdf5"
)
TORCHMETA = "data.hdf5"
SIDE = 105  # pixels of a drawing

_BACKGROUND = """
Alphabet_of_the_Magi Anglo-Saxon_Futhorc Arcadian Armenian Asomtavruli_(Georgian) Balinese Bengali
Blackfoot_(Canadian_Aboriginal_Syllabics) Braille Burmese_(Myanmar) Cyrillic Early_Aramaic Futurama Grantha Greek
Gujarati Hebrew Inuktitut_(Canadian_Aboriginal_Syllabics) Japanese_(hiragana) Japanese_(katakana) Korean Latin
Malay_(Jawi_-_Arabic) Mkhedruli_(Georgian) N_Ko Ojibwe_(Canadian_Aboriginal_Syllabics) Sanskrit Syriac_(Estrangelo)
Tagalog Tifinagh
"""
_EVALUATION = """
Angelic Atemayar_Qelisayer Atlantean Aurek-Besh Avesta Ge_ez Glagolitic Gurmukhi Kannada Keble Malayalam Manipuri
Mongolian Old_Church_Slavonic_(Cyrillic) Oriya Sylheti Syriac_(Serto) Tengwar Tibetan ULOG
"""
ALPHABETS = {BACKGROUND: frozenset(_BACKGROUND.split()), EVALUATION: frozenset(_EVALUATION.split())}

#: '<part>/<Alphabet>/<character>' to its drawings, in order.
Drawings = dict[str, list[Picture]]


def drawings(place: Folder) -> Drawings:
    """The drawings of Omniglot in any of its layouts, in the order that the published split divides.

    The account of `place` is told how it was understood. Raises DataError when there is none.
    """
    found = find_inside(place, _read)
    if found is None:
        raise DataError(f"{place.label} holds no Omniglot drawings.", hint=LAYOUTS)
    return dict(sorted(found.items()))


def _read(folder: Folder) -> Drawings | None:
    if folder.name in PARTS:
        return _characters(folder.name, folder) or None
    parts = {name: part for name in PARTS if (part := folder.find(name)) is not None}
    if parts:
        found = {key: images for name, part in parts.items() for key, images in _characters(name, part).items()}
        if found:
            leave(folder, {*parts, *(f"{name}.zip" for name in parts)})
        return found or None
    if TORCHMETA in folder.files():
        return _torchmeta(folder)
    return _alphabets(folder)


def _characters(part: str, folder: Folder) -> Drawings:
    return {
        f"{part}/{alphabet.name}/{character.name}": [from_file(file) for file in images]
        for alphabet in folder.folders().values()
        for character in alphabet.folders().values()
        if (images := images_in(character))
    }


def _alphabets(folder: Folder) -> Drawings | None:
    """Alphabets of both parts in one folder; the part of each is known by its name."""
    found: Drawings = {}
    for part, names in ALPHABETS.items():
        for name, alphabet in folder.folders().items():
            if name in names:
                for character in alphabet.folders().values():
                    images = images_in(character)
                    if images:
                        found[f"{part}/{name}/{character.name}"] = [from_file(file) for file in images]
    if not found:
        return None
    leave(folder, ALPHABETS[BACKGROUND] | ALPHABETS[EVALUATION])
    folder.account.understand(f"{folder.label} holds the alphabets of images_background and images_evaluation together")
    return found


def _torchmeta(folder: Folder) -> Drawings | None:
    """Tables uint8 [drawings, 105, 105], '/<part>/<Alphabet>/<character>', in which ink is bright on dark."""
    file = folder.files()[TORCHMETA]
    found: Drawings = {}
    for name, rows in image_tables(file).items():
        if name.count("/") != 3 or name.split("/")[1] not in PARTS or rows.shape[1:] != (SIDE, SIDE):
            continue
        found[name[1:]] = [from_rows(f"{file.label}{name}[{row}]", rows, row, _inverted) for row in range(len(rows))]
    if found:
        leave(folder, {TORCHMETA})
        folder.account.understand(f"{file.label} is torchmeta's, with ink bright on dark")
    return found or None


def _inverted(pixels: Pixels) -> Pixels:
    """A drawing as it is published, black on white."""
    return 255 - pixels
