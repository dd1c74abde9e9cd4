"""Rows about a bot and the members of its groups.

The members are the connections of one agent in another process, as the people of `chat` are.  They
are put into the group at once, without the introductions that a host sends them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import trio

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.forwarding import PASSED_ON_BURST
from simplex_trio.chat.machine.groups.records import MemberOrigin, MemberRecord, MemberStatus
from simplex_trio.chat.machine.groups.relations import Relation, Relations
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import Received, decode_body
from simplex_trio.chat.messages.events import XMsgNew
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward, message_id
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.versions import CHAT_VERSIONS
from simplex_trio.chat.opening import open_bot
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import PeerMessage
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.addresses import ServerAddress
from tests.bench.chat import _as_child, _connect, _invite, _line, _said, _told
from tests.bench.children import ask_child
from tests.bench.figures import Figures, Point
from tests.bench.rows import Conditions, Rows, Subject

__all__ = ["ROWS"]

ROWS = Rows("groups", "a bot and its groups", Subject.ROUTER)

_MEMBERS = (10, 100)
_MESSAGES = 200
_OF_MEMBER = PASSED_ON_BURST // _MEMBERS[-1]
"""As many as a host passes on without waiting."""
_CONFIG = DuplexConfig(pq=False)
"""The connections of groups are without the KEM."""


@asynccontextmanager
async def _bot(
    path: Path, address: ServerAddress, handlers: Handlers | None = None
) -> AsyncIterator[Bot]:
    async with open_bot(
        path,
        profile="Host",
        handlers=handlers,
        servers=[address],
        config=_CONFIG,
        address=False,
    ) as bot:
        yield bot


async def _group(bot: Bot, relation: Relation = Relation.CONNECTED) -> Group:
    """A group whose members are the bot's contacts, and so far with each other."""
    group = await bot.create_group("Bench")

    def decide(store: Store) -> None:
        groups, relations = GroupStore(store), Relations(store.t.kept, group.id)
        numbers: list[int] = []
        for contact in list(store.all_contacts()):
            store.remove_contact(contact)
            name = Profile(f"Member {contact.contact_id}", short_descr="x" * 100)
            member = MemberRecord(
                group.id,
                message_id(os.urandom(12)),
                Role.MEMBER,
                MemberStatus.PRESENT,
                MemberOrigin.INVITEE,
                versions=CHAT_VERSIONS,
                connection_id=contact.connection_id,
                can_send=True,
                is_connected=True,
                number=relations.new_number(),
            )
            groups.put_member(member, name)
            for each in numbers:
                relations.put(member.number, each, relation)
            numbers.append(member.number)

    await bot._core.step(decide)
    return group


@asynccontextmanager
async def _talk(
    conditions: Conditions,
    members: int,
    relation: Relation = Relation.CONNECTED,
    handlers: Handlers | None = None,
) -> AsyncIterator[tuple[Group, trio.Process]]:
    """A group, and so many members who wait to be told how many messages each is to read."""
    address = conditions.addresses[Subject.ROUTER].address
    with tempfile.TemporaryDirectory() as folder:
        async with _bot(Path(folder, "bot.db"), address, handlers) as bot:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "tests.bench.chat_groups", "members", str(members)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                assert process.stdin is not None
                links = await _invite(bot, members)
                await process.stdin.send_all("\n".join([str(address), *links, ""]).encode())
                await _line(process)
                await bot.agent.drain()
                yield await _group(bot, relation), process
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


@ROWS.row()
async def chat_group_messages(conditions: Conditions) -> Figures:
    """Messages per second that all members of a group of 10 and of 100 have from their host."""
    points: list[Point] = []
    for members in _MEMBERS:
        count = max(1, conditions.times(_MESSAGES) * _MEMBERS[0] // members)
        async with _talk(conditions, members) as (group, people), trio.open_nursery() as nursery:
            start = perf_counter()
            nursery.start_soon(_told, people, str(count))
            for number in range(count):
                await group.send(f"message {number}")
        points.append(Point(members, count / (perf_counter() - start)))
    return Figures(points=tuple(points), rate=points[-1].rate)


@ROWS.row()
async def chat_group_heard(conditions: Conditions) -> Figures:
    """Messages per second of a member of 100, who are connected, that a bot's handler has."""
    return await _said_by_member(conditions, Relation.CONNECTED)


@ROWS.row()
async def chat_group_passed_on(conditions: Conditions) -> Figures:
    """The same where the members are not connected, and the bot passes each on to 99 of them."""
    return await _said_by_member(conditions, Relation.INTRODUCED)


async def _said_by_member(conditions: Conditions, relation: Relation) -> Figures:
    count, heard = conditions.times(_OF_MEMBER), 0
    all_heard, handlers = trio.Event(), Handlers()

    @handlers.groups.on_message()
    async def hear(message: GroupMessage) -> None:
        nonlocal heard
        heard += 1
        if heard == count:
            all_heard.set()

    is_passed_on = relation.needs_host
    async with _talk(conditions, _MEMBERS[-1], relation, handlers) as (_, people):
        watch = conditions.stopwatch()
        await _told(people, f"say {count} {count if is_passed_on else 0}")
        await all_heard.wait()
        return watch.of_all(count)


@ROWS.row()
async def chat_group_start(conditions: Conditions) -> Figures:
    """Starting a bot with a group of 1,000 members until all are subscribed to: KiB for each."""
    address = str(conditions.addresses[Subject.ROUTER].address)
    count = str(conditions.times(1000))
    answer = await ask_child("tests.bench.chat_groups", "start", count, text=address)
    return Figures.from_json(json.loads(answer))


# --- the members --------------------------------------------------------------------------------


def _is_message(body: bytes) -> bool:
    """Whether it is what someone says, and not a profile, for example."""
    return any(
        isinstance(each, Received)
        and isinstance(each.message, ChatMessage)
        and isinstance(each.message.event, XMsgNew | XGrpMsgForward)
        for each in decode_body(body)
    )


async def _members(count: int) -> None:
    lines = trio.wrap_file(sys.stdin)
    address = ServerAddress.parse((await lines.readline()).strip())
    links = [(await lines.readline()).strip() for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "members.db")
        async with open_duplex_agent(path, servers=[address], config=_CONFIG) as agent:
            ends = await _connect(agent, links)
            print("connected", flush=True)
            async for line in lines:
                *says, to_read = map(int, line.removeprefix("say").split())
                for number in range(sum(says)):
                    await agent.send(ends[0], _said(str(number)))
                left = Counter(dict.fromkeys(ends[1:] if says else ends, to_read))
                if not to_read:
                    print("done", flush=True)
                    continue
                async for event in agent.events:
                    if isinstance(event, PeerMessage):
                        await agent.acknowledge(event)
                        left[event.connection_id] -= _is_message(event.body)
                        if all(each <= 0 for each in left.values()):
                            break
                print("done", flush=True)


async def _make(path: Path, address: ServerAddress, count: int) -> None:
    """A bot that has a group of so many members, which have had a message of it."""
    config, place = _CONFIG, path.with_name("members.db")
    async with (
        _bot(path, address) as bot,
        open_duplex_agent(place, servers=[address], config=config) as agent,
    ):
        left = set(await _connect(agent, await _invite(bot, count)))
        group = await _group(bot)
        await group.send("hello")
        async for event in agent.events:
            if isinstance(event, PeerMessage):
                await agent.acknowledge(event)
                left.discard(event.connection_id)
                if not left:
                    break
        await bot.agent.drain()


if __name__ == "__main__":
    trio.run(_as_child, "tests.bench.chat_groups", _members, _make)
