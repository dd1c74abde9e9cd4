"""The published Katzenpost thin client, measured, as a program for an environment that has it.

It needs nothing of this package.  Its arguments are a ``thinclient.toml``, ``sequential`` or
``concurrent``, and how many; it prints the seconds of each round trip, or of each of ten times
that so many are done together.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter

__all__ = ["main"]

_ROUNDS = 10


async def _measure(path: str, how: str, count: int) -> list[float]:
    # Here, so that this module can be looked at where that client is not installed.
    from katzenpost_thinclient import Config, ThinClient

    client = ThinClient(Config(path))
    await client.start(asyncio.get_running_loop())
    index = (await client.new_keypair(bytes(32))).first_message_index
    seconds = []
    if how == "sequential":
        for _ in range(count):
            start = perf_counter()
            await client.next_message_box_index(index)
            seconds.append(perf_counter() - start)
    else:
        for _ in range(_ROUNDS):
            start = perf_counter()
            await asyncio.gather(*(client.next_message_box_index(index) for _ in range(count)))
            seconds.append(perf_counter() - start)
    client.stop()
    return seconds


def main() -> None:
    """Measure what the arguments say."""
    path, how, count = sys.argv[1:]
    json.dump(asyncio.run(_measure(path, how, int(count))), sys.stdout)


if __name__ == "__main__":
    main()
