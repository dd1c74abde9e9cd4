"""`Envelope`: what the answer to a command that came through a proxy goes back in. Pure.

A command from a proxy has two layers: the key of the session with the proxy opens the outer one,
and the client's own key, fresh for every command, opens the inner one.  The answer goes back
through both, under the same nonces reversed.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.errors import TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.forwarding import FwdResponse
from simplex_trio.wire.smp.messages import ERR, RRES, Message
from simplex_trio.wire.smp.proxied import seal_answer, seal_forwarded_answer
from simplex_trio.wire.transmissions import Batch, plain_transmission

__all__ = ["Envelope"]


@frozen(repr=False, eq=False)
class Envelope(Redacted):
    """The keys, nonces and ids of both layers.

    ``session`` is at the client's version; ``correlation_id`` and ``entity_id`` are those of the
    inner command.
    """

    session: SessionParameters
    correlation_id: bytes
    entity_id: bytes
    client_key: BoxKey
    client_correlation_id: bytes
    proxy_key: BoxKey
    proxy_correlation_id: bytes

    def seal(self, answer: Message) -> Message:
        """RRES for the answer to the inner command; an error if it does not fit."""
        encoded = answer.encode(self.session.version)
        batch = Batch(self.session)
        try:
            ids = self.correlation_id, self.entity_id
            batch.add(plain_transmission(self.session, *ids, encoded))
            nonce = nonce_from(self.client_correlation_id)
            inner = seal_answer(self.client_key, nonce, batch.content())
        except TooLarge:
            return ERR(Code.BLOCK)
        response = FwdResponse(self.client_correlation_id, inner)
        nonce = nonce_from(self.proxy_correlation_id)
        return RRES(seal_forwarded_answer(self.proxy_key, nonce, response))
