"""Conversations that the reference's ratchet had with itself, replayed step by step."""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.errors import TooLarge
from simplex_trio.ratchet import aead
from simplex_trio.ratchet.errors import (
    BodyNotAuthentic,
    CannotSendYet,
    DuplicateMessage,
    EarlierMessage,
    RatchetError,
    TooManySkipped,
    UnknownHeader,
)
from simplex_trio.ratchet.headers import EncryptedHeader, MessageHeader, padded_header_length
from simplex_trio.ratchet.kem import KEM, KEMKeyPair
from simplex_trio.ratchet.receiving import decrypt
from simplex_trio.ratchet.sending import SendingKey, advance_sending
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.sntrup761 import available_kems
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import DHKeyPair, FreshKeys, Ratchet
from simplex_trio.ratchet.x3dh import (
    X3DHPrivateKeys,
    X3DHSecrets,
    agree_as_initiator,
    agree_as_joiner,
)
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
from tests.ratchet.support import NOW, Recording, dh_pair, private_kem, skipped_keys, without_age
from tests.vectors import Case, cases, unhex

every_kem = pytest.mark.parametrize("kem", available_kems(), ids=lambda kem: kem.NAME)

ERRORS: dict[str, type[Exception]] = {
    "CERatchetState": CannotSendYet,
    "CERatchetHeader": UnknownHeader,
    "CERatchetDuplicateMessage": DuplicateMessage,
    "CERatchetEarlierMessage": EarlierMessage,
    "CERatchetTooManySkipped": TooManySkipped,
    "AESDecryptError": BodyNotAuthentic,
    "CryptoLargeMsgError": TooLarge,
}


@every_kem
@pytest.mark.parametrize("case", cases("ratchet.json", "sntrup761"))
def test_kem(case: Case, kem: KEM) -> None:
    pair = KEMKeyPair(bytes.fromhex(case["public_key"]), bytes.fromhex(case["secret_key"]))
    ciphertext = bytes.fromhex(case["ciphertext"])
    assert kem.decapsulate(pair, ciphertext).hex() == case["decapsulated"]
    assert case["decapsulated"] == case["shared_secret"]
    tampered = bytes.fromhex(case["tampered_ciphertext"])
    assert kem.decapsulate(pair, tampered).hex() == case["tampered_decapsulated"]
    made = kem.encapsulate(pair.public_key)
    assert kem.decapsulate(pair, made.ciphertext) == made.shared_secret


FRESH = FreshKeys(DHKeyPair.generate())


class Side:
    """One of the two, and what it knows."""

    def __init__(self, recording: Recording, kem: KEM, ratchet: Ratchet) -> None:
        self.recording = recording
        self.kem = kem
        self.ratchet = ratchet
        self.max_version = ratchet.max_version
        self.skipped = SkippedKeys()

    def encrypt(self, step: dict[str, Any], padded_length: int) -> bytes:
        after, key = advance_sending(self.ratchet, kem=step["pq_set"], max_version=self.max_version)
        message = key.encrypt(bytes.fromhex(step["plaintext"]), padded_length)
        assert after == self.recording.ratchet(step["state_after"])
        assert key.message_key.hex() == step["message_key"]
        assert key.iv.hex() == step["message_iv"]
        assert key.encrypted_header.hex() == step["encrypted_header"]
        assert header_of(self.ratchet, after, key).hex() == step["header_plaintext"]
        assert SendingKey.decode(key.encode()) == key
        assert message.hex() == step["ciphertext"]
        self.ratchet = Ratchet.decode(after.encode())
        return message

    def decrypt(self, message: bytes, step: dict[str, Any]) -> None:
        state_after = step["state_after"]
        done = decrypt(
            self.ratchet,
            self.skipped,
            message,
            self.recording.fresh(state_after),
            self.recording.kem(state_after, self.kem),
            now=NOW,
        )
        assert done.plaintext.hex() == step["result"]
        assert done.ratchet == self.recording.ratchet(state_after)
        assert without_age(done.skipped) == skipped_keys(step["skipped_after"])
        self.ratchet = Ratchet.decode(done.ratchet.encode())
        self.skipped = SkippedKeys.decode(done.skipped.encode())

    def fail(self, message: bytes, error: str) -> None:
        name, _, number = error.partition(" ")
        with pytest.raises(RatchetError) as raised:
            decrypt(self.ratchet, self.skipped, message, FRESH, self.kem, now=NOW)
        assert type(raised.value) is ERRORS[name]
        if isinstance(raised.value, EarlierMessage):
            assert raised.value.distance == int(number)
        if isinstance(raised.value, TooManySkipped):
            assert raised.value.count == int(number)


