"""What a state of the server means."""

from __future__ import annotations

import pytest

from simplex_trio.errors import (
    StoreConflict,
    StoreCorrupted,
    StoreError,
    StoreFenced,
    StoreFull,
    StoreUnavailable,
)
from simplex_trio.storage.postgres.failures import LEASE_TABLE, refusal


@pytest.mark.parametrize(
    ("state", "kind", "retryable"),
    [
        ("23505", StoreConflict, False),  # a key is taken
        ("23503", StoreConflict, False),  # what it belongs to is missing
        ("23502", StoreConflict, False),  # NULL
        ("53100", StoreFull, True),  # no room on the disk
        ("53200", StoreUnavailable, True),  # no memory
        ("53300", StoreUnavailable, True),  # too many connections
        ("57P01", StoreUnavailable, True),  # an operator ends the server
        ("57P03", StoreUnavailable, True),  # it starts
        ("25006", StoreUnavailable, True),  # a copy, which takes no changes
        ("40P01", StoreUnavailable, True),  # a deadlock
        ("58030", StoreUnavailable, True),  # input and output
        ("XX000", StoreUnavailable, True),  # a mistake of the server
        ("XX001", StoreCorrupted, False),  # damaged pages
        ("XX002", StoreCorrupted, False),  # damaged indexes
        ("42P01", StoreCorrupted, False),  # a table is missing
        ("22P03", StoreCorrupted, False),  # a column is of another type
        ("42501", StoreUnavailable, False),  # this user may not
        ("28P01", StoreUnavailable, False),  # the password
        ("3D000", StoreUnavailable, False),  # no such database
        ("99999", StoreUnavailable, False),
        (None, StoreUnavailable, False),
    ],
)
def test_states(state: str | None, kind: type[StoreError], retryable: bool) -> None:
    error = refusal(state, "the first line\nDETAIL: secret")
    assert type(error) is kind
    assert error.retryable is retryable
    assert "secret" not in str(error)


def test_the_lease_is_another_ones() -> None:
    assert type(refusal("23502", "", LEASE_TABLE)) is StoreFenced
    assert type(refusal("23505", "", LEASE_TABLE)) is StoreConflict


def test_a_server_that_says_nothing() -> None:
    assert "no reason" in str(refusal("57P01", ""))
