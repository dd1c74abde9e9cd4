"""New members of groups of a bot get the last messages, if the group wants that."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.groups import history
from simplex_trio.chat.machine.groups.history import (
    MAX_FILE_AGE,
    History,
    for_newcomers,
    note_in_history,
)
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import File, Image, Report, ReportReason, Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import MemberScope, XFileCancel, XMsgFileDescr, XMsgNew
from simplex_trio.chat.messages.files import FileDescr, FileInvitation
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.message import ChatMessage

from .hosted import open_hosted, present
from .people import PICTURE

Clock = trio.testing.MockClock

ON, OFF = GroupPreference(Switch.ON), GroupPreference(Switch.OFF)
WITH_HISTORY = GroupProfile("Team", group_preferences=GroupPreferences(history=ON))


async def kept(group: Group) -> list[str]:
    """The texts that new members would get."""
    return await group._core.step(
        lambda store: [each.message.content.text for each in History(store.t.kept, group.id).all()]
    )


async def test_what_is_said_is_kept_as_it_is_by_now(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group(WITH_HISTORY)
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        await group.send("first")
        helo = await of_alice.send("helo")
        spam = await of_alice.send("buy now")
        mistake = await of_alice.send("oops")
        await trio.sleep(10)
        await of_alice.support.send("a secret")
        await helo.edit("hello")
        await mistake.delete()
        bob = hosted.people[1]
        while (message := await bob.next(GroupMessage)).id != spam.id:
            pass
        await message.delete()
        own = await group.send("secnd")
        await own.edit("second")
        await of_bob.send("third")
        await trio.sleep(60)
        assert await kept(group) == ["first", "hello", "second", "third"]
        await (await present(group, "Alice")).remove(messages=True)
        assert await kept(group) == ["first", "second", "third"]
        await group.set_preferences(GroupPreferences(history=OFF))
        assert await kept(group) == []
        await group.send("fourth")
        assert await kept(group) == []


async def test_it_is_bounded(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_HISTORY", 3)
    monkeypatch.setattr(history, "MAX_HISTORY_SIZE", 20_000)
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group(WITH_HISTORY)
        of_alice = await hosted.bring_in(group, 0)
        for number in range(5):
            await of_alice.send(str(number))
        await trio.sleep(60)
        assert await kept(group) == ["2", "3", "4"]
        await of_alice.send("x" * 12_000)
        await of_alice.send("y" * 12_000)
        await trio.sleep(60)
        assert [each[:1] for each in await kept(group)] == ["y"]
        await group.delete()

        def count(store: object) -> int:
            names = ("group-history", "group-history-ids", "group-history-sizes")
            return sum(store.t.kept.count(f".chat.{each}") for each in names)  # type: ignore[attr-defined]

        assert await hosted.host.bot._core.step(count) == 0


async def test_one_member_pushes_out_no_more_than_half(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_HISTORY", 6)
    monkeypatch.setattr(history, "MAX_HISTORY_SIZE", 50_000)
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group(WITH_HISTORY)
        of_alice = await hosted.bring_in(group, 0)
        for number in range(8):
            await of_alice.send(f"alone {number}")
            await hosted.host.next(GroupMessage)
        assert await kept(group) == [f"alone {number}" for number in range(2, 8)]
        for number in range(3):
            await group.send(f"the host {number}")
        host = [f"the host {number}" for number in range(3)]
        assert await kept(group) == ["alone 5", "alone 6", "alone 7", *host]
        for number in range(4):
            await of_alice.send(f"spam {number}")
            await hosted.host.next(GroupMessage)
        assert await kept(group) == [*host, "spam 1", "spam 2", "spam 3"]
        longer = await of_alice.send("long")
        await longer.edit("x" * 14_000)
        for _ in range(2):
            await of_alice.send("y" * 14_000)
        await trio.sleep(60)
        texts = await kept(group)
        assert texts[:3] == host
        assert 1 <= len(texts[3:]) <= 3
        await group.delete()
        count = await hosted.host.bot._core.step(
            lambda store: store.t.kept.count(".chat.group-history-authors")
        )
        assert count == 0


async def test_some_of_it_is_not_for_newcomers(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group(WITH_HISTORY)
        await hosted.bring_in(group, 0)
        alice = await present(group, "Alice")
        settings = hosted.host.bot._core.settings
        now = settings.seconds
        invitation = FileInvitation("fish.txt", 4, file_descr=FileDescr("", 0, False))

        def note(store: Store) -> None:
            groups = GroupStore(store)

            def says(event: Event, msg_id: bytes | None, at: int = now) -> None:
                note_in_history(groups, group._record, event, msg_id, alice._record, at)

            says(XMsgNew(Text("gone"), ttl=10), b"1", now - 20)
            says(XMsgNew(Text("not yet gone"), ttl=30), b"2", now - 20)
            for number, at in ((b"3", now), (b"4", now - MAX_FILE_AGE)):
                says(XMsgNew(File("a file"), file=invitation), number, at)
                says(XMsgFileDescr(number, FileDescr("first", 1, False)), None)
                says(XMsgFileDescr(number, FileDescr("not in order", 3, True)), None)
                says(XMsgFileDescr(number, FileDescr("last", 2, True)), None)
            says(XMsgNew(File(""), file=invitation), b"5")
            says(XMsgNew(Image(PICTURE, ""), file=invitation), b"6")
            says(XMsgFileDescr(b"6", FileDescr("all", 1, True)), None)
            says(XFileCancel(b"6"), None)
            says(XMsgNew(Text("a secret"), scope=MemberScope(alice.id)), b"7")
            says(XMsgNew(Report("spam", ReportReason.SPAM)), b"8")

        def shown(store: Store) -> list[Event]:
            groups = GroupStore(store)
            return [
                each.message.event
                for said in History(store.t.kept, group.id).all()
                for each in for_newcomers(groups, settings, group._record, said, "Host")
                if isinstance(each.message, ChatMessage)
            ]

        await hosted.host.bot._core.step(note)
        assert await hosted.host.bot._core.step(shown) == [
            XMsgNew(Text("not yet gone"), ttl=30),
            XMsgNew(File("a file"), file=invitation),
            XMsgFileDescr(b"3", FileDescr("first", 1, False)),
            XMsgFileDescr(b"3", FileDescr("last", 2, True)),
            XMsgNew(Text("a file")),
        ]
        await alice.block()
        assert await hosted.host.bot._core.step(shown) == []
