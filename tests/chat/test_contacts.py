"""What a bot knows of its contacts, and what they know of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.changes import (
    MessageDeleted,
    MessageEdited,
    PreferencesChanged,
    ProfileChanged,
    RatchetBroken,
    ReactionChanged,
    SecurityCodeChanged,
)
from simplex_trio.chat.errors import (
    GroupsNotSupported,
    LinkIsOwn,
    MessageForgotten,
    NotAllowed,
    UnknownContact,
)
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.machine.outgoing import say
from simplex_trio.chat.machine.records import MAX_SENT, ContactStatus, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import GroupLinkData
from simplex_trio.chat.messages.content import File, Image, Text, Video, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    Emoji,
    MessageRef,
    Quote,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import (
    Allow,
    Feature,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.messages.scalars import Timestamp
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact, ContactRequest, IncomingMessage
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import NotSynchronised
from simplex_trio.errors import EncodeError, TooLarge
from simplex_trio.router.server import open_router
from simplex_trio.wire.duplex.links import NotALink, parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from tests.duplex.quiet import open_quiet

from .people import Person, listening, open_person, open_quiet_bot

Clock = trio.testing.MockClock

PICTURE = Picture("data:image/png;base64,iVBORw0KGgo=")


async def talk(bot: Person, person: Person) -> tuple[Contact, Contact]:
    """The two ends of a new connection: the bot's, and the person's."""
    theirs = await person.connect(bot.bot.address)
    return await bot.next(Contact), theirs


async def disobey(person: Person, contact: Contact, *events: Event, msg_id: bytes = b"id") -> None:
    """Say what a program of the other side should not."""

    def decide(store: Store) -> None:
        for event in events:
            say(store, contact._record, event, msg_id)

    await person.bot._core.step(decide)


# --- links --------------------------------------------------------------------------------------


async def test_a_link_is_looked_at_before_it_is_opened(autojump_clock: Clock) -> None:
    shown = Profile("Echo", short_descr="Says it again", image=PICTURE)
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, shown, welcome="Hello!") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        info = await alice.bot.look(bot.address)
        assert info.kind is LinkKind.ADDRESS
        assert info.profile == bot.profile
        assert info.profile.image == PICTURE
        assert info.welcome == Text("Hello!")
        assert info.can_connect
        assert info.contact is None
        assert not any((info.is_own, info.needs_newer, info.is_business))
        assert await alice.bot.contacts() == []

        contact = await alice.connect(bot.address)
        again = await alice.bot.look(bot.address)
        assert again.contact is not None
        assert again.contact.id == contact.id

        invitation = await bot.invite()
        info = await alice.bot.look(invitation)
        assert (info.kind, info.profile, info.welcome) == (LinkKind.INVITATION, bot.profile, None)
        second = await alice.connect(invitation)
        again = await alice.bot.look(invitation)
        assert again.contact is not None
        assert again.contact.id == second.id
        assert again.profile == bot.profile
        assert "Echo" not in repr(info)


async def test_own_links_are_known_and_stay_usable(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", welcome="Hi") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        invitation = await bot.invite()
        for link, kind, welcome in (
            (bot.address, LinkKind.ADDRESS, Text("Hi")),
            (invitation, LinkKind.INVITATION, None),
        ):
            info = await bot.look(link)
            assert (info.kind, info.is_own, info.can_connect) == (kind, True, False)
            assert (info.profile, info.welcome) == (bot.profile, welcome)
            with pytest.raises(LinkIsOwn):
                await bot.connect(link)
        assert (await alice.connect(invitation)).name == "Echo"
        unused = await bot.invite()
        assert await bot.take_back(unused)
        assert not await bot.take_back(unused)
        await bot.agent.drain()
        assert await bot._core.step(lambda store: store.invitations()) == []


async def test_links_that_cannot_be_opened(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_person(quiet, "Alice") as alice,
        quiet.open_agent() as agent,
    ):
        data = GroupLinkData(GroupProfile("Gardeners", "")).encode()
        made = await agent.create_address(data=data)
        short, long = parse_link(made.short_link or ""), parse_link(made.link)
        assert isinstance(short, ShortContactLink)
        assert isinstance(long, ContactURI)
        group = str(evolve(short, kind=ContactKind.GROUP))
        info = await alice.bot.look(group)
        assert (info.kind, info.can_connect) == (LinkKind.GROUP, False)
        assert info.group is not None
        assert info.group.display_name == "Gardeners"
        in_full = str(evolve(long, client_data='{"type":"group","groupLinkId":"abc"}'))
        info = await alice.bot.look(in_full)
        assert (info.kind, info.group, info.profile) == (LinkKind.GROUP, None, None)
        for link in (group, in_full):
            with pytest.raises(GroupsNotSupported):
                await alice.bot.connect(link)

        plain = await alice.bot.look(made.link)
        assert (plain.kind, plain.profile, plain.can_connect) == (LinkKind.ADDRESS, None, True)
        for other in ("no JSON", "[]", ""):
            odd = str(evolve(long, client_data=other))
            assert (await alice.bot.look(odd)).kind is LinkKind.ADDRESS
        # Data that makes no sense, and those of a group at a link that says nothing of it.
        assert (await alice.bot.look(str(short))).profile is None

        service = await alice.bot.look(str(evolve(short, kind=ContactKind.SERVICE)))
        later = await alice.bot.look(str(short).replace("/a#", "/z#"))
        for info in (service, later):
            assert (info.kind, info.needs_newer, info.can_connect) == (
                *(LinkKind.UNKNOWN, True),
                False,
            )
        with pytest.raises(NotALink):
            await alice.bot.look("https://example.com")
        with pytest.raises(TooLarge):
            await alice.bot.connect(made.link, alias="x" * 201)


# --- incognito ----------------------------------------------------------------------------------


def test_random_profiles() -> None:
    random = Random(1)
    names = {random_profile(random.randbytes).display_name for _ in range(9)}
    assert len(names) == 9
    for name in names:
        Profile(name).check()
        assert re.fullmatch("[A-Z][a-z]+[A-Z][a-z]+", name)


async def test_a_random_profile_is_kept_for_a_contact(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(
            quiet, Profile("Club", image=PICTURE), handlers=handlers, accept_requests=False
        ) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob", address=True) as bob,
    ):
        club = Person(bot, told)
        await alice.bot.connect(bot.address)
        await (await club.next(ContactRequest)).accept(incognito=True)
        theirs = [await alice.next(Contact)]
        asked = await bot.connect(bob.bot.address, incognito=True, alias="the bob")
        assert asked.is_incognito
        again = await bot.connect(bob.bot.address, incognito=True)
        assert again.own_profile == asked.own_profile
        theirs.append(await bob.next(Contact))
        invitation = await bot.invite(incognito=True)
        shown = (await alice.bot.look(invitation)).profile
        theirs.append(await alice.connect(invitation))
        assert theirs[-1].profile == shown
        for contact in theirs:
            assert contact.profile is not None
            assert contact.profile.image is None
            assert not contact.profile.is_bot
        names = {each.name for each in theirs}
        assert len(names) == 3
        assert "Club" not in names
        ours = [await club.next(Contact) for _ in range(3)]
        assert {each.own_profile.display_name for each in ours} == names
        assert {each.name for each in ours} == {"Alice", "the bob"}

        # Neither a new profile nor other preferences show them who it is.
        await bot.set_profile("New club")
        (to_bob,) = [each for each in ours if each.alias]
        await to_bob.set_preferences(Preferences(voice=Preference(Allow.NO)))
        changed = await bob.next(PreferencesChanged)
        assert changed.contact.name in names
        assert changed.contact.profile is not None
        assert changed.contact.profile.image is None
        assert not changed.contact.allows(Feature.VOICE)
        await trio.sleep(600)
        for person in (alice, bob):
            assert not [each for each in person.heard() if isinstance(each, ProfileChanged)]
        assert (await alice.bot.look(bot.address)).profile == bot.profile


# --- preferences --------------------------------------------------------------------------------


async def test_each_contact_can_be_allowed_something_else(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        echo = Person(bot, told)
        to_alice, from_alice = await talk(echo, alice)
        _, from_bob = await talk(echo, bob)
        # A profile without preferences says no to voice messages; theirs say yes.
        for contact in (from_alice, from_bob):
            assert not contact.allows(Feature.VOICE)
            with pytest.raises(NotAllowed):
                await contact.send(Voice(3))
        await to_alice.set_preferences(Preferences(voice=Preference(Allow.YES)))
        changed = await alice.next(PreferencesChanged)
        assert changed.contact.allows(Feature.VOICE)
        assert changed.before.allows(Feature.VOICE) is Allow.NO
        assert changed.preferences.allows(Feature.CALLS) is Allow.NO
        await changed.contact.send(Voice(3))
        assert (await echo.next(IncomingMessage)).content == Voice(3)
        with pytest.raises(NotAllowed):
            await from_bob.send(Voice(3))
        await to_alice.set_preferences(Preferences(voice=Preference(Allow.YES)))  # no change

        # What the profile says of other things reaches her too, and each of them once.
        await bot.set_profile(Profile("Echo", preferences=Preferences(files=Preference(Allow.NO))))
        changed = await alice.next(PreferencesChanged)
        assert changed.preferences.allows(Feature.FILES) is Allow.NO
        assert changed.preferences.allows(Feature.CALLS) is Allow.YES
        assert changed.contact.allows(Feature.VOICE)
        await to_alice.set_preferences(None)
        assert to_alice.own_profile == bot.profile
        assert (await bob.next(PreferencesChanged)).preferences.allows(Feature.FILES) is Allow.NO
        await trio.sleep(600)
        assert not [each for each in alice.heard() if isinstance(each, ProfileChanged)]


async def test_what_is_not_allowed_is_not_sent(autojump_clock: Clock) -> None:
    handlers, told = listening()
    nothing = Preferences(
        timed_messages=TimedMessages(Allow.NO),
        reactions=Preference(Allow.NO),
        voice=Preference(Allow.NO),
        files=Preference(Allow.NO),
        calls=Preference(Allow.NO),
    )
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        echo = Person(bot, told)
        contact, to_echo = await talk(echo, alice)
        assert contact.allows(Feature.REACTIONS)
        assert contact.allows(Feature.FILES)
        await alice.bot.set_profile(Profile("Alice", PeerType.HUMAN, preferences=nothing))
        changed = await echo.next(PreferencesChanged)
        contact = changed.contact
        assert not any(map(contact.allows, Feature))
        await to_echo.send("one")
        message = await echo.next(IncomingMessage)
        for content in (Voice(1), Image(PICTURE), Video(PICTURE, 1), File()):
            with pytest.raises(NotAllowed):
                await contact.send(content)
        with pytest.raises(NotAllowed):
            await contact.send("x", ttl=60)
        with pytest.raises(NotAllowed):
            await message.react("👍")


# --- profiles -----------------------------------------------------------------------------------


async def test_a_profile_changes_while_the_bot_runs(autojump_clock: Clock) -> None:
    handlers, told = listening()

    @handlers.command
    async def start(message: IncomingMessage) -> None:
        """Begin."""

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers, welcome="Hi") as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        echo = Person(bot, told)
        await talk(echo, alice)
        invitation = await bot.invite()
        await bot.set_profile(Profile("Parrot", image=PICTURE))
        await bot.set_welcome("Welcome!")
        changed = await alice.next(ProfileChanged)
        assert (changed.profile.display_name, changed.profile.image) == ("Parrot", PICTURE)
        assert changed.before is not None
        assert changed.before.display_name == "Echo"
        assert changed.contact.name == "Parrot"
        (known,) = await alice.bot.contacts()
        assert known.name == "Parrot"
        await bot.agent.drain()
        info = await bob.bot.look(bot.address)
        assert (info.profile, info.welcome) == (bot.profile, Text("Welcome!"))
        assert info.profile is not None
        assert info.profile.preferences is not None
        assert info.profile.preferences.commands is not None
        assert (await bob.bot.look(invitation)).profile == bot.profile
        for wrong in ("no. way", Profile("x", image=Picture("data:" + "x" * 20_000))):
            with pytest.raises((EncodeError, TooLarge)):
                await bot.set_profile(wrong)
        assert bot.profile.display_name == "Parrot"


async def test_a_contact_has_the_name_that_the_bot_gives_it(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        echo = Person(bot, told)
        contact, _ = await talk(echo, alice)
        await contact.set_alias("my sister")
        await bob.connect(await bot.invite(alias="office"))
        assert [each.name for each in await bot.contacts()] == ["my sister", "office"]
        await contact.set_alias("")
        assert (contact.name, contact.alias) == ("Alice", "")
        with pytest.raises(TooLarge):
            await contact.set_alias("x" * 201)


async def test_the_same_person_twice_is_two_contacts(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        await alice.connect(bot.address)
        await alice.connect(await bot.invite())
        first, second = await bot.contacts()
        assert first.profile == second.profile
        await first.state.put("town", "Oslo")
        assert await second.state.get("town") is None


# --- state --------------------------------------------------------------------------------------


async def test_state_is_kept_for_each_contact_and_for_the_bot(autojump_clock: Clock) -> None:
    handlers = Handlers()

    @handlers.command
    async def town(message: IncomingMessage, name: str = "") -> None:
        """Keep a town."""
        state = message.contact.state
        if name:
            await state.put("town", name)
        await message.answer(str(await state.get("town")))

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        from_alice, from_bob = await alice.connect(bot.address), await bob.connect(bot.address)
        for person, contact, text, answer in (
            (alice, from_alice, "/town Oslo", "Oslo"),
            (bob, from_bob, "/town", "None"),
            (bob, from_bob, "/town Bergen", "Bergen"),
            (alice, from_alice, "/town", "Oslo"),
        ):
            await contact.send(text)
            assert (await person.next(IncomingMessage)).text == answer
        first, second = await bot.contacts()
        values: dict[str, Any] = {"json": {"a": [1, 2.5, None, "ü"]}, "bytes": b"\0", "": False}
        for name, value in values.items():
            await first.state.put(name, value)
        assert await first.state.all() == values | {"town": "Oslo"}
        assert await second.state.all() == {"town": "Bergen"}
        assert await bot.state.all() == {}
        await first.state.delete("json")
        assert await first.state.get("json", dict) is None
        assert await first.state.get("json", dict, {}) == {}
        assert await first.state.get("bytes", bytes) == b"\0"
        with pytest.raises(TypeError, match="bytes, and not str"):
            await first.state.get("bytes", str)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(bot.state.update, "count", lambda count: (count or 0) + 1)
        assert await bot.state.get("count") == 20

        await first.delete()
        with pytest.raises(UnknownContact):
            await first.state.put("town", "Rome")
        with pytest.raises(UnknownContact):
            await first.state.update("town", lambda town: town)
        assert await first.state.all() == {}
        kept = await bot.agent.transact(lambda t: t.kept.count(".chat.state"))
        assert kept == 2


async def test_state_is_bounded(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_bot(quiet, "Echo", address=False) as bot:
        state = bot.state
        for wrong in ((1, 2), {1: 2}, 2**64, float("nan"), object(), "\ud800"):
            with pytest.raises(EncodeError):
                await state.put("x", wrong)  # type: ignore[arg-type]
        for name, value in (("x", "y" * 65_536), ("x", b"y" * 65_536), ("x" * 256, 1)):
            with pytest.raises(TooLarge):
                await state.put(name, value)

        def fill(store: Store) -> None:
            for number in range(1000):
                store.t.kept.put(".chat.state", bytes(8) + str(number).encode(), b"j0")

        await bot._core.step(fill)
        with pytest.raises(TooLarge, match="1000 values"):
            await state.put("new", 1)
        await state.put("5", 1)
        await state.put("5", None)
        await state.put("new", 1)
        assert len(await state.all()) == 1000
        assert "State" in repr(state)


# --- the end of contacts ------------------------------------------------------------------------


async def test_what_waits_for_a_contact_ends_with_it(autojump_clock: Clock) -> None:
    handlers = Handlers()
    ended: list[str] = []

    @handlers.on_message()
    async def ask(message: IncomingMessage) -> None:
        try:
            await message.ask("more?")
        except UnknownContact:
            ended.append(message.contact.name)

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        from_alice, from_bob = await alice.connect(bot.address), await bob.connect(bot.address)
        for person, contact in ((alice, from_alice), (bob, from_bob)):
            await contact.send("one")
            assert (await person.next(IncomingMessage)).text == "more?"
        to_alice, _ = await bot.contacts()
        quiet.stop()
        sent = await to_alice.send("never read")
        gone: list[str] = []

        async def wait() -> None:
            try:
                await sent.wait()
            except UnknownContact as exc:
                gone.append(str(exc))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await to_alice.delete(tell=False)
        await wait()
        assert len(gone) == 2
        await quiet.start()
        await from_bob.delete()
        await trio.sleep(600)
        assert ended == ["Alice", "Bob"]
        assert await bot.contacts() == []
        assert bot._conversations is not None
        assert bot._conversations._open == {}


async def test_a_contact_deleted_without_a_word_fails(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        echo = Person(bot, told)
        contact, to_echo = await talk(echo, alice)
        await to_echo.delete(tell=False)
        await alice.bot.agent.drain()
        assert (await bot.contacts())[0].status is ContactStatus.READY
        sent = await contact.send("are you there?")
        assert await sent.wait() is DeliveryState.FAILED
        gone = await echo.next(Contact)
        assert (gone.id, gone.status) == (contact.id, ContactStatus.FAILED)
        await contact.delete()
        assert await bot.contacts() == []


async def test_what_is_queued_is_sent_before_a_contact_is_told_of_its_end(
    autojump_clock: Clock,
) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact, _ = await talk(Person(bot, told), alice)
        quiet.stop()
        for number in range(3):
            await contact.send(f"last words {number}")
        await contact.delete()
        with pytest.raises(UnknownContact):
            await contact.send("more")
        await quiet.start()
        for number in range(3):
            assert (await alice.next(IncomingMessage)).text == f"last words {number}"
        assert (await alice.next(Contact)).name == "Echo"


async def test_the_jobs_of_a_contact_that_is_deleted_are_left_out(autojump_clock: Clock) -> None:
    handlers = Handlers()
    calls: list[str] = []

    @handlers.on_message()
    async def delete(message: IncomingMessage) -> None:
        calls.append(message.text)
        await message.contact.delete()

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        one = b'{"v":"1","event":"x.msg.new","params":{"content":{"type":"text","text":"%d"}}}'
        batch = b"[" + b",".join(one % number for number in range(5)) + b"]"
        await alice.bot.agent.send(contact.connection_id, batch)
        await alice.next(Contact)
        await trio.sleep(60)
        assert calls == ["0"]


async def test_a_message_of_long_ago_is_forgotten(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        quiet.stop()
        first = await contact.send("first")
        errors: list[Exception] = []

        async def wait() -> None:
            with pytest.raises(MessageForgotten) as caught:
                await first.wait()
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            for number in range(MAX_SENT):
                await contact.send(str(number))
        assert len(errors) == 1
        with pytest.raises(MessageForgotten):
            await first.wait()


# --- security codes -----------------------------------------------------------------------------


async def test_a_security_code_is_the_same_on_both_sides(tmp_path: Path) -> None:
    path, copy = tmp_path / "alice.db", tmp_path / "copy.db"

    @asynccontextmanager
    async def person(path: Path | None, **options: Any) -> AsyncIterator[Person]:
        handlers, told = listening()
        options |= {"config": DuplexConfig(pq=False), "servers": [router.address]}
        async with open_bot(path, handlers=handlers, **options) as bot:
            yield Person(bot, told)

    async with open_router() as router, person(None, profile="Echo") as echo:
        async with person(path, profile="Alice", address=False) as alice:
            bot = echo.bot
            asked = await alice.bot.connect(bot.address)
            assert await asked.security_code() is None
            assert not await asked.has_security_code("")
            theirs, ours = await alice.next(Contact), await echo.next(Contact)
            code = await ours.security_code()
            assert code is not None
            assert await theirs.security_code() == code
            assert await theirs.has_security_code(f" {code[:5]} {code[5:]}\n")
            assert not await theirs.has_security_code(code[:-1])
            await alice.bot.agent.back_up(copy)
            for _ in range(3):
                await theirs.send("one")
                await (await echo.next(IncomingMessage)).answer("two")
                await alice.next(IncomingMessage)
        async with person(copy, profile="Alice", address=False, accept_loss=True) as alice:
            (theirs,) = await alice.bot.contacts()
            with suppress(NotSynchronised):  # it may have noticed by now
                await theirs.send("lost")
            assert (await echo.next(SecurityCodeChanged)).contact.id == ours.id
            await alice.next(SecurityCodeChanged)
            broken = [
                each for each in echo.heard() + alice.heard() if isinstance(each, RatchetBroken)
            ]
            assert broken
            assert {each.contact.id for each in broken} <= {ours.id, theirs.id}
            changed = await ours.security_code()
            assert changed not in (None, code)
            assert await theirs.security_code() == changed
            while not (await alice.bot.agent.status(theirs.connection_id)).can_send:  # noqa: ASYNC110
                await trio.sleep(0.01)
            await theirs.send("hello again")
            assert (await echo.next(IncomingMessage)).text == "hello again"


# --- bad peers ----------------------------------------------------------------------------------


async def test_ids_of_other_messages_lead_nowhere(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Mallory") as mallory,
    ):
        echo = Person(bot, told)
        to_alice, from_alice = await talk(echo, alice)
        to_mallory, from_mallory = await talk(echo, mallory)
        secret = await to_alice.send("for Alice alone")
        own = await to_mallory.send("for Mallory")
        when = Timestamp("2026-01-01T00:00:00Z")

        def quote(msg_id: bytes | None, *, sent: bool = False) -> XMsgNew:
            return XMsgNew(
                Text("q"), quote=Quote(MessageRef(when, sent, msg_id), Text("you owe me"))
            )

        # A message of the bot cannot be edited or deleted by the one who got it.
        await disobey(
            *(mallory, from_mallory, XMsgUpdate(own.id, Text("changed")), XMsgDel(own.id)),
            *(XMsgReact(own.id, Emoji("👍"), True), quote(own.id)),
        )
        reaction = await echo.next(ReactionChanged)
        assert reaction.message is not None
        assert reaction.message.content == Text("for Mallory")
        message = await echo.next(IncomingMessage)
        assert message.quoted is not None
        assert message.quoted.content == Text("for Mallory")
        assert message.quote is not None
        assert message.quote.content == Text("you owe me")
        kept = await bot._core.step(lambda store: store.sent_as(to_mallory.id, own.id))
        assert kept is not None
        assert kept.content == Text("for Mallory")

        # Ids of what others were sent, of nothing at all, and ones that are much too long.
        for other in (secret.id, b"", b"\0" * 3_000):
            await disobey(
                *(mallory, from_mallory, XMsgUpdate(other, Text("changed")), XMsgDel(other)),
                *(XMsgReact(other, Emoji("👍"), True), quote(other), quote(other, sent=True)),
                msg_id=other,
            )
            assert (await echo.next(MessageEdited)).contact.id == to_mallory.id
            assert (await echo.next(MessageDeleted)).message_id == other
            reaction = await echo.next(ReactionChanged)
            assert (reaction.message, reaction.message_id) == (None, other)
            for _ in range(2):
                message = await echo.next(IncomingMessage)
                assert (message.quoted, message.id) == (None, other)
            await message.react("👍")
            await message.answer("yes")
        kept = await bot._core.step(lambda store: store.sent_as(to_alice.id, secret.id))
        assert kept is not None
        assert kept.content == Text("for Alice alone")
        answer = await from_alice.send("hello")
        assert (await echo.next(IncomingMessage)).contact.id == to_alice.id
        assert await answer.wait() is DeliveryState.DELIVERED


async def test_a_flood_holds_up_its_own_contact_alone(autojump_clock: Clock) -> None:
    handlers = Handlers()
    open_gate = trio.Event()
    handled: list[str] = []

    @handlers.on_message(lambda message: message.contact.name == "Mallory")
    async def slow(message: IncomingMessage) -> None:
        await open_gate.wait()
        handled.append(message.text)

    @handlers.on_message()
    async def answer(message: IncomingMessage) -> None:
        await message.answer(f"re {message.text}")

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Mallory") as mallory,
    ):
        from_mallory = await mallory.connect(bot.address)
        from_alice = await alice.connect(bot.address)
        sent = [await from_mallory.send(f"flood {number}" + "x" * 9000) for number in range(20)]
        await trio.sleep(60)
        conversations = bot._conversations
        assert conversations is not None
        ((_, conversation),) = conversations._open.items()
        # One is in the hands of the handler, and the router keeps the others.
        assert len(conversation.jobs) == 0
        for number in range(3):
            await from_alice.send(str(number))
            assert (await alice.next(IncomingMessage)).text == f"re {number}"
        open_gate.set()
        assert await sent[-1].wait() is DeliveryState.DELIVERED
        assert [text.split("x")[0] for text in handled] == [f"flood {each}" for each in range(20)]
        await trio.sleep(60)
        assert conversations._open == {}


async def test_what_happens_again_and_again_is_told_once(autojump_clock: Clock) -> None:
    handlers = Handlers()
    open_gate = trio.Event()
    calls: list[object] = []

    async def slow(happened: object) -> None:
        calls.append(happened)
        await open_gate.wait()

    handlers.on_broken(slow)
    handlers.on_security_code(slow)
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        theirs = await alice.connect(bot.address)
        (contact,) = await bot.contacts()
        for _ in range(4):
            await alice.bot.agent.resynchronise(theirs.connection_id, force=True)
            await trio.sleep(60)
        notices = await bot._core.step(lambda store: store.notices())
        assert 1 <= len(notices) <= 2
        assert contact.id == notices[0].contact_id
        open_gate.set()
        await trio.sleep(60)
        assert await bot._core.step(lambda store: store.notices()) == []
        kept = await bot.agent.transact(lambda t: t.kept.count(".chat.pending"))
        assert kept == 0
        assert all(isinstance(each, RatchetBroken | SecurityCodeChanged) for each in calls)
