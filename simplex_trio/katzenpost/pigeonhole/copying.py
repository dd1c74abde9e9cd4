"""Copy commands that carry their capabilities, indices and buffers themselves: `CopyStream`.

A copy stream is put together in a temporary channel, in as many steps as it takes, and then carried
out by a courier.  Its state can be saved after each step, and the stream be resumed after a crash.
For that, elements are part of the state before they are written into boxes: elements made again
would differ, and a box that has been written cannot be changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self

from attrs import evolve

from simplex_trio.errors import (
    DecodeError,
    EncodeError,
    SimplexError,
    TooLarge,
    UnexpectedResponseError,
)
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.client import ThinClient
from simplex_trio.katzenpost.messages import copy_requests
from simplex_trio.katzenpost.messages.capabilities import SEED_SIZE, BoxIndex, WriteCap
from simplex_trio.katzenpost.messages.copy_requests import CopyPayload, Elements
from simplex_trio.katzenpost.messages.documents import Destination, Service
from simplex_trio.katzenpost.messages.requests import Request, new_keypair, next_box_index
from simplex_trio.katzenpost.pigeonhole import saved
from simplex_trio.katzenpost.pigeonhole.channels import WriteChannel
from simplex_trio.katzenpost.pigeonhole.envelopes import write_box
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted

__all__ = ["MAX_STREAM_BOXES", "CopyState", "CopyStream", "copy", "new_copy"]

MAX_STREAM_BOXES = 65_536
"""Boxes of one copy stream; a courier reads no more."""

_BOXES_AT_ONCE = 8
"""How many are written side by side; the daemon stops reading when 16 wait to be sent."""

Save = Callable[[bytes], Awaitable[object]]


@frozen(repr=False)
class CopyState(Redacted):
    """How far a copy stream has come.  A secret."""

    write_cap: WriteCap
    """Of the temporary channel."""
    next_index: BoxIndex
    """Of the box of the temporary channel to be written next."""
    boxes: int = 0
    """How many have been written."""
    started: bool = False
    """Whether the element that starts the stream has come out."""
    complete: bool = False
    """Whether the element that ends the stream has come out."""
    buffer: bytes = b""
    """What has not filled an element yet."""
    waiting: tuple[bytes, ...] = ()
    """Elements that have come out and are still to be written."""
    additions: int = 0
    """How many times something was added; after a crash go on with the one after these."""
    next_indices: tuple[BoxIndex, ...] = ()
    """For each destination of the latest addition, the box after the last to be written there."""

    def to_bytes(self) -> bytes:
        """For keeping."""
        return saved.save(
            "copy stream",
            {
                "write_cap": self.write_cap.raw,
                "next_index": self.next_index.raw,
                "boxes": self.boxes,
                "started": self.started,
                "complete": self.complete,
                "buffer": self.buffer,
                "waiting": list(self.waiting),
                "additions": self.additions,
                "next_indices": [index.raw for index in self.next_indices],
            },
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave; raises `DecodeError` for anything else."""
        fields = saved.load("copy stream", data)
        indices = fields.binaries("next_indices")
        if any(len(index) != BoxIndex.SIZE for index in indices):
            raise DecodeError("an index of the wrong length")
        return cls(
            write_cap=WriteCap(fields.binary("write_cap", size=WriteCap.SIZE)),
            next_index=BoxIndex(fields.binary("next_index", size=BoxIndex.SIZE)),
            boxes=fields.unsigned("boxes"),
            started=fields.flag("started"),
            complete=fields.flag("complete"),
            buffer=fields.binary("buffer"),
            waiting=fields.binaries("waiting"),
            additions=fields.unsigned("additions"),
            next_indices=tuple(map(BoxIndex, indices)),
        )


