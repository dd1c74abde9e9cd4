"""Channels that carry their capabilities and indices themselves: `WriteChannel`, `ReadChannel`.

A channel is a row of boxes, and its two ends each have a place in the row.  The place advances when
a box has been written, or read, and never before; it can be saved, and a channel be made again from
it, in this process or another.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import trio

from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.client import ThinClient
from simplex_trio.katzenpost.errors import (
    BoxAlreadyExists,
    BoxNotFound,
    BoxTombstoned,
)
from simplex_trio.katzenpost.messages.capabilities import SEED_SIZE, BoxIndex, ReadCap, WriteCap
from simplex_trio.katzenpost.messages.requests import encrypt_read, next_box_index
from simplex_trio.katzenpost.pigeonhole import saved
from simplex_trio.katzenpost.pigeonhole.envelopes import with_fresh_envelopes, write_box
from simplex_trio.redaction import Redacted

__all__ = [
    "Message",
    "MessageReader",
    "ReadChannel",
    "ReadState",
    "WriteChannel",
    "WriteState",
    "new_channel",
]


@frozen(repr=False)
class WriteState(Redacted):
    """Where the writing end of a channel stands.  A secret: it is all that writing takes."""

    write_cap: WriteCap
    next_index: BoxIndex
    """That of the box to be written next."""

    def to_bytes(self) -> bytes:
        """For keeping."""
        fields = {"write_cap": self.write_cap.raw, "next_index": self.next_index.raw}
        return saved.save("write channel", fields)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave; raises `DecodeError` for anything else."""
        fields = saved.load("write channel", data)
        return cls(
            WriteCap(fields.binary("write_cap", size=WriteCap.SIZE)),
            BoxIndex(fields.binary("next_index", size=BoxIndex.SIZE)),
        )


