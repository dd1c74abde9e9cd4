"""The reference has an entry for what is public, once, and for nothing else."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from types import FunctionType

import pytest

from tests.docs_built.pages import FOLDER, entries, pages
from tests.test_public_names import EXPORTED

PUBLIC = {
    f"{package}.{name}": getattr(importlib.import_module(package), name)
    for package, names in EXPORTED.items()
    for name in names
}
CLASSES = {full: value for full, value in PUBLIC.items() if inspect.isclass(value)}
NAMES = {value: full for full, value in CLASSES.items()}


def test_nothing_has_two_entries() -> None:
    assert [name for name, count in Counter(entries()).items() if count > 1] == []


def test_all_that_is_public_has_an_entry() -> None:
    assert PUBLIC.keys() - set(entries()) == set()


def test_entries_are_about_what_is_public() -> None:
    def is_public(entry: str) -> bool:
        owner, _, member = entry.rpartition(".")
        return entry in PUBLIC or (owner in CLASSES and not member.startswith("_"))

    assert [entry for entry in entries() if not is_public(entry)] == []


def members(value: type) -> Iterator[str]:
    """The methods and properties that programs use, those of bases too."""
    owners = [each for each in value.__mro__ if each.__module__.startswith("simplex_trio.")]
    for name in {name for owner in owners for name in vars(owner)}:
        found = inspect.getattr_static(value, name)
        is_used = isinstance(found, property | classmethod | staticmethod | FunctionType)
        if is_used and not name.startswith("_"):
            yield name


@pytest.mark.parametrize("full", CLASSES)
def test_every_method_is_shown_with_its_class_or_a_base_that_the_class_names(full: str) -> None:
    value = CLASSES[full]
    owners = [NAMES[each] for each in value.__mro__ if each in NAMES]
    hidden = [
        name
        for name in members(value)
        if not any(f"{owner}.{name}" in entries() for owner in owners)
    ]
    assert hidden == []


@pytest.mark.parametrize("full", ["simplex_trio.SMPClient", "simplex_trio.NTFClient"])
def test_a_client_names_what_it_has_from_its_bases(full: str) -> None:
    [page] = [page for page in pages().values() if full in page.entries]
    entry = page.text.partition(f'id="{full}"')[2].partition('<dt class="sig')[0]
    linked = set(re.findall(r'href="[^"]*#([^"]+)"', entry))
    assert {
        "simplex_trio.client.RouterClient",
        "simplex_trio.client.RouterClient.address",
        "simplex_trio.engine.ProtocolClient.aclose",
        "simplex_trio.engine.ProtocolClient.events",
    } <= linked


def test_pages_show_values_and_not_what_python_makes_of_them() -> None:
    odd = re.compile(r"object at 0x|attr_dict|NOTHING|&lt;factory&gt;|Annotated\[")
    found = [
        f"{page.path.relative_to(FOLDER)}: {each}"
        for page in pages().values()
        for each in odd.findall(re.sub(r"<[^>]*>", "", page.text))
    ]
    assert found == []
