"""Which clients may have a proxy connect to relays, when there is not room for all."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simplex_trio.router.attempts import PATIENCE, RelayAttempt, RelayAttempts

Some = RelayAttempts[str, str]


def fill(attempts: Some, most: int, client: str, group: str | None = None) -> None:
    for number in range(most):
        attempt, _ = attempts.join(f"{client} {number}", client, group, 0, most=most)
        assert attempt is not None


def test_those_who_ask_for_the_same_relay_share_an_attempt() -> None:
    attempts = Some()
    first, _ = attempts.join("relay", "a", None, 0, most=1)
    second, displaced = attempts.join("relay", "b", None, 0, most=1)
    assert first is second is not None
    assert displaced is None
    assert not attempts.leave(second, "a", None)
    assert attempts.leave(second, "b", None)
    assert len(attempts) == 0


def test_one_client_may_ask_twice() -> None:
    attempts = Some()
    attempt, _ = attempts.join("relay", "a", None, 0, most=1)
    attempts.join("relay", "a", None, 0, most=1)
    assert attempt is not None
    assert not attempts.leave(attempt, "a", None)
    assert attempts.leave(attempt, "a", None)


def test_a_newcomer_gets_a_place_of_the_one_with_the_most() -> None:
    attempts = Some()
    for client, count in (("modest", 2), ("greedy", 5), ("other", 3)):
        for number in range(count):
            attempts.join(f"{client} {number}", client, None, number / 10, most=10)
    attempt, displaced = attempts.join("relay", "newcomer", None, 1, most=10)
    assert attempt is not None
    assert displaced is not None
    assert displaced.relay == "greedy 0"
    assert len(attempts) == 10


@pytest.mark.parametrize("group", [None, "home"])
def test_the_client_with_the_most_attempts_gets_no_more(group: str | None) -> None:
    attempts = Some()
    fill(attempts, 3, "greedy", group)
    assert attempts.join("another", "greedy", group, 0, most=3) == (None, None)


def test_clients_of_one_group_are_counted_together() -> None:
    attempts = Some()
    for number in range(4):
        attempts.join(f"{number}", f"client {number}", "home", 0, most=6)
    for number in range(2):
        attempts.join(f"friend {number}", "friend", "away", 0, most=6)
    assert attempts.join("more", "another", "home", 0, most=6) == (None, None)
    _, displaced = attempts.join("relay", "newcomer", None, 0, most=6)
    assert displaced is not None
    assert displaced.payer[0] == "home"


def test_within_a_group_clients_have_their_shares() -> None:
    attempts = Some()
    fill(attempts, 4, "greedy", "tor exit")
    attempt, displaced = attempts.join("relay", "honest", "tor exit", 0, most=4)
    assert attempt is not None
    assert displaced is not None
    assert displaced.payer == ("tor exit", "greedy")


@pytest.mark.parametrize(("seconds", "is_given_up"), [(PATIENCE - 0.1, False), (PATIENCE, True)])
def test_among_equals_the_oldest_gives_way_after_a_while(
    seconds: float, *, is_given_up: bool
) -> None:
    attempts = Some()
    for number, client in enumerate("abc"):
        attempts.join(client, client, None, number / 100, most=3)
    attempt, displaced = attempts.join("relay", "newcomer", None, seconds, most=3)
    assert (attempt is not None) is is_given_up
    assert (displaced is not None and displaced.relay == "a") is is_given_up


def test_attempts_are_not_counted_for_other_clients() -> None:
    """An attempt that is joined is counted for the client with fewer."""
    attempts = Some()
    fill(attempts, 3, "greedy")
    shared, _ = attempts.join("greedy 0", "honest", None, 0, most=3)
    assert shared is not None
    assert shared.payer == ("honest", "honest")
    _, displaced = attempts.join("relay", "newcomer", None, 0, most=3)
    assert displaced is not None
    assert displaced is not shared
    assert not attempts.leave(shared, "honest", None)
    assert shared.payer == ("greedy", "greedy")


class Machine(RuleBasedStateMachine):
    """Clients come and go; what is counted is what is there."""

    MOST = 6

    def __init__(self) -> None:
        super().__init__()
        self.attempts = Some()
        self.waiting: list[tuple[RelayAttempt[str, str], str, str | None]] = []
        # With the attempts themselves: the id of one that is gone could be that of another.
        self.given_up: dict[int, RelayAttempt[str, str]] = {}
        self.now = 0.0

    @rule(
        relay=st.sampled_from("0123456789"),
        client=st.sampled_from("abcdef"),
        after=st.sampled_from([0.0, 1.0, PATIENCE]),
    )
    def join(self, relay: str, client: str, after: float) -> None:
        self.now += after
        group = {"a": "home", "b": "home"}.get(client)
        attempt, displaced = self.attempts.join(relay, client, group, self.now, most=self.MOST)
        if displaced is not None:
            assert attempt is not None
            self.given_up[id(displaced)] = displaced
        if attempt is not None:
            self.waiting.append((attempt, client, group))

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if not self.waiting:
            return
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        attempt = entry[0]
        is_last = all(each[0] is not attempt for each in self.waiting)
        is_given_up = id(attempt) in self.given_up
        assert self.attempts.leave(*entry) == (is_last and not is_given_up)

    @invariant()
    def everything_is_counted_once(self) -> None:
        standing = {
            id(each[0]): each[0] for each in self.waiting if id(each[0]) not in self.given_up
        }
        assert len(self.attempts) == len(standing) <= self.MOST
        payers = Counter(each.payer[1] for each in standing.values())
        assert self.attempts._of_client == payers
        assert all(each.payer in each.waiting for each in standing.values())
        assert sum(self.attempts._of_group.values()) == len(standing)


TestMachine = Machine.TestCase
