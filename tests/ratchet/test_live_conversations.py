"""Conversations of two reference agents: every ratchet, from its first state to its last.

Envelopes are opened here only to get at what is inside of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X448PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_trio.crypto.padding import unpad
from simplex_trio.ratchet import aead
from simplex_trio.ratchet.headers import EncryptedMessage
from simplex_trio.ratchet.receiving import MessageChain, open_header
from simplex_trio.ratchet.sending import SendingKey, advance_sending
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import DHKeyPair, Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys, keys_hash
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.x3dh_keys import KEMAcceptance, KEMProposal, X3DHKeys
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from tests.ratchet.support import NOW, REAL, Recording, State, dh_private, private_kem
from tests.vectors import Case, cases, matches

FILES = ("agent_live.json", "agent_live_more.json")

HOW = {
    "skipped": MessageChain.SKIPPED,
    "same": MessageChain.PRESENT,
    "step": MessageChain.NEXT,
}

Transition = dict[str, Any]


@pytest.mark.parametrize("case", [case for file in FILES for case in cases(file, "agent_live")])
def test_conversation(case: Case) -> None:
    conversation = Conversation(case)
    for ratchet in case["ratchets"]:
        History(conversation, ratchet).replay()
    bodies = case["bodies"]
    for body in bodies:
        if body["agent_envelope"]["tag"] in "CM":
            history = conversation.histories[body["sender_history"], body["from"]]
            before, after = body["sender_state"]
            assert history.send(before, body["n"]) == history.ratchet(after)
    assert conversation.received == {
        (body["n"], reception["history"])
        for body in bodies
        for reception in body.get("receptions") or ()
    }


class Conversation:
    """A case, with what its layers hold."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.recording = Recording(case)
        self.received: set[tuple[int, str]] = set()
        self.histories: dict[tuple[str, str], History] = {}
        self._private = {pair.public.raw: pair for pair in self._pairs()}

    def _pairs(self) -> Iterator[DHKeyPair]:
        for key in self.case["keys"]:
            if key["alg"] == "x448":
                yield DHKeyPair.of(X448PrivateKey(bytes.fromhex(key["private_raw"])))
        for connection in self.case["x3dh"]:
            for row in connection["keys"]:
                if row["x3dh_priv_key_1"] is not None:
                    yield dh_private(row["x3dh_priv_key_1"])
                    yield dh_private(row["x3dh_priv_key_2"])

    def max_version(self, connection: str) -> int:
        highest: int = self.case["versions"][connection.partition("/")[0]]["e2e"][1]
        return highest

    def peer(self, connection: str) -> str:
        """The connection at the other end."""
        [found] = (c for c in self.case["connections"] if c["connection"] == connection)
        peer: str = found["peer"]
        return peer

    def own_keys(self, public: X3DHKeys, state: State | None = None) -> X3DHPrivateKeys:
        """The private keys of these public ones; the KEM's are in the state that follows."""
        first, second = (self._private[key.raw] for key in (public.first, public.second))
        kem = state and state["kem"]
        if not kem:
            return X3DHPrivateKeys(first, second)
        accepted = self.recording.accepted(kem["accepted"])
        encapsulation = accepted and accepted.encapsulation
        return X3DHPrivateKeys(first, second, self.recording.pair(kem), encapsulation)

    def initiator_keys(self, connection: str) -> X3DHPrivateKeys:
        """The keys that an invitation was made with."""
        rows = (x for x in self.case["x3dh"] if x["connection"] == connection)
        row = next(k for r in rows for k in r["keys"] if k["x3dh_priv_key_1"] is not None)
        encoded = row["pq_priv_kem"] and self.recording.bytes(row["pq_priv_kem"])
        kem, _ = private_kem(encoded)
        return X3DHPrivateKeys(
            dh_private(row["x3dh_priv_key_1"]), dh_private(row["x3dh_priv_key_2"]), kem
        )

    def public_keys(self, number: int) -> X3DHKeys:
        """The X3DH keys in a body."""
        keys, _ = self.opened(number)
        assert keys is not None
        expected = self.case["bodies"][number]["agent_envelope"]["e2e"]
        assert keys.version == expected["version"]
        assert keys.first.raw.hex() == expected["key1"]
        assert keys.second.raw.hex() == expected["key2"]
        kem = expected["kem"]
        match keys.kem:
            case None:
                assert kem is None
            case KEMProposal(public_key):
                assert kem["type"] == "proposed"
                assert public_key == self.recording.bytes(kem["public"])
            case KEMAcceptance(ciphertext, public_key):
                assert kem["type"] == "accepted"
                assert ciphertext == self.recording.bytes(kem["ciphertext"])
                assert public_key == self.recording.bytes(kem["public"])
        return keys

    def opened(self, number: int) -> tuple[X3DHKeys | None, bytes]:
        """The X3DH keys in a body, if there are, and what follows them: a ratchet's message."""
        body = self.case["bodies"][number]
        queue = self.case["queues"][body["queue"]]
        envelope = ClientEnvelope.decode(bytes.fromhex(body["body"]))
        own = X25519PrivateKey(bytes.fromhex(queue["recipient_e2e_key"]["private_raw"]))
        peer = X25519PublicKey(bytes.fromhex(body["envelope"]["sender_e2e_public"]))
        key = BoxKey.agree(own, peer)
        message = ClientMessage.open(key, envelope.nonce, envelope.sealed).body
        assert matches(message, body["client_message"]["body"])
        reader = Reader(message)
        assert reader.word16() == body["agent_envelope"]["version"]
        keys = None
        match reader.take(1):
            case b"C":
                keys = reader.maybe(lambda: X3DHKeys.decode(reader))
            case b"R":
                keys = X3DHKeys.decode(reader)
            case b"M":
                pass
            case tag:
                raise AssertionError(tag)
        return keys, reader.tail()


