"""Targets: messages of a ratchet, their headers, and what is stored of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from simplex_trio.crypto.padding import pad
from simplex_trio.ratchet import aead
from simplex_trio.ratchet.errors import RatchetError
from simplex_trio.ratchet.headers import KEM_HEADER_PADDED, EncryptedHeader, EncryptedMessage
from simplex_trio.ratchet.receiving import decrypt, open_header
from simplex_trio.ratchet.sending import SendingKey, advance_sending
from simplex_trio.ratchet.skipped import SkippedKey, SkippedKeys
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.x3dh_keys import X3DHOffer
from simplex_trio.wire.versions import VersionRange
from tests.fuzz.target import Target, recorded
from tests.ratchet.support import NOW, REAL, Recording, dh_pair, private_kem
from tests.vectors import Case

__all__ = ["TARGETS"]

FILES = ("ratchet.json",)
SKIPPED = SkippedKeys.of([SkippedKey(bytes(32), 7, bytes(32), bytes(16), NOW)])


@cache
def conversation() -> tuple[Ratchet, dict[str, Any], Recording]:
    """The initiator's ratchet before its first message, and that message, with the KEM."""
    case = next(c for c in recorded(FILES, "ratchet") if c["mode"] == "accepted")
    recording = Recording(case)
    step = next(step for step in case["steps"] if step["op"] == "decrypt")
    return recording.ratchet(case["alice_ratchet"]), step, recording


def message(data: bytes) -> None:
    ratchet, step, recording = conversation()
    after = step["state_after"]
    decrypt(ratchet, SKIPPED, data, recording.fresh(after), recording.kem(after, REAL), now=NOW)


def header(data: bytes) -> None:
    """An authentic header, such as only the other side can make, with any content."""
    ratchet, _, _ = conversation()
    key = ratchet.next_receiving_header_key
    version, content = 2 + (data[:1] > b"\x7f"), data[1 : KEM_HEADER_PADDED - 1]
    padded = pad(content, KEM_HEADER_PADDED)
    sealed = aead.seal(key, bytes(16), padded, ratchet.associated_data)
    encrypted = EncryptedHeader(3, bytes(16), sealed)
    encoded = bytes((0, version)) + encrypted.encode()[2:]
    whole = EncryptedMessage(encoded, bytes(16)).encode(3)
    open_header(ratchet, SKIPPED, whole, now=NOW)


def messages() -> Iterator[bytes]:
    for case in recorded(FILES, "ratchet"):
        for step in case["steps"]:
            if "ciphertext" in step:
                yield bytes.fromhex(step["ciphertext"])


def headers() -> Iterator[bytes]:
    for case in recorded(FILES, "ratchet"):
        for step in case["steps"]:
            if "header_plaintext" in step:
                version = b"\x80" if case["e2e_version"] == 3 else b"\0"
                yield version + bytes.fromhex(step["header_plaintext"])


# --- what is stored -----------------------------------------------------------------------------


def ratchets() -> Iterator[bytes]:
    for case in recorded(FILES, "ratchet"):
        recording = Recording(case)
        for name in ("alice_ratchet", "bob_ratchet"):
            yield recording.ratchet(case[name]).encode()


def skipped_keys() -> Iterator[bytes]:
    yield SKIPPED.encode()
    yield SkippedKeys().encode()


def sending_keys() -> Iterator[bytes]:
    for case in recorded(FILES, "ratchet"):
        yield advance_sending(Recording(case).ratchet(case["bob_ratchet"])).key.encode()


def own_keys(case: Case) -> X3DHPrivateKeys:
    encoded = case["bob_private_kem_encoded"]
    kem = private_kem(None if encoded is None else bytes.fromhex(encoded))
    return X3DHPrivateKeys(dh_pair(case["bob_key1"]), dh_pair(case["bob_key2"]), *kem)


def private_keys() -> Iterator[bytes]:
    for case in recorded(FILES, "ratchet"):
        yield own_keys(case).encode()


def offers() -> Iterator[bytes]:
    for case in recorded(FILES, "ratchet"):
        yield own_keys(case).offer(VersionRange(2, 3)).encode()


TARGETS = (
    Target("ratchet-message", message, messages, (RatchetError,)),
    Target("ratchet-header", header, headers, (RatchetError,)),
    Target("ratchet-state", Ratchet.decode, ratchets),
    Target("ratchet-skipped-keys", SkippedKeys.decode, skipped_keys),
    Target("ratchet-sending-key", SendingKey.decode, sending_keys),
    Target("x3dh-private-keys", X3DHPrivateKeys.decode, private_keys),
    Target("binary-x3dh-offer", lambda data: X3DHOffer.decode(Reader(data)), offers),
)
