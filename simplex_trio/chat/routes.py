"""`MessageHandlers`: the functions of a table that deal with messages, and the ways to them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, cast, overload

from attrs import field

from simplex_trio.chat.arguments import Arguments, WrongArguments, arguments_of
from simplex_trio.chat.messages.preferences import Command
from simplex_trio.frozen import frozen

if TYPE_CHECKING:
    from simplex_trio.chat.group_messages import GroupMessage
    from simplex_trio.chat.groups import Member
    from simplex_trio.chat.people import IncomingMessage

__all__ = ["ErrorHandler", "Filter", "MessageHandlers", "Middleware", "Route", "require_async"]

MessageT = TypeVar("MessageT")

Filter: TypeAlias = Callable[[MessageT], bool | Mapping[str, Any]]
"""Says whether a handler is for a message; a mapping is handed to it as keyword arguments."""

Middleware: TypeAlias = Callable[[Any, Callable[[], Awaitable[None]]], Awaitable[object]]
"""Called in place of a handler, with the message and a function that goes on to the handler."""

ErrorHandler: TypeAlias = Callable[[Any, Exception], Awaitable[object]]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Awaitable[object]])

if TYPE_CHECKING:
    AnyMessage: TypeAlias = IncomingMessage | GroupMessage


def require_async(function: Callable[..., Awaitable[object]]) -> None:
    """Raise `TypeError` for a function that was not written with ``async def``.

    A lambda, and an object that can be called, may return something to await.
    """
    inner = inspect.unwrap(function)
    while isinstance(inner, partial):
        inner = inner.func
    if not inspect.isroutine(inner) or inspect.iscoroutinefunction(inner):
        return
    name = inner.__name__
    if name != "<lambda>":
        raise TypeError(f"{name} is to be written as an async function: async def {name}(...)")


@frozen
class _MessageHandler:
    function: Callable[..., Awaitable[object]]
    filters: tuple[Filter[Any], ...]

    def data(self, message: object) -> dict[str, Any] | None:
        """Keyword arguments for a message, or `None` if it is not for this handler."""
        data: dict[str, Any] = {}
        for each in self.filters:
            found = each(message)
            if not found and not isinstance(found, Mapping):
                return None
            if isinstance(found, Mapping):
                data |= found
        return data


@frozen
class _CommandHandler:
    keyword: str
    label: str
    function: Callable[..., Awaitable[object]]
    arguments: Arguments
    filters: _MessageHandler


@frozen
class Route:
    """The way of one happening to the function that deals with it."""

    call: Callable[[], Awaitable[object]]
    middleware: tuple[Middleware, ...] = ()
    error_handlers: tuple[ErrorHandler, ...] = field(default=())
    """The nearest one first."""


class MessageHandlers(Generic[MessageT]):
    """Functions for messages, for commands, and for other things that happen."""

    _PREFIX: ClassVar[str] = ""
    """Before the kinds of things that happen both with contacts and in groups."""
    _HAS_MEMBERS: ClassVar[bool] = False

    def __init__(self) -> None:
        self._commands: list[_CommandHandler] = []
        self._messages: list[_MessageHandler] = []
        self._others: dict[str, list[Callable[..., Awaitable[object]]]] = {}
        self.decided: set[str] = set()
        """The kinds of requests that functions of the table decide about."""

    # --- adding ---------------------------------------------------------------------------------

    @overload
    def command(self, function: FunctionT, /) -> FunctionT: ...

    @overload
    def command(
        self, keyword: str | None = None, /, *filters: Filter[MessageT], label: str | None = None
    ) -> Callable[[FunctionT], FunctionT]: ...

    def command(
        self, keyword: Any = None, /, *filters: Filter[MessageT], label: str | None = None
    ) -> Any:
        """Call a function for a command: ``/keyword`` and its arguments.

        The keyword is the function's name, with ``-`` for ``_``, if none is given.  Parameters
        behind the message are arguments: text, `int`, `float`, an `Enum`, or a `Literal`; the last
        one, if it is text, takes all that is left.  Those with defaults may be absent.  A person
        who writes something else is shown how to use the command.

        In groups an argument may be a `Member`, whom the text names or mentions: ``Bob``,
        ``@Bob``, or ``'Bob Smith'`` in quotes, which the last argument does not need.

        The ``label`` says what the command does, in the app's menu and in the answer to ``/help``;
        if it is not given, the first line of the docstring does.
        """

        def add(function: FunctionT, given: str | None = None) -> FunctionT:
            require_async(function)
            arguments = arguments_of(function)
            if arguments.take_members and not self._HAS_MEMBERS:
                raise TypeError("only commands in groups take a Member")
            name = given or getattr(function, "__name__", "command").replace("_", "-")
            first_line = (inspect.getdoc(function) or name).partition("\n")[0].rstrip(".")
            handler = _CommandHandler(
                name.lower().removeprefix("/"),
                label or first_line,
                function,
                arguments,
                _MessageHandler(function, filters),
            )
            self._commands.append(handler)
            return function

        if callable(keyword):
            return add(keyword)
        return lambda function: add(function, keyword)

    @overload
    def on_message(self, function: FunctionT, /) -> FunctionT: ...

    @overload
    def on_message(
        self,
        *filters: Filter[MessageT],
        content: type[Any] | tuple[type[Any], ...] | None = None,
        text: str | re.Pattern[str] | None = None,
    ) -> Callable[[FunctionT], FunctionT]: ...

    def on_message(
        self,
        *filters: Any,
        content: type[Any] | tuple[type[Any], ...] | None = None,
        text: str | re.Pattern[str] | None = None,
    ) -> Any:
        """Call a function for messages that fit; for all of them without an argument.

        ``content`` is the class of their content, such as `Image`.  ``text`` is the whole text, or
        a pattern that is searched for: then the function gets the ``match`` if it has a parameter
        of this name.
        """
        made: list[Filter[Any]] = []
        if content is not None:
            kinds = content
            made.append(lambda message: isinstance(message.content, kinds))
        if isinstance(text, str):
            made.append(lambda message: message.text == text)
        elif text is not None:
            made.append(_searching(text))

        def add(function: FunctionT) -> FunctionT:
            require_async(function)
            self._messages.append(_MessageHandler(function, (*made, *filters)))
            return function

        if any(map(inspect.iscoroutinefunction, filters)):
            if len(filters) > 1 or made:
                raise TypeError("a filter is a plain function, and cannot wait")
            [function], filters = filters, ()  # ``@handlers.on_message`` without parentheses
            return add(function)
        return add

    def on_edited(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MessageEdited`, or `GroupMessageEdited`."""
        return self._add(f"{self._PREFIX}edited", function)

    def on_deleted(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MessageDeleted`, or `GroupMessageDeleted`."""
        return self._add(f"{self._PREFIX}deleted", function)

    def on_reaction(self, function: FunctionT) -> FunctionT:
        """Call a function with each `ReactionChanged`, or `GroupReactionChanged`."""
        return self._add(f"{self._PREFIX}reaction", function)

    def on_file(self, function: FunctionT) -> FunctionT:
        """Call a function with each `IncomingFile` or `GroupFile` that no call waits for.

        That is so for files that `open_bot` receives by itself, and for those whose call was
        cancelled, or ended with the program.  `IncomingFile.state` says what has become of it.
        """
        return self._add(f"{self._PREFIX}file", function)

    def _add(self, kind: str, function: FunctionT) -> FunctionT:
        require_async(function)
        self._others.setdefault(kind, []).append(function)
        return function

    def _add_deciding(self, kind: str, function: FunctionT) -> FunctionT:
        self.decided.add(kind)
        return self._add(kind, function)

    # --- finding --------------------------------------------------------------------------------

    def find_command(
        self, message: AnyMessage, keyword: str, text: str
    ) -> Callable[[], Awaitable[object]] | None:
        """The call for a command with this text behind its keyword."""
        for each in self._commands:
            data = each.filters.data(message) if each.keyword == keyword else None
            if data is not None:
                return _calling(each, message, text, data)
        return None

    def find_message(self, message: AnyMessage) -> Callable[[], Awaitable[object]] | None:
        """The call for a message that is no command."""
        for handler in self._messages:
            data = handler.data(message)
            if data is not None:
                taken = _taken(handler.function, data)
                return partial(handler.function, message, **taken)
        return None

    def functions_for(self, kind: str) -> tuple[Callable[..., Awaitable[object]], ...]:
        """The functions for something else that happens."""
        return tuple(self._others.get(kind, ()))

    def own_commands(self) -> dict[str, Command]:
        """The commands, by their keywords."""
        return {
            each.keyword: Command(each.keyword, each.label, each.arguments.usage or None)
            for each in self._commands
        }


def _searching(pattern: re.Pattern[str]) -> Filter[Any]:
    def search(message: Any) -> Mapping[str, Any] | bool:
        match = pattern.search(message.text)
        return False if match is None else {"match": match}

    return search


def _taken(function: Callable[..., Any], data: dict[str, Any]) -> dict[str, Any]:
    """What of ``data`` the function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return data
    return {name: value for name, value in data.items() if name in parameters}


def _calling(
    handler: _CommandHandler, message: AnyMessage, text: str, data: dict[str, Any]
) -> Callable[[], Awaitable[object]]:
    async def call() -> None:
        try:
            named = await _members_of(message, handler.arguments)
            arguments = handler.arguments.read(handler.keyword, text, named)
        except WrongArguments as exc:
            await message.answer(f"{exc.problem} Usage: {exc.usage}".lstrip())
            return
        await handler.function(message, *arguments, **_taken(handler.function, data))

    return call


async def _members_of(
    message: AnyMessage, arguments: Arguments
) -> Callable[[str], Sequence[Member]]:
    """Finds members of the group of a message by their names, if a command takes any."""
    if not arguments.take_members:
        return lambda name: ()
    group_message = cast("GroupMessage", message)
    mentioned, members = group_message.mentions, await group_message.group.members()

    def named(name: str) -> Sequence[Member]:
        if name in mentioned:  # which tells two of the same name apart
            return [mentioned[name]]
        exact = [each for each in members if each.name == name]
        folded = name.casefold()
        return exact or [each for each in members if each.name.casefold() == folded]

    return named
