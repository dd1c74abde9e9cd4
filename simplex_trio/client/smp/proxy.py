"""Sending through a proxy, and forwarding as a proxy.

A sender that connects to a relay directly shows the relay its network address.  With a proxy in
between, the proxy sees neither the content nor the queue, and the relay does not see the sender.
`ProxiedRelay` is the sender's side; `forward` is what a proxy does with each command.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import trio
from attrs import field

from simplex_trio.client.router_errors import (
    ProxyFailed,
    ProxyMalformedResponse,
    ProxyUnexpectedResponse,
    RouterError,
    is_no_session,
)
from simplex_trio.client.smp.sending import SenderCommands
from simplex_trio.client.spec import check_credentials, malformed
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.certificates import validate
from simplex_trio.crypto.keys import AuthPrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_trio.engine.protocol_client import ProtocolClient
from simplex_trio.engine.timeouts import INTERACTIVE, Patience, Timeouts
from simplex_trio.errors import (
    CertificateError,
    CryptoError,
    DecodeError,
    MalformedResponse,
    SessionKeyUnproven,
    UnexpectedResponseError,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.handshake import (
    agreed_secret,
    agreed_versions,
    check_identity,
    verified_session_key,
)
from simplex_trio.wire.reading import RefusedTransmission, read_messages
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.smp.handshake import smp_session
from simplex_trio.wire.smp.messages import (
    ERR,
    PKEY,
    PRES,
    RRES,
    Message,
    decode_message,
)
from simplex_trio.wire.smp.proxied import (
    open_answer,
    open_forwarded_answer,
    seal_command,
    seal_forwarded,
)
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = ["ProxiedRelay", "RelaySession", "forward", "relay_key"]


@frozen(repr=False)
class RelaySession(Redacted):
    """A proxy's session with a relay, as its clients use it."""

    session: SessionParameters
    relay_key: X25519PublicKey
    authorizer: Authorizer = field(init=False, repr=False, eq=False)
    """For the commands inside; it remembers what senders' keys have agreed on with the relay's."""

    @authorizer.default
    def _authorizer(self) -> Authorizer:
        return Authorizer(self.relay_key)


def relay_key(proof: ProvenKey, relay: ServerAddress, at: datetime) -> X25519PublicKey:
    """The relay's session key, if the relay's certificates prove it and are valid ``at`` that time.

    The proof comes through the proxy, which must not be able to substitute a key of its own.
    Raises `SessionKeyUnproven`.
    """
    check_identity(proof.chain, relay.key_hash)
    try:
        validate(proof.chain, at=at)
    except CertificateError as exc:
        raise SessionKeyUnproven("the relay's certificates are not valid") from exc
    key = verified_session_key(proof.signed_key, proof.chain)
    agreed_secret(X25519PrivateKey.generate(), key)  # refuses a degenerate key here, once
    return key


