"""Files in groups, over routers in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import define

from simplex_trio.chat.errors import FileTakenBack, NotAllowed
from simplex_trio.chat.files import GroupFile
from simplex_trio.chat.group_message_changes import GroupMessageDeleted
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.file_records import (
    MAX_FILES_OF_MEMBER,
    FileState,
    FileStore,
    OfferedFile,
)
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.messages.batches import pack_forwarded
from simplex_trio.chat.messages.bodies import Received
from simplex_trio.chat.messages.content import File
from simplex_trio.chat.messages.events import XFileCancel, XMsgFileDescr, XMsgNew
from simplex_trio.chat.messages.files import FileDescr, FileInvitation
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    Role,
    Switch,
)
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile

from .files import World, open_world
from .hosted import Hosted, group_handlers
from .people import Person, open_quiet_bot, talk
from .test_group_content import disobey, settled

Clock = trio.testing.MockClock

CONTENT = Random(3).randbytes(150_000)


@define(eq=False)
class Shared:
    """A group with files, and its host's and members' hands on it."""

    world: World
    hosted: Hosted
    group: Group
    of_alice: Group
    of_bob: Group


@asynccontextmanager
async def open_shared(
    tmp_path: Path, roles: tuple[Role, Role] = (Role.MEMBER, Role.MEMBER), **options: Any
) -> AsyncIterator[Shared]:
    """The host's bot with options, Alice and Bob."""
    async with open_world(tmp_path) as world, AsyncExitStack() as stack:
        people: list[Person] = []
        for name in ("Host", "Alice", "Bob"):
            handlers, told = group_handlers()
            profile = Profile(name, peer_type=PeerType.HUMAN, preferences=Preferences())
            own = world.options() | (options if name == "Host" else {})
            bot = await stack.enter_async_context(
                open_quiet_bot(
                    world.quiet, profile, handlers=handlers, address=name == "Host", **own
                )
            )
            people.append(Person(bot, told))
        host, *others = people
        contacts = [(await talk(host, each))[0] for each in others]
        hosted = Hosted(host, others, contacts)
        group = await host.bot.create_group("Team")
        joined = [await hosted.bring_in(group, place, roles[place]) for place in range(2)]
        yield Shared(world, hosted, group, *joined)


async def known_files(group: Group) -> list[OfferedFile]:
    return await group._core.step(lambda store: FileStore(store).of_contact(group.id))


async def test_a_file_comes_to_all(autojump_clock: Clock, tmp_path: Path) -> None:
    async with open_shared(tmp_path) as shared:
        sent = await shared.of_alice.send_file(CONTENT, name="notes", text="my notes")
        assert await sent.wait(DeliveryState.SENT) is not DeliveryState.FAILED
        for each in (shared.hosted.host, shared.hosted.people[1]):  # Bob has it from the host
            message = await each.next(GroupMessage)
            assert message.file is not None
            assert (message.text, message.file.name) == ("my notes", "notes")
            assert message.file.member.id == message.member.id
            assert await message.file.read() == CONTENT
        uploads = await shared.of_alice._core.step(lambda store: list(FileStore(store).uploads()))
        assert uploads == []
        assert await sent.wait() is DeliveryState.DELIVERED


