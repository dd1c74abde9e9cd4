"""What is public: which names, where they are defined, and how else text may spell them."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import attrs

__all__ = [
    "exported",
    "field_names",
    "full_name",
    "full_names",
    "is_implementation",
    "packages_with",
    "public",
    "public_value",
    "short_names",
    "spelled",
]


@cache
def exported(package: str) -> dict[str, str]:
    """The public names of a package, each with the module that defines it."""
    loaded = importlib.import_module(package)
    assert loaded.__file__ is not None
    found = {
        alias.name: statement.module
        for statement in ast.walk(ast.parse(Path(loaded.__file__).read_text()))
        if isinstance(statement, ast.ImportFrom) and statement.module is not None
        for alias in statement.names
    }
    return {name: found[name] for name in loaded.__all__}


@cache
def public() -> dict[str, tuple[str, Any]]:
    """The full public name and the value of each public object, by where it is defined."""
    root = importlib.import_module("simplex_trio")
    found = pkgutil.walk_packages(root.__path__, "simplex_trio.")
    packages = ["simplex_trio", *(each.name for each in found if each.ispkg)]
    return {
        f"{module}.{name}": (f"{package}.{name}", getattr(sys.modules[package], name))
        for package in packages
        if hasattr(importlib.import_module(package), "__all__")
        for name, module in exported(package).items()
    }


def is_implementation(cls: type) -> bool:
    """Whether a class is one of ours without being public."""
    is_ours = cls.__module__.partition(".")[0] == "simplex_trio"
    return is_ours and f"{cls.__module__}.{cls.__qualname__}" not in public()


@cache
def full_names() -> frozenset[str]:
    """The names of all that is public, as it is imported."""
    return frozenset(full for full, _ in public().values())


@cache
def _by_last_part() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for full in full_names():
        found.setdefault(full.rpartition(".")[2], []).append(full)
    return found


@cache
def short_names() -> dict[str, str]:
    """The full public name by the last part of it, for those that have it to themselves.

    Names of the first page win over those of packages below.
    """
    return {
        name: min(names, key=lambda full: full.count("."))
        for name, names in _by_last_part().items()
        if len(names) == 1 or any(full.count(".") == 1 for full in names)
    }


def packages_with(name: str) -> tuple[str, ...]:
    """The packages that export something by a name which none of them has to itself."""
    found = [] if name in short_names() else _by_last_part().get(name, [])
    return tuple(full.rpartition(".")[0] for full in found)


def spelled(name: str) -> str | None:
    """The full public name of what is called by it, by where it is defined, or by its last part."""
    if name in public():
        return public()[name][0]
    return name if name in full_names() else short_names().get(name)


def public_value(full: str) -> Any:
    """What a full public name stands for."""
    package, _, name = full.rpartition(".")
    return getattr(sys.modules[package], name)


def field_names(value: Any) -> frozenset[str]:
    """The names of the fields of a class of attrs."""
    is_attrs = inspect.isclass(value) and attrs.has(value)
    return frozenset(each.name for each in attrs.fields(value)) if is_attrs else frozenset()


def full_name(value: type) -> str:
    """The name of a class, as it is imported."""
    defined = f"{value.__module__}.{value.__qualname__}"
    return public()[defined][0] if defined in public() else defined.removeprefix("builtins.")
