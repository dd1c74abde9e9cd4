"""What an agent keeps for each subscription: a few hundred bytes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from random import Random

from simplex_trio.agent.stored_keys import store_keys
from simplex_trio.agent.subscriptions import ServerSubscriptions, SubscriptionAnswer
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey

QUEUES = 20_000
MOST = 512
"""Bytes for each; the connection's own table of keys takes some 200 more."""

SESSION = b"session"


def test_a_subscription_takes_few_bytes_in_every_state() -> None:
    random = Random(0)
    subscriptions = ServerSubscriptions()

    def ask() -> None:
        for _ in range(QUEUES):
            key = Ed25519PrivateKey(random.randbytes(32))
            keys = store_keys(key, BoxKey(random.randbytes(32)))
            subscriptions.subscribe(random.randbytes(24), keys)

    def answer() -> None:
        subscriptions.session_started(SESSION)
        for chunk in subscriptions.chunks(subscriptions.pending(), 1360):
            subscriptions.answered(SESSION, [SubscriptionAnswer(*queue, None) for queue in chunk])

    def lose() -> None:
        subscriptions.session_ended(SESSION)

    def bytes_each(*steps: Callable[[], None]) -> list[float]:
        gc.collect()
        tracemalloc.start()
        try:
            found = []
            for step in steps:
                step()
                gc.collect()
                found.append(tracemalloc.get_traced_memory()[0] / QUEUES)
            return found
        finally:
            tracemalloc.stop()

    taken = bytes_each(ask, answer, lose, answer, lose)
    assert subscriptions.pending_count == QUEUES
    assert max(taken) < MOST, taken
