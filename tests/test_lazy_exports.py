"""Names of packages that are imported at their first use."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import simplex_trio
from simplex_trio.errors import TooLarge
from simplex_trio.lazy_exports import lazy_exports


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package that exports a name of a module on the disk, and one that is not there."""
    (tmp_path / "home_of_names.py").write_text("One = object()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = ModuleType("lazy_package")
    monkeypatch.setitem(sys.modules, "lazy_package", made)
    homes: dict[str, tuple[str, ...]] = {"home_of_names": ("One", "Gone"), "no_such_module": ("X",)}
    vars(made)["__getattr__"], vars(made)["__dir__"] = lazy_exports("lazy_package", homes)
    vars(made)["__all__"] = ["One"]
    yield made
    sys.modules.pop("home_of_names", None)


def test_a_name_is_imported_when_it_is_first_used(package: ModuleType) -> None:
    assert "home_of_names" not in sys.modules
    found = package.One
    assert found is sys.modules["home_of_names"].One
    assert vars(package)["One"] is found


def test_all_names_are_listed_before_they_are_used(package: ModuleType) -> None:
    before = dir(package)
    assert {"One", "Gone", "X", "__all__"} < set(before)
    assert package.One
    assert dir(package) == before == sorted(before)


def test_a_star_imports_what_is_public(package: ModuleType) -> None:
    names: dict[str, object] = {}
    exec("from lazy_package import *", names)
    assert names["One"] is package.One


def test_a_name_that_there_is_not_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'lazy_package' has no attribute 'Two'"):
        package.Two  # noqa: B018
    with pytest.raises(AttributeError, match="Gone"):
        package.Gone  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Two'"):
        exec("from lazy_package import Two")


def test_what_goes_wrong_in_a_module_is_not_taken_for_a_missing_name(package: ModuleType) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        package.X  # noqa: B018


def test_values_are_pickled_by_the_module_that_defines_them() -> None:
    assert pickle.loads(pickle.dumps(simplex_trio.TooLarge)) is TooLarge
    assert b"simplex_trio.errors" in pickle.dumps(simplex_trio.TooLarge)
