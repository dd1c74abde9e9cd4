"""Two ratchets against each other: any order, loss, repetition, the KEM switched at any message."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
)

from simplex_trio.ratchet.errors import (
    BodyNotAuthentic,
    CannotSendYet,
    DuplicateMessage,
    EarlierMessage,
    RatchetError,
    UnknownHeader,
)
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.state import Ratchet
from tests.ratchet.pairs import Side, two_sides


@define(eq=False)
class Sent:
    sender: int
    plaintext: bytes
    message: bytes
    protected: bool
    """Whether the sender was told that the KEM protects it."""
    shows_secret: bool
    """Whether its header has what the receiver needs to get the KEM's secret."""
    received: bool = False


class TwoRatchets(RuleBasedStateMachine):
    messages: Bundle[Sent] = Bundle("messages")

    @initialize(
        offered=st.booleans(),
        wanted=st.booleans(),
        version=st.integers(2, 3),
        maxima=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    )
    def meet(self, offered: bool, wanted: bool, version: int, maxima: tuple[int, int]) -> None:
        highest = [max(version, each) for each in maxima]
        self.sides = two_sides(
            offered=offered,
            wanted=wanted,
            version=version,
            initiator_max=highest[0],
            joiner_max=highest[1],
        )
        self.all: list[Sent] = []

    @rule(target=messages, sender=st.integers(0, 1), kem=st.sampled_from([None, None, True, False]))
    def send(self, sender: int, kem: bool | None) -> Any:
        side = self.sides[sender]
        before = side.ratchet
        if before.sending is None:
            with pytest.raises(CannotSendYet):
                side.send(kem=kem)
            return multiple()
        plaintext = b"message %d" % len(self.all)
        message = side.send(plaintext, kem=kem)
        shows_secret = before.kem is not None and before.kem.accepted is not None
        sent = Sent(sender, plaintext, message, before.kem_sending, shows_secret)
        assert side.ratchet.kem_sending == before.kem_sending
        self.all.append(sent)
        return sent

    @rule(sent=messages)
    def deliver(self, sent: Sent) -> None:
        self.deliver_in_any_order(sent)

    def deliver_in_any_order(self, sent: Sent) -> None:
        side = self.sides[1 - sent.sender]
        if sent.received:
            with pytest.raises((DuplicateMessage, EarlierMessage, UnknownHeader)):
                side.decrypt(sent.message)
            return
        try:
            done = side.decrypt(sent.message)
        except BodyNotAuthentic:
            # Where the KEM was switched off within a chain, its later headers do not have the
            # secret that the chain began with.  They have to wait for an earlier one.
            assert sent.protected
            assert not sent.shows_secret
            return
        assert done.plaintext == sent.plaintext
        sent.received = True
        if done.dh_pair_used:
            assert done.ratchet.kem_receiving == sent.protected
        side.receive(sent.message)

    @rule(sent=consumes(messages))
    def lose(self, sent: Sent) -> None:
        # One with the secret of its chain may be the only one, see above.
        if not (sent.protected and sent.shows_secret):
            self.all.remove(sent)

    @precondition(lambda self: self.all)
    @rule(data=st.data())
    def deliver_changed(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.all))
        position = data.draw(st.integers(0, len(sent.message) - 1))
        changed = bytearray(sent.message)
        changed[position] ^= data.draw(st.integers(1, 255))
        with pytest.raises(RatchetError):
            self.sides[1 - sent.sender].decrypt(bytes(changed))

    @rule(receiver=st.integers(0, 1), junk=st.binary(max_size=200))
    def deliver_junk(self, receiver: int, junk: bytes) -> None:
        with pytest.raises(RatchetError):
            self.sides[receiver].decrypt(junk)

    @rule(which=st.integers(0, 1))
    def save_and_load(self, which: int) -> None:
        side = self.sides[which]
        ratchet = Ratchet.decode(side.ratchet.encode())
        skipped = SkippedKeys.decode(side.skipped.encode())
        assert ratchet == side.ratchet
        assert skipped == side.skipped
        side.ratchet, side.skipped = ratchet, skipped

    def teardown(self) -> None:
        """What is still on its way arrives in the end, each message once."""
        for sent in getattr(self, "all", ()):
            if not sent.received:
                self.deliver_in_any_order(sent)
                assert sent.received
        for sent in getattr(self, "all", ()):
            self.deliver_in_any_order(sent)


TestTwoRatchets = TwoRatchets.TestCase
TestTwoRatchets.settings = settings(
    settings.get_profile("ordinary"), max_examples=25, stateful_step_count=30
)


def test_every_message_arrives_through_a_conversation_that_takes_turns() -> None:
    alice, bob = two_sides(offered=True, wanted=True)
    sides: tuple[Side, Side] = (bob, alice)
    for number in range(20):
        plaintext = b"%d" % number
        assert sides[1].receive(sides[0].send(plaintext)) == plaintext
        sides = sides[1], sides[0]
    assert alice.ratchet.kem_sending
    assert alice.ratchet.kem_receiving
