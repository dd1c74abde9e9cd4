"""All that a bot and a chat program say to each other in a direct chat is understood, and recorded.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router for queues and
SIMPLEX_TRIO_XFTP one for files.  With SIMPLEX_TRIO_RECORDING, the path of a file such as
``tests/vectors/chat_live_6_5.json.gz``, what was said is written there as test vectors; with
SIMPLEX_TRIO_LONG too, files whose descriptions need several parts are among it, for which the
router needs 2 GB.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.chat import (
    Allow,
    Contact,
    Image,
    IncomingMessage,
    Link,
    MessageDeleted,
    MessageEdited,
    Picture,
    Preference,
    Preferences,
    PreferencesChanged,
    Preview,
    ProfileChanged,
    ReactionChanged,
)
from simplex_trio.chat.messages.calls import XCallEnd, XCallInv
from simplex_trio.chat.messages.events import (
    XFileCancel,
    XInfoProbe,
    XMsgFileDescr,
)
from simplex_trio.chat.messages.group_events import XGrpInv
from tests.chat.messages.recorded import check_fields, check_info, check_values, check_versions
from tests.interop.conftest import named
from tests.interop.conversation import (
    PROFILE,
    SQUARE,
    WELCOME,
    Conversation,
    open_conversation,
)
from tests.interop.driver import PATIENCE
from tests.interop.recording import Recorder
from tests.interop.test_chat import shown
from tests.interop.test_chat_contacts import changed

LARGE_PICTURE = Picture(
    f"data:image/jpg;base64,{b64encode(Random(1).randbytes(3000) * 3).decode()}"
)
"""As large as the apps make those of profiles: infos of connections are compressed with it."""

PREVIEW = {
    "uri": "https://example.com",
    "title": "Example",
    "description": "A page",
    "image": SQUARE.uri,
}

LARGE = 400 * 2**20
"""A part of a description has 14,000 characters, and each piece of 4 MiB takes some 150 of them."""


async def test_all_that_is_said(
    router: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    recorder.record(monkeypatch)
    xftp = named("SIMPLEX_TRIO_XFTP")
    async with open_conversation(recorder, router, xftp, tmp_path) as both:
        await texts_of_the_program(both)
        await files_of_the_program(both)
        await texts_of_the_bot(both)
        await files_of_the_bot(both)
        if os.environ.get("SIMPLEX_TRIO_LONG"):
            await large_files(both)
        await profiles_and_preferences(both)
        await everything_else_of_the_program(both)
        await other_ways_to_connect(both)
        await the_end(both)
        # The bot ends a call that the program has ended already.
        assert set(both.program.complaints()) <= {"x.call.end: no current call"}
    for case in recorder.cases:
        check_fields(case)
        check_values(case)
        check_info(case)
        check_versions(case)
    if path := os.environ.get("SIMPLEX_TRIO_RECORDING"):
        version = (await version_of(named("SIMPLEX_TRIO_CHAT"))).strip()
        recorder.write(Path(path), f"{version} and a bot of this package")


async def version_of(program: str) -> str:
    result = await trio.run_process([program, "--version"], capture_stdout=True)
    return result.stdout.decode().splitlines()[0]


# --- what the program says ----------------------------------------------------------------------


async def texts_of_the_program(both: Conversation) -> None:
    person, program, action = both.person, both.program, both.recorder.action
    there = both.contact_id
    with action("text"):
        number, first = await both.says_text("plain text, *bold* and émoji 🎉")
    with action("two messages in one call"):
        pair = [
            {"msgContent": {"type": "text", "text": text}, "mentions": {}}
            for text in ("first of two", "second of two")
        ]
        await program.command(f"/_send @{there} json {json.dumps(pair)}")
        assert [(await person.next(IncomingMessage)).text for _ in pair] == [
            "first of two",
            "second of two",
        ]
    with action("long text"):
        await both.says_text("The quick brown fox. " * 650)
    with action("quote of an own message"):
        await program.send(there, "a reply", quote=number)
        assert (await person.next(IncomingMessage)).quote is not None
    with action("quote of the bot's message"):
        await both.contact.send("which colour?")
        asked = (await program.item("which colour?"))["meta"]["itemId"]
        await program.send(there, "red", quote=asked)
        answer = await person.next(IncomingMessage)
        assert answer.quoted is not None
    for action_, turn in (("reaction added", "on"), ("reaction removed", "off")):
        with action(action_):
            emoji = '{"type":"emoji","emoji":"👍"}'
            await program.command(f"/_reaction @{there} {asked} {turn} {emoji}")
            assert (await person.next(ReactionChanged)).added is (turn == "on")
    with action("edit"):
        await program.command(f"/_update item @{there} {number} text edited text")
        assert (await person.next(MessageEdited)).message_id == first.id
    with action("live message begins"):
        item = await both.says("live=on ", msgContent={"type": "text", "text": "typ"})
        assert (await person.next(IncomingMessage)).is_live
        live = item["meta"]["itemId"]
    with action("live message grows"):
        await program.command(f"/_update item @{there} {live} live=on text typing")
        assert (await person.next(MessageEdited)).is_live
    with action("live message ends"):
        await program.command(f"/_update item @{there} {live} text typing, done")
        assert not (await person.next(MessageEdited)).is_live
    with action("link with preview"):
        await both.says(msgContent={"type": "link", "text": PREVIEW["uri"], "preview": PREVIEW})
        assert isinstance((await person.next(IncomingMessage)).content, Link)
    with action("message forwarded"):
        await program.command(f"/_forward @{there} @{there} {asked}")
        assert (await person.next(IncomingMessage)).text == "which colour?"
    with action("delete for everyone"):
        await program.command(f"/_delete item @{there} {number} broadcast")
        assert (await person.next(MessageDeleted)).message_id == first.id


async def files_of_the_program(both: Conversation) -> None:
    picture = both.folder / "square.png"
    content = SQUARE.content
    assert content is not None
    await trio.Path(picture).write_bytes(content)
    note = await both.file("note.txt", 5000)
    seen = {"image": SQUARE.uri}
    for kind, message, path in (
        ("image", {"type": "image", "text": "a picture", **seen}, picture),
        ("file", {"type": "file", "text": "a note"}, note),
        ("video", {"type": "video", "text": "", "duration": 3, **seen}, note),
        ("voice", {"type": "voice", "text": "", "duration": 2}, note),
    ):
        with both.recorder.action(kind):
            item = await both.program.send_file(both.contact_id, path, message)
            arrived = await both.person.next(IncomingMessage)
            assert arrived.content.to_json()["type"] == kind
            await both.recorder.heard(XMsgFileDescr)
            assert arrived.file is not None
            with trio.fail_after(PATIENCE):
                await arrived.file.read()
    with both.recorder.action("two pictures in one call"):
        shown_as = {"type": "image", "text": "", **seen}
        each = {"fileSource": {"filePath": str(picture)}, "msgContent": shown_as, "mentions": {}}
        await both.program.command(f"/_send @{both.contact_id} json {json.dumps([each, each])}")
        await both.person.next(IncomingMessage)
        second = await both.person.next(IncomingMessage)
        await both.recorder.heard(XMsgFileDescr, 2)
    with both.recorder.action("quote of a picture"):
        await second.answer("which of them?")
        await both.program.item("which of them?")
        chat = await both.program.command(f"/_get chat @{both.contact_id} count=2")
        quoted = chat["chat"]["chatItems"][0]["meta"]["itemId"]
        await both.program.send(both.contact_id, "this one", quote=quoted)
        quote = (await both.person.next(IncomingMessage)).quote
        assert quote is not None
        assert isinstance(quote.content, Image)
    with both.recorder.action("image without a file"):
        await both.says(msgContent={"type": "image", "text": "small", **seen})
        assert (await both.person.next(IncomingMessage)).file is None
    with both.recorder.action("file taken back"):
        await both.program.command(f"/fc {item['file']['fileId']}")
        await both.recorder.heard(XFileCancel)


async def everything_else_of_the_program(both: Conversation) -> None:
    program, recorder, there = both.program, both.recorder, both.contact_id
    with recorder.action("contact shared"):
        link = {
            "type": "contact",
            "connLink": shown((await program.command("/sa"))["contactLink"]["connLinkContact"]),
            "profile": {"displayName": "Alicia", "fullName": ""},
            "business": False,
        }
        await both.says(msgContent={"type": "chat", "text": "talk to her", "chatLink": link})
        assert (await both.person.next(IncomingMessage)).text == "talk to her"
    with recorder.action("call invitation"):
        await program.command(
            f'/_call invite @{there} {{"media":"audio","capabilities":{{"encryption":true}}}}'
        )
        await recorder.heard(XCallInv)
        await program.event("callEnded")  # the bot cannot take it
    with recorder.action("call ended"):
        await program.command(f"/call @{(await name_of_bot(both))}")
        await program.command(f"/_call end @{there}")
        await recorder.heard(XCallEnd)
    with recorder.action("the bot is invited to a group"):
        made = await program.command('/_group 1 {"displayName":"gardeners","fullName":""}')
        await program.command(f"/_add #{made['groupInfo']['groupId']} {there} member")
        await recorder.heard(XGrpInv)


async def name_of_bot(both: Conversation) -> str:
    """What the program calls the bot, as its commands expect it."""
    chat = await both.program.command(f"/_get chat @{both.contact_id} count=1")
    return f"'{chat['chat']['chatInfo']['contact']['localDisplayName']}'"


# --- what the bot says --------------------------------------------------------------------------


async def texts_of_the_bot(both: Conversation) -> None:
    program, action, contact = both.program, both.recorder.action, both.contact
    with action("bot: text"):
        sent = await contact.send("plain text, *bold* and émoji 🎉")
        item = await program.item(sent.content.text)
    with action("bot: long text"):
        text = "The quick brown fox. " * 650
        await contact.send(text)
        await program.item(text)
    with action("bot: quote of its own message"):
        await contact.send("as I said", quote=sent)
        assert (await program.item("as I said"))["quotedItem"]["itemId"] == item["meta"]["itemId"]
    with action("bot: quote of the app's message"):
        number, message = await both.says_text("and you?")
        await message.reply("so do I")
        assert (await program.item("so do I"))["quotedItem"]["itemId"] == number
    with action("bot: reaction added"):
        await message.react("❤")
        await program.event("chatItemReaction", lambda event: event["added"])
    with action("bot: reaction removed"):
        await message.react("❤", add=False)
        await program.event("chatItemReaction", lambda event: not event["added"])
    with action("bot: edit"):
        await sent.edit("edited text")
        await program.event("chatItemUpdated")
    with action("bot: live message"):
        live = await contact.send("typ", live=True)
        assert (await program.item("typ"))["meta"]["itemLive"]
        await live.edit("typing", live=True)
        await program.event("chatItemUpdated")
        await live.edit("typing, done")
        await program.event("chatItemUpdated", lambda event: "done" in json.dumps(event))
    with action("bot: link with preview"):
        preview = Preview(PREVIEW["uri"], PREVIEW["title"], PREVIEW["description"], SQUARE)
        await contact.send(Link(PREVIEW["uri"], preview))
        await program.item(PREVIEW["uri"])
    with action("bot: message that disappears"):
        await contact.send("gone in a minute", ttl=60)
        assert (await program.item("gone in a minute"))["meta"]["itemTimed"]["ttl"] == 60
    with action("bot: delete"):
        await sent.delete()
        await program.event("chatItemsDeleted")


async def files_of_the_bot(both: Conversation) -> None:
    program, contact, action = both.program, both.contact, both.recorder.action
    content = SQUARE.content
    assert content is not None

    async def arrives(kind: str) -> None:
        def of_kind(event: dict[str, Any]) -> bool:
            items = [each["chatItem"]["content"] for each in event["chatItems"]]
            return any(item.get("msgContent", {}).get("type") == kind for item in items)

        await program.event("newChatItems", of_kind)
        await program.event("rcvFileDescrReady")

    with action("bot: image"):
        await contact.send_image(content, text="a picture", thumbnail=SQUARE)
        await arrives("image")
    with action("bot: video"):
        await contact.send_video(b"no video", duration=3, thumbnail=SQUARE)
        await arrives("video")
    with action("bot: voice"):
        await contact.send_voice(b"no voice", duration=2)
        await arrives("voice")
    with action("bot: file"):
        sent = await contact.send_file(b"a note" * 1000, name="note.txt", text="a note")
        await arrives("file")
    with action("bot: file taken back"):
        await sent.take_file_back()
        await program.event("rcvFileSndCancelled")


async def large_files(both: Conversation) -> None:
    """Files whose descriptions need several parts."""
    program, recorder = both.program, both.recorder
    path = await both.file("large.bin", LARGE)
    program.patience = 20 * PATIENCE
    with recorder.action("file whose description has several parts"):
        item = await program.send_file(both.contact_id, path, {"type": "file", "text": "large"})
        number = item["file"]["fileId"]
        await program.event(
            "sndFileCompleteXFTP",
            lambda event: event["chatItem"]["chatItem"]["file"]["fileId"] == number,
        )
        await recorder.heard(XMsgFileDescr, 2)
        arrived = await both.person.next(IncomingMessage)
        assert arrived.file is not None
        with trio.fail_after(20 * PATIENCE):
            here = await arrived.file.save()
        assert (await trio.Path(here).stat()).st_size == LARGE
    with recorder.action("large file taken back"):
        await program.command(f"/fc {number}")
        await recorder.heard(XFileCancel)
    with recorder.action("bot: file whose description has several parts"):
        sent = await both.contact.send_file(path, text="large too")
        item = await program.item("large too")
        await program.receive(item, both.folder / "received.bin")
        assert (await trio.Path(both.folder / "received.bin").stat()).st_size == LARGE
    with recorder.action("bot: large file taken back"):
        await sent.take_file_back()
        await both.bot.agent.drain()


# --- profiles, preferences, connections ---------------------------------------------------------


async def profiles_and_preferences(both: Conversation) -> None:
    person, program, action = both.person, both.program, both.recorder.action
    there = both.contact_id
    with action("preferences for one contact"):
        allowed = {"timedMessages": {"allow": "yes", "ttl": 3600}, "fullDelete": {"allow": "yes"}}
        await program.command(f"/_set prefs @{there} {json.dumps(allowed)}")
        await person.next(PreferencesChanged)
    with action("message that disappears"):
        item = await both.says("ttl=60 ", msgContent={"type": "text", "text": "gone in a minute"})
        assert (await person.next(IncomingMessage)).ttl == 60
    with action("edit of a message that disappears"):
        number = item["meta"]["itemId"]
        await program.command(f"/_update item @{there} {number} text gone soon")
        await person.next(MessageEdited)
    with action("profile changed"):
        own = {
            "displayName": "Alicia",
            "fullName": "Alice",
            "shortDescr": "At home",
            "image": SQUARE.uri,
        }
        await program.command(f"/_profile 1 {json.dumps(own)}")
        assert (await person.next(ProfileChanged)).profile.display_name == "Alicia"
    with action("profile with an address"):
        await program.command("/ad")
        await program.command("/profile_address on")
        assert (await person.next(ProfileChanged)).profile.contact_link
    with action("bot: preferences for one contact"):
        await both.contact.set_preferences(Preferences(voice=Preference(Allow.ALWAYS)))
        await changed(program)
    with action("bot: profile changed"):
        await both.bot.set_profile(evolve(PROFILE, display_name="Writer", image=None))
        assert (await changed(program))["profile"]["displayName"] == "Writer"


async def other_ways_to_connect(both: Conversation) -> None:
    person, program, action = both.person, both.program, both.recorder.action
    bot = both.bot
    with action("the app opens an invitation incognito"):
        await program.command(f"/connect incognito {await bot.invite()}")
        await program.event("contactConnected")
        await person.next(Contact)
    for incognito in (False, True):
        with action(f"bot: an invitation is opened{' incognito' if incognito else ''}"):
            answer = await program.command("/_connect 1 incognito=off")
            link = shown(answer["connLinkInvitation"])
            contact = await bot.connect(link, incognito=incognito)
            await program.event("contactConnected")
            await person.next(Contact)
            await both.recorder.heard(XInfoProbe)
    with action("an app with a large picture opens an invitation"):
        own = {"displayName": "Alicia", "fullName": "", "image": LARGE_PICTURE.uri}
        await program.command(f"/_profile 1 {json.dumps(own)}")
        await person.next(ProfileChanged)
        await program.command(f"/connect {await bot.invite()}")
        await program.event("contactConnected")
        await person.next(Contact)
    with action("bot: opens an invitation with a large picture"):
        await bot.set_profile(evolve(PROFILE, display_name="Painter", image=LARGE_PICTURE))
        await changed(program)
        answer = await program.command("/_connect 1 incognito=off")
        contact = await bot.connect(shown(answer["connLinkInvitation"]))
        known = (await program.event("contactConnected"))["contact"]["profile"]
        assert known["image"] == LARGE_PICTURE.uri
        await person.next(Contact)
        await both.recorder.heard(XInfoProbe)
    with action("bot: contact deleted"):
        await contact.delete()
        await program.event("contactDeletedByContact")
    with action("bot: asks at an address"):
        answer = await program.command("/sa")
        await bot.connect(shown(answer["contactLink"]["connLinkContact"]))
        request = await program.event("receivedContactRequest")
        number = request["contactRequest"]["contactRequestId"]
        await program.command(f"/_accept incognito=off {number}")
        await program.event("contactConnected")
        await person.next(Contact)


async def the_end(both: Conversation) -> None:
    person, program, action = both.person, both.program, both.recorder.action
    with action("the app deletes the contact"):
        await program.command(f"/_delete @{both.contact_id} full notify=on")
        assert (await person.next(Contact)).id == both.contact.id
    with action("the app asks at the address again, incognito, without a look at it"):
        await program.command(f"/connect incognito {both.bot.address}")
        await program.event("contactConnected")
        await program.item(WELCOME)
        await person.next(Contact)
