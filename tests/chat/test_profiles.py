"""What a bot and its contacts show and allow each other."""

from __future__ import annotations

from random import Random

import pytest
import trio

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.changes import (
    PreferencesChanged,
    ProfileChanged,
)
from simplex_trio.chat.errors import (
    NotAllowed,
)
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.content import File, Image, Text, Video, Voice
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import (
    Allow,
    Feature,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.testing import open_world
from simplex_trio.duplex.config import UserLimits
from simplex_trio.errors import EncodeError, TooLarge
from tests.duplex.quiet import open_quiet

from .people import PICTURE, Person, listening, open_person, open_quiet_bot, talk

Clock = trio.testing.MockClock


# --- preferences ----------------------------------------------------------------------------------


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


async def test_what_a_contact_allows_holds_in_its_handler(autojump_clock: Clock) -> None:
    calls: list[tuple[str, str | None]] = []

    def speaking() -> Handlers:
        handlers = Handlers()

        @handlers.on_preferences
        async def speak(changed: PreferencesChanged) -> None:
            await changed.contact.send(Voice(3))
            before = changed.before.voice
            calls.append(("preferences", None if before is None else before.allow))
            await trio.sleep(100)

        return handlers

    silent = Profile("Alice", preferences=Preferences(voice=Preference(Allow.NO)))
    async with open_world() as world:
        program = await world.bot(speaking, profile=Profile("Echo", preferences=Preferences()))
        alice = await world.person("Alice", profile=silent)
        await alice.connect(program.address)
        await alice.contact.set_preferences(Preferences(voice=Preference(Allow.YES)))
        assert (await alice.next_message()).content == Voice(3)
        # The same is told after a crash.
        await program.crash()
        await program.start()
        assert (await alice.next_message()).content == Voice(3)
        await world.advance(600)
    assert calls == [("preferences", "no"), ("preferences", "no")]


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


# --- profiles -------------------------------------------------------------------------------------


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
        await trio.sleep(1)  # until the handler's message is settled
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
        with trio.CancelScope() as scope:
            scope.cancel()
            await bot.set_profile("Never")
        assert bot.profile.display_name == "Parrot"


@pytest.mark.parametrize("differs", [False, True])
async def test_a_profile_waits_for_contacts_that_cannot_be_told(
    autojump_clock: Clock, differs: bool
) -> None:
    handlers, told = listening()
    limits = UserLimits(queued_messages=2)
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers, changes={"limits": limits}) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        echo = Person(bot, told)
        contact, to_echo = await talk(echo, alice)
        if differs:
            await contact.set_preferences(Preferences(voice=Preference(Allow.YES)))
            await alice.next(PreferencesChanged)
        # The two sides have no ratchet in common.
        quiet.stop()
        await bot.agent.resynchronise(contact.connection_id, force=True)
        await bot.set_profile("Parrot")
        await quiet.start()
        assert (await alice.next(ProfileChanged)).profile.display_name == "Parrot"
        await trio.sleep(60)
        # As many messages wait as may.
        quiet.stop()
        for _ in range(2):
            await contact.send("x")
        await bot.set_profile("Falcon")
        await quiet.start()
        await to_echo.send("hello")
        assert (await alice.next(ProfileChanged)).profile.display_name == "Falcon"
        await to_echo.send("hello")
        await trio.sleep(60)
        assert not [each for each in alice.heard() if isinstance(each, ProfileChanged)]


@pytest.mark.parametrize("seed", range(4))
async def test_the_last_profile_reaches_everybody_whenever_the_bot_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    names: list[str] = []

    async def change(bot: Bot) -> None:
        names.append(f"Echo {len(names)}")
        await bot.set_profile(names[-1])

    async with open_world(seed=seed) as world:
        program = await world.bot(main=change)
        alice = await world.person("Alice")
        await alice.connect(program.address)
        for _ in range(6):
            program.crash_after(random.randrange(1, 20), loses_power=seed == 0)
            with trio.move_on_after(60):
                await program.wait_ended()
            await program.crash()
            await program.start(crash_after=random.randrange(10, 120))
        await program.crash()
        await program.start()
        await trio.sleep(3600)
        (contact,) = await alice.program.bot.contacts()
        assert contact.name == names[-1]
        shown = (await alice.program.bot.look(program.address)).profile
        assert shown is not None
        assert shown.display_name == names[-1]
    assert len(names) > 3


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
