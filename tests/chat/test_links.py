"""What a link is before it is opened, and who the bot is for those behind it."""

from __future__ import annotations

import re
from random import Random

import pytest
import trio
from attrs import evolve

from simplex_trio.chat.changes import (
    PreferencesChanged,
    ProfileChanged,
)
from simplex_trio.chat.errors import (
    LeadsToGroup,
    LinkIsOwn,
)
from simplex_trio.chat.looking import LinkKind
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.messages.addresses import GroupLinkData
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.preferences import (
    Allow,
    Feature,
    Preference,
    Preferences,
)
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact, ContactRequest
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.links import NotALink, parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from tests.duplex.quiet import open_quiet

from .people import PICTURE, Person, listening, open_person, open_quiet_bot

Clock = trio.testing.MockClock


# --- links ----------------------------------------------------------------------------------------


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
        in_full = str(evolve(long, client_data='{"groupLinkId":"yt_Xs_jVNbzbBxR38fqq-Q=="}'))
        info = await alice.bot.look(in_full)
        assert (info.kind, info.group, info.profile) == (LinkKind.GROUP, None, None)
        for link in (group, in_full):
            with pytest.raises(LeadsToGroup):
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


# --- incognito ------------------------------------------------------------------------------------


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
