"""What the reference shows of a class beside its documentation: its constructor, and its bases."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Iterator
from enum import Enum
from types import FunctionType
from typing import Any, Generic, Protocol, get_args

import attrs
from docutils import nodes
from implementation import is_union, required_parameters
from published import full_name, is_implementation, public
from sphinx.addnodes import desc_parameterlist, desc_signature
from sphinx.application import Sphinx
from sphinx.util.inspect import signature as sphinx_signature
from sphinx.util.inspect import stringify_signature

__all__ = ["members_without_text", "on_one_line", "with_bases", "with_defaults"]

_LONGEST_DEFAULT = 60
"""Characters of a default that is shown."""

_LONGEST_LINE = 88
"""Characters of a signature; a longer one has a line for each parameter."""

_SHOWN = (property, classmethod, staticmethod, FunctionType)
"""What a class shows beside its fields."""


def members_without_text(value: type) -> Iterator[tuple[str, str]]:
    """Methods and properties that have a name and types, and no more, with their directives."""
    if issubclass(value, Enum):  # which show all of their members
        return
    owners = [value, *(base for base in value.__mro__[1:] if is_implementation(base))]
    names = dict.fromkeys(name for owner in owners for name in vars(owner))
    for name in names:
        member = inspect.getattr_static(value, name)
        is_shown = isinstance(member, _SHOWN)
        if is_shown and not name.startswith("_") and not inspect.getdoc(getattr(value, name)):
            yield name, "autoproperty" if isinstance(member, property) else "automethod"


def is_hidden(value: Any) -> bool:
    """Whether programs have no value of a type, since it is a class that they cannot name."""
    if is_union(value):
        return all(map(is_hidden, get_args(value)))
    if inspect.isclass(value) and not getattr(value, "_is_protocol", False):
        return is_implementation(value)
    return any(map(is_hidden, get_args(value)))


class _Shown:
    """A default, as it is shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def with_defaults(
    _app: Sphinx, _what: str, _name: str, value: Any, _options: Any, signature: str, _returns: str
) -> tuple[str, str] | None:
    """The signature of a class of attrs with its defaults, which its constructor hides.

    A class that only this package makes has none: its constructor wants what is not public.
    """
    if inspect.isclass(value) and any(map(is_hidden, required_parameters(value).values())):
        return "", ""
    if not (inspect.isclass(value) and attrs.has(value) and signature):
        return None
    fields = {each.alias: each for each in attrs.fields(value)}
    found = sphinx_signature(value)
    shown = [
        each.replace(default=_Shown(_default(fields[each.name].default)))
        if each.name in fields and each.default is not each.empty
        else each
        for each in found.parameters.values()
    ]
    replaced = found.replace(parameters=shown, return_annotation=found.empty)
    return stringify_signature(replaced, unqualified_typehints=True), ""


def _default(value: Any) -> str:
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        factory = value.factory
        return f"{factory.__name__}()" if inspect.isclass(factory) else "..."
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__name__
    text = repr(value)
    return text if len(text) <= _LONGEST_DEFAULT else "..."


def public_bases(value: type) -> list[type]:
    """The bases of a class that it shows: those of the implementation are replaced by theirs."""
    found: list[type] = []
    for base in value.__bases__:
        found += public_bases(base) if is_implementation(base) else [base]
    return [base for base in dict.fromkeys(found) if base not in (object, Generic, Protocol, ABC)]


def with_bases(
    _app: Sphinx, what: str, _name: str, value: Any, _options: Any, lines: list[str]
) -> None:
    """Say of a class what it extends, and what it has from there."""
    if what not in {"class", "exception"} or not inspect.isclass(value):
        return
    said = []
    own = [value, *(each for each in value.__mro__[1:] if is_implementation(each))]
    for base in public_bases(value):
        name = full_name(base)
        taken = [
            member
            for member in members_of(base)
            if not any(member in vars(each) for each in own if not issubclass(base, each))
        ]
        listed = ", ".join(f"`~{name}.{member}`" for member in taken)
        said.append(f"Extends `{name}`" + (f", from which it has {listed}." if listed else "."))
    if said:
        lines += ["", " ".join(said), ""]


def members_of(value: type) -> list[str]:
    """The methods and properties of one of our public classes, its own and those of its bases."""
    if f"{value.__module__}.{value.__qualname__}" not in public():
        return []
    owners = [each for each in value.__mro__ if each.__module__.startswith("simplex_trio.")]
    found = dict.fromkeys(name for owner in owners for name in vars(owner))
    return [
        name
        for name in found
        if not name.startswith("_") and isinstance(inspect.getattr_static(value, name), _SHOWN)
    ]


def on_one_line(_app: Sphinx, _domain: str, _kind: str, content: nodes.Element) -> None:
    """Have each signature on one line if it fits; Sphinx counts the modules of types as well."""
    for signature in content.parent.findall(desc_signature):
        is_long = len(signature.astext()) > _LONGEST_LINE
        for parameters in signature.findall(desc_parameterlist):
            parameters["multi_line_parameter_list"] = is_long and len(parameters) > 0
