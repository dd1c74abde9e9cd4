"""Being the destination of a proxy: RFWD in, RRES out, through the two layers around it. Pure.

The key of the session with the proxy opens the outer layer, in which the proxy says for whom it
asks; the client's own key, fresh for every command, opens the inner one, which the proxy cannot
read.  The answer goes back through both, under the same nonces reversed.
"""

from __future__ import annotations

from attrs import frozen

from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.errors import CryptoError, DecodeError, TooLarge
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.dispatch import decide_authorized
from simplex_trio.router.core.replies import ForwardedDue, Reply, Said
from simplex_trio.router.core.state import Answered, Client, Decision, Errand, Request, RouterState
from simplex_trio.router.core.verification import find_queue, refusal
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
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import LGET, LKEY, RFWD, RSLV, SEND, SKEY, Command
from simplex_trio.wire.smp.forwarding import FwdResponse
from simplex_trio.wire.smp.messages import ERR, RRES, Message
from simplex_trio.wire.smp.proxied import (
    open_command,
    open_forwarded,
    seal_answer,
    seal_forwarded_answer,
)
from simplex_trio.wire.smp.reading import ReceivedCommand, RefusedTransmission, read_commands
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import SMPVersion

__all__ = ["decide_forwarded"]

_FORWARDED = (SEND, SKEY, LKEY, LGET, RSLV)
_NO_SECRET = Proxy(Broker(TransportError(TransportErrorKind.NO_AUTH)))


def decide_forwarded(state: RouterState, request: Request) -> Answered:
    """Check and do what somebody asks for through a proxy."""
    command = request.command
    assert isinstance(command, RFWD)
    opened = _open(request.client, request.transmission.correlation_id, command.sealed)
    if not isinstance(opened, _Opened):
        return ERR(opened)
    state.counters.add(Count.PROXIED_RECEIVED)
    answered = _decide_inner(state, request, opened)
    match answered:
        case Message():
            return opened.seal(answered)
        case Errand():
            return Errand(answered.received, opened.seal)
        case Decision():
            return Decision(
                lambda: Reply(_sealed_later(answered.finish().answer, opened)),
                needs_store=answered.needs_store,
                abandon=answered.abandon,
                seal=opened.seal,
            )


def _sealed_later(answer: Said, opened: _Opened) -> Said:
    if isinstance(answer, Message):
        return opened.seal(answer)
    return ForwardedDue(answer, opened.seal)


def _decide_inner(state: RouterState, request: Request, opened: _Opened) -> Answered:
    received = opened.received
    if isinstance(received, RefusedTransmission):
        return ERR(received.error)
    if not isinstance(received.command, _FORWARDED):
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    queue = find_queue(state, received.command, received.transmission.entity_id)
    error = refusal(request.client.proxied, None, received, queue)
    if error is not None:
        state.counters.add(Count.COMMANDS_REFUSED)
        return ERR(error)
    inner = Request(
        request.client,
        received,
        opened.session.version,
        request.now,
        request.instant,
        request.transaction,
    )
    return decide_authorized(state, inner, queue)


@frozen(repr=False, eq=False)
class _Opened(Redacted):
    """What was inside of the two layers, and what the answer needs to go back through them."""

    received: ReceivedCommand[Command] | RefusedTransmission
    session: SessionParameters
    client_key: BoxKey
    client_correlation_id: bytes
    proxy_key: BoxKey
    proxy_correlation_id: bytes

    def seal(self, answer: Message) -> Message:
        """RRES for the answer to the inner command; an error if it does not fit."""
        encoded = answer.encode(self.session.version)
        received = self.received
        if isinstance(received, ReceivedCommand):
            transmission = received.transmission
            ids = transmission.correlation_id, transmission.entity_id
        else:
            ids = received.correlation_id, received.entity_id
        batch = Batch(self.session)
        try:
            batch.add(prepare_transmission(self.session, *ids, encoded).finish())
            inner = seal_answer(
                self.client_key, nonce_from(self.client_correlation_id), batch.content()
            )
        except TooLarge:
            return ERR(Code.BLOCK)
        response = FwdResponse(self.client_correlation_id, inner)
        nonce = nonce_from(self.proxy_correlation_id)
        return RRES(seal_forwarded_answer(self.proxy_key, nonce, response))


def _open(client: Client, correlation_id: bytes, sealed: bytes) -> _Opened | RouterErrorValue:
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
    commands = read_commands(content, session)
    if len(commands) != 1:
        return Code.BLOCK
    return _Opened(
        received=commands[0],
        session=session,
        client_key=client_key,
        client_correlation_id=forwarded.correlation_id,
        proxy_key=proxy_key,
        proxy_correlation_id=correlation_id,
    )
