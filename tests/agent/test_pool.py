"""Who connects, who waits, and which failure still counts."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from simplex_trio.agent.pool import (
    Attempt,
    AttemptState,
    Connect,
    Join,
    Pool,
    Refuse,
    Use,
)

Attempts = Attempt[str, str, object]
GONE = ConnectionError("gone")


def pool(remember_failure: float = 30.0, max_failures: int = 100) -> Pool[str, str, object]:
    return Pool(remember_failure=remember_failure, max_failures=max_failures)


def connecting(target: Pool[str, str, object], now: float = 0.0, to: str = "router") -> Attempts:
    decision = target.ask(to, now, object)
    assert isinstance(decision, Connect)
    return decision.attempt


def test_concurrent_callers_share_the_attempt() -> None:
    shared = pool()
    attempt = connecting(shared)
    assert shared.ask("router", 1.0, object) == Join(attempt)
    assert shared.succeed(attempt, "client")
    assert shared.ask("router", 2.0, object) == Use(attempt)
    assert attempt.client == "client"
    assert shared.current("router") is attempt


def test_destinations_are_independent() -> None:
    shared = pool()
    first = connecting(shared)
    assert connecting(shared, to="another") is not first
    assert len(shared) == 2


def test_a_failure_is_remembered_for_a_while() -> None:
    shared = pool()
    assert shared.fail(connecting(shared), GONE, 10.0)
    assert shared.ask("router", 39.9, object) == Refuse(GONE)
    assert shared.failure_count == 1
    assert isinstance(shared.ask("router", 40.0, object), Connect)
    assert shared.failure_count == 0


def test_the_one_who_reconnects_looks_past_a_failure() -> None:
    shared = pool()
    shared.fail(connecting(shared), GONE, 0.0)
    decision = shared.ask("router", 1.0, object, despite_failure=True)
    assert isinstance(decision, Connect)
    assert shared.ask("router", 2.0, object) == Join(decision.attempt)
    shared.succeed(decision.attempt, "client")
    assert shared.failure_count == 0


def test_nothing_is_remembered_for_no_time() -> None:
    shared = pool(remember_failure=0)
    shared.fail(connecting(shared), GONE, 0.0)
    assert isinstance(shared.ask("router", 0.0, object), Connect)


def test_failures_can_be_forgotten() -> None:
    shared = pool()
    shared.fail(connecting(shared), GONE, 0.0)
    shared.forget_failures()
    assert isinstance(shared.ask("router", 0.0, object), Connect)


def test_no_more_failures_than_allowed_are_remembered() -> None:
    shared = pool(max_failures=2)
    for number, name in enumerate("abc"):
        shared.fail(connecting(shared, to=name), GONE, float(number))
    assert isinstance(shared.ask("a", 3.0, object), Connect)
    assert shared.ask("c", 3.0, object) == Refuse(GONE)


def test_a_late_clean_up_does_not_remove_the_successor() -> None:
    shared = pool()
    old = connecting(shared)
    shared.succeed(old, "old")
    assert shared.drop(old, GONE)
    new = connecting(shared)
    shared.succeed(new, "new")
    assert not shared.drop(old, GONE)
    assert shared.current("router") is new


def test_an_attempt_that_was_given_up_counts_for_nothing() -> None:
    shared = pool()
    attempt = connecting(shared)
    assert shared.drop(attempt, GONE)
    assert not shared.succeed(attempt, "client")
    assert not shared.fail(attempt, GONE, 0.0)
    assert attempt.state is AttemptState.OVER
    assert shared.current("router") is None
    assert isinstance(shared.ask("router", 0.0, object), Connect)


def test_clearing() -> None:
    shared = pool()
    first, second = connecting(shared), connecting(shared, to="another")
    shared.succeed(second, "client")
    assert shared.clear(GONE) == [first, second]
    assert first.state is second.state is AttemptState.OVER
    assert first.error is GONE
    assert len(shared) == 0


def test_reprs_tell_nothing() -> None:
    shared = pool()
    attempt = connecting(shared, to="a secret name")
    assert "secret" not in repr(attempt) + repr(shared)


DESTINATIONS = st.sampled_from(["a", "b", "c"])


class PoolModel(RuleBasedStateMachine):
    """Any order of asking, connecting, failing, losing and cleaning up late."""

    made: Bundle[Attempts] = Bundle("made")
    connections: Bundle[Attempts] = Bundle("connections")
    left: Bundle[Attempts] = Bundle("left")

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool()
        self.now = 0.0
        self.there: dict[str, Attempts] = {}
        self.failed_at: dict[str, float] = {}

    @rule(target=made, destination=DESTINATIONS, despite=st.booleans())
    def ask(self, destination: str, despite: bool) -> Attempts | MultipleResults[Attempts]:
        there = self.there.get(destination)
        decision = self.pool.ask(destination, self.now, object, despite_failure=despite)
        remembered = self.now - self.failed_at.get(destination, -1e9) < 30
        match decision:
            case Use(attempt):
                assert attempt is there
                assert attempt.state is AttemptState.CONNECTED
            case Join(attempt):
                assert attempt is there
                assert attempt.state is AttemptState.CONNECTING
            case Refuse():
                assert there is None
                assert remembered
                assert not despite
                return multiple()
            case Connect(attempt):
                assert there is None
                assert despite or not remembered
                self.there[destination] = attempt
        return decision.attempt

    @rule(target=connections, attempt=made)
    def succeed(self, attempt: Attempts) -> Attempts:
        expected = self._is_connecting(attempt)
        assert self.pool.succeed(attempt, "client") == expected
        if expected:
            self.failed_at.pop(attempt.destination, None)
        return attempt

    @rule(attempt=made)
    def fail(self, attempt: Attempts) -> None:
        expected = self._is_connecting(attempt)
        assert self.pool.fail(attempt, GONE, self.now) == expected
        if expected:
            del self.there[attempt.destination]
            self.failed_at[attempt.destination] = self.now

    @rule(target=left, attempt=st.one_of(made, connections))
    def lose(self, attempt: Attempts) -> Attempts:
        self._drop(attempt)
        return attempt

    @rule(attempt=consumes(left))
    def clean_up_late(self, attempt: Attempts) -> None:
        self._drop(attempt)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.failed_at)
    @rule()
    def forget_failures(self) -> None:
        self.pool.forget_failures()
        self.failed_at.clear()

    @invariant()
    def exactly_what_was_made_and_not_lost_is_there(self) -> None:
        assert len(self.pool) == len(self.there)
        for destination in "abc":
            assert self.pool.current(destination) is self.there.get(destination)

    def _is_connecting(self, attempt: Attempts) -> bool:
        return (
            self.there.get(attempt.destination) is attempt
            and attempt.state is AttemptState.CONNECTING
        )

    def _drop(self, attempt: Attempts) -> None:
        expected = self.there.get(attempt.destination) is attempt
        assert self.pool.drop(attempt, GONE) == expected
        if expected:
            del self.there[attempt.destination]


TestPoolModel = PoolModel.TestCase
