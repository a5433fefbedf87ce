"""Files sorted into a folder per class: copied or linked, never moved, and nothing is ever overwritten."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from tnas_cli.runs.files import beside, cannot_write, flush, make_folder
from tnas_cli.runs.held import discard, held, remove_left
from tnas_cli.spelling import safe_name


class Sorter:
    """Puts files into folders below `folder`; `count` is how many were put there."""

    def __init__(self, folder: Path, *, link: bool = False) -> None:
        self.folder, self.link, self.count = folder, link, 0
        self._tidy: set[Path] = set()

    def put(self, file: Path, class_name: str) -> Path:
        """The file's place below the folder of its class; raises TnasError where that cannot be written.

        A file that is there already with the same content stays; another one of the same name gets a number.
        """
        folder, number = self.folder / safe_name(class_name), 0
        try:
            make_folder(folder)
            if folder not in self._tidy:
                remove_left(folder)
                self._tidy.add(folder)
            while True:
                place = folder / (file.name if number == 0 else f"{file.stem}-{number}{file.suffix}")
                if not os.path.lexists(place):
                    self._make(file, place)
                    self.count += 1
                    return place
                if place.exists() and filecmp.cmp(file, place, shallow=False):
                    return place
                number += 1
        except OSError as error:
            raise cannot_write(folder, error) from error

    def _make(self, file: Path, place: Path) -> None:
        if self.link:
            place.symlink_to(file.resolve())
            return
        partial = beside(place)
        try:
            with held(partial):
                shutil.copy2(file, partial)
                flush(partial)  # a half copy would not be taken for the same image next time
                partial.rename(place)
        finally:
            discard(partial)
