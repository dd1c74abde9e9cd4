"""What the ratchet needs of a KEM: key pairs, encapsulated secrets, and who computes them.

`simplex_trio.ratchet.sntrup761` has the implementations.  Every value here checks its sizes, since
the code in C behind an implementation reads as many bytes as it expects, however many there are.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, final

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.x3dh_keys import KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_KEY_SIZE

__all__ = [
    "KEM",
    "KEM_SECRET_KEY_SIZE",
    "KEM_SHARED_SECRET_SIZE",
    "AcceptedKEM",
    "Encapsulation",
    "KEMKeyPair",
]

KEM_SECRET_KEY_SIZE = 1763
KEM_SHARED_SECRET_SIZE = 32


_is_bytes = instance_of(bytes)


def _bytes(size: int) -> Callable[[Any, Any, bytes], None]:
    def check(instance: Any, attribute: Any, value: bytes) -> None:
        _is_bytes(instance, attribute, value)
        if len(value) != size:
            raise ValueError(f"{attribute.alias} has {size} bytes, not {len(value)}")

    return check


@frozen(repr=False, eq=False)
class _Parts(Redacted):
    """Values with fixed sizes, one behind the other; comparing two takes constant time."""

    def _parts(self) -> tuple[bytes, ...]:
        raise NotImplementedError

    def encode(self) -> bytes:
        return b"".join(self._parts())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self.encode(), other.encode())

    def __hash__(self) -> int:
        return hash((type(self), self._parts()))


@final
@frozen(repr=False, eq=False)
class KEMKeyPair(_Parts):
    """A key to encapsulate secrets to, and the one that opens them."""

    public_key: bytes = field(validator=_bytes(KEM_PUBLIC_KEY_SIZE))
    secret_key: bytes = field(validator=_bytes(KEM_SECRET_KEY_SIZE))

    def _parts(self) -> tuple[bytes, ...]:
        return self.public_key, self.secret_key

    @classmethod
    def decode(cls, reader: Reader) -> KEMKeyPair:
        return cls(reader.take(KEM_PUBLIC_KEY_SIZE), reader.take(KEM_SECRET_KEY_SIZE))


@final
@frozen(repr=False, eq=False)
class Encapsulation(_Parts):
    """A fresh secret, and the ciphertext by which the owner of a key gets it too."""

    ciphertext: bytes = field(validator=_bytes(KEM_CIPHERTEXT_SIZE))
    shared_secret: bytes = field(validator=_bytes(KEM_SHARED_SECRET_SIZE))

    def _parts(self) -> tuple[bytes, ...]:
        return self.ciphertext, self.shared_secret

    @classmethod
    def decode(cls, reader: Reader) -> Encapsulation:
        return cls(reader.take(KEM_CIPHERTEXT_SIZE), reader.take(KEM_SHARED_SECRET_SIZE))


@final
@frozen(repr=False, eq=False)
class AcceptedKEM(_Parts):
    """The other side's key, and the secret that goes with it."""

    peer_key: bytes = field(validator=_bytes(KEM_PUBLIC_KEY_SIZE))
    encapsulation: Encapsulation

    @property
    def shared_secret(self) -> bytes:
        return self.encapsulation.shared_secret

    def _parts(self) -> tuple[bytes, ...]:
        return self.peer_key, self.encapsulation.encode()

    @classmethod
    def decode(cls, reader: Reader) -> AcceptedKEM:
        return cls(reader.take(KEM_PUBLIC_KEY_SIZE), Encapsulation.decode(reader))


class KEM(ABC):
    """Who computes.  A step of a ratchet calls the last two, which take less than a millisecond."""

    NAME: ClassVar[str]
    """The library that is used."""

    RELEASES_GIL: ClassVar[bool]
    """Whether other threads run meanwhile."""

    @abstractmethod
    def generate(self) -> KEMKeyPair:
        """A fresh pair of keys; by far the longest of the three."""

    @final
    def encapsulate(self, public_key: bytes) -> Encapsulation:
        """A fresh secret for the owner of this key; `DecodeError` for one of a wrong size."""
        _check_size(public_key, KEM_PUBLIC_KEY_SIZE)
        return Encapsulation(*self._encapsulate(public_key))

    @final
    def decapsulate(self, own: KEMKeyPair, ciphertext: bytes) -> bytes:
        """The secret inside; `DecodeError` for a ciphertext of a wrong size.

        A ciphertext that was changed, or is for another key, does not fail: it gives a secret that
        the other side does not have.
        """
        _check_size(ciphertext, KEM_CIPHERTEXT_SIZE)
        return self._decapsulate(own.secret_key, ciphertext)

    @abstractmethod
    def _encapsulate(self, public_key: bytes) -> tuple[bytes, bytes]:
        """The ciphertext and the secret, for a key of the right size."""

    @abstractmethod
    def _decapsulate(self, secret_key: bytes, ciphertext: bytes) -> bytes:
        """The secret, for a key and a ciphertext of the right sizes."""


def _check_size(value: bytes, size: int) -> None:
    if len(value) != size:
        raise DecodeError("a KEM key or ciphertext of a wrong size")
