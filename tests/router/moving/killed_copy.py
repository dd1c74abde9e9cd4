"""A program that copies, says when some of it is written, and waits to be killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from simplex_trio.router.moving.copying import copy_everything
from simplex_trio.router.store.interface import Filling, Reading
from simplex_trio.storage.postgres.url import DatabaseURL
from tests.router.moving.support import EVERYTHING, Place, filled


class Endless(Reading):
    """Everything, and then no more, without an end."""

    is_complete = True
    records: int | None = None

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def portion(self) -> Sequence[Filling]:
        if portion := await self._reading.portion():
            return portion
        print("written", flush=True)
        await trio.sleep_forever()
        raise AssertionError


async def main(kind: str, path: str, url: str) -> None:
    place = Place(kind, Path(path), DatabaseURL.parse(url) if url else None)
    async with filled(EVERYTHING) as source, place.new() as new:
        await copy_everything(Endless(source), new)


if __name__ == "__main__":
    _, kind, path, url = sys.argv
    trio.run(main, kind, path, url)
