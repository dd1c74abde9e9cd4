"""`LiveMessage`: a message whose text grows, at a pace that does not depend on its author.

::

    async with message.contact.live() as live:
        async for token in answer(message.text):
            await live.write(token)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias, final

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.nursery import open_inner_nursery

if TYPE_CHECKING:
    from simplex_trio.chat.group_messages import SentGroupMessage
    from simplex_trio.chat.message_calls import Quotable
    from simplex_trio.chat.people import SentMessage
    from simplex_trio.chat.sending_calls import SendingCalls

    AnySent: TypeAlias = SentMessage | SentGroupMessage

__all__ = ["PACE", "LiveMessage", "open_live"]

PACE = 3.0
"""Seconds between two updates of a live message: as often as the apps send theirs."""

COPIES_PER_SECOND = 20
"""To how many members of a group updates go out in a second, so that a live message in a large one
leaves room for everything else: one to 200 members is updated every ten seconds."""


@final
class LiveMessage:
    """A message that is being written; `Contact.live` and `Group.live` open one.

    Nothing is sent before it has a text.  What is written between two updates goes out with the
    next one, so that a program may write as fast as it likes.
    """

    def __init__(
        self,
        conversation: SendingCalls[AnySent],
        quote: Quotable | None,
        ttl: int | None,
        pace: float,
    ) -> None:
        self._conversation = conversation
        self._quote = quote
        self._ttl = ttl
        self._pace = pace
        self._text = ""
        self._sent_text = ""
        self._message: AnySent | None = None
        self._changed = trio.Event()
        self._is_broken = False

    def __repr__(self) -> str:
        return f"<LiveMessage: {len(self._text)} characters>"

    @property
    def text(self) -> str:
        """What was written so far."""
        return self._text

    @property
    def message(self) -> AnySent | None:
        """The message, once anything of it was sent."""
        return self._message

    async def update(self, text: str) -> None:
        """Replace the text; it is sent as soon as the pace allows."""
        self._text = text
        self._changed.set()
        await trio.lowlevel.checkpoint()

    async def write(self, text: str) -> None:
        """Add to the text."""
        await self.update(self._text + text)

    async def _pump(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            if self._text != self._sent_text:
                await self._send(self._text, live=True)
                copies = 1 if self._message is None else await self._message._copies()
                await trio.sleep(max(self._pace, copies / COPIES_PER_SECOND))

    async def _send(self, text: str, *, live: bool) -> None:
        try:
            # A step in the store takes no time, and its outcome must not get lost.
            with trio.CancelScope(shield=True):
                if self._message is None:
                    self._message = await self._conversation.send(
                        text, quote=self._quote, ttl=self._ttl, live=live
                    )
                else:
                    await self._message.edit(text, live=live)
        except SimplexError:
            self._is_broken = True
            raise
        self._sent_text = text

    async def finish(self) -> None:
        """Send the last text, as the final one; or what was sent last, if that cannot be sent."""
        if self._is_broken:
            await self._give_up()
        elif self._text or self._message is not None:
            try:
                await self._send(self._text, live=False)
            except SimplexError:
                with trio.CancelScope(shield=True):
                    await self._give_up()
                raise

    async def _give_up(self) -> None:
        if self._message is not None:
            with suppress(SimplexError):
                await self._message.edit(self._sent_text)


@asynccontextmanager
async def open_live(
    conversation: SendingCalls[AnySent],
    *,
    quote: Quotable | None = None,
    ttl: int | None = None,
    pace: float = PACE,
) -> AsyncIterator[LiveMessage]:
    """A live message for as long as the block."""
    live = LiveMessage(conversation, quote, ttl, pace)
    try:
        async with open_inner_nursery() as nursery:
            nursery.start_soon(live._pump)
            yield live
            nursery.cancel_scope.cancel()
    finally:
        # Whatever has happened, the message must not look as if more were to come.
        with trio.CancelScope(shield=True):
            await live.finish()
