"""The data of short links signed, sealed, and checked when it is read.

A router stores two boxes that it cannot open.  Their key is derived from the link's key, which is
the hash of the fixed part; from a contact address' key the id follows too, under which the router
finds them.  What is in each box is signed: the fixed part by the root key, the user part by the
root key or, at a contact address, by an owner.

Keys and nonces come from the caller.  A nonce must be new for each box: the key stays the same when
the user part is replaced.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha3_256
from typing import final

import attrs
from attrs import field
from attrs.validators import optional

from simplex_trio.crypto.box import NONCE_SIZE, TAG_SIZE, BoxKey
from simplex_trio.crypto.hkdf import hkdf_sha512
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.crypto.padding import can_pad
from simplex_trio.errors import DecodeError, DecryptionFailed, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.duplex.link_data import (
    ContactLinkData,
    FixedLinkData,
    InvitationLinkData,
    UserLinkData,
    decode_user_link_data,
)
from simplex_trio.wire.duplex.owners import (
    SIGNATURE_SIZE,
    LinkDataInvalid,
    LinkFlaw,
    Owner,
    check_owners,
    is_signed_by,
)
from simplex_trio.wire.duplex.requests import ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import ShortContactLink, ShortLink
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "FIXED_PADDED",
    "USER_PADDED",
    "LinkContent",
    "LinkKeys",
    "SealedLink",
    "UncheckedLink",
    "decode_link",
    "max_program_data",
    "open_link",
    "read_link",
    "replace_user_data",
    "seal_link",
]

FIXED_PADDED = 2008
"""The signed fixed part before it is sealed; with nonce and tag it has 2,048 bytes."""

USER_PADDED = 13784
"""The signed user part before it is sealed; with nonce and tag it has 13,824 bytes."""

_LINK_ID_SIZE = 24
_KEY_SIZE = 32
_LENGTH_SIZE = 2
_SIGNED_OVERHEAD = 1 + SIGNATURE_SIZE
_LONG_DATA = 255


@final
@frozen(repr=False)
class LinkKeys(Redacted):
    """What is derived from the key in a link."""

    link_key: bytes = field(validator=instance_of(bytes))
    box_key: BoxKey = field(validator=instance_of(BoxKey))
    link_id: bytes | None = field(default=None, validator=optional(instance_of(bytes)))
    """Where the router has the data of a contact address; for an invitation it chooses the id."""

    @classmethod
    def for_invitation(cls, link_key: bytes) -> LinkKeys:
        return cls(
            link_key, BoxKey.from_secret(hkdf_sha512(b"", link_key, b"SimpleXInvLink", _KEY_SIZE))
        )

    @classmethod
    def for_contact(cls, link_key: bytes) -> LinkKeys:
        size = _LINK_ID_SIZE + _KEY_SIZE
        derived = hkdf_sha512(b"", link_key, b"SimpleXContactLink", size)
        link_id, secret = derived[:_LINK_ID_SIZE], derived[_LINK_ID_SIZE:]
        return cls(link_key, BoxKey.from_secret(secret), link_id)

    @classmethod
    def of(cls, link: ShortLink) -> LinkKeys:
        """The keys of a link as it was shared."""
        if isinstance(link, ShortContactLink):
            return cls.for_contact(link.link_key)
        return cls.for_invitation(link.link_key)


@final
@frozen(repr=False)
class SealedLink(Redacted):
    """What NEW or LSET stores on the router, and the keys for the link to share."""

    keys: LinkKeys
    data: QueueLinkData


@final
@frozen(repr=False)
class LinkContent(Redacted):
    """What is in the data of a link, checked."""

    fixed: FixedLinkData
    user: UserLinkData


# --- sealing ------------------------------------------------------------------------------------


def max_program_data(owners: Sequence[Owner] = (), relays: Sequence[ShortContactLink] = ()) -> int:
    """How many bytes of the program's data fit beside these owners and relays; none if negative.

    In the link of an invitation, which has neither, three more fit.
    """
    others = sum(len(owner.encode()) for owner in owners)
    others += sum(len(relay.encode()) for relay in relays)
    # Tag, versions, whether direct, two counts; and the length of program data that is long.
    fixed = 1 + 4 + 1 + 2 + 3
    room = USER_PADDED - _LENGTH_SIZE - _SIGNED_OVERHEAD - fixed - others
    # What is short has a length of one byte, but never to the point that more of it would fit.
    return room if room >= _LONG_DATA else min(room + 2, _LONG_DATA - 1)


def _signed(key: Ed25519PrivateKey, data: bytes) -> bytes:
    return short(key.sign(data)) + data


def _check_fits(data: bytes, padded_length: int, what: str) -> None:
    size = _SIGNED_OVERHEAD + len(data)
    if not can_pad(size, padded_length):
        room = padded_length - _LENGTH_SIZE - _SIGNED_OVERHEAD
        raise TooLarge(f"{len(data)} bytes in the {what} part of a link, where {room} fit")


def _sealed(key: BoxKey, nonce: bytes, data: bytes, padded_length: int) -> bytes:
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
    return nonce + key.seal_padded(nonce, data, padded_length)


def _check_user_data(
    root_key: Ed25519PublicKey, user: UserLinkData, signing_key: Ed25519PublicKey
) -> None:
    owners = user.owners if isinstance(user, ContactLinkData) else ()
    check_owners(root_key, owners)
    if signing_key != root_key and all(owner.key != signing_key for owner in owners):
        raise LinkDataInvalid(LinkFlaw.USER_SIGNATURE)


def seal_link(
    fixed: FixedLinkData,
    user: UserLinkData,
    root_key: Ed25519PrivateKey,
    *,
    fixed_nonce: bytes,
    user_nonce: bytes,
    user_key: Ed25519PrivateKey | None = None,
) -> SealedLink:
    """Sign and seal the data of a new link.

    ``root_key`` is the private half of the one in ``fixed``, and signs both parts unless
    ``user_key`` is given, the key of an owner, to sign the user part.

    Raises `TooLarge` if a part does not fit, and `LinkDataInvalid` if a reader would refuse the
    owners or the signature; nothing is sealed then.  `ValueError` if the two parts are for links of
    different kinds, or the key is another.
    """
    if root_key.public != fixed.root_key:
        raise ValueError("not the root key of this link")
    if isinstance(fixed.request, ContactURI) != isinstance(user, ContactLinkData):
        raise ValueError("one part is an invitation's and the other a contact address'")
    signer = root_key if user_key is None else user_key
    _check_user_data(fixed.root_key, user, signer.public)
    fixed_data, user_data = fixed.encode(), user.encode()
    _check_fits(fixed_data, FIXED_PADDED, "fixed")
    _check_fits(user_data, USER_PADDED, "user")
    link_key = sha3_256(fixed_data).digest()
    is_contact = isinstance(user, ContactLinkData)
    keys = LinkKeys.for_contact(link_key) if is_contact else LinkKeys.for_invitation(link_key)
    return SealedLink(
        keys,
        QueueLinkData(
            _sealed(keys.box_key, fixed_nonce, _signed(root_key, fixed_data), FIXED_PADDED),
            _sealed(keys.box_key, user_nonce, _signed(signer, user_data), USER_PADDED),
        ),
    )


def replace_user_data(
    keys: LinkKeys,
    sealed_fixed: bytes,
    user: UserLinkData,
    root_key: Ed25519PublicKey,
    signing_key: Ed25519PrivateKey,
    *,
    nonce: bytes,
) -> QueueLinkData:
    """The data with a new user part, for LSET.

    ``sealed_fixed`` is the fixed part as the router has it, from when the link was made.  It goes
    back byte for byte, since sealing it again would make another box of it.  ``signing_key`` is the
    root key's private half or an owner's.  Raises as `seal_link` does.
    """
    if (keys.link_id is not None) != isinstance(user, ContactLinkData):
        raise ValueError("one part is an invitation's and the other a contact address'")
    _check_user_data(root_key, user, signing_key.public)
    data = user.encode()
    _check_fits(data, USER_PADDED, "user")
    sealed = _sealed(keys.box_key, nonce, _signed(signing_key, data), USER_PADDED)
    return QueueLinkData(sealed_fixed, sealed)


# --- reading ------------------------------------------------------------------------------------


@final
@frozen(repr=False)
class UncheckedLink(Redacted):
    """The data of a link, decrypted and decoded, before anything proves whose it is."""

    _keys: LinkKeys
    _fixed_signature: bytes
    _fixed_data: bytes
    _fixed: FixedLinkData
    _user_signature: bytes
    _user_data: bytes
    _user: UserLinkData

    @property
    def owners(self) -> int:
        """How many owners it names: the more, the longer `check` takes, by their square."""
        return len(self._owners)

    @property
    def _owners(self) -> tuple[Owner, ...]:
        return self._user.owners if isinstance(self._user, ContactLinkData) else ()

    def check(self) -> LinkContent:
        """The content, if everything is right that does not depend on where it came from.

        Raises `LinkDataInvalid` if a check fails.
        """
        fixed, user = self._fixed, self._user
        _check_kinds(self._keys, fixed, user)
        if not hmac.compare_digest(sha3_256(self._fixed_data).digest(), self._keys.link_key):
            raise LinkDataInvalid(LinkFlaw.LINK_KEY)
        root_key = fixed.root_key
        if not is_signed_by(root_key, self._fixed_signature, self._fixed_data):
            raise LinkDataInvalid(LinkFlaw.FIXED_SIGNATURE)
        check_owners(root_key, self._owners)
        signers = (root_key, *(owner.key for owner in self._owners))
        if not any(is_signed_by(key, self._user_signature, self._user_data) for key in signers):
            raise LinkDataInvalid(LinkFlaw.USER_SIGNATURE)
        return LinkContent(fixed, user)

    def check_from(self, link: ShortLink, sender_id: bytes) -> LinkContent:
        """The same, and whether it is the answer to a link; see `read_link`."""
        content = self.check()
        queue = content.fixed.request.queues[0].queue
        same_queue = hmac.compare_digest(queue.sender_id, sender_id)
        if not same_queue or link.server.hosts[0] not in queue.server.hosts:
            raise LinkDataInvalid(LinkFlaw.OTHER_QUEUE)
        return LinkContent(_on_server(content.fixed, link.server), content.user)


def decode_link(keys: LinkKeys, data: QueueLinkData) -> UncheckedLink:
    """Decrypt and decode the data of a link; raises `LinkDataInvalid` if that is impossible."""
    fixed_signature, fixed_data = _open(
        keys.box_key, data.fixed, LinkFlaw.FIXED_NOT_AUTHENTIC, LinkFlaw.FIXED_MALFORMED
    )
    user_signature, user_data = _open(
        keys.box_key, data.user, LinkFlaw.USER_NOT_AUTHENTIC, LinkFlaw.USER_MALFORMED
    )
    try:
        fixed = FixedLinkData.decode(fixed_data)
    except DecodeError as exc:
        is_later = _is_of_the_future(fixed_data)
        raise LinkDataInvalid(
            LinkFlaw.FUTURE_VERSION if is_later else LinkFlaw.FIXED_MALFORMED
        ) from exc
    try:
        user = decode_user_link_data(user_data)
    except DecodeError as exc:
        is_later = _is_of_the_future(user_data[1:]) or _is_of_the_future(fixed_data)
        raise LinkDataInvalid(
            LinkFlaw.FUTURE_VERSION if is_later else LinkFlaw.USER_MALFORMED
        ) from exc
    return UncheckedLink(keys, fixed_signature, fixed_data, fixed, user_signature, user_data, user)


def open_link(keys: LinkKeys, data: QueueLinkData) -> LinkContent:
    """Open the data of a link, and check everything that does not depend on where it came from.

    Raises `LinkDataInvalid` if a check fails.
    """
    return decode_link(keys, data).check()


def _is_of_the_future(data: bytes) -> bool:
    """Whether data that begins with versions is for programs of later ones as well."""
    try:
        return VersionRange.decode(Reader(data)).highest > AGENT_VERSIONS.highest
    except DecodeError:
        return False


def _open(
    key: BoxKey, blob: bytes, not_authentic: LinkFlaw, malformed: LinkFlaw
) -> tuple[bytes, bytes]:
    """The signature and what it signs."""
    if len(blob) < NONCE_SIZE + TAG_SIZE:
        raise LinkDataInvalid(malformed)
    try:
        reader = Reader(key.open_padded(blob[:NONCE_SIZE], blob[NONCE_SIZE:]))
        return reader.short(), reader.tail()
    except DecryptionFailed as exc:
        raise LinkDataInvalid(not_authentic) from exc
    except DecodeError as exc:
        raise LinkDataInvalid(malformed) from exc


def _check_kinds(keys: LinkKeys, fixed: FixedLinkData, user: UserLinkData) -> None:
    is_contact = keys.link_id is not None
    if isinstance(fixed.request, InvitationURI) is is_contact:
        raise LinkDataInvalid(LinkFlaw.FIXED_MALFORMED)
    if isinstance(user, InvitationLinkData) is is_contact:
        raise LinkDataInvalid(LinkFlaw.USER_MALFORMED)


def read_link(link: ShortLink, sender_id: bytes, data: QueueLinkData) -> LinkContent:
    """Open what a router has answered to a link, with every check there is.

    ``link`` is restored if its server is a preset; ``sender_id`` came with the data.  The request
    in the outcome has the link's server, since that may have other hosts by now.

    Raises `LinkDataInvalid` if a check fails.
    """
    return decode_link(LinkKeys.of(link), data).check_from(link, sender_id)


def _on_server(fixed: FixedLinkData, server: ServerAddress) -> FixedLinkData:
    first, *others = fixed.request.queues
    moved = attrs.evolve(first, queue=attrs.evolve(first.queue, server=server))
    request = attrs.evolve(fixed.request, queues=(moved, *others))
    return attrs.evolve(fixed, request=request)
