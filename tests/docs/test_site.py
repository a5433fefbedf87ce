"""Every page of the documentation is listed, and every link in it leads somewhere; with Sphinx, the site is built."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
DECISIONS = DOCS / "decisions" / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PAGES += [*sorted((ROOT / "benchmarks").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]

LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """The page without its blocks and spans of code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "", text)


@cache
def anchors(page: Path) -> set[str]:
    """What a link may name of a page: its headings, as pages of a repository and of the site spell them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def listed(page: Path, pattern: str) -> list[Path]:
    targets = re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE)
    return [(page.parent / target).resolve() for target in targets]


def test_every_page_is_listed_once() -> None:
    pages = listed(INDEX, r"^- \[.+?\]\((\S+\.md)\):")
    assert len(pages) == len(set(pages))
    assert {page for page in pages if page.parent == DOCS} == {*DOCS.glob("*.md")} - {INDEX}
    assert DECISIONS in pages
    decisions = listed(DECISIONS, r"^- \[.+\]\((\S+\.md)\)")
    assert sorted(decisions) == [page for page in sorted(DECISIONS.parent.glob("*.md")) if page != DECISIONS]


def test_a_decision_is_listed_by_its_title() -> None:
    for title, page in re.findall(r"^- \[(.+)\]\((\S+\.md)\)", DECISIONS.read_text(encoding="utf-8"), re.MULTILINE):
        assert (DECISIONS.parent / page).read_text(encoding="utf-8").startswith(f"# {title}\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() and target.is_relative_to(ROOT), link
        if target.is_dir():
            assert (target / "README.md").is_file(), f"{link}: the folder has no page"
        assert not anchor or anchor in anchors(target), link


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("sphinx", "myst_parser", "furo")),
    reason="the site is not built: needs the extra docs",
)
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    options = ["-W", "--keep-going", "-n", "-q", "-c", "docs", "-b", "html", "-d", tmp_path / "trees"]
    command = [sys.executable, "-m", "sphinx", *options, ".", tmp_path / "site"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    index = (tmp_path / "site" / "docs" / "index.html").read_text(encoding="utf-8")
    for page in ("../README.html", "cli.html", "decisions/README.html", "../benchmarks/README.html"):
        assert f'href="{page}"' in index
    assert "url=docs/index.html" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="README.html"' in (tmp_path / "site" / "docs" / "decisions" / "rooms.html").read_text(encoding="utf-8")
