"""What comes out of messages that are late, repeated, changed, or made by a peer that cheats."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.keys import X448PrivateKey, X448PublicKey
from simplex_trio.crypto.padding import pad
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.ratchet import aead
from simplex_trio.ratchet.errors import (
    BodyNotAuthentic,
    CannotSendYet,
    DuplicateMessage,
    EarlierMessage,
    KEMMismatch,
    LaterStateVersion,
    MalformedMessage,
    RatchetError,
    TooManySkipped,
    UnknownHeader,
)
from simplex_trio.ratchet.headers import (
    KEM_HEADER_PADDED,
    EncryptedHeader,
    EncryptedMessage,
    MessageHeader,
    padded_header_length,
)
from simplex_trio.ratchet.receiving import MessageChain, decrypt, open_header
from simplex_trio.ratchet.sending import SendingKey, advance_sending
from simplex_trio.ratchet.skipped import MAX_SKIPPED_AT_ONCE, MAX_SKIPPED_KEYS, SKIPPED_KEY_SECONDS
from simplex_trio.ratchet.state import DHKeyPair, FreshKeys
from simplex_trio.wire.duplex.x3dh_keys import (
    KEM_CIPHERTEXT_SIZE,
    KEMAcceptance,
    KEMProposal,
)
from tests.ratchet.pairs import PADDED, Side, kem_pair, talking, two_sides
from tests.ratchet.support import NOW, REAL


def fails(side: Side, message: bytes, kind: type[RatchetError]) -> RatchetError:
    with pytest.raises(RatchetError) as raised:
        side.decrypt(message)
    assert type(raised.value) is kind
    return raised.value


def forged(
    sender: Side, change: Callable[[MessageHeader], MessageHeader], body: bytes | None = None
) -> bytes:
    """A message such as only the sender's keys can make."""
    ratchet = sender.ratchet
    assert ratchet.sending is not None
    after, key = advance_sending(ratchet)
    encrypted = EncryptedHeader.decode(key.encrypted_header)
    secret = ratchet.sending.header_key, encrypted.iv
    padded = aead.open_sealed(*secret, encrypted.sealed, ratchet.associated_data)
    header = change(MessageHeader.decode(padded[2:], ratchet.version))
    length = padded_header_length(ratchet.version, after.kem_supported)
    if header.kem is not None:
        length = KEM_HEADER_PADDED
    padded = pad(header.encode(ratchet.version), length)
    sealed = aead.seal(*secret, padded, ratchet.associated_data)
    encoded = evolve(encrypted, sealed=sealed).encode()
    key = evolve(key, encrypted_header=encoded)
    if body is None:
        return key.encrypt(b"message", PADDED)
    sealed = aead.seal(key.message_key, key.iv, body, key.associated_data + encoded)
    return EncryptedMessage(encoded, sealed).encode(ratchet.version)


# --- late and repeated --------------------------------------------------------------------------


def test_a_redelivered_message_is_a_duplicate() -> None:
    alice, bob = talking()
    message = bob.send()
    alice.receive(message)
    fails(alice, message, DuplicateMessage)


def test_an_earlier_message_tells_how_much_earlier() -> None:
    alice, bob = talking()
    messages = [bob.send() for _ in range(4)]
    for message in messages:
        alice.receive(message)
    error = fails(alice, messages[0], EarlierMessage)
    assert isinstance(error, EarlierMessage)
    assert error.distance == 3
    assert "message" in str(error)


def test_a_used_key_of_an_earlier_chain() -> None:
    """While another message of that chain is missing, its header is still known."""
    alice, bob = talking()
    missing, received = bob.send(b"missing"), bob.send()
    alice.receive(received)
    bob.receive(alice.send())
    alice.receive(bob.send())
    error = fails(alice, received, EarlierMessage)
    assert isinstance(error, EarlierMessage)
    assert error.distance is None
    assert alice.receive(missing) == b"missing"
    fails(alice, received, UnknownHeader)
    fails(alice, missing, UnknownHeader)


def test_a_message_that_was_overtaken_by_a_step() -> None:
    alice, bob = talking()
    missing = bob.send(b"missing")
    bob.receive(alice.send())
    alice.receive(bob.send())
    assert open_header(alice.ratchet, alice.skipped, missing, now=NOW).chain is MessageChain.SKIPPED
    before = alice.ratchet
    assert alice.receive(missing) == b"missing"
    assert alice.ratchet == before
    assert len(alice.skipped) == 0


@pytest.mark.parametrize("count", [MAX_SKIPPED_AT_ONCE, MAX_SKIPPED_AT_ONCE + 1])
def test_so_many_may_be_skipped_at_once(count: int) -> None:
    alice, bob = talking()
    alice.receive(bob.send())
    bob.lose(count)
    message = bob.send()
    if count <= MAX_SKIPPED_AT_ONCE:
        alice.receive(message)
        assert len(alice.skipped) == count
    else:
        error = fails(alice, message, TooManySkipped)
        assert isinstance(error, TooManySkipped)
        assert error.count == count + 1
        assert str(error.count) in str(error)


