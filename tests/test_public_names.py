"""What is public: the names that packages export, each with one entry in the reference."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import simplex_trio

ROOT = Path(__file__).parents[1]
SOURCE = Path(simplex_trio.__file__).parent

PACKAGES = [
    "simplex_trio",
    *(
        each.name
        for each in pkgutil.walk_packages(simplex_trio.__path__, "simplex_trio.")
        if each.ispkg
    ),
]
EXPORTED = {
    package: list(exported)
    for package in PACKAGES
    if (exported := getattr(importlib.import_module(package), "__all__", None)) is not None
}

OPTIONAL = (
    "Cryptodome",
    "PIL",
    "apprise",
    "backports",
    "cbor2",
    "cyclopts",
    "h2",
    "hyperframe",
    "ntruprime",
    "pqcrypto",
    "prometheus_client",
    "python_socks",
    "rich",
    "segno",
    "sqlcipher3",
)
"""What the extras install."""


def imports(source: str) -> Iterator[tuple[str, str]]:
    """The names of ours that a program imports, each with where it imports it from."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                found = [(module, alias.name) for alias in names]
            case ast.Import(names=names):
                found = [(alias.name, "") for alias in names]
            case _:
                continue
        yield from (each for each in found if each[0].partition(".")[0] == "simplex_trio")


def python_blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.M))


def entries() -> list[tuple[str, str]]:
    """The names in the reference, each with its package."""
    found = []
    for page in sorted((ROOT / "docs" / "reference").glob("*.rst")):
        for package, names in re.findall(
            r"^\.\. public:: (\S+)\n\n((?: {3}\S+\n)+)", page.read_text(), re.MULTILINE
        ):
            found += [(package, name) for name in names.split()]
    return found


def test_every_public_name_has_one_entry_in_the_reference_and_nothing_else_has() -> None:
    public = [(package, name) for package, names in EXPORTED.items() for name in names]
    assert Counter(entries()) == Counter(public)


def test_every_package_with_public_names_has_a_page() -> None:
    pages = [page.read_text() for page in (ROOT / "docs" / "reference").glob("*.rst")]
    found = re.findall(r"^\.\. public-package:: (\S+)$", "\n".join(pages), re.MULTILINE)
    assert sorted(found) == sorted(EXPORTED)


def test_nothing_is_exported_by_two_packages() -> None:
    homes = Counter(
        id(getattr(sys.modules[package], name))
        for package, names in EXPORTED.items()
        for name in names
    )
    assert set(homes.values()) == {1}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_what_it_exports_and_no_more(package: str) -> None:
    init = SOURCE.parent / package.replace(".", "/") / "__init__.py"
    imported = [name for _, name in imports(init.read_text())]
    assert sorted(imported) == sorted(EXPORTED.get(package, []))
    for module, name in imports(init.read_text()):
        assert name in importlib.import_module(module).__all__


def test_the_code_imports_names_from_the_modules_that_define_them() -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {name} from {module}"
        for path in SOURCE.rglob("*.py")
        for module, name in imports(path.read_text())
        if name in EXPORTED.get(module, ())
    ]
    assert found == []


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("*.py")),
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_documents_and_examples_use_public_names(page: Path) -> None:
    source = page.read_text() if page.suffix == ".py" else python_blocks(page)
    hidden = [
        f"{name} from {module}"
        for module, name in imports(source)
        if name not in EXPORTED.get(module, ())
    ]
    assert hidden == []


def test_packages_are_light_need_no_extra_and_can_be_imported_in_any_order() -> None:
    program = f"""
import importlib, json, sys
for name in {OPTIONAL}:
    sys.modules[name] = None
import simplex_trio
first = {{name for name in sys.modules if name.startswith("simplex_trio")}}
for package in {list(EXPORTED)}:
    importlib.import_module(package)
    for name in [name for name in sys.modules if name.startswith("simplex_trio")]:
        if name not in first:  # the next package is the first after simplex_trio as well
            del sys.modules[name]
print(json.dumps(sorted(first)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = {name.split(".")[1] for name in json.loads(run.stdout) if "." in name}
    # What a program with messages does not need is loaded by programs that import it.
    assert loaded.isdisjoint({"chat", "cli", "duplex", "katzenpost", "ratchet", "testing", "xftp"})
