"""Commands with which a service subscribes to all of its queues."""

from __future__ import annotations

from simplex_trio.client.smp.queues import ServiceSubscription
from simplex_trio.client.smp.requests import SMPRequests
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.engine.answers import expect
from simplex_trio.engine.timeouts import BACKGROUND, Patience
from simplex_trio.errors import NotAService
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.messages import SOKS
from simplex_trio.wire.versions import SMPVersion

__all__ = ["ServiceCommands"]


class ServiceCommands(SMPRequests):
    """Subscribing to everything that is associated with this connection's service."""

    async def subscribe_service(
        self, expected: ServiceSubs | None = None, *, patience: Patience = BACKGROUND
    ) -> ServiceSubscription:
        """Subscribe to all queues that are associated with this connection's service.

        ``expected`` is the service's own record of these queues; the result has the router's count
        and hash, and says whether they agree.  Raises `NotAService` on a connection without a
        service.
        """
        return await self._subscribe_service(smp.SUBS, expected, patience)

    async def subscribe_service_notifications(
        self, expected: ServiceSubs | None = None, *, patience: Patience = BACKGROUND
    ) -> ServiceSubscription:
        """Subscribe to all notifiers that are associated with this connection's service.

        See `subscribe_service`.
        """
        return await self._subscribe_service(smp.NSUBS, expected, patience)

    async def _subscribe_service(
        self,
        command: type[smp.SUBS | smp.NSUBS],
        expected: ServiceSubs | None,
        patience: Patience,
    ) -> ServiceSubscription:
        service = self.service
        if service is None:
            raise NotAService("this connection is not one of a service")
        self.enable_pings()
        asked = command() if expected is None else command(expected.count, expected.ids_hash)
        answer = await self.request(asked, service.id, service.session_key, patience=patience)
        found = expect(answer, SOKS)
        agrees = found.count == asked.count
        if self.version >= SMPVersion.SERVICE_SUBSCRIPTIONS:
            agrees &= found.ids_hash == asked.ids_hash
        return ServiceSubscription(
            found.count, found.ids_hash, as_expected=expected is not None and agrees
        )