class CopyStream:
    """A copy command in the making.

    ``save`` is called with the bytes of the state whenever it has to be kept to go on from there
    after a crash: before something is put into boxes, and when that is done.  One task at a time.
    """

    def __init__(self, client: ThinClient, state: CopyState, save: Save | None = None) -> None:
        self._client = client
        self._state = state
        self._save = save

    def __repr__(self) -> str:
        return f"<CopyStream of {self._state.boxes} boxes>"

    @property
    def state(self) -> CopyState:
        """How far it has come."""
        return self._state

    async def add(
        self, destinations: Sequence[CopyPayload], *, last: bool = False
    ) -> tuple[BoxIndex, ...]:
        """Have something written to each of these channels.

        Returns the index, for each, after the last box that will be written there.  A payload that
        does not fit into one box goes into as many as it takes.  ``last`` saves a step if nothing
        else is to come.

        Raises `EncodeError` for nothing, or after the last; `TooLarge`; and what
        `ThinClient.ask_again` and `ThinClient.start_resending` do.  Once the state has been saved
        the addition is part of the stream: after a failure or cancellation `flush`, or the next
        call, completes it.
        """
        await self.flush()
        self._check_open()
        request = copy_requests.elements_of_payloads(
            destinations,
            is_start=not self._state.started,
            is_last=last,
            buffer=self._state.buffer,
        )
        return await self._add(request, 1, last=last)

    async def add_tombstones(
        self, write_cap: WriteCap, start_index: BoxIndex, count: int, *, last: bool = False
    ) -> BoxIndex:
        """Have so many boxes of a channel deleted; otherwise as `add`."""
        await self.flush()
        self._check_open()
        request = copy_requests.elements_of_tombstones(
            write_cap,
            start_index,
            count,
            is_start=not self._state.started,
            is_last=last,
            buffer=self._state.buffer,
        )
        (next_index,) = await self._add(request, 1, last=last)
        return next_index

    async def flush(self) -> None:
        """Write what has come out and is not yet in the boxes of the temporary channel."""
        if not self._state.waiting:
            return
        while self._state.waiting:
            await self._write_some()
        await self._keep(self._state)

    async def finish(self, *, courier: Destination | Service | None = None) -> None:
        """End the stream, and have a courier carry it out.

        Not all or nothing: what was written before a failure stays.  A stream that has failed, or
        succeeded, stays so for half an hour: to try again make a new one.  Raises `CopyFailed`, and
        what `add` and `ThinClient.start_resending` do.
        """
        await self.flush()
        state = self._state
        if not state.complete:
            if not state.additions:
                raise EncodeError("there is nothing in this copy stream")
            # The daemon needs a destination for what ends the stream; nothing is written there.
            nothing = CopyPayload(b"", state.write_cap, state.next_index)
            request = copy_requests.elements_of_payloads(
                [nothing], is_start=not state.started, is_last=True, buffer=state.buffer
            )
            await self._add(request, 0, last=True)
        await self._client.start_copy(state.write_cap, courier=courier)

    def _check_open(self) -> None:
        if self._state.complete:
            raise EncodeError("this copy stream has ended already")

    async def _add(
        self, request: Request[Elements], additions: int, *, last: bool
    ) -> tuple[BoxIndex, ...]:
        made = await self._client.ask_again(request)
        state = self._state
        if state.boxes + len(made.elements) > MAX_STREAM_BOXES:
            raise TooLarge(f"a copy stream has at most {MAX_STREAM_BOXES} boxes")
        if last and not made.elements:
            raise UnexpectedResponseError("the daemon did not end the copy stream")
        with_addition = evolve(
            state,
            started=state.started or bool(made.elements),
            complete=last,
            buffer=made.buffer,
            waiting=made.elements,
            additions=state.additions + additions,
            next_indices=made.next_indices,
        )
        # What could not be saved is not put into boxes, so it is no part of the stream either.
        await self._keep(with_addition)
        self._state = with_addition
        await self.flush()
        return made.next_indices

    async def _write_some(self) -> None:
        state = self._state
        some = state.waiting[:_BOXES_AT_ONCE]
        index = state.next_index
        failures: list[SimplexError] = []

        async def write(element: bytes, place: BoxIndex) -> None:
            try:
                await write_box(self._client, element, state.write_cap, place)
            except SimplexError as exc:
                failures.append(exc)
                nursery.cancel_scope.cancel()

        async with open_inner_nursery() as nursery:
            for element in some:
                nursery.start_soon(write, element, index)
                index = await self._client.ask_again(next_box_index(index))
        if failures:
            raise failures[0]
        self._state = evolve(
            state,
            next_index=index,
            boxes=state.boxes + len(some),
            waiting=state.waiting[len(some) :],
        )

    async def _keep(self, state: CopyState) -> None:
        if self._save is not None:
            await self._save(state.to_bytes())


async def new_copy(client: ThinClient, *, save: Save | None = None) -> CopyStream:
    """A copy stream in a new temporary channel; raises what `ThinClient.ask_again` does."""
    keypair = await client.ask_again(new_keypair(secrets.token_bytes(SEED_SIZE)))
    return CopyStream(client, CopyState(keypair.write_cap, keypair.first_index), save)


async def copy(
    client: ThinClient,
    messages: Sequence[tuple[WriteChannel, bytes]],
    *,
    courier: Destination | Service | None = None,
) -> None:
    """Write to several channels by one copy command, and advance each when that has succeeded.

    Raises `EncodeError` for a channel that occurs twice, or an empty message, which would be left
    out; and what `CopyStream.add` and `CopyStream.finish` do.  Cancelled, or failed, some of it may
    have been written.
    """
    channels = [channel for channel, _ in messages]
    if len(set(channels)) < len(channels):
        raise EncodeError("each channel can occur only once in a copy")
    if not all(payload for _, payload in messages):
        raise EncodeError("an empty message cannot be copied")
    async with AsyncExitStack() as turns:
        states = {}
        for channel in sorted(channels, key=id):  # in the same order for all, lest two wait
            states[channel] = await turns.enter_async_context(channel.turn())
        destinations = [
            CopyPayload(payload, states[channel].write_cap, states[channel].next_index)
            for channel, payload in messages
        ]
        stream = await new_copy(client)
        indices = await stream.add(destinations, last=True)
        await stream.finish(courier=courier)
        for channel, index in zip(channels, indices, strict=True):
            channel.advance_to(index)
