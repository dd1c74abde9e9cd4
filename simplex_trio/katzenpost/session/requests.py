"""`Requests`: single requests to the daemon, on one connection."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import trio

from simplex_trio.errors import ConnectionLost, RequestTimeout, SimplexError
from simplex_trio.katzenpost.config import ClientConfig
from simplex_trio.katzenpost.errors import ClientClosed
from simplex_trio.katzenpost.messages.capabilities import HASH_SIZE
from simplex_trio.katzenpost.messages.operations import OperationKey, OperationKind
from simplex_trio.katzenpost.messages.requests import ID_SIZE, Answer, Request
from simplex_trio.katzenpost.session.codec import Outgoing, correlation_id
from simplex_trio.katzenpost.session.connections import DaemonConnections
from simplex_trio.katzenpost.session.link import Link
from simplex_trio.nursery import open_inner_nursery

__all__ = ["Requests"]

ValueT = TypeVar("ValueT")


class Requests:
    """Sends requests on the connection of the caller, without retries."""

    def __init__(self, connections: DaemonConnections, config: ClientConfig) -> None:
        self._connections = connections
        self._config = config

    async def ask_on(
        self, link: Link, request: Request[ValueT], *, timeout: float | None = None
    ) -> ValueT:
        """Send a request that the daemon answers by itself; raises as `Session.ask` does."""
        query_id = secrets.token_bytes(ID_SIZE)
        outgoing = Outgoing(request.name, request.encode(query_id))
        timeout = self._config.request_timeout if timeout is None else timeout
        return request.read(await self.exchange(link, outgoing, query_id, timeout))

    async def exchange(
        self, link: Link, outgoing: Outgoing, query_id: bytes, timeout: float
    ) -> Answer:
        """Send a request and wait for its answer.

        Raises `RequestTimeout`, `ConnectionLost`, or `ClientClosed`.
        """
        outgoing.number = link.number_request()
        try:
            answer = await link.client.request(
                outgoing, correlation_id=correlation_id(query_id), timeout=timeout
            )
            link.note_answer(outgoing.number)
            return answer
        except RequestTimeout as exc:
            raise RequestTimeout("the daemon did not answer in time") from exc
        except ConnectionLost as exc:
            raise self.lost(exc) from exc.__cause__
        finally:
            outgoing.let_go()

    def lost(self, lost: ConnectionLost) -> ConnectionLost:
        """What a lost connection means to a caller."""
        return ClientClosed("the client was closed") if self._connections.closed else lost

    async def tell_cancel(
        self, link: Link, key: OperationKey, *, timeout: float | None = None
    ) -> bool:
        """Cancel an operation at the daemon; returns whether it answered, with success or not.

        Raises `ConnectionLost`.
        """
        try:
            await self.ask_on(link, key.cancel(), timeout=timeout)
        except RequestTimeout:
            return False
        except ConnectionLost:
            raise
        except SimplexError:
            return True
        return True

    async def tell_nothing(self, link: Link, *, timeout: float | None = None) -> bool:
        """Cancel an operation that does not exist; returns whether the daemon answered.

        Once it has, it has read all that came before.  Raises `ConnectionLost`.
        """
        nothing = OperationKey(OperationKind.BOX, secrets.token_bytes(HASH_SIZE))
        return await self.tell_cancel(link, nothing, timeout=timeout)

    @asynccontextmanager
    async def between_others(self, link: Link) -> AsyncIterator[None]:
        """Have the daemon answer something before, and after, what the block sends; see `Doubt`.

        The block has to send before its first checkpoint.  Raises `ConnectionLost`.
        """
        sent = trio.Event()

        async def ask_before_and_after(task_status: trio.TaskStatus[None]) -> None:
            async with link.trials:  # of two requests in doubt, one may be fine
                # A connection that lasts for a while without an answer counts as well.
                await self.tell_nothing(link, timeout=self._config.cancel_timeout)
                task_status.started()
                await sent.wait()
                with suppress(ConnectionLost):  # the block learns of it, too
                    await self.tell_nothing(link)

        async with open_inner_nursery() as nursery:
            await nursery.start(ask_before_and_after)
            sent.set()
            yield
            nursery.cancel_scope.cancel()
