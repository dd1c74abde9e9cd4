"""What became of subscriptions and messages, and the account of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simplex_trio.cli.demo.account import Observations, account
from simplex_trio.cli.demo.events import MessageState, RouterSaw, SubscriptionState, Way
from simplex_trio.cli.demo.ledger import Ledger
from simplex_trio.cli.demo.talk import ANSWERS, Talk

CONVERSATION = [
    (listener, text)
    for question, answer in ANSWERS.items()
    for listener, text in (("Bob", question), ("Alice", answer))
]
ACTIVE, LOST = SubscriptionState.ACTIVE, SubscriptionState.LOST


def as_it_should_be() -> tuple[Ledger, Observations]:
    """What is known at the end if everything went well."""
    ledger = Ledger()
    for router in (1, 1, 1, 2, 2):
        number = ledger.asked_for(router, 0).queue
        ledger.subscription_is(number, ACTIVE, 1)
    for number in (1, 2, 3):
        ledger.subscription_is(number, LOST, 2)
        ledger.subscription_is(number, ACTIVE, 3)
    ways = [Way.DIRECT, Way.PROXY, Way.PROXY, *(Way.DIRECT,) * 6, Way.PROXY]
    for way in ways:
        number = ledger.sending(1, way, 1).message
        ledger.accepted(number, 1)
        ledger.received(number, 2)
        if number == 5:
            ledger.received(number, 2)
        ledger.acknowledged(number, 3)
    seen = Observations(
        impostor_found_out=True,
        waited=3,
        seconds_to_return=0.5,
        empty=5,
        deleted=5,
        counted_as_proxied=3,
        talk=Talk(heard=[*CONVERSATION]),
        saw=[RouterSaw(1, 1, 3, (16_000,), 0), RouterSaw(1, 2, 3, (16_000,), 0)],
    )
    return ledger, seen


def test_everything_holds() -> None:
    findings = account(*as_it_should_be(), 9)
    assert len(findings) == 11
    assert all(finding.holds for finding in findings)


def forget_a_message(ledger: Ledger, seen: Observations) -> None:
    ledger.messages[8].receptions = 0


def leave_unacknowledged(ledger: Ledger, seen: Observations) -> None:
    ledger.messages[8].acknowledged = False


def repeat_another(ledger: Ledger, seen: Observations) -> None:
    ledger.received(3, 4)


def lose_the_order(ledger: Ledger, seen: Observations) -> None:
    ledger.queues[1].arrivals.reverse()


def lose_too_much(ledger: Ledger, seen: Observations) -> None:
    ledger.subscription_is(4, LOST, 5)


def stay_away(ledger: Ledger, seen: Observations) -> None:
    ledger.queues[2].activations = 1


def see_other_things(name: str, value: object) -> Callable[[Ledger, Observations], None]:
    def spoil(ledger: Ledger, seen: Observations) -> None:
        setattr(seen, name, value)

    spoil.__name__ = name
    return spoil


@pytest.mark.parametrize(
    ("spoil", "about"),
    [
        (forget_a_message, "9 of 10 messages"),
        (leave_unacknowledged, "9 of 10 messages"),
        (repeat_another, "no other came twice"),
        (lose_the_order, "in the order"),
        (lose_too_much, "never noticed"),
        (stay_away, "2 of 3 came back"),
        (see_other_things("impostor_found_out", False), "impostor"),
        (see_other_things("talk", Talk(heard=CONVERSATION[1:])), "Alice and Bob"),
        (see_other_things("saw", [RouterSaw(1, 1, 3, (16_000, 100), 0)]), "100 or 16,000 bytes"),
        (see_other_things("saw", [RouterSaw(1, 1, 3, (16_000,), 1)]), "no word"),
        (see_other_things("waited", 2), "had waited"),
        (see_other_things("empty", 4), "4 of 5 queues were empty"),
        (see_other_things("deleted", 4), "4 are deleted"),
        (see_other_things("counted_as_proxied", 2), "by the proxy"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_what_does_not_hold_is_said(
    spoil: Callable[[Ledger, Observations], None], about: str
) -> None:
    ledger, seen = as_it_should_be()
    spoil(ledger, seen)
    failed = [finding.claim for finding in account(ledger, seen, 9) if not finding.holds]
    assert any(about in claim for claim in failed)


def test_routers_that_tell_no_numbers() -> None:
    ledger, seen = as_it_should_be()
    seen.counted_as_proxied = None
    seen.saw = []
    assert all(finding.holds for finding in account(ledger, seen, 9))


def test_nothing_at_all_is_no_success() -> None:
    assert not any(finding.holds for finding in account(Ledger(), Observations(), 0)[:7])


def test_each_change_is_told() -> None:
    ledger = Ledger()
    queue = ledger.asked_for(2, 0.5)
    assert (queue.queue, queue.router, queue.state) == (1, 2, SubscriptionState.PENDING)
    changes = [
        ledger.sending(1, Way.PROXY, 1),
        ledger.accepted(1, 2),
        ledger.received(1, 3),
        ledger.received(1, 4),
        ledger.acknowledged(1, 5),
        ledger.refused(1, 6),
    ]
    assert [change.state for change in changes] == [
        MessageState.SENDING,
        MessageState.ACCEPTED,
        MessageState.RECEIVED,
        MessageState.AGAIN,
        MessageState.ACKNOWLEDGED,
        MessageState.REFUSED,
    ]
    assert [change.at for change in changes] == [1, 2, 3, 4, 5, 6]
    assert ledger.queues[1].arrivals == [1]


def test_what_waits() -> None:
    ledger = Ledger()
    ledger.asked_for(1, 0)
    for _ in range(3):
        ledger.sending(1, Way.DIRECT, 0)
    ledger.accepted(1, 0)
    ledger.accepted(2, 0)
    ledger.received(2, 0)
    assert ledger.note_waiting() == 1