async def test_small_files_are_received_without_asking(
    autojump_clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for the admins, and the host passes nothing of it on to Alice, who is none."""
    passed: list[object] = []

    def note(elements: Sequence[Received], *, binary: bool) -> object:
        passed.append(elements)
        return pack_forwarded(elements, binary=binary)

    place = "simplex_trio.chat.machine.groups.forwarding.pack_forwarded"
    monkeypatch.setattr(place, note)
    folder = tmp_path / "received"
    folder.mkdir()
    async with open_shared(tmp_path, folder=folder, receive_up_to=len(CONTENT)) as shared:
        await shared.of_bob.support.send_file(CONTENT, name="for admins")
        message = await shared.hosted.host.next(GroupMessage)
        assert message.support is not None
        received = await shared.hosted.host.next(GroupFile)
        assert (received.state, received.member.name) == (FileState.RECEIVED, "Bob")
        assert received.path is not None
        assert received.path.read_bytes() == CONTENT
        assert passed == []


async def test_a_file_is_taken_back(autojump_clock: Clock, tmp_path: Path) -> None:
    async with open_shared(tmp_path, (Role.MEMBER, Role.MODERATOR)) as shared:
        for delete in (False, True):
            sent = await shared.of_alice.send_file(CONTENT)
            message = await shared.hosted.host.next(GroupMessage)
            at_bob = await shared.hosted.people[1].next(GroupMessage)
            while at_bob.file is None:
                at_bob = await shared.hosted.people[1].next(GroupMessage)
            if delete:
                await at_bob.delete()
                await shared.hosted.host.next(GroupMessageDeleted)
            else:
                await sent.take_file_back()
                await settled(shared.hosted, shared.group, shared.of_alice)
            assert message.file is not None
            with pytest.raises(FileTakenBack):
                await message.file.read()


async def test_two_members_use_the_same_id(autojump_clock: Clock, tmp_path: Path) -> None:
    async with open_shared(tmp_path) as shared:
        new = XMsgNew(File(""), file=FileInvitation.announcing("a", 10))
        for each in (shared.of_alice, shared.of_bob):
            await disobey(each, new, msg_id=b"file")
            await settled(shared.hosted, shared.group, each)
        files = await known_files(shared.group)
        assert [each.msg_id for each in files] == [b"file", b"file"]
        # Bob can neither describe Alice's file nor take it back.
        part = XMsgFileDescr(b"other", FileDescr("part", 1, True))
        await disobey(shared.of_alice, new, msg_id=b"other")
        await settled(shared.hosted, shared.group, shared.of_alice)
        await disobey(shared.of_bob, part, msg_id=b"1")
        await disobey(shared.of_bob, XFileCancel(b"other"), msg_id=b"2")
        await disobey(shared.of_bob, XFileCancel(b"file"), msg_id=b"3")
        await settled(shared.hosted, shared.group, shared.of_bob)
        files = await known_files(shared.group)
        own = shared.of_alice._record.own_id
        assert [(each.msg_id, each.parts) for each in files if each.member_id == own] == [
            (b"file", 0),
            (b"other", 0),
        ]
        states = {each.state for each in files if each.member_id == own}
        assert states == {FileState.OFFERED}


async def test_a_member_offers_too_many_files(autojump_clock: Clock, tmp_path: Path) -> None:
    async with open_shared(tmp_path) as shared:
        new = XMsgNew(File(""), file=FileInvitation.announcing("a", 10))
        await disobey(shared.of_bob, new, msg_id=b"bob")
        await settled(shared.hosted, shared.group, shared.of_bob)
        for number in range(MAX_FILES_OF_MEMBER + 5):
            await disobey(shared.of_alice, new, msg_id=b"%d" % number)
        await settled(shared.hosted, shared.group, shared.of_alice)
        files = await known_files(shared.group)
        assert len(files) == MAX_FILES_OF_MEMBER + 1
        assert files[0].msg_id == b"bob"
        assert files[1].msg_id == b"5"


async def test_groups_may_not_allow_files(autojump_clock: Clock, tmp_path: Path) -> None:
    async with open_shared(tmp_path) as shared:
        rules = GroupPreferences(files=GroupPreference(Switch.ON, Role.ADMIN))
        await shared.group.set_preferences(rules)
        await shared.group.send("rules")
        await shared.hosted.people[0].next(GroupMessage)
        with pytest.raises(NotAllowed):
            await shared.of_alice.send_file(CONTENT)
        await disobey(shared.of_alice, XMsgNew(File(""), file=FileInvitation.announcing("a", 10)))
        await settled(shared.hosted, shared.group, shared.of_alice)
        assert await known_files(shared.group) == []
        sent = await shared.group.send_file(CONTENT)
        assert await sent.wait(DeliveryState.SENT) is not DeliveryState.FAILED


async def test_a_description_comes_from_two_sides(autojump_clock: Clock, tmp_path: Path) -> None:
    """A host sends its own one for those whom it thinks not to be connected with the author."""
    async with open_shared(tmp_path) as shared:
        new = XMsgNew(File(""), file=FileInvitation.announcing("a", 10))
        await disobey(shared.of_alice, new, msg_id=b"file")
        for text, number in (("from Alice", b"1"), ("from another host", b"2")):
            part = XMsgFileDescr(b"file", FileDescr(text, 1, True))
            await disobey(shared.of_alice, part, msg_id=number)
        await settled(shared.hosted, shared.group, shared.of_alice)
        (file,) = await known_files(shared.group)
        assert (file.state, file.parts, file.is_described) == (FileState.OFFERED, 1, True)