@frozen(repr=False)
class ReadState(Redacted):
    """Where a reading end of a channel stands.  A secret: it is all that reading takes.

    Give the bytes of a new one to a program that is to read the channel.
    """

    read_cap: ReadCap
    next_index: BoxIndex
    """That of the box to be read next."""

    def to_bytes(self) -> bytes:
        """For keeping, or for a reader."""
        fields = {"read_cap": self.read_cap.raw, "next_index": self.next_index.raw}
        return saved.save("read channel", fields)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave; raises `DecodeError` for anything else."""
        fields = saved.load("read channel", data)
        return cls(
            ReadCap(fields.binary("read_cap", size=ReadCap.SIZE)),
            BoxIndex(fields.binary("next_index", size=BoxIndex.SIZE)),
        )


@frozen(repr=False)
class Message(Redacted):
    """What was in a box, and which one; a deleted message has no plaintext."""

    plaintext: bytes | None
    index: BoxIndex


class WriteChannel:
    """The writing end of a channel; there must be only one at a time.

    Tasks that write at once take turns.  ``is_new`` says that nothing can have been written yet;
    otherwise an earlier writer may have been interrupted just before it saved its place, and the
    first message takes twice as long, for finding out.
    """

    def __init__(self, client: ThinClient, state: WriteState, *, is_new: bool = False) -> None:
        self._client = client
        self._state = state
        self._turn = trio.Lock()
        self._in_doubt = not is_new

    def __repr__(self) -> str:
        return "<WriteChannel>"

    @property
    def state(self) -> WriteState:
        """Where it stands; save it after each write."""
        return self._state

    async def write(self, plaintext: bytes) -> BoxIndex:
        """Put a message into the next box; returns which one that was.

        If an earlier write was interrupted, so that it is unknown whether its message is in the
        box, then this finds out: the message goes to the first box that has no other one.  Messages
        that were written stay, in order, and none is overwritten.

        Raises `TooLarge`, and what `ThinClient.start_resending` does.  Cancelled, or failed, the
        message may have been written, or not; the same message may be written again, and is then
        there once.
        """
        if not plaintext:
            raise EncodeError("an empty message would delete what is in the box: see tombstone()")
        self._client.check_plaintext(plaintext)
        async with self._turn:
            while True:
                index = self._state.next_index
                if await self._write(plaintext, index):
                    return index

    async def _write(self, plaintext: bytes, index: BoxIndex) -> bool:
        """Whether the message is in this box now; if not, something else is."""
        verify, self._in_doubt = self._in_doubt, True
        write_cap = self._state.write_cap
        try:
            next_index = await write_box(self._client, plaintext, write_cap, index, verify=verify)
        except BoxAlreadyExists:
            self._state = WriteState(write_cap, await self._client.ask_again(next_box_index(index)))
            return False
        self._state = WriteState(write_cap, next_index)
        self._in_doubt = False
        return True

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[WriteState]:
        """Keep other writers away for as long as the block lasts, to write by other means.

        Call `advance_to` in it when that has succeeded.
        """
        async with self._turn:
            in_doubt, self._in_doubt = self._in_doubt, True
            before = self._state
            yield before
            self._in_doubt = in_doubt and self._state is before

    def advance_to(self, next_index: BoxIndex) -> None:
        """Go on from this box: what comes before it has been written in a `turn`."""
        self._state = WriteState(self._state.write_cap, next_index)

    async def tombstone(self, start_index: BoxIndex, count: int = 1) -> BoxIndex:
        """Delete what is in so many boxes, from one on; returns the index of the box after them.

        Boxes that this end has not come to yet should not be among them, since nothing can be
        written to them any more.  Raises what `ThinClient.start_resending` does; boxes before the
        one that failed are deleted then.  Cancelled, some are.
        """
        index = start_index
        for _ in range(count):
            index = await write_box(self._client, b"", self._state.write_cap, index)
        return index


class ReadChannel:
    """A reading end of a channel; there may be any number of them, each with its own place."""

    def __init__(self, client: ThinClient, state: ReadState) -> None:
        self._client = client
        self._state = state
        self._turn = trio.Lock()

    def __repr__(self) -> str:
        return "<ReadChannel>"

    @property
    def state(self) -> ReadState:
        """Where it stands; save it once the message has been processed."""
        return self._state

    async def receive(self, *, wait: bool = True) -> Message:
        """What is in the next box, whether a message or the trace of a deleted one.

        Waits until something is; or, without ``wait``, raises `BoxNotFound` if nothing is.  Raises
        what `ThinClient.start_resending` does.  Cancelled, it has taken nothing.
        """
        async with self._turn:
            index = self._state.next_index
            next_index = index

            async def attempt() -> bytes:
                nonlocal next_index
                request = encrypt_read(self._state.read_cap, index)
                envelope = await self._client.ask_again(request)
                next_index = envelope.next_index
                result = await self._client.start_resending(
                    envelope, no_retry_on_box_id_not_found=not wait
                )
                return result.plaintext

            plaintext: bytes | None
            try:
                plaintext = await with_fresh_envelopes(attempt)
            except BoxTombstoned:
                plaintext = None
            self._state = ReadState(self._state.read_cap, next_index)
            return Message(plaintext, index)

    def read(self, *, wait: bool = True) -> MessageReader:
        """The messages from the next box on, for ``async for``, without those that were deleted.

        It goes on for ever, waiting for what will be written; or, without ``wait``, it ends at the
        first box that nothing has been written to.
        """
        return MessageReader(self, wait=wait)

    async def skip(self, count: int = 1) -> None:
        """Pass over so many boxes unread."""
        async with self._turn:
            for _ in range(count):
                index = await self._client.ask_again(next_box_index(self._state.next_index))
                self._state = ReadState(self._state.read_cap, index)


class MessageReader:
    """The messages of a channel one after another; see `ReadChannel.read`."""

    def __init__(self, channel: ReadChannel, *, wait: bool) -> None:
        self._channel = channel
        self._wait = wait

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next message; raises what `ReadChannel.receive` does."""
        while True:
            try:
                message = await self._channel.receive(wait=self._wait)
            except BoxNotFound:
                if self._wait:
                    raise  # a daemon that gave up waiting; this is not the end
                raise StopAsyncIteration from None
            if message.plaintext is not None:
                return message.plaintext


async def new_channel(
    client: ThinClient, seed: bytes | None = None
) -> tuple[WriteChannel, ReadChannel]:
    """Both ends of the channel that is made from a seed of 32 bytes, or of a new one.

    A channel made from a seed that was used before starts at its first box again, and its writer
    then looks for the end box by box; go on from saved states instead.  Raises what
    `ThinClient.new_keypair` does.
    """
    keypair = await client.new_keypair(secrets.token_bytes(SEED_SIZE) if seed is None else seed)
    state = WriteState(keypair.write_cap, keypair.first_index)
    writer = WriteChannel(client, state, is_new=seed is None)
    reader = ReadChannel(client, ReadState(keypair.read_cap, keypair.first_index))
    return writer, reader
