"""The agreed parameters of one connection that encoding and decoding depend on."""

from __future__ import annotations

from attrs import evolve, field

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import short

__all__ = ["SessionParameters"]


@frozen(repr=False)
class SessionParameters(Redacted):
    """The parts of a handshake's result that transmissions depend on.

    ``session_id`` binds every authorization to the TLS connection.  With ``implies_session_id`` it
    is authorized but not sent.  With ``batches`` a block holds a counted list of transmissions
    rather than a single one.  With ``has_service_signatures`` an optional second signature follows
    an authorization.
    """

    version: int
    session_id: bytes
    block_size: int
    implies_session_id: bool
    batches: bool
    has_service_signatures: bool
    authorized_prefix: bytes = field(init=False, repr=False, eq=False)
    """The session id as it precedes a transmission in the authorized bytes, if it is implied."""

    @authorized_prefix.default
    def _authorized_prefix(self) -> bytes:
        return short(self.session_id)

    def at_version(self, version: int, *, has_service_signatures: bool) -> SessionParameters:
        """Return the same session at another version, for a proxied command inside its layers."""
        return evolve(self, version=version, has_service_signatures=has_service_signatures)
