"""Commands that come through a proxy: opening the two layers of RFWD. Pure.

The answer goes back in an `Envelope`.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.envelope import Envelope
from simplex_trio.router.core.requests import Client
from simplex_trio.wire.errors.values import (
    Broker,
    Cmd,
    Code,
    CommandErrorKind,
    Proxy,
    RouterErrorValue,
    TransportError,
    TransportErrorKind,
)
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission
from simplex_trio.wire.smp.commands import LGET, LKEY, RSLV, SEND, SKEY, Command
from simplex_trio.wire.smp.proxied import open_command, open_forwarded
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.versions import SMPVersion

__all__ = ["Forwarded", "open_forwarded_command"]

_FORWARDED = (SEND, SKEY, LKEY, LGET, RSLV)
_NO_SECRET = Proxy(Broker(TransportError(TransportErrorKind.NO_AUTH)))


@frozen(repr=False, eq=False)
class Forwarded(Redacted):
    """The inner command, or why it is refused, and the envelope for the answer."""

    inner: ReceivedCommand[Command] | RouterErrorValue
    envelope: Envelope


def open_forwarded_command(
    client: Client, correlation_id: bytes, sealed: bytes
) -> Forwarded | RouterErrorValue:
    """Open both layers; an error in them is answered without an envelope."""
    proxy_key = client.proxy_key
    if proxy_key is None:
        return _NO_SECRET
    try:
        forwarded = open_forwarded(proxy_key, nonce_from(correlation_id), sealed)
    except CryptoError:
        return Code.CRYPTO
    except DecodeError:
        return Cmd(CommandErrorKind.SYNTAX)
    try:
        client_key = BoxKey.agree(client.session_key, forwarded.key)
        nonce = nonce_from(forwarded.correlation_id)
        content = open_command(client_key, nonce, forwarded.sealed)
    except (CryptoError, DecodeError):
        return Code.CRYPTO
    session = client.session.at_version(
        forwarded.version, has_service_signatures=forwarded.version >= SMPVersion.SERVICES
    )
    commands = read_smp_commands(content, session)
    if len(commands) != 1:
        return Code.BLOCK
    (received,) = commands
    inner: ReceivedCommand[Command] | RouterErrorValue
    if isinstance(received, RefusedTransmission):
        ids = received.correlation_id, received.entity_id
        inner = received.error
    else:
        ids = received.transmission.correlation_id, received.transmission.entity_id
        allowed = isinstance(received.command, _FORWARDED)
        inner = received if allowed else Cmd(CommandErrorKind.PROHIBITED)
    envelope = Envelope(
        session,
        *ids,
        client_key=client_key,
        client_correlation_id=forwarded.correlation_id,
        proxy_key=proxy_key,
        proxy_correlation_id=correlation_id,
    )
    return Forwarded(inner, envelope)
