"""Links within the documentation lead somewhere, and a page is complete without a network."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs_built.pages import FOLDER, Page, pages


def target(page: Page, link: str) -> tuple[Path, str]:
    """The file that a link leads to, and the place in it."""
    parts = urlsplit(link)
    path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    return path, unquote(parts.fragment)


def is_elsewhere(link: str) -> bool:
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def test_there_are_pages() -> None:
    assert len(pages()) > 80


def test_there_are_links() -> None:
    within = [link for page in pages().values() for link in page.links if not is_elsewhere(link)]
    assert len(within) > 10_000
    assert sum("#" in link for link in within) > 5_000


def test_links_lead_to_pages_and_places_that_exist() -> None:
    lost = []
    for page in pages().values():
        for link in {*page.links, *page.loaded}:
            if is_elsewhere(link):
                continue
            path, place = target(page, link)
            is_there = path.is_file() and path.is_relative_to(FOLDER)
            if is_there and place and path in pages():
                is_there = place in pages()[path].ids
            if not is_there:
                lost.append(f"{page.path.relative_to(FOLDER)}: {link}")
    assert lost == []


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("how-to/receipts", "duplex.MessageSent"),
        ("how-to/repair", "duplex.SecurityCodeChanged"),
        ("how-to/contacts", "chat.SecurityCodeChanged"),
        ("how-to/alerts", "chat.Notification"),
    ],
)
def test_a_name_of_several_packages_leads_to_that_of_the_page(page: str, name: str) -> None:
    links = pages()[FOLDER / f"{page}.html"].links
    found = {link.partition("#")[2] for link in links if link.endswith(f".{name.split('.')[1]}")}
    assert found == {f"simplex_trio.{name}"}


def test_places_have_one_name_each() -> None:
    twice = {
        f"{path.relative_to(FOLDER)}: {name}"
        for path, page in pages().items()
        for name, count in Counter(page.ids).items()
        if count > 1
    }
    assert twice == set()


def test_pages_load_nothing_from_elsewhere() -> None:
    fetched = [
        f"{page.path.relative_to(FOLDER)}: {link}"
        for page in pages().values()
        for link in page.loaded
        if is_elsewhere(link) and not link.startswith("data:")
    ]
    for path in [*FOLDER.rglob("*.css"), *FOLDER.rglob("*.svg")]:
        found = re.findall(r"(?:url\(|@import)\s*[\"']?(\w+:)?//[^)\s]*", path.read_text())
        fetched += [f"{path.relative_to(FOLDER)}: {link}" for link in found]
    assert fetched == []
