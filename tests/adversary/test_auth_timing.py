"""Whether the time until AUTH comes tells anything about a queue.

The times are only compared in the long run, because they mean nothing on a busy machine.  The
ordinary run counts the checks instead, in ``tests/router/core/test_verification.py``.  Unlike other
attacks this one uses the package as its client, for authenticators with X25519.
"""

from __future__ import annotations

import random
from itertools import combinations
from math import sqrt
from statistics import median
from time import perf_counter

import pytest

from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.router.signature_threads import FEWEST_CHECKS
from simplex_trio.wire.smp.commands import GET, NEW, RKEY
from simplex_trio.wire.smp.messages import ERR, IDS, OK
from simplex_trio.wire.smp.new_queue import ContactRequest
from tests.adversary.figures import LONG, note, sized
from tests.router.house import House, RawClient, open_house

ROUNDS = sized(5, 1000)

LARGEST_Z = 4.5
"""Reached by chance once in ten thousand runs.  A router that stops after the keys that a queue has
comes to 20 and more."""

OWNER = Ed25519PrivateKey(b"\x01" * 32)
DH_KEY = X25519PrivateKey(b"\x02" * 32)
STRANGERS: dict[str, AuthPrivateKey] = {
    "X25519": X25519PrivateKey(b"\x03" * 32),
    "Ed25519": Ed25519PrivateKey(b"\x03" * 32),
    "Ed448": Ed448PrivateKey(b"\x03" * 57),
}


def difference(first: list[float], second: list[float]) -> float:
    """How many standard deviations the ranks of two samples are apart (Mann-Whitney)."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, sample) in enumerate(ranked, start=1) if sample == 0)
    m, n = len(first), len(second)
    surplus = ranks - m * (m + n + 1) / 2
    return abs(surplus) / sqrt(m * n * (m + n + 1) / 12)


async def with_owners(client: RawClient, count: int) -> bytes:
    command = NEW(OWNER.public, DH_KEY.public, None, False, ContactRequest())
    ids = await client.ask(command, key=OWNER)
    assert isinstance(ids, IDS)
    if count > 1:
        owners = tuple(
            Ed25519PrivateKey(bytes([9 + number]) * 32).public for number in range(count)
        )
        assert await client.ask(RKEY(owners), ids.recipient_id, OWNER) == OK()
    return ids.recipient_id


async def refusal_seconds(
    house: House, key: AuthPrivateKey, together: int
) -> dict[str, list[float]]:
    owner, stranger = await house.connect(), await house.connect()
    queues = {
        "no queue": bytes(24),
        "one owner": await with_owners(owner, 1),
        "two owners": await with_owners(owner, 2),
        "eight owners": await with_owners(owner, 8),
    }
    seconds: dict[str, list[float]] = {name: [] for name in queues}
    order = list(queues) * max(1, ROUNDS // together)
    random.Random(1).shuffle(order)
    for name in order:
        commands = [stranger.transmission(GET(), queues[name], key) for _ in range(together)]
        began = perf_counter()
        await stranger.send(*commands)
        answers = [(await stranger.read()).message for _ in commands]
        seconds[name].append(perf_counter() - began)
        assert {type(answer) for answer in answers} == {ERR}
    return seconds


@pytest.mark.parametrize("together", [1, FEWEST_CHECKS], ids=["alone", "with threads"])
@pytest.mark.parametrize("kind", STRANGERS)
async def test_time_of_refusals_does_not_tell(kind: str, together: int) -> None:
    """Threads verify ahead where there are many signatures in a block."""
    async with open_house(threads=1) as house:
        seconds = await refusal_seconds(house, STRANGERS[kind], together)
    apart = {
        f"{first}, {second}": difference(seconds[first], seconds[second])
        for first, second in combinations(seconds, 2)
    }
    medians = ", ".join(f"{name} {median(each) * 1e3:.3f} ms" for name, each in seconds.items())
    figure = f"z at most {max(apart.values()):.1f}; medians: {medians}"
    what = f"timing of {4 * ROUNDS:,} AUTH, {kind}, {together} at a time"
    note("SMP router", what, f"z below {LARGEST_Z}", figure)
    assert not LONG or max(apart.values()) < LARGEST_Z
