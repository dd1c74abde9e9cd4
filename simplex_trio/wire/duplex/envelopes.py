"""Agent envelopes: what a message between SMP clients holds when two agents talk.

Two kinds hold what the ratchet has encrypted: a *confirmation*, the first message of each side, and
a *message*, any later one.  The other two are for when there is no ratchet yet or none that works:
the *invitation* asks the owner of a contact address for a connection, and the *ratchet key* starts
a new ratchet.

Newer agents send kinds that are not known here.  They are read as `UnknownEnvelope`, because an
error would leave a message in the queue that the program cannot acknowledge.
"""

from __future__ import annotations

from typing import TypeAlias, final

from attrs import field
from attrs.validators import and_, max_len, min_len, optional

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, large, maybe, short, word16
from simplex_trio.wire.duplex.requests import InvitationURI
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS, AgentVersion
from simplex_trio.wire.duplex.x3dh_keys import KEMAcceptance, X3DHKeys

__all__ = [
    "AgentEnvelope",
    "ConfirmationEnvelope",
    "InvitationEnvelope",
    "MessageEnvelope",
    "RatchetKeyEnvelope",
    "UnknownEnvelope",
    "decode_envelope",
]


@frozen(repr=False)
class _Envelope(Redacted):
    agent_version: int = field(validator=instance_of(int))


@final
@frozen(repr=False)
class ConfirmationEnvelope(_Envelope):
    """The first message of a side on a queue."""

    x3dh_keys: X3DHKeys | None = field(validator=optional(instance_of(X3DHKeys)))
    """The keys from which the initiator derives the ratchet; only the joiner sends them."""
    ciphertext: bytes = field(validator=instance_of(bytes))
    """`ConnectionInfo` or `ConnectionInfoReply`, encrypted by the ratchet."""
    ratchet_key_id: bytes | None = field(
        default=None, validator=optional(and_(instance_of(bytes), max_len(0xFF)))
    )
    """Which keys of a contact address the sender has used; from version 8 on."""

    def encode(self) -> bytes:
        keys = maybe(self.x3dh_keys, X3DHKeys.encode)
        start = word16(self.agent_version) + b"C" + keys
        if self.agent_version >= AgentVersion.ADDRESS_RATCHET:
            start += maybe(self.ratchet_key_id, short)
        return start + self.ciphertext


@final
@frozen(repr=False)
class MessageEnvelope(_Envelope):
    """Any message after the confirmation."""

    ciphertext: bytes = field(validator=instance_of(bytes))
    """`AgentMessage`, encrypted by the ratchet."""

    def encode(self) -> bytes:
        return word16(self.agent_version) + b"M" + self.ciphertext


@final
@frozen(repr=False)
class InvitationEnvelope(_Envelope):
    """Asks the owner of a contact address to join the invitation in it.

    Only the box around it protects it, under a key that its sender has made for this one message.
    """

    request: InvitationURI = field(validator=instance_of(InvitationURI))
    info: bytes = field(validator=instance_of(bytes))
    """What the program tells of itself."""

    def encode(self) -> bytes:
        request = large(str(self.request).encode())
        return word16(self.agent_version) + b"I" + request + self.info


@final
@frozen(repr=False)
class RatchetKeyEnvelope(_Envelope):
    """Renegotiates the ratchet; only the queue's own encryption protects it."""

    x3dh_keys: X3DHKeys = field(validator=instance_of(X3DHKeys))
    info: bytes = field(validator=instance_of(bytes))
    """An encoded `RatchetInfo`; today's agents send an empty one and do not look at it."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.x3dh_keys.kem, KEMAcceptance):
            raise ValueError("a key that starts a ratchet cannot accept a KEM key")

    def encode(self) -> bytes:
        return word16(self.agent_version) + b"R" + self.x3dh_keys.encode() + self.info


@final
@frozen(repr=False)
class UnknownEnvelope(_Envelope):
    """An envelope of a kind that came with a later version."""

    tag: bytes = field(validator=and_(instance_of(bytes), min_len(1), max_len(1)))
    content: bytes = field(validator=instance_of(bytes))

    def encode(self) -> bytes:
        return word16(self.agent_version) + self.tag + self.content


AgentEnvelope: TypeAlias = (
    ConfirmationEnvelope
    | MessageEnvelope
    | InvitationEnvelope
    | RatchetKeyEnvelope
    | UnknownEnvelope
)


def decode_envelope(data: bytes) -> AgentEnvelope:
    """Read the body of a message between SMP clients.

    Raises `DecodeError` for an envelope of a known kind whose content makes no sense; one of a
    later version is an `UnknownEnvelope` then.
    """
    reader = Reader(data)
    version, tag = reader.word16(), reader.take(1)
    content = Reader(reader.tail())
    try:
        return _decode_content(version, tag, content)
    except DecodeError:
        if version <= AGENT_VERSIONS.highest:
            raise
        return UnknownEnvelope(version, tag, data[3:])


def _decode_content(version: int, tag: bytes, reader: Reader) -> AgentEnvelope:
    match tag:
        case b"C":
            keys = reader.maybe(lambda: X3DHKeys.decode(reader))
            key_id = None
            if version >= AgentVersion.ADDRESS_RATCHET:
                key_id = reader.maybe(reader.short)
            return ConfirmationEnvelope(version, keys, reader.tail(), key_id)
        case b"M":
            return MessageEnvelope(version, reader.tail())
        case b"I":
            request = InvitationURI.parse(_text(reader.large()))
            return InvitationEnvelope(version, request, reader.tail())
        case b"R":
            return _decode_ratchet_key(version, reader)
        case _:
            return UnknownEnvelope(version, tag, reader.tail())


def _decode_ratchet_key(version: int, reader: Reader) -> RatchetKeyEnvelope:
    keys = X3DHKeys.decode(reader)
    try:
        return RatchetKeyEnvelope(version, keys, reader.tail())
    except ValueError as exc:
        raise DecodeError("a key that starts a ratchet and accepts a KEM key") from exc


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("a connection request that is not text") from exc
