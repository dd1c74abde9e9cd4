"""`Client` and `Context`: who gives commands, and when, as handlers see it. Pure."""

from __future__ import annotations

from typing import Final, Self

from attrs import Factory, define

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.replies import Outlet
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.handshake import PeerService, RouterAgreement
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.versions import SMPVersion

__all__ = ["DAY", "Client", "Context"]

DAY: Final = 86400
"""Seconds; what is not needed to the second is kept as a day."""


@define(eq=False)
class Client:
    """A connection as commands see it; ``recipient`` and ``notifier`` are its subscriptions.

    ``proxied`` checks what a proxy passes on over this connection.
    """

    session: SessionParameters
    verifier: Verifier
    proxied: Verifier
    service: PeerService | None
    recipient: Subscriber
    notifier: Subscriber
    session_key: X25519PrivateKey
    shared_secret: bytes | None

    @classmethod
    def of(cls, agreement: RouterAgreement, outlet: Outlet) -> Self:
        """The client at the other end of a handshake."""
        service = agreement.service
        service_id = None if service is None else service.id
        # In versions without authenticators clients have no key to make them with.
        knows_key = agreement.session.version >= SMPVersion.AUTHENTICATORS
        session_key = agreement.session_key if knows_key else None
        return cls(
            session=agreement.session,
            verifier=Verifier(session_key, service),
            proxied=Verifier(agreement.session_key),
            service=service,
            recipient=Subscriber(outlet, service_id),
            notifier=Subscriber(outlet, service_id),
            session_key=agreement.session_key,
            shared_secret=agreement.shared_secret,
        )

    @property
    def service_id(self) -> bytes | None:
        return None if self.service is None else self.service.id

    @property
    def proxy_key(self) -> BoxKey | None:
        """What seals the layer between a proxy and this router, if the hello brought a key."""
        secret = self.shared_secret
        return None if secret is None else BoxKey.from_secret(secret)


@frozen(repr=False, eq=False)
class Context(Redacted):
    """What commands that are decided one after the other, without waiting, have in common.

    ``transaction`` takes their changes.  ``now`` is the system's time, for what is stored, and
    ``day`` its day; ``instant`` is that of a monotonic clock, for limits of time.
    """

    client: Client
    version: int
    now: int
    instant: float
    transaction: Transaction
    day: int = Factory(lambda self: self.now // DAY, takes_self=True)
