"""Writing a box in one go: encrypt, resend, and again if that took too long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from simplex_trio.katzenpost.client import ThinClient
from simplex_trio.katzenpost.errors import StaleEnvelope
from simplex_trio.katzenpost.messages.capabilities import BoxIndex, WriteCap
from simplex_trio.katzenpost.messages.requests import encrypt_write

__all__ = ["with_fresh_envelopes", "write_box"]

_FRESH_TRIES = 3
"""How often in a row an envelope is made anew that was too old soon after it had been made."""

_SOON = 3600.0
"""Seconds: couriers take envelopes for days, unless their clock or the daemon's is wrong."""

ValueT = TypeVar("ValueT")


async def with_fresh_envelopes(attempt: Callable[[], Awaitable[ValueT]]) -> ValueT:
    """Try again with a new envelope when a courier finds that the old one is too old.

    A read may wait for weeks, and a daemon be away for days.
    """
    too_soon = 0
    while True:
        began = trio.current_time()
        try:
            return await attempt()
        except StaleEnvelope:
            too_soon = too_soon + 1 if trio.current_time() - began < _SOON else 0
            if too_soon > _FRESH_TRIES:
                raise


async def write_box(
    client: ThinClient,
    plaintext: bytes,
    write_cap: WriteCap,
    index: BoxIndex,
    *,
    verify: bool = False,
) -> BoxIndex:
    """Write one box, or delete what is in it if ``plaintext`` is empty; returns the next index.

    Raises what `ThinClient.ask_again` and `ThinClient.start_resending` do; `BoxAlreadyExists` only
    with ``verify``, which takes twice the time.
    """

    async def attempt() -> BoxIndex:
        envelope = await client.ask_again(encrypt_write(plaintext, write_cap, index))
        await client.start_resending(envelope, no_idempotent_box_already_exists=verify)
        return envelope.next_index

    return await with_fresh_envelopes(attempt)
