"""Parts of limited size against one dictionary."""

from __future__ import annotations

from random import Random

import pytest

from simplex_trio.client.smp.queue_parts import QueueParts

PART, JOINED = 5, 2


def parts_of(*queue_ids: bytes) -> QueueParts:
    parts = QueueParts(part=PART, joined=JOINED)
    for queue_id in queue_ids:
        parts.add(queue_id, b"key of " + queue_id)
    return parts


def check(parts: QueueParts, expected: dict[bytes, bytes]) -> None:
    assert list(parts) == list(parts.snapshot()) == list(expected)
    assert len(parts) == len(expected)
    sizes = [len(part) for part in parts._parts]
    assert all(0 < size < PART + JOINED for size in sizes)
    for queue_id in (b"q%d" % number for number in range(60)):
        assert (queue_id in parts) == (queue_id in expected)
        assert parts.get(queue_id) == expected.get(queue_id)


@pytest.mark.parametrize("seed", range(20))
def test_parts_are_like_one_dictionary(seed: int) -> None:
    random = Random(seed)
    parts = parts_of()
    expected: dict[bytes, bytes] = {}
    for step in range(300):
        queue_id, keys = b"q%d" % random.randrange(60), b"keys %d" % step
        match random.randrange(5):
            case 0 | 1:
                parts.put(queue_id, keys)
                expected[queue_id] = keys
            case 2:
                assert parts.pop(queue_id) == expected.pop(queue_id, None)
            case 3 if expected:
                first = next(iter(expected))
                assert parts.pop(first) == expected.pop(first)
            case 4 if random.random() < 0.2:
                free = [b"q%d" % number for number in range(60) if b"q%d" % number not in expected]
                others = random.sample(free, random.randrange(min(len(free), 13) + 1))
                parts.take(parts_of(*others))
                expected |= {each: b"key of " + each for each in others}
        check(parts, expected)


def test_what_is_removed_meanwhile_may_still_come() -> None:
    parts = parts_of(*(b"q%d" % number for number in range(12)))
    ids = parts.snapshot()
    assert next(ids) == b"q0"
    parts.pop(b"q1")
    parts.pop(b"q7")
    assert list(ids) == [b"q%d" % number for number in range(1, 12) if number != 7]


def test_parts_are_dropped_one_by_one() -> None:
    parts = parts_of(*(b"q%d" % number for number in range(12)))
    left = [len(parts) for _ in parts.drop_parts()]
    assert left == [10, 5]
    check(parts, {})
