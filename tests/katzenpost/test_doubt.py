"""When the ends of connections count as refusals of a request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.katzenpost.session.doubt import UNEXPLAINED_ENDS, Doubt


def in_doubt() -> Doubt:
    doubt = Doubt()
    for _ in range(UNEXPLAINED_ENDS):
        assert not doubt.exists
        doubt.connection_ended(read=False, nonsense=False)
    return doubt


def test_a_refusal_takes_doubt_and_a_daemon_that_goes_on_without_the_request() -> None:
    doubt = in_doubt()
    assert doubt.exists
    assert not doubt.suspected
    doubt.connection_ended(read=False, nonsense=False)
    assert doubt.suspected
    doubt.was_refused()
    assert (doubt.refusals, doubt.suspected) == (1, False)
    doubt.connection_ended(read=False, nonsense=False)
    doubt.daemon_ended()
    assert (doubt.refusals, doubt.suspected) == (1, False)


def test_a_request_that_was_read_is_not_in_doubt() -> None:
    doubt = in_doubt()
    doubt.connection_ended(read=False, nonsense=False)
    doubt.was_refused()
    doubt.connection_ended(read=True, nonsense=False)
    assert (doubt.exists, doubt.suspected, doubt.refusals) == (False, False, 0)


@given(st.lists(st.booleans()))
def test_only_short_connections_with_nonsense_in_a_row_count(nonsense: list[bool]) -> None:
    doubt = Doubt()
    for each in nonsense:
        doubt.connection_ended(read=False, nonsense=each)
    row = 0
    while row < len(nonsense) and nonsense[-1 - row]:
        row += 1
    assert doubt.unreadable == row
