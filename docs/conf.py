"""How Sphinx builds the site from the Markdown of this repository: `make site`.

The source folder is the root of the repository, so that every link that works there works here too: a link to a page
opens the page, a link to another file downloads the file, and a link to a folder opens the page that describes it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
VERSION = ROOT / "src" / "tnas_cli" / "version.py"

project = "tnas"
release = re.findall(r'__version__ = "(.+)"', VERSION.read_text(encoding="utf-8"))[0]
extensions = ["myst_parser"]
root_doc = "docs/index"

#: Pages that list others, each with what a link to a listed page looks like.
INDEXES = {
    "docs/index": r"^- \[(?P<title>.+?)\]\((?P<page>\S+\.md)\):",
    "docs/decisions/README": r"^- \[.+\]\((?P<page>[\w-]+\.md)\)",
    "benchmarks/README": r"\]\((?P<page>[\w-]+\.md)\)",
    "examples/README": r"\]\((?P<page>[\w/-]+\.md)\)",
}

include_patterns = ["README.md", "CHANGELOG.md", "docs/**.md", "benchmarks/*.md", "examples/**README.md"]
exclude_patterns = [".*", "build", "dist", "runs", "src", "tests", "**/__pycache__"]

myst_heading_anchors = 4
nitpicky = True
highlight_language = "none"  # of blocks that name none

html_theme = "furo"
html_title = f"tnas {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a page opened from the disk may not read others
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_additional_pages = {"index": "to_the_index.html"}


def with_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append a table of contents for the pages that an index lists, with its headings as captions.

    So an index is plain Markdown, which can be read anywhere.
    """
    if docname not in INDEXES:
        return
    blocks = []
    for part in re.split(r"^## ", source[0], flags=re.MULTILINE):
        links = [link.groupdict() for link in re.finditer(INDEXES[docname], part, re.MULTILINE)]
        entries = [f"{link['title']} <{link['page']}>" if "title" in link else str(link["page"]) for link in links]
        caption = [f":caption: {part.splitlines()[0]}"] if docname == root_doc else []
        if links:
            blocks.append("\n".join(["```{toctree}", ":hidden:", *caption, "", *dict.fromkeys(entries), "```"]))
    source[0] += "\n" + "\n\n".join(blocks) + "\n"


def open_the_page_of_a_folder(app: Sphinx, tree: nodes.document) -> None:
    """Let a link to a folder open its README.md, as the pages of a repository do."""
    here = (ROOT / app.env.docname).parent
    for link in tree.findall(pending_xref):
        folder = (here / link["reftarget"]).resolve()
        if link["reftype"] == "myst" and (folder / "README.md").is_file() and folder.is_relative_to(ROOT):
            page = (folder.relative_to(ROOT) / "README").as_posix()
            link["refdomain"], link["reftarget"], link["reftargetid"] = "doc", page, None


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this once."""
    app.connect("source-read", with_contents)
    app.connect("doctree-read", open_the_page_of_a_folder)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
