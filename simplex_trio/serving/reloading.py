"""Reloading a configuration while a router runs: what changes, and what has to wait.  Pure.

A router that runs cannot take another port, another store or another address: these options are
its configuration's `FIXED` ones, and keep their values until the next start.  All others apply at
once, those about single connections to connections from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any, TypeVar

import attrs

from simplex_trio.frozen import frozen
from simplex_trio.serving.config import ServingConfig

__all__ = ["Reload", "Reloaded", "plan_reload"]

ConfigT = TypeVar("ConfigT", bound=ServingConfig)


@frozen
class Reloaded:
    """What became of a reload: names of options, as dotted keys, and never their values."""

    changed: tuple[str, ...]
    """Options that have another value from now on."""
    waiting: tuple[str, ...]
    """Options whose new value has to wait for the next start."""
    credentials: bool = False
    """Whether the router's certificate or key is another one."""
    web_credentials: bool = False
    """The same for browsers."""

    @property
    def is_anything(self) -> bool:
        """Whether anything is different from before."""
        return bool(self.changed or self.credentials or self.web_credentials)


@frozen
class Reload:
    """What to do: the configuration from now on, and what of the new one is in it."""

    config: Any
    changed: tuple[str, ...]
    waiting: tuple[str, ...]


def plan_reload(old: ConfigT, new: ConfigT) -> Reload:
    """Compare two configurations.

    Raises `ValueError` if what changes at once does not go with what has to wait.
    """
    different = tuple(_differences(old, new, old.FIXED))
    waiting = tuple(name for name in different if name in old.FIXED)
    config = new
    for name in waiting:
        config = _with_value_of(config, old, name.split("."))
    changed = tuple(name for name in different if name not in old.FIXED)
    return Reload(config, changed, waiting)


def _differences(old: Any, new: Any, whole: Set[str], prefix: str = "") -> Iterator[str]:
    """The names of options that differ, as dotted keys; those in ``whole`` are not looked into."""
    for field in attrs.fields(type(old)):
        before, after = getattr(old, field.name), getattr(new, field.name)
        name = prefix + field.name
        if name not in whole and attrs.has(type(before)) and type(before) is type(after):
            yield from _differences(before, after, whole, f"{name}.")
        elif before != after:
            yield name


def _with_value_of(config: Any, old: Any, path: list[str]) -> Any:
    """``config`` with the value that ``old`` has for one option."""
    name, *rest = path
    value = getattr(old, name)
    if rest:
        value = _with_value_of(getattr(config, name), value, rest)
    return attrs.evolve(config, **{name: value})
