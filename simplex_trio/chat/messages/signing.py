"""Signatures in channels: what is signed, by whom, and what has to be.

Relays pass on what the members of a channel say, and could change it.  So members have Ed25519
keys, and what changes the channel is signed: over a few bytes that bind it to the channel and the
member, and the message as it came, byte for byte.  Content is not signed by the apps, and what a
channel says as a whole never is: of that, members have to trust their relays.
"""

from __future__ import annotations

from enum import Enum, auto

from simplex_trio.chat.messages.bodies import MAX_INFO, Received, Signed, encode_element
from simplex_trio.chat.messages.channel_events import XGrpRelayNew, XGrpRoster
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.group_events import (
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpMemDel,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.errors import SignatureInvalid, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import short

__all__ = [
    "MAX_SIGNATURES",
    "Author",
    "MemberSigner",
    "Trust",
    "check_trust",
    "group_binding",
    "requires_signature",
    "verify",
]

MAX_SIGNATURES = 4
"""How many signatures of a message are verified; the apps make one.  With more it is refused."""

_GROUP = b"G"

_SIGNED: tuple[type[Event], ...] = (
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpMemDel,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
    XGrpRelayNew,
    XGrpRoster,
    XInfo,
)
_SIGNED_BY_STRANGERS = (XGrpLeave, XInfo)


def group_binding(group_id: bytes, member_id: bytes) -> bytes:
    """What a member's signature binds a message to, before the message itself.

    ``group_id`` is the public id of the channel.  Raises `EncodeError` for an id of more than 255
    bytes.
    """
    return _GROUP + short(group_id) + short(member_id)


def verify(signed: Signed, key: Ed25519PublicKey, group_id: bytes, member_id: bytes) -> None:
    """Verify that a member of a channel has said this; raises `SignatureInvalid`.

    All signatures have to match.  There are at most `MAX_SIGNATURES` of them, so the cost has a
    bound whatever comes.
    """
    if signed.binding != _GROUP:
        raise SignatureInvalid("a message is not bound to a group")
    if not 1 <= len(signed.signatures) <= MAX_SIGNATURES:
        raise SignatureInvalid(f"a message has more than {MAX_SIGNATURES} signatures")
    bound = group_binding(group_id, member_id) + signed.body
    for signature in signed.signatures:
        key.verify(signature, bound)


@frozen(repr=False)
class MemberSigner(Redacted):
    """A member of a channel that signs what it says."""

    group_id: bytes
    member_id: bytes
    key: Ed25519PrivateKey

    def sign(self, message: ChatMessage) -> Received:
        """The message, signed; to be written with `encode_element` or `encode_batch`."""
        body = message.encode()
        bound = group_binding(self.group_id, self.member_id) + body
        return Received(message, signed=Signed(_GROUP, (self.key.sign(bound),), body))

    def sign_info(self, message: ChatMessage) -> bytes:
        """The information that comes with a connection, signed; raises `TooLarge`."""
        body = encode_element(self.sign(message))
        if len(body) > MAX_INFO:
            raise TooLarge(f"a signed message of {len(body)} bytes, of at most {MAX_INFO}")
        return body


# --- what has to be signed ----------------------------------------------------------------------


class Trust(Enum):
    """Why to believe that a member of a channel has said something."""

    RELAY = auto()
    """The relay says so: it is not signed, or by a key that is not known."""
    SIGNATURE = auto()
    """The member has signed it."""


@frozen(repr=False)
class Author(Redacted):
    """A member of a channel, as far as it is known to those who read its messages."""

    member_id: bytes
    role: Role | str
    key: Ed25519PublicKey | None = None


def requires_signature(event: Event) -> bool:
    """Whether something is believed in a channel only if its author has signed it."""
    return isinstance(event, _SIGNED)


def check_trust(
    element: Received, author: Author | None, group_id: bytes, own_role: Role | str
) -> Trust:
    """Whether to believe what a relay passes on; raises `SignatureInvalid` if not.

    The apps judge by the same rules.  A signature that can be verified has to match, even where
    none is required.  Ordinary members may not know each other's keys: a profile, or that one
    leaves, is believed from a member without a known key if it is signed at all.

    ``author`` is `None` for what the channel says as a whole, which no signature is required of:
    the events that need one need an author as well.
    """
    message, signed = element.message, element.signed
    required = isinstance(message, ChatMessage) and requires_signature(message.event)
    if author is None:
        if required:
            raise SignatureInvalid("a message that needs an author has none")
        return Trust.RELAY
    if signed is not None and author.key is not None and signed.binding == _GROUP:
        verify(signed, author.key, group_id, author.member_id)
        return Trust.SIGNATURE
    if required and not _is_from_stranger(element, author, own_role):
        raise SignatureInvalid("a message that has to be signed is not, or by an unknown key")
    return Trust.RELAY


def _is_from_stranger(element: Received, author: Author, own_role: Role | str) -> bool:
    message = element.message
    return (
        element.signed is not None
        and author.key is None
        and isinstance(message, ChatMessage)
        and isinstance(message.event, _SIGNED_BY_STRANGERS)
        and not _moderates(author.role)
        and not _moderates(own_role)
    )


def _moderates(role: Role | str) -> bool:
    return isinstance(role, Role) and role.includes(Role.MODERATOR)
