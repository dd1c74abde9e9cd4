"""How far messages to groups have come, after anything that can happen to their copies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.chat.machine.groups.deliveries import (
    Reach,
    copies_gone,
    copy_changed,
    forget_copies,
    keep_copies,
    reach_of,
)
from simplex_trio.chat.machine.records import DeliveryState

from .test_file_records import Machine

STATES = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.FAILED, None)
"""`None` stands for the end of the connection."""


@given(
    st.integers(0, 4),
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(STATES)), max_size=20),
    st.booleans(),
)
def test_copies_are_counted_once(
    count: int, failed: int, steps: list[tuple[int, DeliveryState | None]], gives_receipts: bool
) -> None:
    kept = Machine().store().t.kept
    copies = [(f"connection {number}", 7) for number in range(count)]
    keep_copies(kept, 1, 2, copies, failed, gives_receipts=gives_receipts)
    fates: dict[int, list[DeliveryState | None]] = {number: [] for number in range(count)}
    for number, state in steps:
        if state is None:
            list(copies_gone(kept, f"connection {number}"))
        else:
            copy_changed(kept, f"connection {number}", 7, state)
        if number < count:
            fates[number].append(state)
    reach = reach_of(kept, 1, 2)
    assert reach is not None
    expected = Reach(count + failed, failed=failed)
    for states in fates.values():
        is_sent = False
        for state in states:
            if state is DeliveryState.DELIVERED:
                more = {"delivered": 1} if is_sent else {"sent": 1, "delivered": 1}
            elif is_sent and state is None:
                more = {"gone": 1}
            elif is_sent:
                continue
            else:
                more = {"sent": 1} if state is DeliveryState.SENT else {"failed": 1}
            expected = expected.with_one_more(**more)
            is_sent = True
            if state is not DeliveryState.SENT or not gives_receipts:
                break
    assert reach == expected
    assert reach.sent + reach.failed <= reach.members
    forget_copies(kept, (1).to_bytes(8, "big") + (2).to_bytes(8, "big"))
    assert reach_of(kept, 1, 2) is None
    spaces = ("copies", "reach", "receipts") if gives_receipts else ("reach", "receipts")
    assert [kept.count(f".chat.group-{each}") for each in spaces] == [0] * len(spaces)


def test_what_counts_mean() -> None:
    assert Reach(0).state is DeliveryState.SENT
    assert Reach(3).state is DeliveryState.STORED
    assert Reach(3, sent=2).state is DeliveryState.STORED
    assert Reach(3, sent=2, failed=1).state is DeliveryState.SENT
    assert Reach(3, failed=3).state is DeliveryState.FAILED
    assert Reach(3, sent=3, delivered=2).state is DeliveryState.SENT
    assert Reach(3, sent=2, delivered=2, failed=1).state is DeliveryState.DELIVERED
    assert Reach(3, sent=3, delivered=2, gone=1).state is DeliveryState.DELIVERED
    assert Reach(2, sent=2, gone=2).state is DeliveryState.SENT
