"""What is subscribed to, and what must be again: each rule by itself."""

from __future__ import annotations

import pytest

from simplex_trio.agent.echoes import ECHO
from simplex_trio.agent.subscriptions import (
    EndVerdict,
    ServerSubscriptions,
    ServiceState,
    ServiceVerdict,
    Subscribing,
    SubscriptionAnswer,
    SubscriptionChanges,
)
from simplex_trio.client.router_errors import RouterError
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import (
    ConnectionLost,
    MalformedResponse,
    RequestTimeout,
    SimplexError,
    WrongIdentity,
)
from simplex_trio.wire.errors.values import Broker, BrokerErrorKind, Code, Proxy

ONE, TWO = b"session one", b"session two"
SERVICE = b"service"


def connected(service_id: bytes | None = None) -> ServerSubscriptions:
    subscriptions = ServerSubscriptions()
    subscriptions.session_started(ONE, service_id)
    return subscriptions


def answer(
    subscriptions: ServerSubscriptions,
    session: bytes,
    queue_id: bytes,
    result: SimplexError | bytes | None = None,
) -> SubscriptionChanges | None:
    (chunk,) = subscriptions.chunks([queue_id], 1)
    return subscriptions.answered(session, [SubscriptionAnswer(*chunk[0], result)])


def activate(subscriptions: ServerSubscriptions, *queue_ids: bytes) -> None:
    session = subscriptions.session
    assert session is not None
    for queue_id in queue_ids:
        subscriptions.subscribe(queue_id, b"key of " + queue_id)
        answer(subscriptions, session, queue_id)


# --- queues -------------------------------------------------------------------------------------


def test_pending_until_answered_and_then_active() -> None:
    subscriptions = connected()
    assert subscriptions.subscribe(b"q", b"key") is Subscribing.PENDING
    assert subscriptions.has_work
    assert subscriptions.is_pending(b"q")
    changed = answer(subscriptions, ONE, b"q")
    assert changed is not None
    assert changed.active == [b"q"]
    assert not subscriptions.has_work
    assert subscriptions.is_active(b"q")
    assert (subscriptions.pending_count, subscriptions.active_count) == (0, 1)


def test_an_answer_of_another_session_is_thrown_away() -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"key")
    subscriptions.session_started(TWO)
    assert answer(subscriptions, ONE, b"q") is None
    assert subscriptions.pending() == (b"q",)


def test_an_answer_after_the_end_of_its_session_is_thrown_away() -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"key")
    subscriptions.session_ended(ONE)
    assert answer(subscriptions, ONE, b"q") is None
    assert subscriptions.pending() == (b"q",)


def test_an_answer_for_a_removed_queue_is_passed_over() -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"key")
    (chunk,) = subscriptions.chunks([b"q"], 1)
    assert subscriptions.remove(b"q") == b"key"
    assert (
        subscriptions.answered(ONE, [SubscriptionAnswer(*chunk[0], None)]) == SubscriptionChanges()
    )
    assert not subscriptions.is_active(b"q")


def test_an_answer_for_keys_that_were_replaced_is_passed_over() -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"old key")
    (chunk,) = subscriptions.chunks([b"q"], 1)
    subscriptions.subscribe(b"q", b"new key")
    subscriptions.answered(ONE, [SubscriptionAnswer(*chunk[0], RouterError(Code.AUTH))])
    assert list(subscriptions.chunks([b"q"], 1)) == [[(b"q", b"new key")]]


@pytest.mark.parametrize(
    "error", [ConnectionLost(), RequestTimeout(), WrongIdentity()], ids=lambda e: type(e).__name__
)
def test_the_network_is_to_blame_so_it_stays_pending(error: SimplexError) -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"key")
    changed = answer(subscriptions, ONE, b"q", error)
    assert changed == SubscriptionChanges(temporary=1)
    assert subscriptions.is_pending(b"q")


