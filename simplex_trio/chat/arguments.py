"""Arguments of commands: what a handler's annotations say about the text behind its keyword."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen

__all__ = ["Arguments", "WrongArguments", "arguments_of", "split_command"]

_MAX_KEYWORD = 64
_COMMAND = re.compile(r"/(\S+)(.*)", re.DOTALL)


class WrongArguments(SimplexError):
    """The text behind a command is not what its handler takes; ``usage`` shows what is."""

    def __init__(self, usage: str) -> None:
        super().__init__("the arguments of a command are not what it takes")
        self.usage = usage


@frozen
class _Parameter:
    name: str
    read: Callable[[str], Any]
    is_required: bool
    takes_many: bool
    takes_rest: bool

    @property
    def usage(self) -> str:
        name = self.name.replace("_", " ")
        if self.takes_many:
            return f"[{name} ...]"
        return f"<{name}>" if self.is_required else f"[{name}]"


@frozen
class Arguments:
    """What a command takes."""

    parameters: tuple[_Parameter, ...]

    @property
    def usage(self) -> str:
        """What to write behind the keyword, as the app shows it."""
        return " ".join(each.usage for each in self.parameters)

    def read(self, keyword: str, text: str) -> list[Any]:
        """The arguments in a text; raises `WrongArguments`."""
        try:
            return self._read(text.strip())
        except ValueError:
            raise WrongArguments(f"/{keyword} {self.usage}".rstrip()) from None

    def _read(self, text: str) -> list[Any]:
        values: list[Any] = []
        for each in self.parameters:
            if each.takes_many:
                return values + [each.read(word) for word in text.split()]
            if not text:
                if each.is_required:
                    raise ValueError("too few words")
                return values
            word, text = (text, "") if each.takes_rest else _first_word(text)
            values.append(each.read(word))
        if text:
            raise ValueError("too many words")
        return values


def _first_word(text: str) -> tuple[str, str]:
    word, *rest = text.split(maxsplit=1)
    return word, rest[0] if rest else ""


def arguments_of(function: Callable[..., Any]) -> Arguments:
    """What a handler takes behind its first parameter, the message.

    Parameters after a ``*`` are left to filters.  Raises `TypeError` for annotations that say
    nothing about text.
    """
    hints = get_type_hints(function)
    kinds = inspect.Parameter
    _, *found = inspect.signature(function).parameters.values()
    usable = [each for each in found if each.kind not in (kinds.KEYWORD_ONLY, kinds.VAR_KEYWORD)]
    parameters = []
    for each in usable:
        hint = hints.get(each.name, str)
        takes_many = each.kind is kinds.VAR_POSITIONAL
        parameters.append(
            _Parameter(
                each.name,
                _reader(hint),
                is_required=each.default is kinds.empty and not takes_many,
                takes_many=takes_many,
                # The last text may have spaces in it.
                takes_rest=each is usable[-1] and _core_of(hint) is str and not takes_many,
            )
        )
    return Arguments(tuple(parameters))


def _core_of(hint: Any) -> Any:
    """The type without ``None``."""
    if get_origin(hint) in (Union, UnionType):
        others = [each for each in get_args(hint) if each is not NoneType]
        if len(others) == 1:
            return others[0]
    return hint


def _reader(hint: Any) -> Callable[[str], Any]:
    core = _core_of(hint)
    if core is float:
        return _finite
    if core in (str, int):
        reader: Callable[[str], Any] = core
        return reader
    if get_origin(core) is Literal:
        words = {str(each).lower(): each for each in get_args(core)}
        return lambda word: _one_of(words, word)
    if isinstance(core, type) and issubclass(core, Enum):
        members = {str(each.value).lower(): each for each in core}
        return lambda word: _one_of(members, word)
    raise TypeError("an argument of a command is text, a number, an enumeration or a Literal")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError("not a number that can be counted with")
    return number


def _one_of(words: dict[str, Any], word: str) -> Any:
    try:
        return words[word.lower()]
    except KeyError:
        raise ValueError("not one of the words") from None


def split_command(text: str) -> tuple[str, str] | None:
    """The keyword of a command and the text behind it: ``/weather Oslo``, ``/'role 2'``."""
    if text.startswith("/'"):
        inside, quote, _ = text[2:].partition("'")
        text = f"/{inside}" if quote else text
    found = _COMMAND.match(text)
    if found is None or len(found[1]) > _MAX_KEYWORD:
        return None
    return found[1].lower(), found[2].strip()
