"""Rows: what is written is read, and a row that has changed is never read as another one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError
from simplex_trio.router.store import rows
from simplex_trio.router.store.schema import COLUMNS
from simplex_trio.wire.buffer import large, listed
from simplex_trio.wire.errors.values import Blocked, BlockingReason
from tests.router.store.support import (
    LINK_DATA,
    body,
    full_queue,
    head,
    notification,
    octets,
    queue,
    service,
)

_RECIPIENT = octets("recipient a")

_KINDS: dict[str, tuple[rows.Row, Callable[[rows.Columns], Any], Any]] = {
    "queues": (rows.queue_row(full_queue()), rows.read_queue, full_queue()),
    "links": (rows.link_row(_RECIPIENT, LINK_DATA), rows.read_link, LINK_DATA),
    "messages": (rows.head_row(_RECIPIENT, head(7)), rows.read_head, (_RECIPIENT, head(7))),
    "bodies": (rows.body_row(7, body(7)), rows.read_body, body(7)),
    "services": (rows.service_row(service()), rows.read_service, service()),
    "notifications": (
        rows.notification_row(notification(3)),
        rows.read_notification,
        notification(3),
    ),
    "statistics": (rows.counter_row("größer", -1), rows.read_counter, ("größer", -1)),
}

_kinds = st.sampled_from(sorted(_KINDS))
_values = st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=100)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_table_has_rows_of_its_width(table: str) -> None:
    row, read, value = _KINDS[table]
    assert len(row) == len(COLUMNS[table])
    assert read(row) == value


def test_services_of_earlier_versions_come_without_their_certificates() -> None:
    record = service()
    row = rows._sealed(
        record.service_id,
        record.role.value,
        record.certificate_hash,
        listed([large(bytes(5000)), large(bytes(20_000))]),
        record.used_day,
    )
    assert rows.read_service(row) == record


@given(st.data())
def test_one_changed_bit_is_found(data: st.DataObject) -> None:
    row, read, _ = _KINDS[data.draw(_kinds)]
    column = data.draw(st.integers(0, len(row) - 1))
    damaged = list(row)
    match row[column]:
        case bytes() as value if value:
            bit = data.draw(st.integers(0, 8 * len(value) - 1))
            flipped = int.from_bytes(value, "big") ^ 1 << bit
            damaged[column] = flipped.to_bytes(len(value), "big")
        case int() as value:
            damaged[column] = value ^ 1 << data.draw(st.integers(0, 62))
        case _:
            damaged[column] = b""
    with pytest.raises(DecodeError):
        read(damaged)


@given(st.data())
def test_any_row_is_read_or_refused(data: st.DataObject) -> None:
    table = data.draw(_kinds)
    row, read, _ = _KINDS[table]
    columns = data.draw(st.tuples(*(st.just(value) | _values for value in row[:-1])))
    try:
        checksum = rows.checksum(columns)
    except DecodeError:
        checksum = 0
    with suppress(DecodeError):
        read((*columns, checksum))


def test_a_blocked_queue_that_was_suspended_is_blocked() -> None:
    row = list(rows.queue_row(queue(status=Blocked(BlockingReason.SPAM))))
    row[COLUMNS["queues"].index("suspended_since")] = 5
    row[-1] = rows.checksum(row[:-1])
    assert rows.read_queue(row).status == Blocked(BlockingReason.SPAM)


def test_a_status_that_is_another_error_is_refused() -> None:
    row = list(rows.queue_row(queue(status=Blocked(BlockingReason.SPAM))))
    row[COLUMNS["queues"].index("blocked")] = b"AUTH"
    row[-1] = rows.checksum(row[:-1])
    with pytest.raises(DecodeError):
        rows.read_queue(row)
