"""Writes docs/licences.md from what the installed packages say of themselves: `python docs/write_licences_page.py`.

Versions are not named: the page is of what `pip install` takes on this machine, and a release writes it anew.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
USED = ("tensorboard", "onnx", "cluster")

HEAD = """# Licences

tnas is under the MIT licence ([LICENSE](../LICENSE)). What `pip install` brings along has licences of its own, listed
here as the packages state them. Written by `python docs/write_licences_page.py` on Linux; on other systems PyTorch
needs fewer packages. What data sets allow stands in [data.md](data.md).
"""

#: Licences by the names that older packages use for them.
_SPELLED = {
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Other/Proprietary License": "proprietary",
}
_LONGEST = 60


def page() -> str:
    """A table for the package itself, and one for each extra, with what is not listed above it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts, listed = [HEAD], set[str]()
    for title, wanted in [
        ("The package", project["dependencies"]),
        *((f"Extra `{extra}`", project["optional-dependencies"][extra]) for extra in USED),
    ]:
        found = {name: licence for name, licence in _all_of(wanted) if name not in listed}
        listed |= set(found)
        rows = [f"| {name} | {found[name]} |" for name in sorted(found)]
        parts += [f"## {title}", "", "| package | licence |", "| --- | --- |", *rows, ""]
    return "\n".join(parts)


def _all_of(wanted: list[str]) -> Iterator[tuple[str, str]]:
    """Every package that these requirements bring along, once, with its licence."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError as error:
            raise SystemExit(f"{requirement.name} is not installed: make install") from error
        yield key[0], licence_of(found)
        for text in found.requires or ():
            needed = Requirement(text)
            asked = [{"extra": extra} for extra in requirement.extras] or [{"extra": ""}]
            if needed.marker is None or any(needed.marker.evaluate(environment) for environment in asked):
                waiting.append(needed)


def licence_of(found: Distribution) -> str:
    """Its licence expression, or the name that its classifiers or its licence field give."""
    about = found.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classified = [text.rpartition(" :: ")[2] for text in about.get_all("Classifier", []) if text.startswith("License ")]
    if classified:
        return ", ".join(sorted(_SPELLED.get(name, name) for name in set(classified)))
    said = re.sub(r"\s+", " ", about.get("License") or "").strip()
    return said if 0 < len(said) <= _LONGEST else "see its files" if said else "not stated"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
