"""Simulated Pigeonhole boxes: capabilities, encrypted contents, and their storage.  Pure.

Everything has its real size, and detects the same mistakes as the real thing: a box decrypts only
with the right key and index, and an envelope from elsewhere is invalid.  But with this source code
everything can be read, and nothing is signed.
"""

from __future__ import annotations

from hashlib import blake2b

from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.codes import ReplicaCode
from simplex_trio.katzenpost.wire.cbor import decode, encode
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.redaction import Redacted

__all__ = [
    "ENVELOPE_SIZE",
    "MAX_PLAINTEXT",
    "Boxes",
    "Envelope",
    "box_id",
    "counter",
    "new_capability",
    "next_index",
    "open_box",
    "public_key",
    "read_capability",
    "seal_box",
    "start_index",
]

MAX_PLAINTEXT = 1553
"""The longest message in a box, in bytes, as in the daemon's own tests."""

_KEY = 32
_NONCE = bytes(sodium.crypto_secretbox_NONCEBYTES)  # each key encrypts only one thing
_PADDED = MAX_PLAINTEXT + 4
_INNER = MAX_PLAINTEXT + 256

ENVELOPE_SIZE = _KEY + sodium.crypto_secretbox_MACBYTES + 4 + _INNER
"""The bytes of every envelope."""


def _derived(label: bytes, data: bytes) -> bytes:
    return blake2b(data, digest_size=_KEY, person=label).digest()


# --- capabilities and indices -------------------------------------------------------------------


def new_capability(seed: bytes) -> bytes:
    """Derive a write capability from a seed: private key, public key, first index."""
    private = _derived(b"private", seed)
    number = int.from_bytes(_derived(b"number", seed)[:8], "little") >> 2
    return private + _derived(b"public", private) + _index(number, _derived(b"chain", seed))


def public_key(write_cap: bytes) -> bytes:
    """Return the public key in a write capability."""
    return write_cap[_KEY : 2 * _KEY]


def read_capability(write_cap: bytes) -> bytes:
    """Return the read capability for a write capability."""
    return write_cap[_KEY:]


def start_index(write_cap: bytes) -> bytes:
    """Return the index of the first box."""
    return write_cap[2 * _KEY :]


def counter(index: bytes) -> int:
    """Return the number of a box."""
    return int.from_bytes(index[:8], "little")


def next_index(index: bytes) -> bytes:
    """Return the index of the box after this one."""
    return _index((counter(index) + 1) % 2**64, _derived(b"chain", index[-_KEY:]))


def _index(number: int, chain: bytes) -> bytes:
    blinding, key = _derived(b"blinding", chain), _derived(b"encryption", chain)
    return number.to_bytes(8, "little") + blinding + key + chain


def box_id(public: bytes, index: bytes) -> bytes:
    """Return the id by which replicas store a box."""
    return _derived(b"box", public + index[: 8 + _KEY])


def seal_box(public: bytes, index: bytes, plaintext: bytes) -> bytes:
    """Return the content of a box, deterministically; empty (a tombstone) for no plaintext."""
    if not plaintext:
        return b""
    padded = len(plaintext).to_bytes(4, "big") + plaintext.ljust(MAX_PLAINTEXT, b"\0")
    return sodium.crypto_secretbox(padded, _NONCE, _content_key(public, index))


def open_box(public: bytes, index: bytes, content: bytes) -> bytes | None:
    """Decrypt the content of a box; `None` if the key or index is wrong."""
    try:
        padded = sodium.crypto_secretbox_open(content, _NONCE, _content_key(public, index))
    except CryptoError:
        return None
    return padded[4:][: int.from_bytes(padded[:4], "big")]


def _content_key(public: bytes, index: bytes) -> bytes:
    return _derived(b"content", public + index)


# --- envelopes ----------------------------------------------------------------------------------


@frozen(repr=False)
class Envelope(Redacted):
    """A request to the replicas: to read a box, or to write ``content`` to it."""

    key: bytes
    """Random, so that no two envelopes are equal."""
    epoch: int
    box_id: bytes
    content: bytes | None

    @property
    def is_read(self) -> bool:
        return self.content is None

    def to_bytes(self) -> bytes:
        """Encode for the wire and for copy streams; all envelopes have the same size."""
        inner = encode({"box": self.box_id, "content": self.content, "epoch": self.epoch})
        padded = len(inner).to_bytes(4, "big") + inner.ljust(_INNER, b"\0")
        return self.key + sodium.crypto_secretbox(padded, _NONCE, self.key)

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """Decode an envelope; raise `DecodeError` for other bytes."""
        key = data[:_KEY]
        try:
            padded = sodium.crypto_secretbox_open(data[_KEY:], _NONCE, key)
        except (CryptoError, ValueError, TypeError) as exc:
            raise DecodeError("not an envelope") from exc
        fields = Fields(decode(padded[4:][: int.from_bytes(padded[:4], "big")]))
        content = fields.optional_binary("content")
        return cls(key, fields.unsigned("epoch"), fields.binary("box"), content)

    @property
    def descriptor(self) -> bytes:
        """The part that the sender keeps to decrypt the answer."""
        return _derived(b"descriptor", self.key)


class Boxes:
    """The storage of the replicas; it outlives daemons."""

    def __init__(self) -> None:
        self._contents: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._contents)

    def read(self, box: bytes) -> bytes | None:
        """Return the content of a box: `None` if it was never written, empty for a tombstone."""
        return self._contents.get(box)

    def write(self, box: bytes, content: bytes) -> ReplicaCode | None:
        """Write or delete a box; return an error if it has another content."""
        before = self._contents.get(box)
        if content and before is not None and before != content:
            return ReplicaCode.BOX_ALREADY_EXISTS
        self._contents[box] = content
        return None
