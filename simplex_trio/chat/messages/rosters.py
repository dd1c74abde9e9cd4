"""The roster of a channel: which of its members have which role and key, as an owner says it.

It is a file that follows its `XGrpRoster` in chunks, and is what the digest there says it is.
Owners are not in it: the link of the channel has their keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha512
from hmac import compare_digest

from simplex_trio.chat.messages.channel_events import InlineFile
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, short, utf8, word16

__all__ = [
    "MAX_ROSTER",
    "MAX_ROSTER_BYTES",
    "RosterMember",
    "decode_roster",
    "encode_roster",
    "roster_file",
]

MAX_ROSTER = 256
"""How many members a roster may have."""

MAX_ROSTER_BYTES = 128 * MAX_ROSTER
"""How long a roster may be: nearly twice what `MAX_ROSTER` members take."""

_ROLES = (Role.MEMBER, Role.MODERATOR, Role.ADMIN)


@frozen(repr=False)
class RosterMember(Redacted):
    """A member, its role, and the key by which its messages are verified."""

    member_id: bytes
    key: Ed25519PublicKey
    role: Role | str


def roster_file(data: bytes) -> InlineFile:
    """What is said of an encoded roster in the message before it."""
    return InlineFile(len(data), sha512(data).digest())


def decode_roster(data: bytes, announced: InlineFile) -> tuple[RosterMember, ...]:
    """The members of a roster that have a role which rosters give, each once.

    Raises `DecodeError`, also if the roster is not the one that is ``announced``.
    """
    if len(data) > MAX_ROSTER_BYTES:
        raise DecodeError(f"a roster of {len(data)} bytes, of at most {MAX_ROSTER_BYTES}")
    if not compare_digest(sha512(data).digest(), announced.file_digest):
        raise DecodeError("a roster that is not the announced one")
    reader = Reader(data)
    count = reader.word16()
    if count > MAX_ROSTER:
        raise DecodeError(f"a roster of {count} members, of at most {MAX_ROSTER}")
    members = [_member(reader) for _ in range(count)]
    reader.end()
    found: dict[bytes, RosterMember] = {}
    for each in members:
        if each.role in _ROLES:
            found.setdefault(each.member_id, each)
    return tuple(found.values())


def _member(reader: Reader) -> RosterMember:
    member_id, key = reader.short(), Ed25519PublicKey.from_der(reader.short())
    word = reader.utf8()
    reader.word16()  # privileges, of which there are none yet
    return RosterMember(member_id, key, next((each for each in Role if each == word), word))


def encode_roster(members: Iterable[RosterMember]) -> bytes:
    """The bytes of a roster; raises `TooLarge` for more than `MAX_ROSTER` members."""
    parts = [
        short(each.member_id) + short(each.key.der) + utf8(each.role) + word16(0)
        for each in members
    ]
    if len(parts) > MAX_ROSTER:
        raise TooLarge(f"a roster of {len(parts)} members, of at most {MAX_ROSTER}")
    return word16(len(parts)) + b"".join(parts)
