"""What all commands of SMP share: the connection that they go through, and common answers."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import field

from simplex_trio.client.connection import ClientConfig, Connection, RouterClient
from simplex_trio.client.smp.queues import ClientEvent, OwnedQueue
from simplex_trio.client.smp.session import SMPCodec, SMPSessionConfig
from simplex_trio.engine.answers import expect, unexpected
from simplex_trio.engine.timeouts import Patience
from simplex_trio.frozen import frozen
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.handshake import Service
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.messages import MSG, OK, SOK, Message

__all__ = ["SMPClientConfig", "SMPRequests", "read_ok", "read_subscribed"]


@frozen(repr=False)
class SMPClientConfig(ClientConfig):
    """How a client reaches its router, how it waits, and its role towards the router."""

    session: SMPSessionConfig = field(factory=SMPSessionConfig)


class SMPRequests(RouterClient[Command, Message, ClientEvent]):
    """A connection to an SMP router, without the commands."""

    def __init__(
        self,
        address: ServerAddress,
        connection: Connection,
        config: SMPClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> None:
        config = config or SMPClientConfig()
        self._smp = SMPCodec(connection.agreement)
        super().__init__(address, connection, self._smp, config.engine, disconnected=disconnected)

    @property
    def service(self) -> Service | None:
        """The service that this connection belongs to, as the router knows it."""
        return self.agreement.service

    def forget(self, recipient_id: bytes) -> None:
        """Drop a queue's delivery key; further messages of it arrive sealed."""
        self._smp.delivery_keys.pop(recipient_id)

    async def forget_all(self) -> None:
        """Drop all delivery keys once the connection has ended.

        To free a million of them at once would hold up other tasks, which get their turns here.
        """
        for _ in self._smp.delivery_keys.drop_parts():
            await trio.lowlevel.checkpoint()

    async def _request_as_owner(
        self, command: Command, queue: OwnedQueue, patience: Patience
    ) -> Message:
        return await self.request(command, queue.recipient_id, queue.key, patience=patience)

    def _keep_delivery_key(self, queue: OwnedQueue) -> None:
        if queue.delivery_key is not None:
            self._smp.delivery_keys.put(queue.recipient_id, queue.delivery_key.subkey)


def read_ok(answer: Message) -> None:
    """Accept OK; raise `UnexpectedResponseError` for anything else."""
    expect(answer, OK)


def read_subscribed(answer: Message) -> bytes | None:
    """The id of the service that the queue belongs to, if any; a message means subscribed too."""
    match answer:
        case SOK(service_id):
            return service_id
        case OK() | MSG():
            return None
        case _:
            raise unexpected(answer)
