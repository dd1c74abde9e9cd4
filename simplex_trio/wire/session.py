"""What the bytes of one connection depend on once its two sides have agreed."""

from __future__ import annotations

from attrs import evolve, field, frozen

from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import short

__all__ = ["SessionParameters"]


@frozen(repr=False)
class SessionParameters(Redacted):
    """The part of a handshake's outcome that encoding and decoding transmissions needs.

    ``session_id`` binds every authorization to the TLS connection.  ``implies_session_id`` says
    that it is part of what is authorized but not of what is sent, ``batches`` that a block holds a
    counted list of transmissions rather than a single one, and ``has_service_signatures`` that an
    authorization is followed by an optional second signature.
    """

    version: int
    session_id: bytes
    block_size: int
    implies_session_id: bool
    batches: bool
    has_service_signatures: bool
    authorized_prefix: bytes = field(init=False, repr=False, eq=False)
    """What precedes an implied-session transmission in the bytes that are authorized."""

    @authorized_prefix.default
    def _authorized_prefix(self) -> bytes:
        return short(self.session_id)

    def at_version(self, version: int, *, has_service_signatures: bool) -> SessionParameters:
        """The same session with another version, as a proxied command has it inside its layers."""
        return evolve(self, version=version, has_service_signatures=has_service_signatures)
