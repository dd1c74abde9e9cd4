"""`Handlers`: which function deals with what contacts say.

::

    handlers = Handlers()

    @handlers.command
    async def weather(message: IncomingMessage, town: str) -> None:
        \"\"\"The weather in a town.\"\"\"
        await message.reply(await forecast(town))

    @handlers.on_message(content=Image)
    async def picture(message: IncomingMessage) -> None:
        await message.react("👍")
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar, final, overload

from attrs import field, frozen

from simplex_trio.chat.arguments import Arguments, WrongArguments, arguments_of, split_command
from simplex_trio.chat.changes import (
    MessageDeleted,
    MessageEdited,
    PreferencesChanged,
    ProfileChanged,
    RatchetBroken,
    RatchetRepaired,
    ReactionChanged,
    SecurityCodeChanged,
)
from simplex_trio.chat.files import IncomingFile
from simplex_trio.chat.messages.preferences import Command
from simplex_trio.chat.people import (
    Contact,
    ContactRequest,
    IncomingMessage,
)

__all__ = ["ErrorHandler", "Filter", "Handlers", "Middleware", "Route"]

Happened: TypeAlias = (
    IncomingMessage
    | MessageEdited
    | MessageDeleted
    | ReactionChanged
    | ProfileChanged
    | PreferencesChanged
    | SecurityCodeChanged
    | RatchetBroken
    | RatchetRepaired
    | ContactRequest
    | Contact
    | IncomingFile
)

Filter: TypeAlias = Callable[[IncomingMessage], bool | Mapping[str, Any]]
"""Says whether a handler is for a message; a mapping is handed to it as keyword arguments."""

Middleware: TypeAlias = Callable[
    [IncomingMessage, Callable[[], Awaitable[None]]], Awaitable[object]
]
"""Called in place of a handler, with the message and a function that goes on to the handler."""

ErrorHandler: TypeAlias = Callable[[Any, Exception], Awaitable[object]]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Awaitable[object]])


@frozen
class _MessageHandler:
    function: Callable[..., Awaitable[object]]
    filters: tuple[Filter, ...]

    def data(self, message: IncomingMessage) -> dict[str, Any] | None:
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


@final
class Handlers:
    """A table of functions, which may include other tables.

    Of the handlers of a message the first one that fits is called, in the order in which they were
    added, those of included tables after a table's own; commands before all others.  What nothing
    fits is acknowledged, and that is all.

    Handlers of one contact are called one after the other, in the order of what has happened, and
    those of different contacts at the same time.
    """

    def __init__(self) -> None:
        self._commands: list[_CommandHandler] = []
        self._messages: list[_MessageHandler] = []
        self._others: dict[str, list[Callable[..., Awaitable[object]]]] = {}
        self._middleware: list[Middleware] = []
        self._error_handlers: list[ErrorHandler] = []
        self._included: list[Handlers] = []

    def __repr__(self) -> str:
        return f"<Handlers: {len(self._commands)} commands, {len(self._messages)} of messages>"

    # --- adding ---------------------------------------------------------------------------------

    @overload
    def command(self, function: FunctionT, /) -> FunctionT: ...

    @overload
    def command(
        self, keyword: str | None = None, /, *filters: Filter, label: str | None = None
    ) -> Callable[[FunctionT], FunctionT]: ...

    def command(self, keyword: Any = None, /, *filters: Filter, label: str | None = None) -> Any:
        """Call a function for a command: ``/keyword`` and its arguments.

        The keyword is the function's name, with ``-`` for ``_``, if none is given.  Parameters
        behind the message are arguments: text, `int`, `float`, an `Enum`, or a `Literal`; the last
        one, if it is text, takes all that is left.  Those with defaults may be absent.  A person
        who writes something else is shown how to use the command.

        The ``label`` says what the command does, in the app's menu and in the answer to ``/help``;
        if it is not given, the first line of the docstring does.
        """

        def add(function: FunctionT, given: str | None = None) -> FunctionT:
            name = given or getattr(function, "__name__", "command").replace("_", "-")
            first_line = (inspect.getdoc(function) or name).partition("\n")[0].rstrip(".")
            handler = _CommandHandler(
                name.lower().removeprefix("/"),
                label or first_line,
                function,
                arguments_of(function),
                _MessageHandler(function, filters),
            )
            self._commands.append(handler)
            return function

        if callable(keyword):
            return add(keyword)
        return lambda function: add(function, keyword)

    def on_message(
        self,
        *filters: Filter,
        content: type[Any] | tuple[type[Any], ...] | None = None,
        text: str | re.Pattern[str] | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Call a function for messages that fit.

        ``content`` is the class of their content, such as `Image`.  ``text`` is the whole text, or
        a pattern that is searched for: then the function gets the ``match`` if it has a parameter
        of this name.
        """
        made: list[Filter] = []
        if content is not None:
            kinds = content
            made.append(lambda message: isinstance(message.content, kinds))
        if isinstance(text, str):
            made.append(lambda message: message.text == text)
        elif text is not None:
            made.append(_searching(text))

        def add(function: FunctionT) -> FunctionT:
            self._messages.append(_MessageHandler(function, (*made, *filters)))
            return function

        return add

    def on_connected(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Contact` that is connected."""
        return self._add("connected", function)

    def on_request(self, function: FunctionT) -> FunctionT:
        """Call a function with each `ContactRequest`, if the program decides about them."""
        return self._add("request", function)

    def on_failed(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Contact` that cannot be connected, or not any more."""
        return self._add("failed", function)

    def on_left(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Contact` that has deleted this program from its contacts."""
        return self._add("left", function)

    def on_edited(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MessageEdited`."""
        return self._add("edited", function)

    def on_deleted(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MessageDeleted`."""
        return self._add("deleted", function)

    def on_reaction(self, function: FunctionT) -> FunctionT:
        """Call a function with each `ReactionChanged`."""
        return self._add("reaction", function)

    def on_profile(self, function: FunctionT) -> FunctionT:
        """Call a function with each `ProfileChanged`."""
        return self._add("profile", function)

    def on_preferences(self, function: FunctionT) -> FunctionT:
        """Call a function with each `PreferencesChanged`."""
        return self._add("preferences", function)

    def on_security_code(self, function: FunctionT) -> FunctionT:
        """Call a function with each `SecurityCodeChanged`."""
        return self._add("code", function)

    def on_broken(self, function: FunctionT) -> FunctionT:
        """Call a function with each `RatchetBroken`."""
        return self._add("broken", function)

    def on_repaired(self, function: FunctionT) -> FunctionT:
        """Call a function with each `RatchetRepaired`."""
        return self._add("repaired", function)

    def on_file(self, function: FunctionT) -> FunctionT:
        """Call a function with each `IncomingFile` whose outcome no call waits for.

        That is so for files that `open_bot` receives by itself, and for those whose call was
        cancelled, or ended with the program.  `IncomingFile.state` says what has become of it.
        """
        return self._add("file", function)

    def _add(self, kind: str, function: FunctionT) -> FunctionT:
        self._others.setdefault(kind, []).append(function)
        return function

    def use(self, middleware: Middleware) -> Middleware:
        """Call a function around each handler of messages in this table, and those it includes."""
        self._middleware.append(middleware)
        return middleware

    def on_error(self, function: ErrorHandler) -> ErrorHandler:
        """Call a function with what has happened and the error, if a handler raises one.

        Those of the table of the handler come first, then those of the table that includes it.  If
        there is none, the error is logged.  Either way it has been dealt with then.  An error of
        the function itself is logged too, since no message of a contact may end the program for
        all others.
        """
        self._error_handlers.append(function)
        return function

    def include(self, other: Handlers) -> None:
        """Add all of another table."""
        self._included.append(other)

    # --- finding --------------------------------------------------------------------------------

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands for the menu of the app; with ``/help``, if there are any."""
        found = {each.keyword: each for _, each in self._all_commands()}
        if not found:
            return ()
        commands = [
            Command(each.keyword, each.label, each.arguments.usage or None)
            for each in found.values()
        ]
        if "help" not in found:
            commands.append(Command("help", "Show all commands"))
        return tuple(commands)

    @property
    def help_text(self) -> str:
        """The answer to ``/help``."""
        lines = [
            f"/{each.keyword} {each.params or ''}".rstrip() + f" - {each.label}"
            for each in self.commands
        ]
        return "\n".join(lines)

    def _all_commands(self) -> Iterator[tuple[tuple[Handlers, ...], _CommandHandler]]:
        for path in self._tables():
            for each in path[-1]._commands:
                yield path, each

    def _tables(self) -> Iterator[tuple[Handlers, ...]]:
        """All tables, each behind those that include it."""
        yield (self,)
        for other in self._included:
            for path in other._tables():
                yield (self, *path)

    @property
    def error_handlers(self) -> tuple[ErrorHandler, ...]:
        """Those of this table itself."""
        return tuple(self._error_handlers)

    def for_message(self, message: IncomingMessage) -> Route | None:
        """The way of a message."""
        command = split_command(message.text)
        if command is not None:
            keyword, text = command
            for path, each in self._all_commands():
                data = each.filters.data(message) if each.keyword == keyword else None
                if data is not None:
                    return _route(path, _calling(each, message, text, data))
            if keyword == "help" and self.commands:
                return _route((self,), partial(message.answer, self.help_text))
        for path in self._tables():
            for handler in path[-1]._messages:
                data = handler.data(message)
                if data is not None:
                    taken = _taken(handler.function, data)
                    return _route(path, partial(handler.function, message, **taken))
        return None

    def for_other(self, kind: str, happened: Happened) -> list[Route]:
        """The ways of something else, to all functions for its kind."""
        return [
            Route(partial(function, happened), (), _error_handlers(path))
            for path in self._tables()
            for function in path[-1]._others.get(kind, ())
        ]


def _searching(pattern: re.Pattern[str]) -> Filter:
    def search(message: IncomingMessage) -> Mapping[str, Any] | bool:
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
    handler: _CommandHandler, message: IncomingMessage, text: str, data: dict[str, Any]
) -> Callable[[], Awaitable[object]]:
    async def call() -> None:
        try:
            arguments = handler.arguments.read(handler.keyword, text)
        except WrongArguments as exc:
            await message.answer(f"Usage: {exc.usage}")
            return
        await handler.function(message, *arguments, **_taken(handler.function, data))

    return call


def _route(path: tuple[Handlers, ...], call: Callable[[], Awaitable[object]]) -> Route:
    middleware = tuple(each for table in path for each in table._middleware)
    return Route(call, middleware, _error_handlers(path))


def _error_handlers(path: tuple[Handlers, ...]) -> tuple[ErrorHandler, ...]:
    return tuple(each for table in reversed(path) for each in table._error_handlers)
