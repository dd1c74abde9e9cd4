"""The commands of a sender, which are the same to a router and to a relay behind a proxy."""

from __future__ import annotations

from abc import ABC, abstractmethod

from simplex_trio.client.smp.requests import read_ok
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.engine.answers import expect
from simplex_trio.engine.timeouts import INTERACTIVE, Patience
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import LNK, RNAME, Message
from simplex_trio.wire.smp.names import Domain, NameRecord

__all__ = ["SenderCommands"]


class SenderCommands(ABC):
    """Sending to queues, and getting access to send; every command goes through `request`."""

    @abstractmethod
    async def request(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        *,
        patience: Patience = INTERACTIVE,
    ) -> Message:
        """Send one command and wait for its answer.

        `SMPClient` has this from `ProtocolClient.request`; `ProxiedRelay.request` seals the command
        for the relay, and the proxy forwards it.
        """

    async def send(
        self,
        sender_id: bytes,
        body: bytes,
        key: AuthPrivateKey | None = None,
        *,
        notify: bool = False,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Send a message to a queue; ``key`` is required once the queue is secured."""
        command = smp.SEND(MessageFlags(notification=notify), body)
        read_ok(await self.request(command, sender_id, key, patience=patience))

    async def secure_as_sender(
        self,
        sender_id: bytes,
        key: AuthPrivateKey,
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Secure a messaging queue with the sender's own key; it can then send at once."""
        command = smp.SKEY(key.public)
        read_ok(await self.request(command, sender_id, key, patience=patience))

    async def read_link(self, link_id: bytes, *, patience: Patience = INTERACTIVE) -> LNK:
        """The data of a contact queue's link, and the queue's sender id."""
        return expect(await self.request(smp.LGET(), link_id, patience=patience), LNK)

    async def secure_and_read_link(
        self,
        link_id: bytes,
        key: AuthPrivateKey,
        *,
        patience: Patience = INTERACTIVE,
    ) -> LNK:
        """Secure a messaging queue by its link, once, and read the link's data."""
        command = smp.LKEY(key.public)
        return expect(await self.request(command, link_id, key, patience=patience), LNK)

    async def resolve_name(self, domain: Domain, *, patience: Patience = INTERACTIVE) -> NameRecord:
        """Look up a registered name; only a proxy hides from the router who asks."""
        return expect(await self.request(smp.RSLV(domain), patience=patience), RNAME).record
