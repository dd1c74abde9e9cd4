"""What a bot and a chat program that people use know of each other.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import json
import struct
import zlib
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from simplex_trio.chat import (
    Allow,
    Contact,
    ContactRequest,
    ContactStatus,
    DeliveryState,
    Feature,
    IncomingMessage,
    LinkKind,
    Picture,
    Preference,
    Preferences,
    PreferencesChanged,
    Profile,
    ProfileChanged,
    Text,
    UnknownContact,
)
from simplex_trio.chat.machine.incognito import random_profile
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE
from tests.interop.test_chat import Both, connect, next_contact, plan, shown

VOICE = Preferences(voice=Preference(Allow.YES))


def picture_of_a_square() -> Picture:
    """A square of one colour, as PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        content = kind + data
        return struct.pack(">I", len(data)) + content + struct.pack(">I", zlib.crc32(content))

    rows = (b"\0" + b"\x20\x80\xc0" * 16) * 16
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    content += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return Picture.of(content)


async def profile_of(program: ChatProgram, contact_id: int) -> dict[str, Any]:
    """The profile by which the program knows a contact."""
    chat = await program.command(f"/_get chat @{contact_id} count=1")
    profile: dict[str, Any] = chat["chat"]["chatInfo"]["contact"]["profile"]
    return profile


async def changed(program: ChatProgram) -> dict[str, Any]:
    """A contact as the program knows it after a change."""
    contact: dict[str, Any] = (await program.event("contactUpdated"))["toContact"]
    return contact


# --- links --------------------------------------------------------------------------------------