@pytest.mark.parametrize(
    "error",
    [RouterError(Code.AUTH), RouterError(Code.INTERNAL), MalformedResponse()],
    ids=lambda error: str(error) or type(error).__name__,
)
def test_what_the_router_answers_is_final(error: SimplexError) -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"key")
    changed = answer(subscriptions, ONE, b"q", error)
    assert changed == SubscriptionChanges(failed=[(b"q", error)])
    assert not subscriptions.has_work
    assert not subscriptions.is_active(b"q")


def test_only_what_carries_the_dead_session_goes_back() -> None:
    subscriptions = connected()
    activate(subscriptions, b"old")
    subscriptions.session_started(TWO)
    activate(subscriptions, b"new")
    ended = subscriptions.session_ended(ONE)
    assert ended.queues == (b"old",)
    assert subscriptions.pending() == (b"old",)
    assert subscriptions.active() == (b"new",)
    assert subscriptions.session == TWO


def test_what_was_pending_stays_when_a_session_ends() -> None:
    subscriptions = connected()
    activate(subscriptions, b"a")
    subscriptions.subscribe(b"b", b"key")
    assert subscriptions.session_ended(ONE).queues == (b"a",)
    assert sorted(subscriptions.pending()) == [b"a", b"b"]


def test_an_active_queue_with_the_same_keys_needs_nothing() -> None:
    subscriptions = connected()
    activate(subscriptions, b"q")
    assert subscriptions.subscribe(b"q", b"key of q") is Subscribing.ACTIVE
    assert not subscriptions.has_work


def test_an_active_queue_with_other_keys_is_subscribed_to_again() -> None:
    subscriptions = connected()
    activate(subscriptions, b"q")
    assert subscriptions.subscribe(b"q", b"another key") is Subscribing.PENDING
    assert subscriptions.pending() == (b"q",)
    assert subscriptions.active() == ()


def test_chunks_have_what_is_still_pending() -> None:
    subscriptions = connected()
    for queue_id in (b"a", b"b", b"c", b"d", b"e"):
        subscriptions.subscribe(queue_id, b"key")
    chunks = subscriptions.chunks(subscriptions.pending(), 2)
    assert [queue_id for queue_id, _ in next(chunks)] == [b"a", b"b"]
    subscriptions.remove(b"c")
    subscriptions.remove(b"d")
    assert [queue_id for queue_id, _ in next(chunks)] == [b"e"]


def test_a_subscription_that_moved_away_is_forgotten_if_it_was_this_sessions() -> None:
    subscriptions = connected()
    activate(subscriptions, b"q")
    assert subscriptions.ended(TWO, b"q", 0.0) is EndVerdict.NOTHING
    assert subscriptions.ended(ONE, b"another", 0.0) is EndVerdict.NOTHING
    assert subscriptions.ended(ONE, b"q", 0.0) is EndVerdict.FINAL
    assert subscriptions.remove(b"q") is None


def test_news_of_a_queue_that_we_have_moved_ourselves_is_doubtful_for_a_while() -> None:
    subscriptions = connected()
    activate(subscriptions, b"q", b"other")
    subscriptions.expect_echo([b"q"], now=0.0)
    assert subscriptions.ended(ONE, b"q", ECHO - 1) is EndVerdict.DOUBTFUL
    assert subscriptions.pending() == (b"q",)
    assert subscriptions.ended(ONE, b"other", ECHO - 1) is EndVerdict.FINAL
    answer(subscriptions, ONE, b"q")
    subscriptions.expect_echo([], now=1.0)
    assert subscriptions.ended(ONE, b"q", ECHO) is EndVerdict.FINAL
    assert subscriptions.pending() == ()


def test_that_a_moved_queue_was_deleted_is_not_doubtful() -> None:
    subscriptions = connected()
    activate(subscriptions, b"q")
    subscriptions.expect_echo([b"q"], now=0.0)
    assert subscriptions.ended(ONE, b"q", 1.0, deleted=True) is EndVerdict.FINAL


def test_removing_what_is_not_known() -> None:
    assert ServerSubscriptions().remove(b"q") is None


