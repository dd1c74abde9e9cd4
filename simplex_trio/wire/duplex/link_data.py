"""What the data of a short link says: the part that never changes, and the part that may.

The fixed part holds the connection request and the root key, and its hash is the key in the link,
so readers of the link can tell that nothing was replaced.  The user part holds what a program shows
before its user connects; the owner may replace it at any time.  Both are signed, sealed and checked
by `simplex_trio.wire.duplex.link_boxes`.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias, final

from attrs import field
from attrs.validators import and_, deep_iterable, max_len, optional

from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, boolean, large, listed, short
from simplex_trio.wire.duplex.owners import Owner
from simplex_trio.wire.duplex.requests import (
    ConnectionRequest,
    ContactURI,
    InvitationURI,
    decode_request,
)
from simplex_trio.wire.duplex.short_links import (
    ShortContactLink,
    UnknownLinkKind,
    decode_short_link,
)
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "ContactLinkData",
    "FixedLinkData",
    "InvitationLinkData",
    "UserLinkData",
    "decode_user_link_data",
]

_MAX_ITEMS = 0xFF
_MAX_SHORT = 0xFF
_MAX_LARGE = 0xFFFF

# Program's data of up to 254 bytes has a length of one byte; this byte says that two follow.
_LARGE_FOLLOWS = 0xFF


@final
@frozen(repr=False)
class FixedLinkData(Redacted):
    """The part that never changes."""

    agent_versions: VersionRange = field(validator=instance_of(VersionRange))
    root_key: Ed25519PublicKey = field(validator=instance_of(Ed25519PublicKey))
    request: ConnectionRequest = field(validator=instance_of(InvitationURI | ContactURI))
    entity_id: bytes | None = field(
        default=None, validator=optional(and_(instance_of(bytes), max_len(_MAX_SHORT)))
    )
    """What the link is about, by the program's own id: apps have the id of a channel here."""

    def encode(self) -> bytes:
        encoded = self.agent_versions.encode() + short(self.root_key.der) + self.request.encode()
        return encoded if self.entity_id is None else encoded + short(self.entity_id)

    @classmethod
    def decode(cls, data: bytes) -> FixedLinkData:
        """Read the whole of a fixed part; what a later version has added at the end is left out."""
        reader = Reader(data)
        versions = VersionRange.decode(reader)
        root_key = Ed25519PublicKey.from_der(reader.short())
        request = decode_request(reader)
        return cls(versions, root_key, request, _entity_id(reader))


def _entity_id(reader: Reader) -> bytes | None:
    try:
        return reader.short()
    except DecodeError:
        # Nothing follows, or something of a later version that is no id.
        return None


def _encode_program_data(data: bytes) -> bytes:
    if len(data) < _LARGE_FOLLOWS:
        return short(data)
    return b"%c" % _LARGE_FOLLOWS + large(data)


def _decode_program_data(reader: Reader) -> bytes:
    if reader.peek() == b"%c" % _LARGE_FOLLOWS:
        reader.take(1)
        return reader.large()
    return reader.short()


@final
@frozen(repr=False)
class InvitationLinkData(Redacted):
    """The part that may change, of a one-time invitation's link."""

    TAG: ClassVar[bytes] = b"I"

    agent_versions: VersionRange = field(validator=instance_of(VersionRange))
    program_data: bytes = field(
        default=b"", validator=and_(instance_of(bytes), max_len(_MAX_LARGE))
    )
    """What a program shows before its user connects; apps have a profile here."""

    def encode(self) -> bytes:
        return self.TAG + self.agent_versions.encode() + _encode_program_data(self.program_data)


@final
@frozen(repr=False)
class ContactLinkData(Redacted):
    """The part that may change, of a contact address' link."""

    TAG: ClassVar[bytes] = b"C"

    agent_versions: VersionRange = field(validator=instance_of(VersionRange))
    direct: bool = field(default=True, validator=instance_of(bool))
    """Whether the request in the fixed part may be used; otherwise only the relays."""
    owners: tuple[Owner, ...] = field(
        default=(),
        validator=deep_iterable(instance_of(Owner), and_(instance_of(tuple), max_len(_MAX_ITEMS))),
    )
    """Keys that may sign this part beside the root key."""
    relays: tuple[ShortContactLink, ...] = field(
        default=(),
        validator=deep_iterable(
            instance_of(ShortContactLink), and_(instance_of(tuple), max_len(_MAX_ITEMS))
        ),
    )
    """Addresses of relays that take requests for this one."""
    program_data: bytes = field(
        default=b"", validator=and_(instance_of(bytes), max_len(_MAX_LARGE))
    )
    """What a program shows before its user connects; apps have a profile here."""

    def encode(self) -> bytes:
        return b"".join(
            (
                self.TAG,
                self.agent_versions.encode(),
                boolean(self.direct),
                listed(owner.encode() for owner in self.owners),
                listed(relay.encode() for relay in self.relays),
                _encode_program_data(self.program_data),
            )
        )


UserLinkData: TypeAlias = InvitationLinkData | ContactLinkData
"""The part that may change."""


def decode_user_link_data(data: bytes) -> UserLinkData:
    """Read the whole of a user part; what a later version has added at the end is left out."""
    reader = Reader(data)
    tag = reader.take(1)
    if tag == InvitationLinkData.TAG:
        return InvitationLinkData(VersionRange.decode(reader), _decode_program_data(reader))
    if tag == ContactLinkData.TAG:
        return ContactLinkData(
            VersionRange.decode(reader),
            reader.boolean(),
            reader.listed(lambda: Owner.decode(reader)),
            tuple(relay for relay in reader.listed(lambda: _decode_relay(reader)) if relay),
            _decode_program_data(reader),
        )
    raise DecodeError("not the data of a link")


def _decode_relay(reader: Reader) -> ShortContactLink | None:
    try:
        link = decode_short_link(reader)
    except UnknownLinkKind:
        return None  # the others may be of use
    if not isinstance(link, ShortContactLink):
        raise DecodeError("a relay with a link that is not a contact address'")
    return link