class History:
    """A ratchet of one side, in one database."""

    def __init__(self, conversation: Conversation, recorded: dict[str, Any]) -> None:
        self.conversation = conversation
        self.recording = conversation.recording
        self.recorded = recorded
        self.name: str = recorded["history"]
        self.connection: str = recorded["connection"]
        self.max_version = conversation.max_version(self.connection)
        self.states: list[State] = recorded["states"]
        self.skipped: dict[int | None, SkippedKeys] = {None: SkippedKeys()}

    def replay(self) -> None:
        conversation = self.conversation
        conversation.histories[self.name, self.connection] = self
        last = None
        for transition in self.recorded["transitions"]:
            before, after = transition["from"], transition["to"]
            skipped = self.skipped[before]
            match transition["kind"]:
                case "joined":
                    result = self.joined(self.states[after])
                case "synchronized":
                    result = self.synchronized(transition, self.states[after])
                    skipped = SkippedKeys()
                case "send":
                    result = self.send(before, transition["body"])
                case "send, not delivered":
                    result = self.step_only(self.states[before], self.states[after])
                case "receive":
                    result, skipped = self.receive(before, after, transition["body"], skipped)
                case "copied":
                    of = conversation.histories[transition["of"], self.connection]
                    result, skipped = of.ratchet(after), of.skipped[after]
                case unknown:
                    raise AssertionError(unknown)
            assert result == self.ratchet(after), transition
            assert Ratchet.decode(result.encode()) == result
            self.skipped[after] = skipped
            last = after
        assert len(self.skipped[last]) == self.recorded["skipped_keys_left"]

    def ratchet(self, number: int) -> Ratchet:
        return self.recording.ratchet(self.states[number])

    def joined(self, state: State) -> Ratchet:
        conversation = self.conversation
        own = self.joiner_keys(state)
        invitation = conversation.initiator_keys(conversation.peer(self.connection))
        peer = invitation.public(state["version"])
        dh = self.recording.fresh(state).dh
        return joiner_ratchet(own, peer, dh, max_version=self.max_version)

    def joiner_keys(self, state: State) -> X3DHPrivateKeys:
        """The keys with which this side answered: the public ones are in its confirmation."""
        for body in self.conversation.case["bodies"]:
            sent = body["from"] == self.connection and body["agent_envelope"]["tag"] == "C"
            if sent and body["agent_envelope"]["e2e"] is not None:
                public = self.conversation.public_keys(body["n"])
                own = self.conversation.own_keys(public, state)
                assert own.public(state["version"]) == public
                return own
        raise AssertionError("no confirmation")

    def synchronized(self, transition: Transition, state: State) -> Ratchet:
        conversation = self.conversation
        own_public = conversation.public_keys(transition["own"])
        peer = conversation.public_keys(transition["peer"])
        own = conversation.own_keys(own_public, state)
        initiator = keys_hash(own_public) <= keys_hash(peer)
        assert transition["as"] == ("initiator" if initiator else "joiner")
        if initiator:
            return initiator_ratchet(
                own,
                peer,
                REAL,
                kem_supported=state["support_kem"],
                max_version=self.max_version,
            )
        return joiner_ratchet(
            own, peer, self.recording.fresh(state).dh, max_version=self.max_version
        )

    def send(self, before: int, number: int) -> Ratchet:
        body = self.conversation.case["bodies"][number]
        recorded = body["ratchet"]
        _, message = self.conversation.opened(number)
        ratchet = self.ratchet(before)
        result, key = advance_sending(ratchet, kem=recorded["pq_set"], max_version=self.max_version)
        assert ratchet.sending is not None
        assert ratchet.sending.header_key.hex() == recorded["header_key"]
        assert key.message_key.hex() == recorded["message_key"]
        assert key.iv.hex() == recorded["message_iv"]
        assert key.version == recorded["version"]
        plaintext = plaintext_of(key, message)
        assert sha256(plaintext).hexdigest() == body["hash"]
        assert key.encrypt(plaintext, recorded["padded_length"]) == message
        return result

    def step_only(self, before: State, after: State) -> Ratchet:
        """A message that was never sent; whether it switched the KEM shows in the states alone."""
        switched = before["enable_kem"] != after["enable_kem"]
        kem = after["enable_kem"] if switched else None
        return advance_sending(
            self.recording.ratchet(before), kem=kem, max_version=self.max_version
        ).ratchet

    def receive(
        self, before: int | None, after: int, number: int, skipped: SkippedKeys
    ) -> tuple[Ratchet, SkippedKeys]:
        body = self.conversation.case["bodies"][number]
        [reception] = (r for r in body["receptions"] if r["history"] == self.name)
        assert reception["state"] == [before, after]
        state = self.states[after]
        keys, message = self.conversation.opened(number)
        if before is None:
            assert keys is not None
            initial = reception["initial_state"]
            ratchet = initiator_ratchet(
                self.conversation.initiator_keys(self.connection),
                keys,
                REAL,
                kem_supported=initial["support_kem"],
                max_version=self.max_version,
            )
            assert ratchet == self.recording.ratchet(initial)
        else:
            ratchet = self.ratchet(before)
        opened = open_header(ratchet, skipped, message, now=NOW)
        assert opened.chain is HOW[reception["how"]]
        done = opened.decrypt(self.recording.fresh(state), self.recording.kem(state, REAL))
        assert sha256(done.plaintext).hexdigest() == body["hash"]
        assert done.kem_pair_used == opened.needs_kem_pair
        if done.kem_pair_used:
            assert state["kem"] is not None
        self.conversation.received.add((number, self.name))
        return done.ratchet, done.skipped


def plaintext_of(key: SendingKey, message: bytes) -> bytes:
    """What the sender has encrypted, by the key that it had."""
    parts = EncryptedMessage.decode(message)
    covered = key.associated_data + parts.header
    return unpad(aead.open_sealed(key.message_key, key.iv, parts.sealed, covered))
