"""`Deleter`: deletes replicas of packets from their routers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from simplex_trio.errors import SimplexError, StoreError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import Replica
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.errors import NotDeleted, RouterUnreachable, XFTPRouterError
from simplex_trio.xftp.files.clients import Clients
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.progress import Counter, Listener, Phase
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["Deleter", "Gone", "PlacedReplica"]

PlacedReplica = tuple[int, int, Replica]
"""The number and the size of a packet, and one of its replicas."""

Gone = Callable[[Replica], Awaitable[object]]
"""Called when a router does not have a replica any more."""


async def _ignore(_: Replica) -> None:
    await trio.lowlevel.checkpoint()


class Deleter:
    """One attempt at deleting replicas, as many as can be."""

    def __init__(
        self, clients: Clients, config: TransferConfig, tell: Listener, gone: Gone = _ignore
    ) -> None:
        self._clients = clients
        self._config = config
        self._tell = tell
        self._gone = gone
        self.deleted: int = 0
        self.unknown: int = 0
        """Replicas that their routers do not have, or not for this key."""
        self._failures: list[SimplexError] = []
        self._unreachable: dict[ServerAddress, RouterUnreachable] = {}

    async def delete(self, replicas: Sequence[PlacedReplica]) -> None:
        """Delete replicas; raises `NotDeleted` if some could not be, after deleting all others."""
        total = sum(size for _, size, _ in replicas)
        counter = Counter(Phase.DELETING, total, self._tell)
        places = trio.Semaphore(self._config.parallel)
        async with open_tasks() as tasks:
            for number, size, replica in replicas:
                await places.acquire()
                tasks.start(partial(self._delete, counter, number, size, replica, places))
        if self._failures:
            first = self._failures[0]
            retryable = any(failure.retryable for failure in self._failures)
            raise NotDeleted(len(self._failures), retryable=retryable) from first

    async def _delete(
        self,
        counter: Counter,
        number: int,
        size: int,
        replica: Replica,
        places: trio.Semaphore,
    ) -> None:
        async def attempt() -> None:
            async with self._clients.client(replica.server) as client:
                await client.delete(replica.key, replica.id)

        try:
            if replica.server in self._unreachable:
                # All attempts were used up for another packet.
                raise self._unreachable[replica.server]
            if await self._is_gone(attempt, number):
                self.deleted += 1
            else:
                self.unknown += 1
            await self._gone(replica)
            counter.add(number, size)
        except StoreError:
            raise
        except SimplexError as exc:
            if isinstance(exc, RouterUnreachable):
                self._unreachable[replica.server] = exc
            self._failures.append(exc)
        finally:
            places.release()

    async def _is_gone(self, attempt: Callable[[], Awaitable[None]], number: int) -> bool:
        """Delete a replica; returns whether the router had it."""
        try:
            await persistently(attempt, number, self._config, self._tell)
        except XFTPRouterError as exc:
            if exc.error is not XFTPCode.AUTH:
                raise
            return False
        return True
