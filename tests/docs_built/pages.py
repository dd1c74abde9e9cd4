"""The built pages: what they define, and where they lead."""

from __future__ import annotations

import os
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

FOLDER = Path(os.environ.get("SIMPLEX_TRIO_DOCS", "docs/_build/html")).resolve()

_Attributes: TypeAlias = list[tuple[str, str | None]]

_LOADED = ("script", "img", "link", "iframe", "source", "use", "image")
"""Elements whose target a browser fetches with the page."""


class Page(HTMLParser):
    """One page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.text = path.read_text()
        self.ids: list[str] = []
        self.entries: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        found = {name: value or "" for name, value in attrs}
        if name := found.get("id"):
            self.ids.append(name)
            if tag == "dt" and "sig" in found.get("class", "").split():
                self.entries.append(name)
        target = found.get("href") or found.get("xlink:href") or found.get("src")
        if target:
            (self.loaded if tag in _LOADED else self.links).append(target)


@cache
def pages() -> dict[Path, Page]:
    """All pages."""
    return {path: Page(path) for path in sorted(FOLDER.rglob("*.html"))}


@cache
def entries() -> tuple[str, ...]:
    """The names that have entries in the reference, as often as they have one."""
    return tuple(entry for page in pages().values() for entry in page.entries)
