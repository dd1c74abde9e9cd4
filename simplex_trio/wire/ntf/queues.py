"""Queues from a notifier's point of view."""

from __future__ import annotations

from typing import final

from attrs import field
from attrs.validators import and_, max_len

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.presets import with_known_onion_host
from simplex_trio.wire.text import from_base64url, to_base64url

__all__ = ["NotifierQueue"]

_MAX_SHORT = 0xFF


@final
@frozen(repr=False)
class NotifierQueue(Redacted):
    """A queue on an SMP router, by its notifier id; ``str(queue)`` is the text form."""

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    notifier_id: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))

    def __attrs_post_init__(self) -> None:
        if self.server.protocol is not ServerProtocol.SMP:
            raise ValueError("queues exist on SMP routers only")

    def __str__(self) -> str:
        return f"{self.server}/{to_base64url(self.notifier_id)}"

    @classmethod
    def parse(cls, text: str) -> NotifierQueue:
        """Parse the text form; raise `DecodeError` for other text."""
        server, slash, notifier_id = text.rpartition("/")
        if not slash or not notifier_id:
            raise DecodeError("not a notifier queue")
        return cls._checked(ServerAddress.parse(server), from_base64url(notifier_id))

    def encode(self) -> bytes:
        return self.server.encode() + short(self.notifier_id)

    @classmethod
    def decode(cls, reader: Reader) -> NotifierQueue:
        return cls._checked(ServerAddress.decode(reader), reader.short())

    @classmethod
    def _checked(cls, server: ServerAddress, notifier_id: bytes) -> NotifierQueue:
        try:
            return cls(with_known_onion_host(server), notifier_id)
        except ValueError as exc:
            raise DecodeError("an invalid notifier queue") from exc
