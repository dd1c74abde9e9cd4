"""Contacts that do what they should not."""

from __future__ import annotations

import trio

from simplex_trio.chat.changes import (
    MessageDeleted,
    MessageEdited,
    RatchetRepaired,
    ReactionChanged,
    SecurityCodeChanged,
)
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import (
    Emoji,
    MessageRef,
    Quote,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.scalars import Timestamp
from simplex_trio.chat.people import IncomingMessage
from tests.duplex.quiet import open_quiet

from .people import Person, disobey, listening, open_person, open_quiet_bot, talk

Clock = trio.testing.MockClock


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
    handlers.on_repaired(slow)
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
        assert len(notices) == 2
        assert contact.id == notices[0].contact_id
        open_gate.set()
        await trio.sleep(60)
        assert await bot._core.step(lambda store: store.notices()) == []
        kept = await bot.agent.transact(lambda t: t.kept.count(".chat.pending"))
        assert kept == 0
        assert all(isinstance(each, RatchetRepaired | SecurityCodeChanged) for each in calls)
