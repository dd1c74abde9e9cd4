"""Names that no page is about, since they are implementation: docstrings mention them, and types.

They stay plain code, and a type says what it is when it is pointed at.  What no module of the
package has is a mistake, and the build says so.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import pkgutil
import sys
import typing
from collections.abc import Callable
from functools import cache
from types import ModuleType, UnionType
from typing import Any, ParamSpec, TypeVar

import attrs

import simplex_trio

__all__ = [
    "find_type",
    "is_there",
    "is_type_variable",
    "is_union",
    "required_parameters",
    "union_for_checkers",
]


@cache
def _modules() -> tuple[ModuleType, ...]:
    found = pkgutil.walk_packages(simplex_trio.__path__, "simplex_trio.")
    names = [each.name for each in found if not each.name.endswith("__main__")]
    return tuple(importlib.import_module(name) for name in names)


def _members(value: type) -> set[str]:
    """The attributes of a class, with those that only its instances have."""
    fields = attrs.fields_dict(value) if attrs.has(value) else {}
    return {*dir(value), *fields, *inspect.get_annotations(value)}


@cache
def _names() -> frozenset[str]:
    """Modules, by any part of their path; what they define, and the attributes of their classes."""
    found: set[str] = set()
    for module in _modules():
        steps = module.__name__.split(".")
        found.update(".".join(steps[at:]) for at in range(len(steps)))
        for name, value in vars(module).items():
            found |= {name, f"{module.__name__}.{name}"}
            if inspect.isclass(value) and value.__module__ == module.__name__:
                found.update(f"{name}.{member}" for member in _members(value))
    return frozenset(found)


@cache
def _types() -> dict[str, Any]:
    """The classes of all modules, and other names for types, by their names alone."""
    return {
        name: value
        for module in _modules()
        for name, value in vars(module).items()
        if is_alias(value)
        or (inspect.isclass(value) and value.__module__.partition(".")[0] == "simplex_trio")
    }


@cache
def _for_checkers() -> dict[str, str]:
    """The unions that there are for type checkers alone, as they are written."""
    return {
        statement.target.id: ast.unparse(statement.value)
        for module in _modules()
        for block in ast.parse(inspect.getsource(module)).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.AnnAssign)
        and statement.value is not None
        and isinstance(statement.target, ast.Name)
    }


def is_there(name: str) -> bool:
    """Whether some module of the package has a name."""
    return name in _names()


def find_type(name: str) -> Any | None:
    """The class of a name, or what it is another name for, with its module or without."""
    module, _, last = name.rpartition(".")
    return vars(sys.modules[module]).get(last) if module in sys.modules else _types().get(name)


def union_for_checkers(name: str) -> str | None:
    """What a union is made of that no module has at run time."""
    return _for_checkers().get(name)


def is_alias(value: Any) -> bool:
    """Whether a value is another name for a type that is made of others."""
    return isinstance(value, UnionType) or typing.get_origin(value) is not None


def is_union(value: Any) -> bool:
    """Whether a type is one of several."""
    return isinstance(value, UnionType) or typing.get_origin(value) is typing.Union


def is_type_variable(name: str) -> bool:
    """Whether a name, with its module or without, stands for any type."""
    module, _, last = name.rpartition(".")
    places = [sys.modules[module]] if module in sys.modules else _modules()
    return any(isinstance(vars(each).get(last), TypeVar | ParamSpec) for each in places)


class _Same:
    """A generic type that is nothing but its argument."""

    def __class_getitem__(cls, item: Any) -> Any:
        return item


def forget_notes() -> None:
    """Make annotated types those that they annotate: notes for decoders are not for readers."""
    for module in _modules():
        for name, value in list(vars(module).items()):
            if typing.get_origin(value) is typing.Annotated:
                is_generic = getattr(value, "__parameters__", ())
                setattr(module, name, _Same if is_generic else typing.get_args(value)[0])


class _Imported(dict[str, Any]):
    """Names of our types, for annotations whose modules import them for type checkers alone."""

    def __init__(self, known: dict[str, Any]) -> None:
        super().__init__()
        self._known = known

    def __missing__(self, name: str) -> Any:
        if name in self._known or hasattr(builtins, name):
            raise KeyError(name)
        return _types()[name]


def required_parameters(cls: type) -> dict[str, Any]:
    """The types of what a constructor has to be given, without what the class has by that name."""
    constructor: Callable[..., Any] = cls.__init__  # type: ignore[misc]
    known: dict[str, Any] = {}
    for owner in reversed(cls.__mro__):  # a constructor may be inherited
        known |= vars(sys.modules[owner.__module__])
    try:
        hints = typing.get_type_hints(constructor, globalns=known, localns=_Imported(known))
    except NameError:  # a name that there is for type checkers alone
        return {}
    return {
        name: hints[name]
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.default is parameter.empty and name in hints and name not in _members(cls)
    }
