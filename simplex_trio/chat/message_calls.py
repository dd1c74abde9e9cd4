"""What can be done with messages, of contacts and in groups: those that were sent, and others'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from simplex_trio.chat.machine import sending, sending_files
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import REACTIONS, Mention, Quote
from simplex_trio.chat.sending_calls import SendingCalls, as_content
from simplex_trio.chat.transfers import OnProgress
from simplex_trio.duplex.file_events import FileProblem

__all__ = ["MessageCalls", "Quotable", "SentCalls"]

SentT = TypeVar("SentT")


class Quotable(Protocol):
    """A message that can be answered, of either side."""

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""


class SentCalls:
    """What can be done with a message that was sent."""

    __slots__ = ()

    if TYPE_CHECKING:
        id: bytes
        content: Content

        @property
        def _conversation(self) -> SendingCalls[Any]: ...

    async def edit(self, content: Content | str, *, live: bool = False) -> None:
        """Replace what it says; with ``live`` more is to come.

        Raises as `Contact.send` does.
        """
        await self._edit(content, live=live)

    async def _edit(
        self,
        content: Content | str,
        *,
        live: bool = False,
        mentions: Mapping[str, Mention] | None = None,
    ) -> None:
        conversation, said = self._conversation, as_content(content)

        def decide(store: Store) -> None:
            outlet = conversation._outlet(store)
            sending.edit(outlet, self.id, said, live=live, mentions=mentions)

        await conversation._core.step(decide)
        self.content = said  # type: ignore[misc]

    async def _copies(self) -> int:
        """To how many others it was sent."""
        return 1

    async def delete(self) -> None:
        """Delete it, with its file; apps only do so with messages of less than 78 hours."""
        conversation = self._conversation

        def decide(store: Store) -> None:
            outlet = conversation._outlet(store)
            sending_files.cancel_upload(outlet, self.id, tell=False)
            sending.delete_message(outlet, self.id)

        await conversation._core.step(decide)

    async def take_file_back(self) -> None:
        """Cancel the transfer of its file, or delete it from its routers; the message stays.

        Nothing can be done about a file that was received already.
        """
        conversation = self._conversation

        def decide(store: Store) -> None:
            sending_files.cancel_upload(conversation._outlet(store), self.id)

        await conversation._core.step(decide)

    async def wait(
        self,
        state: DeliveryState = DeliveryState.DELIVERED,
        *,
        on_progress: OnProgress | None = None,
    ) -> DeliveryState:
        """Wait until it has come as far as ``state``, or was given up; returns how far it is.

        `DeliveryState.DELIVERED` may never come: people can turn receipts off, and phones.  With
        ``on_progress`` it tells the `~simplex_trio.xftp.Progress` of the upload of its file.
        Raises `MessageForgotten` if 100 others were sent to this conversation after it, or it has
        disappeared, and `UnknownContact` or `UnknownGroup` if the conversation was deleted.

        A receipt of a contact comes behind its message that a handler has in its hands.  So in a
        handler, wait for `DeliveryState.SENT` at most.
        """
        conversation = self._conversation
        return await conversation._core.wait_for_delivery(
            conversation.id, self.id, state, conversation._gone(), on_progress
        )

    async def file_problem(self) -> FileProblem | None:
        """Why its file could not be sent, if that is why it has failed."""
        conversation = self._conversation
        sent = await conversation._core.step(
            lambda store: store.sent_as(conversation.id, self.id), durable=False
        )
        return None if sent is None or sent.file is None else sent.file.problem


class MessageCalls(Generic[SentT]):
    """What can be done with a message of a contact or of a member."""

    __slots__ = ()

    if TYPE_CHECKING:
        id: bytes | None
        content: Content

        @property
        def _conversation(self) -> SendingCalls[SentT]: ...

        def as_quote(self) -> Quote: ...

    @property
    def _author_id(self) -> bytes | None:
        """The member who has sent it, in a group."""
        return None

    @property
    def text(self) -> str:
        """The text of its content, whatever that is."""
        return self.content.text

    async def answer(self, content: Content | str) -> SentT:
        """Send a message to the same conversation."""
        return await self._conversation.send(content)

    async def reply(self, content: Content | str) -> SentT:
        """Send a message that quotes this one."""
        return await self._conversation.send(content, quote=self)

    async def react(self, emoji: str, *, add: bool = True) -> None:
        """Add a reaction, one of `REACTIONS`, or take it back.

        Raises `NotAllowed` if reactions are not allowed here, and `ValueError` for another emoji or
        a message without id.
        """
        if emoji not in REACTIONS or self.id is None:
            raise ValueError("not a reaction, or not to this message")
        conversation, msg_id = self._conversation, self.id

        def decide(store: Store) -> None:
            outlet = conversation._outlet(store)
            sending.react(outlet, msg_id, emoji, add=add, author_id=self._author_id)

        await conversation._core.step(decide)
