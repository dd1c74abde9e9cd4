"""`SendingCalls`: the calls that say something, to contacts and groups."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from simplex_trio.chat.content_calls import ContentCalls
from simplex_trio.chat.errors import ChatError
from simplex_trio.chat.live import PACE, LiveMessage, open_live
from simplex_trio.chat.machine import sending
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content, Text

if TYPE_CHECKING:
    from simplex_trio.chat.message_calls import Quotable

__all__ = ["SendingCalls", "as_content"]

SentT = TypeVar("SentT")


def as_content(content: Content | str) -> Content:
    """``content``, or text as content."""
    return Text(content) if isinstance(content, str) else content


class SendingCalls(ContentCalls[SentT]):
    """Messages, in one conversation."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def id(self) -> int:
            """The number of the conversation."""

        def _gone(self) -> ChatError: ...

    async def send(
        self,
        content: Content | str,
        *,
        quote: Quotable | None = None,
        ttl: int | None = None,
        live: bool = False,
    ) -> SentT:
        """Send a message; it returns when that is stored, and nothing can lose it.

        With a ``quote`` it is an answer to that message, of which only the beginning is quoted if
        all of it does not fit.  After ``ttl`` seconds it disappears, or after the time in the
        preferences of the program's profile, where the two allow that.  A ``live`` message grows:
        `SentMessage.edit` replaces its text, and ends it without ``live``.

        Raises `NotAllowed` for what the two sides do not allow, `UnknownContact` if the contact was
        deleted, `CannotSend` if it is not connected yet, or is being repaired after the two sides
        have lost each other, and `TooLarge`.
        """
        return await self._core.step(self._sending(content, quote=quote, ttl=ttl, live=live))

    def _sending(
        self, content: Content | str, *, quote: Quotable | None = None, **options: Any
    ) -> Callable[[Store], SentT]:
        said = as_content(content)
        quoted = None if quote is None else quote.as_quote()

        def decide(store: Store) -> SentT:
            sent = sending.send(self._outlet(store), said, quote=quoted, **options)
            return self._sent(sent, said)

        return decide

    def live(
        self,
        *,
        quote: Quotable | None = None,
        ttl: int | None = None,
        pace: float = PACE,
    ) -> AbstractAsyncContextManager[LiveMessage]:
        """A message that grows while the others watch: see `LiveMessage`.

        Updates go out at most every ``pace`` seconds, and in groups with more than 60 members less
        often: every ten seconds to 200 of them.  When the block ends, the last text is sent
        as the final one, whether the block is done, has raised or was cancelled.

        Raises what `send` and `SentMessage.edit` do, in the block or at its end.
        """
        return open_live(self, quote=quote, ttl=ttl, pace=pace)  # type: ignore[arg-type]
