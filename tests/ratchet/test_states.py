"""What is stored: ratchets, skipped keys and the keys of X3DH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError
from simplex_trio.ratchet.errors import LaterStateVersion, RatchetError
from simplex_trio.ratchet.skipped import (
    MAX_SKIPPED_KEYS,
    SKIPPED_KEY_SECONDS,
    SkippedKey,
    SkippedKeys,
)
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from tests.ratchet.pairs import Side, kem_pair, talking, two_sides, x3dh_keys
from tests.ratchet.support import REAL


def keys(count: int, chain: int = 1, since: int = 0, start: int = 0) -> list[SkippedKey]:
    header_key = bytes((chain,)) * 32
    return [
        SkippedKey(header_key, number, number.to_bytes(32, "big"), bytes(16), since)
        for number in range(start, start + count)
    ]


ACCEPTING = x3dh_keys(kem_pair()).accepting(x3dh_keys(kem_pair()).public(3), REAL)

STORED: list[Any] = [
    *(side.ratchet for side in two_sides()),
    *(side.ratchet for side in two_sides(offered=True, wanted=True)),
    *(side.ratchet for side in talking(offered=True, wanted=True)),
    SkippedKeys(),
    SkippedKeys.of([*keys(3), *keys(2, 2)]),
    x3dh_keys(),
    x3dh_keys(kem_pair()),
    ACCEPTING,
]

every_value = pytest.mark.parametrize(
    "value", STORED, ids=lambda value: f"{type(value).__name__}-{len(value.encode())}"
)


@every_value
def test_there_and_back(value: Any) -> None:
    assert type(value).decode(value.encode()) == value


@every_value
def test_a_later_version_is_refused(value: Any) -> None:
    with pytest.raises(LaterStateVersion, match="version 2"):
        type(value).decode(b"\2" + value.encode()[1:])
    with pytest.raises(DecodeError):
        type(value).decode(b"\0" + value.encode()[1:])


@every_value
def test_what_is_cut_or_too_long_is_refused(value: Any) -> None:
    encoded = value.encode()
    sizes = {*range(0, len(encoded), max(1, len(encoded) // 200)), len(encoded) - 1}
    if isinstance(value, SkippedKeys):  # without some keys they are still keys
        sizes = {size for size in sizes if size == 0 or (size - 1) % 92}
    for size in sizes:
        with pytest.raises(DecodeError):
            type(value).decode(encoded[:size])
    with pytest.raises(DecodeError):
        type(value).decode(encoded + b"\0")


@given(st.sampled_from(STORED), st.data())
def test_what_is_changed_is_a_value_or_an_error(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(value.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = type(value).decode(bytes(encoded))
    except DecodeError:
        return
    assert type(value).decode(decoded.encode()) == decoded


@given(st.sampled_from([Ratchet.decode, SkippedKeys.decode, X3DHPrivateKeys.decode]), st.binary())
def test_any_bytes(decode: Callable[[bytes], object], data: bytes) -> None:
    for stored in (data, b"\1" + data):
        try:
            decode(stored)
        except DecodeError:
            continue


def test_counts_that_no_chain_can_have() -> None:
    ratchet = two_sides()[1].ratchet
    assert ratchet.sending is not None
    encoded = ratchet.encode()
    assert encoded.endswith(bytes(8) + b"0")  # the count of the sending chain
    for count in (-1, 2**32):
        with pytest.raises(DecodeError):
            Ratchet.decode(encoded[:-9] + count.to_bytes(8, "big", signed=True) + b"0")


def test_what_is_changed_fails_in_no_other_way_later() -> None:
    """A state that can be read can be used; whatever its bytes were, errors have their types."""
    alice, bob = talking(offered=True, wanted=True)
    message = bob.send()
    encoded = alice.ratchet.encode()
    interesting = {*range(250), *range(len(encoded) - 300, len(encoded)), *range(0, 5000, 97)}
    for position in interesting:
        changed = bytearray(encoded)
        changed[position] ^= 1
        try:
            ratchet = Ratchet.decode(bytes(changed))
            Side(ratchet).send()
            Side(ratchet).receive(message)
        except (DecodeError, RatchetError):
            continue


# --- skipped keys -------------------------------------------------------------------------------


def test_keys_are_found_and_taken_out() -> None:
    skipped = SkippedKeys.of([*keys(3), *keys(2, 2)])
    assert len(skipped) == 5
    one, two = bytes((1,)) * 32, bytes((2,)) * 32
    assert list(skipped.header_keys) == [one, two]
    assert skipped.find(one, 1) == keys(3)[1]
    assert skipped.find(one, 3) is None
    assert skipped.find(bytes(32), 1) is None
    left = skipped.without(one, 1)
    assert len(left) == 4
    assert left.find(one, 1) is None
    assert len(skipped) == 5
    assert list(left.without(two, 0).without(two, 1).header_keys) == [one]
    assert skipped != left
    assert skipped != "keys"
    assert hash(SkippedKeys.of(skipped)) == hash(skipped)
    assert skipped.with_added([]) is skipped


def test_the_oldest_are_dropped_across_chains() -> None:
    skipped = SkippedKeys.of([*keys(10), *keys(20, 2)])
    skipped = skipped.with_added(keys(MAX_SKIPPED_KEYS - 15, 3))
    assert len(skipped) == MAX_SKIPPED_KEYS
    assert [key.number for key in skipped][:2] == [5, 6]
    assert bytes((1,)) * 32 not in skipped.header_keys


def test_stored_keys_are_bounded() -> None:
    encoded = SkippedKeys.of(keys(MAX_SKIPPED_KEYS)).encode()
    assert len(SkippedKeys.decode(encoded)) == MAX_SKIPPED_KEYS
    with pytest.raises(DecodeError, match="more"):
        SkippedKeys.decode(encoded + encoded[1:93])


def test_stored_keys_are_there_once() -> None:
    encoded = SkippedKeys.of(keys(3)).encode()
    with pytest.raises(DecodeError, match="twice"):
        SkippedKeys.decode(encoded + encoded[1:93])


def test_old_keys_expire() -> None:
    skipped = SkippedKeys.of(keys(2, since=100)).with_added(keys(1, 2, since=50))
    skipped = skipped.with_added(keys(1, since=200, start=2))
    assert skipped.unexpired(50 + SKIPPED_KEY_SECONDS) is skipped
    later = skipped.unexpired(51 + SKIPPED_KEY_SECONDS)
    assert [key.since for key in later] == [100, 100, 200]
    assert [k.since for k in later.unexpired(101 + SKIPPED_KEY_SECONDS)] == [200]
    assert len(skipped.unexpired(201 + SKIPPED_KEY_SECONDS)) == 0
    assert skipped.unexpired(0) is skipped  # a clock that was set back keeps what there is


def test_changes_for_programs_that_store_keys_one_by_one() -> None:
    before = SkippedKeys.of([*keys(3), *keys(2, 2), *keys(1, 4)])
    after = before.without(bytes((1,)) * 32, 1).without(bytes((4,)) * 32, 0)
    after = after.with_added(keys(2, 3)).with_added(keys(1, start=3))
    added, removed = after.changes_since(before)
    assert added == [*keys(1, start=3), *keys(2, 3)]
    assert removed == [(bytes((1,)) * 32, 1), (bytes((4,)) * 32, 0)]
    assert after.changes_since(after) == ([], [])
    stored = {(key.header_key, key.number): key for key in before}
    for where in removed:
        del stored[where]
    stored |= {(key.header_key, key.number): key for key in added}
    assert set(SkippedKeys.of(stored.values())) == set(after)
