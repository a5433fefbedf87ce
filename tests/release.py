"""What has to hold before a release: `make release-check`. Each line says what holds; the first failure is the end.

    python tests/release.py --python python3.11 --python python3.13

builds the package twice, compares the bytes, looks into the wheel, and installs it into a bare virtual environment of
each interpreter, where `tnas quickstart` must pass. Without --python, every one of python3.11 to
python3.14 in the PATH is used; --no-install leaves this part out. It needs the package index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
INTERPRETERS = ("python3.11", "python3.12", "python3.13", "python3.14")
#: Bytes of the wheel without the models that come with it.
MOST = 1_000_000
NEEDED = ("py.typed", "cli/completions.json", "report/html/page.html.j2", "settings/presets/search.toml")


def main() -> None:
    """Run the checks in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter to install into")
    parser.add_argument("--no-install", action="store_true", help="build and look, and install nothing")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        words()
        wheel = built(place)
        looked_into(wheel)
        found = asked.python or [name for name in INTERPRETERS if shutil.which(name)]
        for python in [] if asked.no_install else found:
            installed(wheel, python, place / Path(python).name)
    print("nothing was installed" if asked.no_install or not found else "a release may be made")


def words() -> None:
    """Versions, the changelog, and the pages that are written from the code."""
    version = _run(sys.executable, "-c", "from tnas_cli.version import __version__; print(__version__)").strip()
    for file, line in (
        ("pyproject.toml", f'version = "{version}"'),
        ("CITATION.cff", f"version: {version}"),
        ("CHANGELOG.md", f"## [{version}]"),
    ):
        _check(f"{file} is of version {version}", line in (ROOT / file).read_text(encoding="utf-8"))
    _run(sys.executable, "docs/write_licences_page.py")
    changed = _run("git", "status", "--porcelain")
    _check(f"everything is committed, the licences of the packages too {changed}", not changed)


def built(place: Path) -> Path:
    """The wheel, if two builds give the same bytes."""
    builder = place / "builder"
    _run(sys.executable, "-m", "venv", str(builder))
    _run(str(builder / "bin" / "pip"), "install", "--quiet", "hatchling")
    outputs = [place / name for name in ("first", "second")]
    for output in outputs:
        _run(str(builder / "bin" / "python"), "-m", "hatchling", "build", "-d", str(output))
    digests = [{file.name: _digest(file) for file in sorted(output.iterdir())} for output in outputs]
    _check(f"two builds give the same bytes: {digests[0]}", digests[0] == digests[1] and len(digests[0]) == 2)
    return next(outputs[0].glob("*.whl"))


def looked_into(wheel: Path) -> None:
    """The size of the wheel, and files that are easily forgotten."""
    with zipfile.ZipFile(wheel) as opened:
        inside = {info.filename: info.compress_size for info in opened.infolist()}
    size = sum(of for name, of in inside.items() if "/zoo/" not in name)
    _check(f"without its models the wheel has {size:,} bytes, at most {MOST:,}", size <= MOST)
    missing = [name for name in NEEDED if f"tnas_cli/{name}" not in inside]
    _check(f"the wheel has all of {', '.join(NEEDED)}", not missing)
    _check("the wheel has its licence", any(name.endswith("LICENSE") for name in inside))


def installed(wheel: Path, python: str, place: Path) -> None:
    """A bare environment, in which the whole pipeline runs."""
    _run(python, "-m", "venv", str(place))
    _run(str(place / "bin" / "pip"), "install", "--quiet", "--no-cache-dir", str(wheel))
    version = _run(str(place / "bin" / "python"), "--version").strip()
    said = _run(str(place / "bin" / "tnas"), "quickstart", "--cache-dir", str(place / "cache"), cwd=place)
    _check(f"{version}: tnas quickstart ends with {said.strip().splitlines()[-1]!r}", bool(said.strip()))
    shutil.rmtree(place)


def _run(*command: str, cwd: Path = ROOT) -> str:
    # Nothing of this checkout may be found by what is installed elsewhere.
    clean = {name: value for name, value in os.environ.items() if not re.match("PYTHON|TNAS_", name)}
    if cwd == ROOT:
        clean |= {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _check(what: str, holds: bool) -> None:
    print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
    if not holds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
