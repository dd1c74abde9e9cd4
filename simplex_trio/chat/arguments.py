"""Arguments of commands: what a handler's annotations say about the text behind its keyword."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from simplex_trio.chat.groups import Member
from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen

__all__ = ["Arguments", "WrongArguments", "arguments_of", "split_command"]

_MAX_KEYWORD = 64
_QUOTED = re.compile(r"(@?'[^']+')(?:\s+|$)(.*)", re.DOTALL)
_COMMAND = re.compile(r"/(\S+)(.*)", re.DOTALL)


class WrongArguments(SimplexError):
    """The text behind a command is not what its handler takes; ``usage`` shows what is.

    ``problem`` is what is wrong, for the person who has written it, if that does not show.
    """

    def __init__(self, usage: str, problem: str = "") -> None:
        super().__init__("the arguments of a command are not what it takes")
        self.usage = usage
        self.problem = problem


@frozen
class _Parameter:
    name: str
    read: Callable[[str], Any]
    is_required: bool
    takes_many: bool
    takes_rest: bool
    is_member: bool = False

    @property
    def usage(self) -> str:
        name = self.name.replace("_", " ")
        if self.is_member:
            name = f"@{name}"
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

    @property
    def take_members(self) -> bool:
        """Whether some of them are members of the group."""
        return any(each.is_member for each in self.parameters)

    def read(
        self, keyword: str, text: str, named: Callable[[str], Sequence[Member]] = lambda name: ()
    ) -> list[Any]:
        """The arguments in a text, where ``named`` finds members; raises `WrongArguments`."""
        usage = f"/{keyword} {self.usage}".rstrip()
        try:
            values = self._read(text.strip())
        except ValueError:
            raise WrongArguments(usage) from None
        return [_member(each, named, usage) if isinstance(each, _Name) else each for each in values]

    def _read(self, text: str) -> list[Any]:
        values: list[Any] = []
        for each in self.parameters:
            first = _first_name if each.is_member else _first_word
            while text and each.takes_many:
                word, text = first(text)
                values.append(each.read(word))
            if each.takes_many:
                continue
            if not text:
                if each.is_required:
                    raise ValueError("too few words")
                return values
            word, text = (text, "") if each.takes_rest else first(text)
            values.append(each.read(word))
        if text:
            raise ValueError("too many words")
        return values


class _Name(str):
    """How a text names a member: ``Bob``, ``@Bob``, ``'Bob Smith'`` or ``@'Bob Smith'``."""

    __slots__ = ()

    @property
    def bare(self) -> str:
        name = self.removeprefix("@")
        is_quoted = len(name) > 2 and name[0] == name[-1] == "'"
        return name[1:-1] if is_quoted else name


def _first_name(text: str) -> tuple[str, str]:
    found = _QUOTED.match(text)
    return _first_word(text) if found is None else (found[1], found[2])


def _member(name: _Name, named: Callable[[str], Sequence[Member]], usage: str) -> Member:
    found = named(name.bare)
    if len(found) != 1:
        problem = "Several members have this name." if found else "No member has this name."
        raise WrongArguments(usage, problem)
    return found[0]


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
        core = _core_of(hint)
        parameters.append(
            _Parameter(
                each.name,
                _reader(hint),
                is_required=each.default is kinds.empty and not takes_many,
                takes_many=takes_many,
                # The last text may have spaces in it.
                takes_rest=each is usable[-1] and core in (str, Member) and not takes_many,
                is_member=core is Member,
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
    if core is Member:
        return _Name
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
    raise TypeError(
        "an argument of a command is text, a number, an enumeration, a Literal, or a Member"
    )


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
