"""The commands of who sends to a queue: the same to a router, and to a relay behind a proxy."""

from __future__ import annotations

from typing import Protocol

from simplex_trio.client.answers import expect
from simplex_trio.client.smp.readers import read_ok
from simplex_trio.client.timeouts import INTERACTIVE, Patience
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import LNK, RNAME, Message
from simplex_trio.wire.smp.names import Domain, NameRecord

__all__ = ["SenderCommands", "SendsRequests"]


class SendsRequests(Protocol):
    """Whatever takes a command to where it is obeyed and brings the answer back."""

    async def request(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        *,
        patience: Patience = INTERACTIVE,
    ) -> Message:
        """Send one command and wait for its answer."""
        ...


class SenderCommands:
    """Sending, and getting access to send; for whatever can send requests."""

    async def send(
        self: SendsRequests,
        sender_id: bytes,
        body: bytes,
        key: AuthPrivateKey | None = None,
        *,
        notify: bool = False,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Put a message into a queue; ``key`` is needed once the queue is secured."""
        command = smp.SEND(MessageFlags(notification=notify), body)
        read_ok(await self.request(command, sender_id, key, patience=patience))

    async def secure_as_sender(
        self: SendsRequests,
        sender_id: bytes,
        key: AuthPrivateKey,
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Secure a messaging queue with the sender's own key, so that it can send at once."""
        command = smp.SKEY(key.public)
        read_ok(await self.request(command, sender_id, key, patience=patience))

    async def read_link(
        self: SendsRequests, link_id: bytes, *, patience: Patience = INTERACTIVE
    ) -> LNK:
        """The data of a contact queue's link, and the queue's sender id."""
        return expect(await self.request(smp.LGET(), link_id, patience=patience), LNK)

    async def secure_and_read_link(
        self: SendsRequests,
        link_id: bytes,
        key: AuthPrivateKey,
        *,
        patience: Patience = INTERACTIVE,
    ) -> LNK:
        """Secure a messaging queue by its link, once, and read the link's data."""
        command = smp.LKEY(key.public)
        return expect(await self.request(command, link_id, key, patience=patience), LNK)

    async def resolve_name(
        self: SendsRequests, domain: Domain, *, patience: Patience = INTERACTIVE
    ) -> NameRecord:
        """What is registered for a name; only through a proxy the router does not see who asks."""
        return expect(await self.request(smp.RSLV(domain), patience=patience), RNAME).record
