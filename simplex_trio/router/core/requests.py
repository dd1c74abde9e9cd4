"""`Client` and `Request`: a connection, and a command that it gives, as handlers see them. Pure."""

from __future__ import annotations

from typing import Final, Self

from attrs import define

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.replies import Outlet
from simplex_trio.router.core.subscriptions import Subscriber
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.handshake import PeerService, RouterAgreement
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.transmissions import Transmission
from simplex_trio.wire.versions import SMPVersion

__all__ = ["DAY", "Client", "Request"]

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
    def spent(self) -> int:
        """What checking its commands has cost so far; see `Verifier`."""
        return self.verifier.spent + self.proxied.spent

    @property
    def service_id(self) -> bytes | None:
        return None if self.service is None else self.service.id

    @property
    def proxy_key(self) -> BoxKey | None:
        """What seals the layer between a proxy and this router, if the hello brought a key."""
        secret = self.shared_secret
        return None if secret is None else BoxKey.from_secret(secret)


@frozen(repr=False)
class Request(Redacted):
    """A command of a client, the time it came, and the transaction that takes its changes.

    ``now`` is the system's time, for what is stored; ``instant`` is that of a monotonic clock, for
    limits of time.
    """

    client: Client
    received: ReceivedCommand[Command]
    version: int
    now: int
    instant: float
    transaction: Transaction

    @property
    def command(self) -> Command:
        return self.received.command

    @property
    def transmission(self) -> Transmission:
        return self.received.transmission

    @property
    def entity_id(self) -> bytes:
        return self.received.transmission.entity_id

    @property
    def day(self) -> int:
        return self.now // DAY