def header_of(before: Ratchet, after: Ratchet, key: SendingKey) -> bytes:
    """What the recording calls the header: without padding."""
    assert before.sending is not None
    encrypted = EncryptedHeader.decode(key.encrypted_header)
    padded = aead.open_sealed(
        before.sending.header_key,
        encrypted.iv,
        encrypted.sealed,
        key.associated_data,
    )
    assert len(padded) == padded_header_length(key.version, after.kem_supported)
    header = padded[2 : 2 + int.from_bytes(padded[:2], "big")]
    assert MessageHeader.decode(header, key.version).encode(key.version) == header
    return header


def check_secrets(secrets: X3DHSecrets, expected: dict[str, Any], recording: Recording) -> None:
    assert secrets.associated_data.hex() == expected["ad"]
    assert secrets.root_key.hex() == expected["ratchet_key"]
    assert secrets.header_key.hex() == expected["snd_header_key"]
    assert secrets.next_header_key.hex() == expected["rcv_next_header_key"]
    assert secrets.accepted == recording.accepted(expected["kem_accepted"])


@every_kem
@pytest.mark.parametrize("case", cases("ratchet.json", "ratchet"))
def test_ratchet(case: Case, kem: KEM) -> None:
    recording = Recording(case)
    version = case["e2e_version"]
    own: dict[str, X3DHPrivateKeys] = {}
    for name in ("alice", "bob"):
        pair, encapsulation = private_kem(unhex(case[f"{name}_private_kem_encoded"]))
        own[name] = X3DHPrivateKeys(
            dh_pair(case[f"{name}_key1"]), dh_pair(case[f"{name}_key2"]), pair, encapsulation
        )
        params = bytes.fromhex(case[f"{name}_params"])
        reader = Reader(params)
        assert X3DHKeys.decode(reader) == own[name].public(version)
        reader.end()
        assert own[name].public(version).encode() == params
        assert X3DHPrivateKeys.decode(own[name].encode()) == own[name]
    alice, bob = own["alice"], own["bob"]

    check_secrets(agree_as_joiner(bob, alice.public(version)), case["bob_init"], recording)
    check_secrets(
        agree_as_initiator(alice, bob.public(version), kem), case["alice_init"], recording
    )
    first = {
        "bob": joiner_ratchet(
            bob,
            alice.public(version),
            dh_pair(case["bob_ratchet_key"]),
            max_version=case["bob_ratchet"]["max_version"],
        ),
        "alice": initiator_ratchet(
            alice,
            bob.public(version),
            kem,
            kem_supported=case["alice_ratchet"]["support_kem"],
            max_version=case["alice_ratchet"]["max_version"],
        ),
    }
    assert first["bob"] == recording.ratchet(case["bob_ratchet"])
    assert first["alice"] == recording.ratchet(case["alice_ratchet"])
    assert first["bob"].security_hash == first["alice"].security_hash

    sides = {name: Side(recording, kem, ratchet) for name, ratchet in first.items()}
    messages: dict[int, bytes] = {}
    padded_length = 100
    for step in case["steps"]:
        replay(step, sides[step["side"]], messages, step.get("padded_length") or padded_length)
        padded_length = step.get("padded_length") or padded_length


def replay(
    step: dict[str, Any], side: Side, messages: dict[int, bytes], padded_length: int
) -> None:
    result = step.get("result")
    match step["op"]:
        case "encrypt" if "error" in step:
            with pytest.raises(ERRORS[step["error"]]):
                advance_sending(side.ratchet).key.encrypt(
                    bytes.fromhex(step["plaintext"]), padded_length
                )
        case "encrypt":
            messages[step["message"]] = side.encrypt(step, padded_length)
        case "skip_sending":
            for _ in range(step["count"]):
                side.ratchet = advance_sending(side.ratchet).ratchet
        case "decrypt" | "decrypt_tampered_last_byte" as operation:
            message = messages[step["message"]]
            if operation == "decrypt_tampered_last_byte":
                message = message[:-1] + bytes((message[-1] ^ 1,))
            if "error" in step:
                side.fail(message, step["error"])
            elif isinstance(result, dict):
                side.fail(message, result["body_error"])
            else:
                side.decrypt(message, step)
        case unknown:
            raise AssertionError(unknown)