def test_removing_an_active_queue() -> None:
    subscriptions = connected()
    activate(subscriptions, b"q")
    assert subscriptions.remove(b"q") == b"key of q"
    assert subscriptions.session_ended(ONE).queues == ()
    assert subscriptions.is_empty


def test_a_late_answer_needs_a_pending_queue_and_the_current_session() -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"q", b"key")
    assert subscriptions.keys_of_pending(ONE, b"q") == b"key"
    assert subscriptions.keys_of_pending(TWO, b"q") is None
    assert subscriptions.keys_of_pending(ONE, b"another") is None


def test_empty_when_nothing_would_be_missed() -> None:
    subscriptions = ServerSubscriptions()
    assert subscriptions.is_empty
    subscriptions.session_started(ONE)
    assert not subscriptions.is_empty
    activate(subscriptions, b"q")
    subscriptions.subscribe_service(ServiceState(SERVICE))
    subscriptions.clear()
    subscriptions.session_ended(ONE)
    assert subscriptions.is_empty


def test_reprs_tell_nothing() -> None:
    subscriptions = connected()
    subscriptions.subscribe(b"secret", b"secret")
    shown = repr(subscriptions) + repr(SubscriptionAnswer(b"secret", b"secret", None))
    assert "secret" not in shown


# --- services -----------------------------------------------------------------------------------


def asked(count: int = 3) -> ServiceState:
    return ServiceState(SERVICE, ServiceSubs.of(b"%d" % number for number in range(count)))


def test_a_service_is_pending_until_answered_and_has_the_routers_figures() -> None:
    subscriptions = connected(SERVICE)
    service = asked()
    subscriptions.subscribe_service(service)
    assert subscriptions.has_work
    found = ServiceSubs.of([b"x"])
    assert subscriptions.service_answered(ONE, service, found) is ServiceVerdict.ACTIVE
    assert subscriptions.active_service == ServiceState(SERVICE, found)
    assert not subscriptions.has_work


@pytest.mark.parametrize(
    ("error", "verdict", "pending"),
    [
        (RequestTimeout(), ServiceVerdict.TEMPORARY, True),
        (RouterError(Code.AUTH), ServiceVerdict.FAILED, False),
        (RouterError(Code.SERVICE), ServiceVerdict.UNAVAILABLE, False),
        (
            RouterError(Proxy(Broker(BrokerErrorKind.NO_SERVICE))),
            ServiceVerdict.UNAVAILABLE,
            False,
        ),
    ],
    ids=["time-out", "AUTH", "SERVICE", "NO_SERVICE"],
)
def test_a_service_that_is_not_subscribed(
    error: SimplexError, verdict: ServiceVerdict, pending: bool
) -> None:
    subscriptions = connected(SERVICE)
    service = asked()
    subscriptions.subscribe_service(service)
    assert subscriptions.service_answered(ONE, service, error) is verdict
    assert (subscriptions.pending_service is service) == pending
    assert subscriptions.active_service is None


def test_a_stale_answer_about_a_service_counts_for_nothing() -> None:
    subscriptions = connected(SERVICE)
    service, newer = asked(), asked(5)
    subscriptions.subscribe_service(service)
    assert subscriptions.service_answered(TWO, service, ServiceSubs()) is ServiceVerdict.STALE
    subscriptions.subscribe_service(newer)
    assert subscriptions.service_answered(ONE, service, ServiceSubs()) is ServiceVerdict.STALE
    assert subscriptions.pending_service is newer


@pytest.mark.parametrize("of_connection", [None, b"another service"])
def test_a_service_that_is_not_the_connections_is_unavailable(of_connection: bytes | None) -> None:
    subscriptions = connected(of_connection)
    service = asked()
    subscriptions.subscribe_service(service)
    assert subscriptions.take_unavailable_service(TWO) is None
    assert subscriptions.take_unavailable_service(ONE) is service
    assert subscriptions.pending_service is None


def test_the_connections_own_service_is_available() -> None:
    subscriptions = connected(SERVICE)
    subscriptions.subscribe_service(asked())
    assert subscriptions.take_unavailable_service(ONE) is None