@pytest.mark.parametrize("where", ["before the step", "after the step"])
def test_too_many_skipped_at_a_step(where: str) -> None:
    alice, bob = talking()
    if where == "before the step":
        alice.receive(bob.send())
        bob.lose(MAX_SKIPPED_AT_ONCE + 1)
        bob.receive(alice.send())
    else:
        bob.lose(MAX_SKIPPED_AT_ONCE + 1)
    fails(alice, bob.send(), TooManySkipped)


def test_the_oldest_keys_make_room() -> None:
    alice, bob = talking()
    first = bob.send()
    bob.lose(MAX_SKIPPED_AT_ONCE - 1)
    for _ in range(MAX_SKIPPED_KEYS // MAX_SKIPPED_AT_ONCE):
        alice.receive(bob.send())
        bob.receive(alice.send())
        bob.lose(MAX_SKIPPED_AT_ONCE)
    assert len(alice.skipped) == MAX_SKIPPED_KEYS
    kept = alice.decrypt(first)
    assert kept.plaintext == b"message"
    alice.receive(bob.send())
    assert len(alice.skipped) == MAX_SKIPPED_KEYS
    fails(alice, first, UnknownHeader)


def test_old_keys_are_gone() -> None:
    alice, bob = talking()
    messages = [bob.send(), bob.send(), bob.send()]
    alice.receive(messages[2])
    alice.now += SKIPPED_KEY_SECONDS
    alice.receive(messages[0])
    alice.now += 1
    error = fails(alice, messages[1], EarlierMessage)
    assert isinstance(error, EarlierMessage)
    assert error.distance == 1
    assert len(alice.skipped) == 1  # a failure changes nothing
    alice.receive(bob.send())
    assert len(alice.skipped) == 0


# --- changed ------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    alice, _ = CONVERSATION
    for message in (data, b"\x00\x7c" + data, b"\x00\x7c\x00\x03" + data.ljust(300)):
        with pytest.raises((MalformedMessage, UnknownHeader)):
            alice.decrypt(message)


def test_every_way_to_cut_a_message() -> None:
    alice, bob = CONVERSATION
    message = advance_sending(bob.ratchet).key.encrypt(b"message", PADDED)
    for size in range(len(message)):
        with pytest.raises((MalformedMessage, BodyNotAuthentic)):
            alice.decrypt(message[:size])
    fails(alice, message + b"\0", BodyNotAuthentic)


CONVERSATION = talking()


@pytest.mark.parametrize("wanted", [False, True])
def test_a_changed_body_changes_nothing(wanted: bool) -> None:
    alice, bob = talking(offered=wanted, wanted=wanted)
    message = bob.send()
    before = evolve(alice.ratchet)
    fails(alice, message[:-1] + bytes((message[-1] ^ 1,)), BodyNotAuthentic)
    assert alice.ratchet == before
    assert alice.receive(message) == b"message"


def test_a_message_for_another_ratchet() -> None:
    _, bob = talking()
    fails(CONVERSATION[0], bob.send(), UnknownHeader)


@pytest.mark.parametrize("kem", [False, True])
def test_a_changed_version_is_not_taken_for_something_else(kem: bool) -> None:
    """The version in front of a header is not covered by the header's own tag."""
    alice, bob = talking(offered=kem, wanted=kem)
    alice.receive(bob.send())
    message = bytearray(bob.send())
    assert message[2:4] == b"\0\3"
    for version in (0, 1, 2):
        message[3] = version
        fails(alice, bytes(message), MalformedMessage)
    message[3] = 9
    fails(alice, bytes(message), BodyNotAuthentic)


def test_a_version_that_was_raised_on_the_way() -> None:
    alice, bob = two_sides(version=2, initiator_max=2, joiner_max=2)
    message = bytearray(bob.send())
    assert message[1:3] == b"\0\2"
    message[2] = 3
    fails(alice, bytes(message), MalformedMessage)


# --- made by a peer that cheats -----------------------------------------------------------------


def test_a_degenerate_key() -> None:
    alice, bob = talking()
    message = forged(bob, lambda header: evolve(header, dh_key=X448PublicKey(bytes(56))))
    fails(alice, message, MalformedMessage)


def test_a_kem_secret_for_a_key_that_there_is_not() -> None:
    alice, bob = talking()
    kem = KEMAcceptance(bytes(KEM_CIPHERTEXT_SIZE), kem_pair().public_key)
    message = forged(bob, lambda header: evolve(header, kem=kem))
    fails(alice, message, KEMMismatch)


def test_a_kem_secret_that_does_not_fit() -> None:
    alice, bob = talking(offered=True, wanted=True)
    assert alice.ratchet.kem_receiving
    kem = KEMAcceptance(bytes(KEM_CIPHERTEXT_SIZE), kem_pair().public_key)
    message = forged(bob, lambda header: evolve(header, kem=kem))
    fails(alice, message, BodyNotAuthentic)


def test_fewer_messages_than_have_come() -> None:
    alice, bob = talking()
    for _ in range(3):
        alice.receive(bob.send())
    bob.receive(alice.send())
    for count, kind in ((2, DuplicateMessage), (0, EarlierMessage)):
        message = forged(bob, lambda header, n=count: evolve(header, previous_count=n))  # type: ignore[misc]
        fails(alice, message, kind)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\2\0", b"\xff\xff#"])
def test_a_body_without_padding(body: bytes) -> None:
    alice, bob = talking()
    fails(alice, forged(bob, lambda header: header, body), MalformedMessage)


def test_a_header_that_cannot_be_read() -> None:
    alice, bob = talking()
    _, key = advance_sending(bob.ratchet)
    encrypted = EncryptedHeader.decode(key.encrypted_header)
    assert bob.ratchet.sending is not None
    for plaintext in (b"", b"\0\3abc", pad(b"", 88), pad(bytes(80), 88), pad(b"\0\3D0B", 88)):
        sealed = aead.seal(
            bob.ratchet.sending.header_key, encrypted.iv, plaintext, key.associated_data
        )
        header = evolve(encrypted, sealed=sealed).encode()
        message = evolve(key, encrypted_header=header).encrypt(b"message", PADDED)
        fails(alice, message, MalformedMessage)


def test_kem_parameters_of_a_wrong_size() -> None:
    header = MessageHeader(3, DHKeyPair.generate().public, KEMProposal(kem_pair().public_key), 1, 2)
    encoded = header.encode(3)
    assert MessageHeader.decode(encoded, 3) == header
    position = encoded.index(b"1P") + 2
    for size in (1157, 1159, 0):
        wrong = encoded[:position] + size.to_bytes(2, "big") + encoded[position + 2 :] + bytes(9)
        with pytest.raises(DecodeError):
            MessageHeader.decode(wrong, 3)


# --- sending ------------------------------------------------------------------------------------


def test_the_initiator_waits_for_a_message() -> None:
    alice, bob = two_sides()
    with pytest.raises(CannotSendYet):
        alice.send()
    alice.receive(bob.send())
    bob.receive(alice.send())


def test_a_chain_has_an_end() -> None:
    _, bob = talking()
    assert bob.ratchet.sending is not None
    last = evolve(bob.ratchet.sending, count=2**32 - 2)
    after, _ = advance_sending(bob.ratchet.with_sending(last))
    with pytest.raises(CannotSendYet):
        advance_sending(after)


def test_a_message_can_be_encrypted_later_and_again() -> None:
    alice, bob = talking()
    bob.ratchet, key = advance_sending(bob.ratchet)
    stored = SendingKey.decode(key.encode())
    assert stored == key
    assert hash(stored) == hash(key)
    assert stored.encrypt(b"message", PADDED) == key.encrypt(b"message", PADDED)
    assert alice.receive(stored.encrypt(b"message", PADDED)) == b"message"
    with pytest.raises(TooLarge):
        stored.encrypt(bytes(PADDED - 1), PADDED)


def test_stored_sending_keys_that_are_wrong() -> None:
    encoded = advance_sending(CONVERSATION[1].ratchet).key.encode()
    for size in range(len(encoded)):
        with pytest.raises(DecodeError):
            SendingKey.decode(encoded[:size])
    with pytest.raises(DecodeError):
        SendingKey.decode(encoded + b"\0")
    with pytest.raises(LaterStateVersion):
        SendingKey.decode(b"\2" + encoded[1:])


# --- fresh keys ---------------------------------------------------------------------------------


def test_fresh_keys_are_used_only_by_steps() -> None:
    alice, bob = talking(offered=True, wanted=True)
    first, second = bob.send(), bob.send()
    opened = open_header(alice.ratchet, alice.skipped, first, now=NOW)
    assert opened.needs_dh_pair
    assert opened.needs_kem_pair
    fresh = FreshKeys(DHKeyPair.generate(), kem_pair(2))
    done = opened.decrypt(fresh, REAL)
    assert done.dh_pair_used
    assert done.kem_pair_used
    assert done.ratchet.dh == fresh.dh
    assert done.ratchet.kem is not None
    assert done.ratchet.kem.pair == fresh.kem
    opened = open_header(done.ratchet, done.skipped, second, now=NOW)
    assert opened.chain is MessageChain.PRESENT
    assert not opened.needs_dh_pair
    assert not opened.needs_kem_pair
    done = opened.decrypt(None, None)
    assert not done.dh_pair_used
    assert not done.kem_pair_used


def test_a_kem_pair_is_not_asked_for_where_the_kem_is_off() -> None:
    alice, bob = talking()
    done = decrypt(
        alice.ratchet, alice.skipped, bob.send(), FreshKeys(DHKeyPair.generate()), None, now=NOW
    )
    assert done.dh_pair_used
    assert not done.kem_pair_used


def test_what_is_missing_is_the_callers_mistake() -> None:
    alice, bob = talking(offered=True, wanted=True)
    opened = open_header(alice.ratchet, alice.skipped, bob.send(), now=NOW)
    fresh = FreshKeys(DHKeyPair.generate(), kem_pair(2))
    for keys, kem in ((None, REAL), (evolve(fresh, kem=None), REAL), (fresh, None)):
        with pytest.raises(ValueError, match="needs"):
            opened.decrypt(keys, kem)
    assert opened.decrypt(fresh, REAL).plaintext == b"message"


# --- the KEM and versions -----------------------------------------------------------------------


@pytest.mark.parametrize("offered", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_how_soon_the_kem_protects(offered: bool, wanted: bool) -> None:
    alice, bob = two_sides(offered=offered, wanted=wanted)
    seen = []
    for _ in range(3):
        seen.append(bob.ratchet.kem_sending)
        alice.receive(bob.send())
        seen.append(alice.ratchet.kem_sending)
        bob.receive(alice.send())
    match offered, wanted:
        case True, True:
            assert seen == [True] * 6
        case False, True:
            # Bob proposes with his answer, and Alice accepts with her first message.
            assert seen == [False, True, True, True, True, True]
        case _:
            assert not any(seen)


def test_the_kem_switched_off_and_on() -> None:
    alice, bob = talking(offered=True, wanted=True)
    alice.receive(bob.send(kem=False))
    assert alice.ratchet.kem_receiving  # the chain began with it
    bob.receive(alice.send())
    assert not bob.ratchet.kem_sending
    alice.receive(bob.send())
    assert not alice.ratchet.kem_receiving
    assert not alice.ratchet.kem_sending
    for kem in (True, None, None):
        bob.receive(alice.send(kem=kem))
        alice.receive(bob.send())
    assert alice.ratchet.kem_sending
    assert alice.ratchet.large_headers


def test_a_header_without_its_chains_secret_waits_for_one_that_has_it() -> None:
    """Only the first message that switches the KEM off still shows the secret of its chain."""
    alice, bob = talking(offered=True, wanted=True)
    first, second = bob.send(b"first", kem=False), bob.send(b"second")
    fails(alice, second, BodyNotAuthentic)
    assert alice.receive(first) == b"first"
    assert alice.receive(second) == b"second"


@pytest.mark.parametrize("maxima", [(2, 3), (3, 2), (2, 2)])
def test_the_kem_asked_for_where_a_side_has_version_2(maxima: tuple[int, int]) -> None:
    """A side with version 2 announces 3 with the wish, and sizes follow what headers take."""
    alice, bob = two_sides(version=2, initiator_max=maxima[0], joiner_max=maxima[1])
    for kem in (None, True, True, None):
        for sender, receiver in ((bob, alice), (alice, bob)):
            prepared = advance_sending(sender.ratchet, kem=kem, max_version=sender.max_version)
            sender.ratchet = prepared.ratchet
            padded = 13_618 if prepared.ratchet.large_headers else 15_840
            message = prepared.key.encrypt(b"message", padded)
            assert len(message) <= 16_000 - 2 - 1 - 3  # length, private header, agent's envelope
            assert receiver.receive(message) == b"message"
    assert alice.ratchet.version == bob.ratchet.version == 3
    assert alice.ratchet.kem_sending


def test_a_version_of_the_future_is_not_followed() -> None:
    alice, bob = talking()
    alice.receive(forged(bob, lambda header: evolve(header, max_version=9)))
    assert alice.ratchet.version == 3


def test_keys_are_compared_and_shown_with_care() -> None:
    alice, bob = talking(offered=True, wanted=True)
    message = bob.send()
    opened = open_header(alice.ratchet, alice.skipped, message, now=NOW)
    done = alice.decrypt(message)
    pair = X448PrivateKey(bytes(56))
    for value in (
        alice.ratchet,
        opened,
        done,
        advance_sending(bob.ratchet).key,
        DHKeyPair.of(pair),
    ):
        shown = repr(value)
        assert "b'" not in shown
        assert "\\x" not in shown
    assert alice.ratchet != bob.ratchet
    assert alice.ratchet != "ratchet"
    assert done.ratchet.kem is not None
    assert len({alice.ratchet, alice.ratchet, bob.ratchet}) == 2