async def test_links_of_the_program_are_looked_at(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        answer = await program.command("/_connect 1 incognito=off")
        invitation = shown(answer["connLinkInvitation"])
        info = await bot.bot.look(invitation)
        assert info.kind is LinkKind.INVITATION
        assert info.profile is not None
        assert info.profile.display_name == "Alice"
        assert info.can_connect
        assert await bot.bot.contacts() == []
        await bot.bot.connect(invitation)
        contact = await bot.next(Contact)
        again = await bot.bot.look(invitation)
        assert again.contact is not None
        assert again.contact.id == contact.id

        answer = await program.command("/ad")
        address = shown(answer["connLinkContact"])
        info = await bot.bot.look(address)
        assert (info.kind, info.contact) == (LinkKind.ADDRESS, None)
        assert info.profile is not None
        assert info.profile.display_name == "Alice"
        assert not info.profile.is_bot

        group = await program.command('/_group 1 {"displayName":"gardeners","fullName":""}')
        group_id = group["groupInfo"]["groupId"]
        answer = await program.command(f"/_create link #{group_id} member")
        link = shown(answer.get("connLinkContact") or answer["groupLink"]["connLinkContact"])
        info = await bot.bot.look(link)
        assert (info.kind, info.can_connect) == (LinkKind.GROUP, False)
        assert info.group is not None
        assert info.group.display_name == "gardeners"


async def test_an_address_of_the_program_greets(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(address=False) as bot, both.program() as program:
        answer = await program.command("/ad")
        address = shown(answer["connLinkContact"])
        await program.command("/auto_accept on text Hello, this is Alice")
        info = await bot.bot.look(address)
        assert info.welcome == Text("Hello, this is Alice")
        contact = await bot.bot.connect(address)
        connected = (await program.event("contactConnected"))["contact"]
        message = await bot.next(IncomingMessage)
        assert (message.contact.id, message.text) == (contact.id, "Hello, this is Alice")
        sent = await message.reply("Hello, Alice")
        answered = await program.item("Hello, Alice")
        assert answered["quotedItem"]["content"]["text"] == "Hello, this is Alice"
        with trio.fail_after(PATIENCE):
            assert await sent.wait() is DeliveryState.DELIVERED
        await program.command(f"/_delete @{connected['contactId']} full notify=on")
        with trio.fail_after(PATIENCE):
            while await bot.bot.contact(contact.id):  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.1)


# --- incognito ----------------------------------------------------------------------------------


async def test_the_bot_is_incognito(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    options: dict[str, Any] = {"accept_requests": False, "welcome": None}
    async with both.program() as program:
        async with both.bot(**options) as bot:
            await bot.bot.agent.drain()
            answer = await program.command("/_connect 1 incognito=off")
            asked = await bot.bot.connect(
                shown(answer["connLinkInvitation"]), incognito=True, alias="sister"
            )
            connected = (await program.event("contactConnected"))["contact"]
            first = connected["contactId"]
            name = connected["profile"]["displayName"]
            assert name == asked.own_profile.display_name
            assert "bot" not in connected["profile"].get("peerType", "")
            await bot.next(Contact)

            await program.command(f"/c {bot.bot.address}")
            await (await bot.next(ContactRequest)).accept(incognito=True)
            second = (await program.event("contactConnected"))["contact"]
            assert second["profile"]["displayName"] not in ("Weather bot", name)
            await bot.next(Contact)
            invitation = await bot.bot.invite(incognito=True)
            planned = await plan(program, invitation)
            data = planned["invitationLinkPlan"]["contactSLinkData_"]
            third = await connect(program, invitation)
            name_of_third = (await profile_of(program, third))["displayName"]
            assert data["profile"]["displayName"] == name_of_third
            await bot.next(Contact)
            await bot.bot.set_profile("Another bot")
        async with both.bot(profile="A third bot", **options) as bot:
            contact = (await bot.bot.contacts())[0]
            assert (contact.name, contact.is_incognito) == ("sister", True)
            sent = await contact.send("it is me")
            await program.item("it is me")
            with trio.fail_after(PATIENCE):
                assert await sent.wait() is DeliveryState.DELIVERED
            assert (await profile_of(program, first))["displayName"] == name
            # All that the program allows, by a random profile of its own, is what ours allow.
            answer = await program.command("/_connect 1 incognito=on")
            await bot.bot.connect(shown(answer["connLinkInvitation"]))
            await program.event("contactConnected")
            theirs = (await bot.next(Contact)).profile
            assert theirs is not None
            assert theirs.display_name != "Alice"
            ours = random_profile(Random(0).randbytes)
            assert ours.preferences is not None
            assert theirs.preferences is not None
            assert theirs.preferences.to_json() == ours.preferences.to_json()
            assert theirs.to_json().keys() == ours.to_json().keys()


# --- preferences and profiles -------------------------------------------------------------------


async def test_preferences_of_both_sides(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        there = await connect(program, bot.bot.address)
        contact = await bot.next(Contact)
        assert not contact.allows(Feature.VOICE)
        await contact.set_preferences(VOICE)
        merged = (await changed(program))["mergedPreferences"]
        assert merged["voice"]["enabled"] == {"forUser": True, "forContact": True}
        assert merged["calls"]["enabled"] == {"forUser": False, "forContact": False}
        assert contact.allows(Feature.VOICE)

        refused = {"voice": {"allow": "no"}, "reactions": {"allow": "no"}}
        await program.command(f"/_set prefs @{there} {json.dumps(refused)}")
        change = await bot.next(PreferencesChanged)
        for feature in (Feature.VOICE, Feature.REACTIONS):
            assert not change.contact.allows(feature)
        assert change.contact.allows(Feature.FILES)
        await contact.set_preferences(None)
        merged = (await changed(program))["mergedPreferences"]
        assert merged["voice"]["contactPreference"]["allow"] == "no"


async def test_profiles_with_pictures_change_on_both_sides(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    picture = picture_of_a_square()
    async with (
        both.bot(profile=Profile("Painter", image=picture), welcome="Hi") as bot,
        both.program() as program,
    ):
        await bot.bot.agent.drain()
        planned = await plan(program, bot.bot.address)
        data = planned["contactAddressPlan"]["contactSLinkData_"]
        assert data["profile"]["image"] == picture.uri
        there = await connect(program, bot.bot.address)
        contact = await bot.next(Contact)
        await program.item("Hi")
        assert (await profile_of(program, there))["image"] == picture.uri

        await bot.bot.set_profile(Profile("Sculptor", short_descr="In stone"))
        known = (await changed(program))["profile"]
        assert (known["displayName"], known["shortDescr"]) == ("Sculptor", "In stone")
        assert not known.get("image")
        await bot.bot.set_welcome("Welcome")
        await bot.bot.agent.drain()
        async with open_second(both) as second:
            data = (await plan(second, bot.bot.address))["contactAddressPlan"]
            shown_data = data["contactSLinkData_"]
            assert shown_data["profile"]["displayName"] == "Sculptor"
            assert shown_data["message"] == {"type": "text", "text": "Welcome"}

        own = {"displayName": "Alicia", "fullName": "", "image": picture.uri}
        await program.command(f"/_profile 1 {json.dumps(own)}")
        change = await bot.next(ProfileChanged)
        assert change.contact.id == contact.id
        assert (change.profile.display_name, change.profile.image) == ("Alicia", picture)
        assert change.before is not None
        assert change.before.display_name == "Alice"


def open_second(both: Both) -> AbstractAsyncContextManager[ChatProgram]:
    """Another program, of another person."""
    name = named("SIMPLEX_TRIO_CHAT")
    return open_chat_program(name, both.router, both.folder / "second", name="Bob")


# --- security codes, and the end ----------------------------------------------------------------


async def test_security_codes_are_equal_after_restarts_too(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.program() as program:
        async with both.bot(welcome=None) as bot:
            await bot.bot.agent.drain()
            there = await connect(program, bot.bot.address)
            contact = await bot.next(Contact)
            answer = await program.command(f"/_get code @{there}")
            assert await contact.has_security_code(answer["connectionCode"])
            assert not await contact.has_security_code(answer["connectionCode"][:-1])
            await contact.state.put("town", "Oslo")
            await contact.set_alias("sister")
        async with both.bot(welcome=None) as bot:
            contact = await next_contact(bot.bot)
            assert contact.name == "sister"
            assert await contact.state.get("town", str) == "Oslo"
            code = await contact.security_code()
            assert code is not None
            answer = await program.command(f"/_verify code @{there} {code}")
            assert answer["verified"]


async def test_contacts_are_deleted_without_a_word(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        first = await connect(program, bot.bot.address)
        contact = await bot.next(Contact)
        await program.command(f"/_delete @{first} full notify=off")
        with trio.fail_after(PATIENCE):
            while contact.status is not ContactStatus.FAILED:
                sent = await contact.send("are you there?")
                if await sent.wait(DeliveryState.SENT) is DeliveryState.FAILED:
                    contact = await bot.next(Contact)
                await trio.sleep(0.2)
        await contact.delete()

        second = await connect(program, await bot.bot.invite())
        contact = await bot.next(Contact)
        sent = await contact.send("last words")
        await program.item("last words")
        await contact.delete(tell=False)
        await bot.bot.agent.drain()
        item = await program.send(second, "are you there?")
        await program.status(item, "sndError")
        with pytest.raises(UnknownContact):
            await sent.wait()
        await connect(program, await bot.bot.invite())
        contact = await bot.next(Contact)
        await contact.send("for the last time")
        await contact.delete()
        await program.item("for the last time")
        await program.event("contactDeletedByContact")
        assert (await bot.bot.look(bot.bot.address)).welcome is None


async def test_a_quoted_message_is_known(router: str, tmp_path: Path) -> None:
    both = Both(router, tmp_path)
    async with both.bot(welcome=None) as bot, both.program() as program:
        await bot.bot.agent.drain()
        there = await connect(program, bot.bot.address)
        contact = await bot.next(Contact)
        sent = await contact.send("which colour?")
        item = await program.item("which colour?")
        await program.send(there, "red", quote=item["meta"]["itemId"])
        message = await bot.next(IncomingMessage)
        assert message.quoted is not None
        assert (message.quoted.id, message.quoted.content) == (sent.id, Text("which colour?"))