def test_queues_that_become_part_of_the_service_are_merged_across_batches() -> None:
    subscriptions = connected(SERVICE)
    for queue_id in (b"a", b"b", b"c"):
        subscriptions.subscribe(queue_id, b"key")
    for queue_id in (b"a", b"b", b"c"):
        changed = answer(subscriptions, ONE, queue_id, SERVICE)
        assert changed == SubscriptionChanges(of_service=[queue_id])
    assert subscriptions.active_service == ServiceState(SERVICE, ServiceSubs.of([b"a", b"b", b"c"]))
    assert subscriptions.active_count == 0
    assert not subscriptions.has_work


def test_both_kinds_coexist() -> None:
    subscriptions = connected(SERVICE)
    service = asked()
    subscriptions.subscribe_service(service)
    activate(subscriptions, b"alone")
    subscriptions.subscribe(b"part", b"key")
    answer(subscriptions, ONE, b"part", SERVICE)
    assert subscriptions.pending_service is service
    assert subscriptions.active_service == ServiceState(SERVICE, ServiceSubs.of([b"part"]))
    assert subscriptions.active() == (b"alone",)


def test_a_queue_of_another_service_is_active_by_itself() -> None:
    subscriptions = connected(SERVICE)
    subscriptions.subscribe(b"q", b"key")
    assert answer(subscriptions, ONE, b"q", b"another service") == SubscriptionChanges(
        active=[b"q"]
    )


def test_a_service_is_pending_again_when_its_session_ends() -> None:
    subscriptions = connected(SERVICE)
    subscriptions.subscribe(b"q", b"key")
    answer(subscriptions, ONE, b"q", SERVICE)
    ended = subscriptions.session_ended(ONE)
    expected = ServiceState(SERVICE, ServiceSubs.of([b"q"]))
    assert ended.service == expected
    assert subscriptions.pending_service == expected
    assert subscriptions.active_service is None


def test_the_programs_newer_wish_outlives_the_session() -> None:
    subscriptions = connected(SERVICE)
    subscriptions.subscribe(b"q", b"key")
    answer(subscriptions, ONE, b"q", SERVICE)
    newer = asked(5)
    subscriptions.subscribe_service(newer)
    subscriptions.session_ended(ONE)
    assert subscriptions.pending_service is newer


def test_a_service_of_a_newer_session_stays() -> None:
    subscriptions = connected(SERVICE)
    subscriptions.session_started(TWO, SERVICE)
    service = asked()
    subscriptions.subscribe_service(service)
    subscriptions.service_answered(TWO, service, service.queues)
    assert subscriptions.session_ended(ONE).service is None
    assert subscriptions.active_service == service


def test_what_an_unnoticed_dead_session_had_is_not_lost_to_its_successor() -> None:
    subscriptions = connected(SERVICE)
    subscriptions.subscribe(b"old", b"key")
    answer(subscriptions, ONE, b"old", SERVICE)
    subscriptions.session_started(TWO, SERVICE)
    subscriptions.subscribe(b"new", b"key")
    answer(subscriptions, TWO, b"new", SERVICE)
    assert subscriptions.active_service == ServiceState(SERVICE, ServiceSubs.of([b"new"]))
    assert subscriptions.pending_service == ServiceState(SERVICE, ServiceSubs.of([b"old"]))


def test_a_service_that_moved_away_is_forgotten_if_it_was_this_sessions() -> None:
    subscriptions = connected(SERVICE)
    service = asked()
    subscriptions.subscribe_service(service)
    subscriptions.service_answered(ONE, service, service.queues)
    assert subscriptions.service_ended(TWO) is None
    assert subscriptions.service_ended(ONE) == service
    assert subscriptions.service_ended(ONE) is None


def test_removing_a_service() -> None:
    subscriptions = connected(SERVICE)
    assert not subscriptions.remove_service()
    subscriptions.subscribe_service(asked())
    assert subscriptions.remove_service()
    assert not subscriptions.has_work
