"""Owners of a contact address: keys that may sign the data of its link beside the root key.

Each owner is authorized by the root key or by an owner before it in the list, so the root key is
all that it takes to check the list.  Everything that can be wrong with link data is one error,
`LinkDataInvalid`, which names the check that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import final

from attrs import field
from attrs.validators import and_, max_len, min_len

from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.errors import DecodeError, SignatureInvalid
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, short

__all__ = [
    "MAX_OWNER_CHECKS",
    "SIGNATURE_SIZE",
    "LinkDataInvalid",
    "LinkFlaw",
    "Owner",
    "check_owners",
    "is_signed_by",
]

SIGNATURE_SIZE = 64
"""Bytes of an Ed25519 signature."""

MAX_OWNER_CHECKS = 512
"""How many signatures are verified for one list of owners, which takes a tenth of a second.

The lists that programs make need one or two for each owner, and there is room for 119 owners.  A
list can be made to need 7,000, with owners that others in the middle have authorized; it is refused
with `LinkFlaw.OWNERS_TOO_COSTLY`.  The reference has no limit.
"""

_MAX_SHORT = 0xFF
_LENGTH_SIZE = 1

_MAX_OWNER_ID = (
    _MAX_SHORT
    - (_LENGTH_SIZE + len(Ed25519PublicKey.DER_PREFIX) + Ed25519PublicKey.SIZE)
    - (_LENGTH_SIZE + SIGNATURE_SIZE)
    - _LENGTH_SIZE
)


class LinkFlaw(Enum):
    """What is wrong with the data of a link."""

    FIXED_NOT_AUTHENTIC = auto()
    """The fixed part does not open with the link's key."""
    USER_NOT_AUTHENTIC = auto()
    """The user part does not open with the link's key."""
    FIXED_MALFORMED = auto()
    """The fixed part makes no sense, or is one for another kind of link."""
    USER_MALFORMED = auto()
    """The user part makes no sense, or is one for another kind of link."""
    LINK_KEY = auto()
    """The link's key is not the hash of the fixed part."""
    FIXED_SIGNATURE = auto()
    """The fixed part is not signed by the root key in it."""
    USER_SIGNATURE = auto()
    """The user part is signed neither by the root key nor, at a contact address, by an owner."""
    OWNER_IS_ROOT = auto()
    """An owner has the root key."""
    OWNER_REPEATED = auto()
    """Two owners have the same id or the same key."""
    OWNER_UNAUTHORIZED = auto()
    """An owner is authorized neither by the root key nor by an owner before it."""
    OWNERS_TOO_COSTLY = auto()
    """Checking the owners would take more than `MAX_OWNER_CHECKS` signatures."""
    FUTURE_VERSION = auto()
    """A part makes no sense here, and says that it is for programs of later versions."""
    OTHER_QUEUE = auto()
    """The request in the fixed part is for another queue than the one that has the link."""


class LinkDataInvalid(DecodeError):
    """The data of a link cannot be trusted; ``flaw`` says which check has failed."""

    def __init__(self, flaw: LinkFlaw) -> None:
        super().__init__(f"the data of a link is not valid: {flaw.name}")
        self.flaw = flaw


def is_signed_by(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether ``signature`` is the key's over ``data``."""
    try:
        key.verify(signature, data)
    except SignatureInvalid:
        return False
    return True


@final
@frozen(repr=False)
class Owner(Redacted):
    """A key that may sign the user part, and the signature that authorizes it."""

    owner_id: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_OWNER_ID)))
    """The program's own name for it: apps have the id of a member of a group here."""
    key: Ed25519PublicKey = field(validator=instance_of(Ed25519PublicKey))
    signature: bytes = field(
        validator=and_(instance_of(bytes), min_len(SIGNATURE_SIZE), max_len(SIGNATURE_SIZE))
    )

    @classmethod
    def authorize(
        cls, owner_id: bytes, key: Ed25519PublicKey, authorizing_key: Ed25519PrivateKey
    ) -> Owner:
        """An owner authorized by the root key, or by an owner before it in the list."""
        return cls(owner_id, key, authorizing_key.sign(owner_id + key.der))

    def is_authorized_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is this key's."""
        return is_signed_by(key, self.signature, self.owner_id + self.key.der)

    def encode(self) -> bytes:
        return short(short(self.owner_id) + short(self.key.der) + short(self.signature))

    @classmethod
    def decode(cls, reader: Reader) -> Owner:
        """Read what `encode` wrote; what a later version has added inside is left out."""
        inner = Reader(reader.short())
        owner_id, der, signature = inner.short(), inner.short(), inner.short()
        try:
            return cls(owner_id, Ed25519PublicKey.from_der(der), signature)
        except DecodeError:
            raise
        except ValueError as exc:
            raise DecodeError("a signature of the wrong length") from exc


def check_owners(root_key: Ed25519PublicKey, owners: Sequence[Owner]) -> None:
    """Raise `LinkDataInvalid` unless each owner is authorized and none is there twice.

    The root key is tried first, and then the owners from the last one back.
    """
    authorizing: list[Ed25519PublicKey] = []
    ids: set[bytes] = set()
    checks = 0
    for owner in owners:
        if owner.key == root_key:
            raise LinkDataInvalid(LinkFlaw.OWNER_IS_ROOT)
        if owner.owner_id in ids or owner.key in authorizing:
            raise LinkDataInvalid(LinkFlaw.OWNER_REPEATED)
        for key in (root_key, *reversed(authorizing)):
            if checks == MAX_OWNER_CHECKS:
                raise LinkDataInvalid(LinkFlaw.OWNERS_TOO_COSTLY)
            checks += 1
            if owner.is_authorized_by(key):
                break
        else:
            raise LinkDataInvalid(LinkFlaw.OWNER_UNAUTHORIZED)
        authorizing.append(owner.key)
        ids.add(owner.owner_id)
