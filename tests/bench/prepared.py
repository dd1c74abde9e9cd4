"""Rows of a router that has the machine to itself: all blocks are sealed before the clock starts.

In other rows a client signs commands and looks at answers while the router works, on the same
machine.  Here it sends blocks that are there, and counts the answers in those that come back.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import frozen

from simplex_trio.client.connection import Connection, open_connection
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import smp_spec
from simplex_trio.crypto.keys import AuthPrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.redaction import Redacted
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.blocks import BlockCodec
from simplex_trio.wire.reading import ReceivedMessage, read_messages
from simplex_trio.wire.smp.commands import DEL, NEW, SEND, SUB, Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import ERR, IDS, Message, decode_message
from simplex_trio.wire.smp.new_queue import ContactRequest
from simplex_trio.wire.transmissions import batches, prepare_transmission
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("prepared", "router, prepared commands", Subject.ROUTER)

_BODY = bytes(100)
_AT_A_TIME = 4


@frozen(repr=False)
class _Prepared(Redacted):
    """A command with what authorizes it."""

    command: Command
    entity_id: bytes = b""
    key: AuthPrivateKey | None = None


class _Load:
    """A connection, and blocks of commands for it; a connection is for one `_Load`."""

    def __init__(self, connection: Connection, commands: Iterable[_Prepared]) -> None:
        self._connection = connection
        self._codec: BlockCodec = connection.agreement.block_codec()
        authorizer = Authorizer(connection.agreement.router_key)
        transmissions = [self._transmission(authorizer, each) for each in commands]
        filled = batches(transmissions, connection.agreement.session)
        self._blocks = [self._codec.seal(batch.content()) for batch in filled]
        self._count = len(transmissions)

    def _transmission(self, authorizer: Authorizer, prepared: _Prepared) -> bytes:
        session, correlation_id = self._connection.agreement.session, secrets.token_bytes(24)
        encoded = prepared.command.encode(session.version)
        unsent = prepare_transmission(session, correlation_id, prepared.entity_id, encoded)
        return authorizer.finish(unsent, prepared.key, correlation_id)

    async def run(self, conditions: Conditions) -> tuple[Figures, list[Message]]:
        """Send all, and wait for all answers, which are to be in the order of the commands."""
        contents: list[bytes] = []
        stopwatch = conditions.stopwatch()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            answers = 0
            while answers < self._count:
                content = self._codec.open(await self._connection.stream.receive_frame())
                contents.append(content)
                answers += content[0]
        figures = stopwatch.of_all(self._count)
        return figures, [message for each in contents for message in self._messages(each)]

    async def _send(self) -> None:
        for start in range(0, len(self._blocks), _AT_A_TIME):
            await self._connection.stream.send_frames(self._blocks[start : start + _AT_A_TIME])

    def _messages(self, content: bytes) -> Iterable[Message]:
        for each in read_messages(content, self._connection.agreement.session, decode_message):
            assert isinstance(each, ReceivedMessage)
            assert not isinstance(each.message, ERR)
            yield each.message


async def _run(
    conditions: Conditions, commands: Iterable[_Prepared]
) -> tuple[Figures, list[Message]]:
    """Run commands on a new connection."""
    config = SMPClientConfig()
    address = conditions.addresses[Subject.ROUTER].address
    connection = await open_connection(smp_spec(config.session), address, config)
    try:
        return await _Load(connection, commands).run(conditions)
    finally:
        await trio.aclose_forcefully(connection.stream)


@frozen(repr=False)
class _Queue(Redacted):
    ids: IDS
    key: Ed25519PrivateKey


async def _create(conditions: Conditions, count: int) -> tuple[Figures, list[_Queue]]:
    keys = [Ed25519PrivateKey.generate() for _ in range(count)]
    basic_auth = conditions.addresses[Subject.ROUTER].basic_auth
    dh_key = X25519PrivateKey.generate().public
    figures, answers = await _run(
        conditions,
        [
            _Prepared(NEW(key.public, dh_key, basic_auth, False, ContactRequest()), key=key)
            for key in keys
        ],
    )
    queues: list[_Queue] = []
    for answer, key in zip(answers, keys, strict=True):
        assert isinstance(answer, IDS)
        queues.append(_Queue(answer, key))
    return figures, queues


async def _delete(conditions: Conditions, queues: Sequence[_Queue]) -> None:
    await _run(conditions, [_Prepared(DEL(), each.ids.recipient_id, each.key) for each in queues])


@asynccontextmanager
async def _queues(conditions: Conditions, count: int) -> AsyncIterator[list[_Queue]]:
    _, queues = await _create(conditions, count)
    yield queues
    await _delete(conditions, queues)


@ROWS.row()
async def prepared_new(conditions: Conditions) -> Figures:
    """NEW of 1,000 queues."""
    figures, queues = await _create(conditions, conditions.times(1000))
    await _delete(conditions, queues)
    return figures


@ROWS.row()
async def prepared_sub(conditions: Conditions) -> Figures:
    """SUB of 1,000 queues."""
    async with _queues(conditions, conditions.times(1000)) as queues:
        commands = [_Prepared(SUB(), each.ids.recipient_id, each.key) for each in queues]
        figures, _ = await _run(conditions, commands)
        return figures


@ROWS.row()
async def prepared_send(conditions: Conditions) -> Figures:
    """SEND of 2,000 messages of 100 bytes to 20 queues that no sender has secured."""
    async with _queues(conditions, 20) as queues:
        send = SEND(MessageFlags(notification=False), _BODY)
        commands = [
            _Prepared(send, queues[number % len(queues)].ids.sender_id)
            for number in range(conditions.times(2000))
        ]
        figures, _ = await _run(conditions, commands)
        return figures