class ProxiedRelay(SenderCommands):
    """A relay that a sender reaches through the proxy that it is connected to.

    The first command requests a session between proxy and relay, which is then kept.  If the proxy
    has lost it, a new session is requested and the command, which was not forwarded, is sent again.

    Errors of the relay are raised as over a direct connection: `RouterError`,
    `UnexpectedResponseError` or `MalformedResponse`.  Failures of the proxy, or of its connection
    to the relay, are `ProxyFailed`.  `SessionKeyUnproven` means that the proxy presented a key that
    is not the relay's, `NoCommonVersion` that the relay speaks none of our versions.  The rest is
    as for any request to the proxy.
    """

    def __init__(
        self,
        proxy: ProtocolClient[Command, Message, Any],
        relay: ServerAddress,
        *,
        basic_auth: bytes | None,
        connect_timeouts: Timeouts,
        request_timeouts: Timeouts,
    ) -> None:
        self._proxy = proxy
        self._relay = relay
        self._basic_auth = basic_auth
        self._connect_timeouts = connect_timeouts
        self._request_timeouts = request_timeouts
        self._session_lock = trio.Lock()
        self._session: RelaySession | None = None

    def __repr__(self) -> str:
        state = "no session yet" if self._session is None else "in session"
        return f"<{type(self).__name__}, {state}>"

    async def request(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        *,
        patience: Patience = INTERACTIVE,
    ) -> Message:
        """Send a command that proxies forward, and return the relay's answer."""
        session = await self.session(patience=patience)
        try:
            return await self._forward(session, command, entity_id, key, patience)
        except ProxyFailed as exc:
            if not is_no_session(exc.error):
                raise
        self.forget(session)
        session = await self.session(patience=patience)
        return await self._forward(session, command, entity_id, key, patience)

    async def session(self, *, patience: Patience = INTERACTIVE) -> RelaySession:
        """The session with the relay; concurrent callers share one request for it."""
        async with self._session_lock:
            if self._session is None:
                self._session = await self._request_session(patience)
            return self._session

    def forget(self, session: RelaySession) -> None:
        """Request a new session at the next command, unless there is a newer one already."""
        if self._session is session:
            self._session = None

    async def _request_session(self, patience: Patience) -> RelaySession:
        seconds = self._connect_timeouts.seconds(patience)
        seconds += self._request_timeouts.seconds(patience)
        answer = await self._request_proxy(
            smp.PRXY(self._relay, self._basic_auth), b"", None, seconds
        )
        if not isinstance(answer, PKEY):
            raise ProxyUnexpectedResponse
        version = agreed_versions(SMP_VERSIONS, answer.versions).highest
        key = relay_key(answer.proof, self._relay, utc_now())
        return RelaySession(smp_session(version, answer.session_id), key)

    async def _forward(
        self,
        relay: RelaySession,
        command: Command,
        entity_id: bytes,
        key: AuthPrivateKey | None,
        patience: Patience,
    ) -> Message:
        correlation_id = self._proxy.new_correlation_id()
        content = _inner_block(relay, command, entity_id, key, correlation_id)
        ephemeral = X25519PrivateKey.generate()
        box = BoxKey.agree(ephemeral, relay.relay_key)
        forwarded = smp.PFWD(
            relay.session.version, ephemeral.public, seal_command(box, correlation_id, content)
        )
        seconds = 2 * self._request_timeouts.seconds(patience)
        answer = await self._request_proxy(
            forwarded, relay.session.session_id, correlation_id, seconds
        )
        if not isinstance(answer, PRES):
            raise ProxyUnexpectedResponse
        try:
            content = open_answer(box, correlation_id, answer.sealed)
        except (CryptoError, DecodeError) as exc:
            raise ProxyMalformedResponse from exc
        return _answer_of_relay(content, relay, correlation_id, entity_id)

    async def _request_proxy(
        self, command: Command, entity_id: bytes, correlation_id: bytes | None, seconds: float
    ) -> Message:
        try:
            return await self._proxy.request(
                command, entity_id, correlation_id=correlation_id, timeout=seconds
            )
        except RouterError as exc:
            raise ProxyFailed(exc.error) from exc
        except UnexpectedResponseError as exc:
            raise ProxyUnexpectedResponse from exc
        except MalformedResponse as exc:
            raise ProxyMalformedResponse from exc


def _inner_block(
    relay: RelaySession,
    command: Command,
    entity_id: bytes,
    key: AuthPrivateKey | None,
    correlation_id: bytes,
) -> bytes:
    """The innermost block, for the relay; it never has a service's signature."""
    version = relay.session.version
    command.check_version(version)
    check_credentials(command, entity_id, key)
    unsent = prepare_transmission(relay.session, correlation_id, entity_id, command.encode(version))
    batch = Batch(relay.session)
    batch.add(relay.authorizer.finish(unsent, key, correlation_id))
    return batch.content()


def _answer_of_relay(
    content: bytes, relay: RelaySession, correlation_id: bytes, entity_id: bytes
) -> Message:
    received = read_messages(content, relay.session, decode_message)
    if len(received) != 1:
        raise MalformedResponse("the relay's answer is more than one")
    (answer,) = received
    if isinstance(answer, RefusedTransmission):
        raise malformed(answer.error)
    if answer.correlation_id != correlation_id:
        raise UnexpectedResponseError("the relay answered another command")
    if isinstance(answer.message, ERR):
        raise RouterError(answer.message.error)
    if answer.entity_id != entity_id:
        raise UnexpectedResponseError("the answer is about another entity")
    return answer.message


async def forward(
    relay: ProtocolClient[Command, Message, Any], secret: bytes | None, forwarded: FwdTransmission
) -> bytes:
    """Forward a client's sealed command to a relay; returns what the relay sealed for the client.

    ``secret`` is the shared secret from the connection's handshake.  Raises the errors of
    `ProtocolClient.request`, and `MalformedResponse` for an answer that cannot be opened.
    """
    if secret is None:
        raise SessionKeyUnproven("this connection has no secret to seal with")
    box = BoxKey.from_secret(secret)
    correlation_id = relay.new_correlation_id()
    command = smp.RFWD(seal_forwarded(box, correlation_id, forwarded))
    answer = await relay.request(command, correlation_id=correlation_id)
    if not isinstance(answer, RRES):
        raise UnexpectedResponseError(f"the relay answered {answer.TAG.decode()}")
    try:
        response = open_forwarded_answer(box, correlation_id, answer.sealed)
    except (CryptoError, DecodeError) as exc:
        raise MalformedResponse("the relay's answer cannot be opened") from exc
    if response.correlation_id != forwarded.correlation_id:
        raise UnexpectedResponseError("the relay answered another command")
    return response.sealed
