"""`Destination`: a router and a label, which together have a connection of their own.  Pure."""

from __future__ import annotations

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol

__all__ = ["Destination"]


@frozen(repr=False, cache_hash=True)
class Destination(Redacted):
    """A router, and a label that isolates unrelated uses of it.

    Each label has its own connection, and its own circuit through a SOCKS proxy that isolates.  Use
    different labels for what must not be linkable.
    """

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    label: str = field(default="", validator=instance_of(str))

    @classmethod
    def of(cls, server: ServerAddress | str, label: str = "") -> Destination:
        """The destination for an address or its text; `DecodeError` unless it is an SMP address."""
        address = ServerAddress.parse(server) if isinstance(server, str) else server
        if address.protocol is not ServerProtocol.SMP:
            raise DecodeError("this is not the address of an SMP router")
        return cls(address, label)

    @property
    def isolation(self) -> bytes | None:
        """Identifies the circuit at a SOCKS proxy; `None` without a label."""
        return self.label.encode() or None
