"""`SkippedKeys`: keys of messages that were overtaken by later ones and may still come.

A stored key can decrypt its message for as long as it is kept, so they are bounded in three ways:
by how many one message may make, by how many there are in all, and by age.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias, final

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.aead import IV_SIZE
from simplex_trio.ratchet.kdf import SYMMETRIC_KEY_SIZE
from simplex_trio.ratchet.state import STATE_VERSION, check_stored_version
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, int64, word32

__all__ = [
    "MAX_SKIPPED_AT_ONCE",
    "MAX_SKIPPED_KEYS",
    "SKIPPED_KEY_SECONDS",
    "SkippedKey",
    "SkippedKeys",
]

MAX_SKIPPED_AT_ONCE = 512
"""How far a message may be ahead of the last one of its chain; the reference has the same limit.

A message further ahead is refused with `TooManySkipped`, since making keys for all in between takes
time that a peer could otherwise ask for as it likes.
"""

MAX_SKIPPED_KEYS = 4 * MAX_SKIPPED_AT_ONCE
"""How many keys one ratchet keeps in all; the oldest are dropped when there are more.

Four times what one message can make: more is not lost at once by routers that work, and a peer that
skips on purpose fills at most 200 kB.
"""

SKIPPED_KEY_SECONDS = 28 * 24 * 3600
"""How long a key is kept: a sender tries for up to 7 days, and routers keep messages for 21."""


@final
@frozen(repr=False)
class SkippedKey(Redacted):
    """What decrypts one message that has not come yet."""

    header_key: bytes
    number: int
    message_key: bytes
    iv: bytes
    since: int
    """When it was skipped, in seconds of the clock that the caller uses."""


class _Secret(NamedTuple):
    message_key: bytes
    iv: bytes
    since: int


_Chain: TypeAlias = Mapping[int, _Secret]


@final
@frozen(repr=False, eq=False)
class SkippedKeys(Redacted):
    """All such keys of one ratchet, oldest first; it never changes.

    Comparing two of them takes constant time.
    """

    # Chains that a change leaves alone are shared between the old value and the new one.
    _chains: Mapping[bytes, _Chain] = field(factory=dict)
    _count: int = 0
    _oldest: int = 0
    """No key is older than this."""

    @classmethod
    def of(cls, keys: Iterable[SkippedKey]) -> SkippedKeys:
        """These keys, oldest first, such as a program has stored them one by one."""
        chains: dict[bytes, dict[int, _Secret]] = {}
        for key in keys:
            secret = _Secret(key.message_key, key.iv, key.since)
            chains.setdefault(key.header_key, {})[key.number] = secret
        return _within_limit(chains)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[SkippedKey]:
        for header_key, chain in self._chains.items():
            for number, secret in chain.items():
                yield SkippedKey(header_key, number, *secret)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkippedKeys):
            return NotImplemented
        return hmac.compare_digest(self.encode(), other.encode())

    def __hash__(self) -> int:
        return hash(self.encode())

    @property
    def header_keys(self) -> Iterable[bytes]:
        """The header keys of all chains that messages are missing from."""
        return self._chains.keys()

    def find(self, header_key: bytes, number: int) -> SkippedKey | None:
        """The key of the message with this number."""
        chain = self._chains.get(header_key)
        secret = None if chain is None else chain.get(number)
        return None if secret is None else SkippedKey(header_key, number, *secret)

    def without(self, header_key: bytes, number: int) -> SkippedKeys:
        """The others, once a message has been decrypted."""
        chains = dict(self._chains)
        chain = {other: secret for other, secret in chains[header_key].items() if other != number}
        if chain:
            chains[header_key] = chain
        else:
            del chains[header_key]
        return SkippedKeys(chains, self._count - 1, self._oldest)

    def with_added(self, keys: Iterable[SkippedKey]) -> SkippedKeys:
        """These and new ones; the oldest are left out if they are more than `MAX_SKIPPED_KEYS`."""
        added = list(keys)
        if not added:
            return self
        chains: dict[bytes, _Chain] = dict(self._chains)
        new: dict[bytes, dict[int, _Secret]] = {}
        for key in added:
            secret = _Secret(key.message_key, key.iv, key.since)
            if key.header_key not in new:
                new[key.header_key] = dict(chains.get(key.header_key, {}))
            new[key.header_key][key.number] = secret
        chains.update(new)
        oldest = min(key.since for key in added)
        return _within_limit(chains, oldest if not self._count else min(self._oldest, oldest))

    def unexpired(self, now: int) -> SkippedKeys:
        """Those that are not older than `SKIPPED_KEY_SECONDS`."""
        limit = now - SKIPPED_KEY_SECONDS
        if not self._count or self._oldest >= limit:
            return self
        chains: dict[bytes, _Chain] = {}
        for header_key, chain in self._chains.items():
            kept = {number: secret for number, secret in chain.items() if secret.since >= limit}
            if kept:
                chains[header_key] = kept
        return _within_limit(chains)

    def changes_since(
        self, before: SkippedKeys
    ) -> tuple[list[SkippedKey], list[tuple[bytes, int]]]:
        """What a program that stores keys one by one has to add, and what to delete.

        The latter are header keys and numbers.
        """
        added: list[SkippedKey] = []
        removed: list[tuple[bytes, int]] = []
        # New keys in the order in which they are here, so that the oldest are known by their place.
        for header_key, new in self._chains.items():
            old = before._chains.get(header_key, {})
            if old is not new:
                added += [SkippedKey(header_key, n, *new[n]) for n in new if n not in old]
        for header_key, old in before._chains.items():
            new = self._chains.get(header_key, {})
            if old is not new:
                removed += [(header_key, n) for n in old if n not in new]
        return added, removed

    def encode(self) -> bytes:
        """The bytes to store; `decode` reads them."""
        return bytes((STATE_VERSION,)) + b"".join(
            key.header_key + word32(key.number) + key.message_key + key.iv + int64(key.since)
            for key in self
        )

    @classmethod
    def decode(cls, data: bytes) -> SkippedKeys:
        """Read stored bytes.

        Raises `DecodeError`, and `LaterStateVersion` where they were stored by a later version of
        this package.
        """
        reader = Reader(data)
        check_stored_version(reader)
        keys: list[SkippedKey] = []
        while reader.remaining:
            if len(keys) == MAX_SKIPPED_KEYS:
                raise DecodeError("more skipped keys than a ratchet keeps")
            header_key, number = reader.take(SYMMETRIC_KEY_SIZE), reader.word32()
            message_key, iv = reader.take(SYMMETRIC_KEY_SIZE), reader.take(IV_SIZE)
            keys.append(SkippedKey(header_key, number, message_key, iv, reader.int64()))
        decoded = cls.of(keys)
        if len(decoded) != len(keys):
            raise DecodeError("a skipped key that is there twice")
        return decoded


def _within_limit(chains: Mapping[bytes, _Chain], oldest: int | None = None) -> SkippedKeys:
    """The newest keys of these chains, as many as are kept."""
    count = sum(map(len, chains.values()))
    surplus = count - MAX_SKIPPED_KEYS
    if surplus > 0:
        kept: dict[bytes, _Chain] = {}
        for header_key, chain in chains.items():
            if surplus >= len(chain):
                surplus -= len(chain)
                continue
            kept[header_key] = dict(list(chain.items())[surplus:])
            surplus = 0
        chains, count = kept, MAX_SKIPPED_KEYS
    if oldest is None:
        ages = (secret.since for chain in chains.values() for secret in chain.values())
        oldest = min(ages, default=0)
    return SkippedKeys(chains, count, oldest)
