"""The commands of who sends to a queue, directly or through a link."""

from __future__ import annotations

from simplex_trio.client.answers import expect
from simplex_trio.client.smp.readers import read_ok
from simplex_trio.client.smp.requests import SMPRequests
from simplex_trio.client.timeouts import INTERACTIVE, Patience
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import LNK

__all__ = ["SenderCommands"]


class SenderCommands(SMPRequests):
    """Sending, and getting access to send."""

    async def send(
        self,
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
        self, sender_id: bytes, key: AuthPrivateKey, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Secure a messaging queue with the sender's own key, so that it can send at once."""
        command = smp.SKEY(key.public)
        read_ok(await self.request(command, sender_id, key, patience=patience))

    async def read_link(self, link_id: bytes, *, patience: Patience = INTERACTIVE) -> LNK:
        """The data of a contact queue's link, and the queue's sender id."""
        return expect(await self.request(smp.LGET(), link_id, patience=patience), LNK)

    async def secure_and_read_link(
        self, link_id: bytes, key: AuthPrivateKey, *, patience: Patience = INTERACTIVE
    ) -> LNK:
        """Secure a messaging queue by its link, once, and read the link's data."""
        command = smp.LKEY(key.public)
        return expect(await self.request(command, link_id, key, patience=patience), LNK)
