"""How Sphinx builds the pages as a site: ``make docs``. Its navigation is the index, docs/README.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

project = "keeper-azure-rotation"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "README"
html_theme = "furo"
html_title = project
html_theme_options = {"navigation_with_keys": True}
myst_heading_anchors = 4
exclude_patterns: list[str] = []
# Blocks of commands and output: no language is guessed.
highlight_language = "none"

_HERE = Path(__file__).parent
_PAGE = re.compile(r"\]\(([\w/-]+)\.md\)")


def _with_navigation(app: Any, name: str, source: list[str]) -> None:
    """Give the index a table of contents for each of its sections, and the page of decisions one of all decisions."""
    if name == "README":
        seen: set[str] = set()
        for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
            pages = [page for page in dict.fromkeys(_PAGE.findall(section)) if page not in seen]
            seen |= set(pages)
            source[0] += _tree(section.splitlines()[0], pages)
    elif name == "decisions/README":
        source[0] += _tree("", sorted(path.stem for path in (_HERE / "decisions").glob("0*.md")))


def _tree(caption: str, pages: list[str]) -> str:
    options = f":caption: {caption}\n" if caption else ""
    return "\n\n```{toctree}\n:hidden:\n" + options + "\n" + "\n".join(pages) + "\n```\n"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _with_navigation)
