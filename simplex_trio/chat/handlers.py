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

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, final

from simplex_trio.chat.arguments import split_command
from simplex_trio.chat.group_handlers import GroupHandlers
from simplex_trio.chat.messages.preferences import Command
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.routes import (
    ErrorHandler,
    Filter,
    FunctionT,
    MessageHandlers,
    Middleware,
    Route,
    require_async,
)

if TYPE_CHECKING:
    from simplex_trio.chat.group_messages import GroupMessage

__all__ = ["ErrorHandler", "Filter", "Handlers", "Middleware", "Route"]


@final
class Handlers(MessageHandlers[IncomingMessage]):
    """A table of functions, which may include other tables.

    Of the handlers of a message the first one that fits is called, in the order in which they were
    added, those of included tables after a table's own; commands before all others.  What nothing
    fits is acknowledged, and that is all.

    Handlers of one contact are called one after the other, in the order of what has happened, and
    those of different contacts at the same time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.groups: GroupHandlers = GroupHandlers()
        """The functions for what happens in groups."""
        self._middleware: list[Middleware] = []
        self._error_handlers: list[ErrorHandler] = []
        self._included: list[Handlers] = []

    def __repr__(self) -> str:
        return f"<Handlers: {len(self._commands)} commands, {len(self._messages)} of messages>"

    # --- adding ---------------------------------------------------------------------------------

    def on_connected(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Contact` that is connected."""
        return self._add("connected", function)

    def on_request(self, function: FunctionT) -> FunctionT:
        """Call a function with each `ContactRequest`: the program decides about them.

        It is not called if `open_bot` has ``accept_requests=True``.
        """
        return self._add_deciding("request", function)

    def on_failed(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Contact` that cannot be connected, or not any more."""
        return self._add("failed", function)

    def on_left(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Contact` that has deleted this program from its contacts."""
        return self._add("left", function)

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

    def use(self, middleware: Middleware) -> Middleware:
        """Call a function around each handler of messages in this table, and those it includes."""
        require_async(middleware)
        self._middleware.append(middleware)
        return middleware

    def on_error(self, function: ErrorHandler) -> ErrorHandler:
        """Call a function with what has happened and the error, if a handler raises one.

        Those of the table of the handler come first, then those of the table that includes it.  If
        there is none, the error is logged.  Either way it has been dealt with then.  An error of
        the function itself is logged too, since no message of a contact may end the program for
        all others.
        """
        require_async(function)
        self._error_handlers.append(function)
        return function

    def include(self, other: Handlers) -> None:
        """Add all of another table."""
        self._included.append(other)

    # --- finding --------------------------------------------------------------------------------

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands for the menu of the app; with ``/help``, if there are any."""
        return self._menu(in_groups=False)

    @property
    def group_commands(self) -> tuple[Command, ...]:
        """The commands for the menu of the app in groups of the program."""
        return self._menu(in_groups=True)

    @property
    def help_text(self) -> str:
        """The answer to ``/help``."""
        return _help_text(self.commands)

    def _menu(self, *, in_groups: bool) -> tuple[Command, ...]:
        found: dict[str, Command] = {}
        for path in self._tables():
            found |= path[-1]._table(in_groups=in_groups).own_commands()
        if found and "help" not in found:
            found["help"] = Command("help", "Show all commands")
        return tuple(found.values())

    def _table(self, *, in_groups: bool) -> MessageHandlers[Any]:
        return self.groups if in_groups else self

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

    def decides(self, kind: str) -> bool:
        """Whether there is a function that decides about requests of a kind."""
        return any(
            kind in table.decided
            for path in self._tables()
            for table in (path[-1], path[-1].groups)
        )

    def for_message(self, message: IncomingMessage | GroupMessage) -> Route | None:
        """The way of a message."""
        in_groups = not isinstance(message, IncomingMessage)
        text = message.text if isinstance(message, IncomingMessage) else message.said_to_me
        command = split_command(text)
        if command is not None:
            for path in self._tables():
                call = path[-1]._table(in_groups=in_groups).find_command(message, *command)
                if call is not None:
                    return _route(path, call)
            menu = self._menu(in_groups=in_groups)
            if command[0] == "help" and menu:
                # The first table with commands answers, so that its middleware is called.
                first = next(
                    path
                    for path in self._tables()
                    if path[-1]._table(in_groups=in_groups).own_commands()
                )
                return _route(first, partial(message.answer, _help_text(menu)))
        for path in self._tables():
            call = path[-1]._table(in_groups=in_groups).find_message(message)
            if call is not None:
                return _route(path, call)
        return None

    def for_other(self, kind: str, happened: object) -> list[Route]:
        """The ways of something else, to all functions for its kind."""
        return [
            Route(partial(function, happened), (), _error_handlers(path))
            for path in self._tables()
            for table in (path[-1], path[-1].groups)
            for function in table.functions_for(kind)
        ]


def _help_text(commands: tuple[Command, ...]) -> str:
    lines = [
        f"/{each.keyword} {each.params or ''}".rstrip() + f" - {each.label}" for each in commands
    ]
    return "\n".join(lines)


def _route(path: tuple[Handlers, ...], call: Callable[[], Awaitable[object]]) -> Route:
    middleware = tuple(each for table in path for each in table._middleware)
    return Route(call, middleware, _error_handlers(path))


def _error_handlers(path: tuple[Handlers, ...]) -> tuple[ErrorHandler, ...]:
    return tuple(each for table in reversed(path) for each in table._error_handlers)
