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
    "psycopg",
    "python_socks",
    "rich",
    "segno",
    "sqlcipher3",
)
"""What the extras install."""


HEAVY = ("OpenSSL", "attr", "cryptography", "nacl", "sqlite3", "ssl", "trio")
"""What the rest is made of."""

PARENTS = {
    ".".join(parts[:count])
    for parts in (package.split(".") for package in EXPORTED)
    for count in range(1, len(parts) + 1)
}
"""The packages that are loaded with those that export something."""


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


def homes(init: Path) -> dict[str, tuple[str, ...]]:
    """The modules that a package tells `lazy_exports` of, each with its names."""
    for node in ast.walk(ast.parse(init.read_text())):
        match node:
            case ast.Call(func=ast.Name("lazy_exports"), args=[_, found]):
                return dict(ast.literal_eval(found))
    return {}


def loaded_by(program: str) -> set[str]:
    """The modules that a program has loaded when it ends."""
    program += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(json.loads(run.stdout))


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
    exports = [each for each in imports(init.read_text()) if each[1] != "lazy_exports"]
    assert sorted(name for _, name in exports) == sorted(EXPORTED.get(package, []))
    # What type checkers see, and what there is when the program runs.
    assert exports == [(module, name) for module, names in homes(init).items() for name in names]
    for module, name in exports:
        assert name in importlib.import_module(module).__all__
        found = getattr(importlib.import_module(package), name)
        assert found is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("package", EXPORTED)
def test_no_name_is_that_of_a_module_which_would_take_its_place(package: str) -> None:
    path = importlib.import_module(package).__path__
    assert {each.name for each in pkgutil.iter_modules(path)}.isdisjoint(EXPORTED[package])


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


def test_packages_need_no_extra_and_can_be_used_in_any_order() -> None:
    program = f"""
import importlib, sys
for name in {OPTIONAL}:
    sys.modules[name] = None
for package, names in {EXPORTED}.items():
    for name in names:
        getattr(importlib.import_module(package), name)
    for name in [name for name in sys.modules if name.startswith("simplex_trio")]:
        del sys.modules[name]  # each package is the first once
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# --- what is loaded -----------------------------------------------------------------------------


def test_a_package_loads_nothing_until_a_name_is_used() -> None:
    loaded = loaded_by("\n".join(f"import {package}" for package in EXPORTED))
    ours = {name for name in loaded if name.partition(".")[0] == "simplex_trio"}
    assert ours == {*PARENTS, "simplex_trio.lazy_exports"}
    assert loaded.isdisjoint({*OPTIONAL, *HEAVY, "asyncio"})


@pytest.mark.parametrize(
    ("used", "idle"),
    [
        (
            "from simplex_trio import open_smp_client",
            {"chat", "duplex", "katzenpost", "ratchet", "router", "serving", "storage", "xftp"},
        ),
        ("from simplex_trio import open_router", {"chat", "duplex", "katzenpost", "xftp"}),
        ("from simplex_trio.duplex import open_duplex_agent", {"chat", "katzenpost", "router"}),
        ("from simplex_trio.chat import open_bot", {"katzenpost", "router"}),
        ("from simplex_trio.katzenpost import open_thin_client", {"chat", "duplex", "router"}),
    ],
)
def test_a_name_loads_what_it_is_made_of(used: str, idle: set[str]) -> None:
    loaded = loaded_by(used)
    ours = {name.split(".")[1] for name in loaded if name.startswith("simplex_trio.")}
    assert ours.isdisjoint({*idle, "cli", "testing"})
    assert loaded.isdisjoint({*OPTIONAL, "asyncio"})
