"""What recordings hold, as values of `simplex_trio.ratchet`, and a KEM whose secrets are known."""

from __future__ import annotations

from typing import Any

from simplex_trio.crypto.keys import X448PrivateKey, X448PublicKey
from simplex_trio.ratchet.kem import KEM, AcceptedKEM, Encapsulation, KEMKeyPair
from simplex_trio.ratchet.skipped import SkippedKey
from simplex_trio.ratchet.sntrup761 import load_kem
from simplex_trio.ratchet.state import (
    DHKeyPair,
    FreshKeys,
    OwnKEM,
    Ratchet,
    ReceivingChain,
    SendingChain,
)
from simplex_trio.wire.buffer import Reader
from tests.vectors import Case

State = dict[str, Any]

NOW = 1_800_000_000


def dh_pair(key: dict[str, str]) -> DHKeyPair:
    return DHKeyPair(
        X448PrivateKey(bytes.fromhex(key["private_raw"])),
        X448PublicKey(bytes.fromhex(key["public_raw"])),
    )


def dh_private(der: str) -> DHKeyPair:
    return DHKeyPair.of(X448PrivateKey.from_der(bytes.fromhex(der)))


class Recording:
    """A case, whose long values may stand elsewhere in it."""

    def __init__(self, case: Case) -> None:
        self._blobs: list[str] = case.get("blobs", [])

    def bytes(self, value: str | dict[str, int]) -> bytes:
        return bytes.fromhex(value if isinstance(value, str) else self._blobs[value["blob"]])

    def pair(self, kem: State) -> KEMKeyPair:
        return KEMKeyPair(self.bytes(kem["self_public"]), self.bytes(kem["self_secret"]))

    def accepted(self, accepted: State | None) -> AcceptedKEM | None:
        if accepted is None:
            return None
        return AcceptedKEM(
            self.bytes(accepted["peer_public"]),
            Encapsulation(
                self.bytes(accepted["ciphertext"]), self.bytes(accepted["shared_secret"])
            ),
        )

    def ratchet(self, state: State) -> Ratchet:
        kem, snd, rcv = state["kem"], state["snd"], state["rcv"]
        sending = receiving = None
        if snd is not None:
            sending = SendingChain(
                X448PublicKey.from_der(bytes.fromhex(snd["dh_peer_der"])),
                bytes.fromhex(snd["chain_key"]),
                bytes.fromhex(snd["header_key"]),
                state["ns"],
            )
        else:
            assert state["ns"] == 0
        if rcv is not None:
            receiving = ReceivingChain(
                bytes.fromhex(rcv["chain_key"]), bytes.fromhex(rcv["header_key"]), state["nr"]
            )
        else:
            assert state["nr"] == 0
        return Ratchet(
            version=state["version"],
            max_version=state["max_version"],
            associated_data=bytes.fromhex(state["ad"]),
            dh=dh_pair(state["dh_self"]),
            kem=kem and OwnKEM(self.pair(kem), self.accepted(kem["accepted"])),
            kem_supported=state["support_kem"],
            kem_enabled=state["enable_kem"],
            kem_sending=state["snd_kem"],
            kem_receiving=state["rcv_kem"],
            root_key=bytes.fromhex(state["root_key"]),
            next_sending_header_key=bytes.fromhex(state["next_header_key_snd"]),
            next_receiving_header_key=bytes.fromhex(state["next_header_key_rcv"]),
            previous_count=state["pn"],
            sending=sending,
            receiving=receiving,
        )

    def fresh(self, state_after: State) -> FreshKeys:
        """The keys that were made in a step: they are in the state after it."""
        kem = state_after["kem"]
        return FreshKeys(dh_pair(state_after["dh_self"]), kem and self.pair(kem))

    def kem(self, state_after: State, kem: KEM) -> RecordedKEM:
        """A KEM that makes the secret which was made in a step."""
        own = state_after["kem"]
        return RecordedKEM(kem, self.accepted(own and own["accepted"]))


class RecordedKEM(KEM):
    """Another KEM, but what it encapsulates is known."""

    NAME = "recorded"
    RELEASES_GIL = False

    def __init__(self, kem: KEM, accepted: AcceptedKEM | None) -> None:
        self._kem = kem
        self._accepted = accepted

    def generate(self) -> KEMKeyPair:
        raise AssertionError("a step makes no keys")

    def _encapsulate(self, public_key: bytes) -> tuple[bytes, bytes]:
        assert self._accepted is not None
        assert public_key == self._accepted.peer_key
        known = self._accepted.encapsulation
        return known.ciphertext, known.shared_secret

    def _decapsulate(self, secret_key: bytes, ciphertext: bytes) -> bytes:
        return self._kem._decapsulate(secret_key, ciphertext)


def skipped_keys(after: list[State]) -> set[tuple[bytes, int, bytes, bytes]]:
    return {
        (
            bytes.fromhex(chain["header_key"]),
            key["n"],
            bytes.fromhex(key["message_key"]),
            bytes.fromhex(key["iv"]),
        )
        for chain in after
        for key in chain["keys"]
    }


def without_age(keys: Any) -> set[tuple[bytes, int, bytes, bytes]]:
    return {
        (k.header_key, k.number, k.message_key, k.iv) for k in keys if isinstance(k, SkippedKey)
    }


def private_kem(encoded: bytes | None) -> tuple[KEMKeyPair | None, Encapsulation | None]:
    """A side's KEM keys in the form in which the reference stores them."""
    if encoded is None:
        return None, None
    reader = Reader(encoded)
    tag = reader.take(1)
    encapsulation = None
    if tag == b"A":
        encapsulation = Encapsulation(reader.large(), reader.short())
    public_key, secret_key = reader.large(), reader.large()
    reader.end()
    return KEMKeyPair(public_key, secret_key), encapsulation


REAL = load_kem()
