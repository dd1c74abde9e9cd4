"""`Destination`: what has a connection of its own.  Pure."""

from __future__ import annotations

from attrs import field, frozen

from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol

__all__ = ["Destination"]


@frozen(repr=False, cache_hash=True)
class Destination(Redacted):
    """A router, and for whom it is connected to.

    Whatever must not be seen to belong together has different labels: each label has a connection
    of its own, and a circuit of its own through a SOCKS proxy that isolates.
    """

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    label: str = field(default="", validator=instance_of(str))

    @classmethod
    def of(cls, server: ServerAddress | str, label: str = "") -> Destination:
        """The destination for an address or its text; `DecodeError` if it is no SMP router's."""
        address = ServerAddress.parse(server) if isinstance(server, str) else server
        if address.protocol is not ServerProtocol.SMP:
            raise DecodeError("this is not the address of an SMP router")
        return cls(address, label)

    @property
    def isolation(self) -> bytes | None:
        """What tells its circuit from others; `None` for one that is shared with no other."""
        return self.label.encode() or None
