"""`read_config`: a TOML file as the attrs class that describes it.

Every table of the file is a class and every key a field of it, with the same name.  A missing key
has the default of the class, and an unknown key is an error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = ["ConfigError", "read_config"]

T = TypeVar("T")

_PLACE = re.compile(r"at line \d+, column \d+|at end of document")
"""Where a mistake is, in the message of the parser, whose rest may repeat what is in the file."""

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    Path: "a path in quotes",
    DatabaseURL: "a URL that begins with postgresql://, in quotes",
    list: "a list in brackets",
    dict: "a table",
}


class ConfigError(SimplexError, ValueError):
    """A configuration cannot be read, or is invalid; the message names the key."""


def read_config(cls: type[T], path: Path, renamed: Mapping[str, str]) -> T:
    """The configuration in a file; relative paths in it are relative to its folder.

    ``renamed`` has the former names of options, each with its new name.  Raises `OSError`, or
    `ConfigError` for the contents of the file.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as exc:  # the latter for brackets in brackets
        place = _PLACE.search(str(exc))
        at = f" ({place[0]})" if place else ""
        raise ConfigError(f"the configuration is not TOML{at}") from exc
    return _File(path.parent, tuple(_options(cls)), renamed).section(cls, table)


def _options(cls: Any, prefix: str = "") -> Iterator[str]:
    """The names of all options, tables included, as dotted keys."""
    types = get_type_hints(cls)
    for field in attrs.fields(cls):
        yield prefix + field.name
        for kind in _kinds(types[field.name]):
            if _is_table(kind):
                yield from _options(kind, f"{prefix}{field.name}.")


def _kinds(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


@frozen
class _File:
    folder: Path
    options: tuple[str, ...]
    renamed: Mapping[str, str]

    def section(self, cls: type[T], table: dict[str, Any], prefix: str = "") -> T:
        """One table of the file as the class that describes it."""
        types = get_type_hints(cls)
        known = {each.name for each in attrs.fields(cls)}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for key, value in table.items():
            name = prefix + key
            if key not in known:
                raise ConfigError(self.unknown(name))
            values[key] = self.value(types[key], value, name)
        try:
            return cls(**values)
        except ValueError as exc:
            raise ConfigError(f"the table {prefix.rstrip('.') or 'at the top'}: {exc}") from exc

    def unknown(self, name: str) -> str:
        """The message about an option that does not exist."""
        if now := self.renamed.get(name):
            return f"{name} in the configuration has another name now: {now}"
        key = name.rpartition(".")[2]
        elsewhere = [each for each in self.options if each.rpartition(".")[2] == key]
        similar = elsewhere or get_close_matches(name, self.options, n=1)
        suggestion = f" (did you mean {similar[0]}?)" if similar else ""
        return f"there is no {name} in the configuration of this router{suggestion}"

    def value(self, kind: Any, value: Any, name: str) -> Any:
        for each in _kinds(kind):
            if _is_table(each):
                if isinstance(value, dict):
                    return self.section(each, value, f"{name}.")
            elif each is DatabaseURL:
                if isinstance(value, str) and DatabaseURL.is_one(value):
                    return _url(value, name)
            elif each is Path:
                if isinstance(value, str) and not DatabaseURL.is_one(value):
                    return self.folder / value
            elif get_origin(each) is tuple:
                if isinstance(value, list):
                    (item, _) = get_args(each)
                    return tuple(self.value(item, every, name) for every in value)
            elif each is float:
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return value
            elif each is not type(None) and type(value) is each:
                return value
        wanted = " or ".join(_in_words(each) for each in _kinds(kind) if each is not type(None))
        raise ConfigError(f"{name} in the configuration must be {wanted}, not {_is(value)}")


def _is_table(kind: Any) -> bool:
    """Whether a type is written as a table, rather than as a text."""
    return attrs.has(kind) and kind is not DatabaseURL


def _url(text: str, name: str) -> DatabaseURL:
    try:
        return DatabaseURL.parse(text)
    except ValueError as exc:
        raise ConfigError(f"{name} in the configuration: {exc}") from exc


def _in_words(kind: Any) -> str:
    """What a value of this type is in a file of TOML."""
    if get_origin(kind) is tuple:
        (item, _) = get_args(kind)
        return f"a list, with each item {_in_words(item)}"
    return "a table" if _is_table(kind) else _WORDS[kind]


def _is(value: Any) -> str:
    """What a value is that a file of TOML has; the value itself may be a password."""
    return _WORDS.get(type(value), "a date or time")
