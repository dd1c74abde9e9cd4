"""Bots and people who talk with each other, over routers in virtual time."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
import trio

from simplex_trio.chat.changes import MessageDeleted, MessageEdited, ProfileChanged, ReactionChanged
from simplex_trio.chat.errors import LinkIsOwn, NotAllowed, UnknownContact
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.outgoing import say
from simplex_trio.chat.machine.records import MAX_SENT, ContactStatus, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import AddressData
from simplex_trio.chat.messages.calls import (
    CallCapabilities,
    CallInvitation,
    CallType,
    Media,
    XCallInv,
)
from simplex_trio.chat.messages.content import Image, Text, UnknownContent, Voice
from simplex_trio.chat.messages.events import Emoji, XMsgNew, XMsgReact
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import (
    Allow,
    Command,
    Feature,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import (
    Contact,
    ContactRequest,
    IncomingMessage,
)
from simplex_trio.duplex.config import DuplexConfig, UserLimits
from simplex_trio.duplex.errors import LinkNotUsable
from simplex_trio.errors import EncodeError, TooLarge
from simplex_trio.router.server import open_router
from tests.duplex.quiet import open_quiet

from .people import listening, open_person, open_quiet_bot

Clock = trio.testing.MockClock


def echo() -> Handlers:
    handlers = Handlers()

    @handlers.on_message()
    async def answer(message: IncomingMessage) -> None:
        await message.reply(f"you said {message.text}")

    return handlers


# --- connecting ---------------------------------------------------------------------------------


async def test_a_bot_answers_at_its_address(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=echo(), welcome="Hello!") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        assert contact.name == "Echo"
        assert contact.profile is not None
        assert contact.profile.is_bot
        assert (await alice.next(IncomingMessage)).text == "Hello!"
        sent = await contact.send("one")
        answer = await alice.next(IncomingMessage)
        assert answer.text == "you said one"
        assert answer.quote is not None
        assert answer.quote.msg_ref.msg_id == sent.id
        assert answer.quote.content == Text("one")
        assert await sent.wait() is DeliveryState.DELIVERED
        (known,) = await bot.contacts()
        assert (known.name, known.status) == ("Alice", ContactStatus.READY)
        again = await bot.contact(known.id)
        assert again is not None
        assert again.connection_id == known.connection_id
        for unknown in (99, 0, -1, 2**64):
            assert await bot.contact(unknown) is None


async def test_the_link_shows_who_the_bot_is(autojump_clock: Clock) -> None:
    handlers = Handlers()

    @handlers.command
    async def weather(message: IncomingMessage, town: str) -> None:
        """The weather in a town."""

    async with (
        open_quiet() as quiet,
        open_quiet_bot(
            quiet, Profile("Weather", short_descr="Rain"), handlers=handlers, welcome="Hi"
        ) as bot,
        quiet.open_agent() as agent,
    ):
        await trio.sleep(1)
        shown = AddressData.decode((await agent.look(bot.address)).data or b"")
        assert shown.profile == bot.profile
        assert shown.profile.peer_type is PeerType.BOT
        assert shown.message == Text("Hi")
        assert shown.profile.preferences is not None
        assert shown.profile.preferences.commands == (
            Command("weather", "The weather in a town", "<town>"),
            Command("help", "Show all commands"),
        )
        invitation = await agent.look(await bot.invite())
        assert AddressData.decode(invitation.data or b"").profile == bot.profile


async def test_invitations_in_both_directions(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=echo(), address=False) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        with pytest.raises(RuntimeError, match="without an address"):
            assert bot.address
        await (await alice.connect(await bot.invite())).send("from Alice")
        assert (await alice.next(IncomingMessage)).text == "you said from Alice"
        asked = await bot.connect(await bob.bot.invite())
        assert asked.status is ContactStatus.CONNECTING
        assert asked.name == ""
        to_bot = await bob.next(Contact)
        await to_bot.send("from Bob")
        assert (await bob.next(IncomingMessage)).text == "you said from Bob"
        assert [each.name for each in await bot.contacts()] == ["Alice", "Bob"]


@pytest.mark.parametrize("said", [True, False])
async def test_a_program_decides_about_requests(autojump_clock: Clock, said: bool) -> None:
    handlers, told = listening()
    options: dict[str, Any] = {"accept_requests": False} if said else {}

    @handlers.on_request
    async def decide(request: ContactRequest) -> None: ...

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Club", handlers=handlers, **options) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        refused = await alice.bot.connect(bot.address)
        request = await told.receive()
        assert isinstance(request, ContactRequest)
        assert (request.contact.name, request.contact.status) == ("Alice", ContactStatus.REQUESTED)
        await request.reject()
        await request.reject()
        with pytest.raises(UnknownContact):
            await request.accept()
        assert await bot.contacts() == []

        await bob.bot.connect(bot.address)
        request = await told.receive()
        assert isinstance(request, ContactRequest)
        await request.accept()
        await request.accept()
        assert (await bob.next(Contact)).name == "Club"
        assert refused.status is ContactStatus.CONNECTING


async def test_the_same_link_again_is_the_same_contact(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        with pytest.raises(LinkIsOwn):
            await bot.connect(bot.address)
        invitation = await bot.invite()
        first = await alice.bot.connect(invitation)
        again = await alice.bot.connect(invitation)
        assert first.id == again.id
        assert len(await alice.bot.contacts()) == 1


async def test_a_bot_with_too_many_connections_goes_on(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(
            quiet,
            "Echo",
            handlers=echo(),
            changes={"limits": UserLimits(connections=2)},
        ) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        contact = await alice.connect(bot.address)
        await bob.bot.connect(bot.address)
        await trio.sleep(60)
        assert [each.name for each in await bot.contacts()] == ["Alice"]
        await contact.send("one")
        assert (await alice.next(IncomingMessage)).text == "you said one"


async def test_a_link_that_is_of_no_use_leaves_nothing(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        invitation = await bot.invite()
        (made,) = set(await bot.agent.connections()) - {bot._address.connection_id}  # type: ignore[union-attr]
        await bot.agent.delete(made)
        await bot.agent.drain()
        with pytest.raises(LinkNotUsable):
            await alice.bot.connect(invitation)
        assert await alice.bot.contacts() == []


# --- messages -----------------------------------------------------------------------------------


async def test_the_longest_messages_can_be_answered(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=Handlers()) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        (to_alice,) = await bot.contacts()
        sent = await contact.send("x" * 15_400)
        await to_alice.send("yes", quote=sent)
        answer = await alice.next(IncomingMessage)
        assert answer.quote is not None
        assert answer.quote.msg_ref.msg_id == sent.id
        assert answer.quote.content == Text("x" * 500)
        with pytest.raises(TooLarge):
            await to_alice.send("y" * 15_600, quote=sent)


async def test_edits_deletions_and_reactions(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        sent = await contact.send("one", live=True)
        assert isinstance(await told.receive(), Contact)
        message = await told.receive()
        assert isinstance(message, IncomingMessage)
        assert message.is_live
        await message.react("👍")
        reaction = await alice.next(ReactionChanged)
        assert (reaction.message_id, reaction.emoji, reaction.added) == (sent.id, "👍", True)
        await message.react("👍", add=False)
        assert not (await alice.next(ReactionChanged)).added
        with pytest.raises(ValueError, match="not a reaction"):
            await message.react("🦔")

        await sent.edit("two", live=True)
        await sent.edit("three")
        for text, is_live in (("two", True), ("three", False)):
            edited = await told.receive()
            assert isinstance(edited, MessageEdited)
            assert (edited.message_id, edited.content, edited.is_live) == (
                *(sent.id, Text(text)),
                is_live,
            )
        await sent.delete()
        deleted = await told.receive()
        assert isinstance(deleted, MessageDeleted)
        assert deleted.message_id == message.id

        own = await message.contact.send("mine")
        await message.contact.send("more", quote=own)
        answers = [await alice.next(IncomingMessage) for _ in range(2)]
        assert answers[1].quote is not None
        assert answers[1].quote.msg_ref.sent
        for each in (message, message.contact, own, bot, reaction, edited, deleted):
            assert not re.search("Alice|Echo|three|mine", repr(each))


async def test_preferences_are_kept_to_in_both_directions(autojump_clock: Clock) -> None:
    handlers, told = listening()
    silent = Preferences(
        timed_messages=TimedMessages(Allow.NO),
        reactions=Preference(Allow.NO),
        voice=Preference(Allow.NO),
    )
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, Profile("Echo", preferences=silent), handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        assert not contact.enabled(Feature.REACTIONS).for_us
        await contact.send(UnknownContent("poem", "roses"))
        assert isinstance(await told.receive(), Contact)
        message = await told.receive()
        assert isinstance(message, IncomingMessage)
        assert message.content == UnknownContent("poem", "roses")
        sent = await contact.send("x")
        assert isinstance(await told.receive(), IncomingMessage)
        for attempt in (
            *(message.react("👍"), contact.send(Voice(1)), contact.send("x", ttl=5)),
            sent.edit(Voice(1)),
        ):
            with pytest.raises(NotAllowed):
                await attempt

        # A program that does it all the same is not listened to.
        def disobey(store: Store) -> None:
            for said in (XMsgNew(Voice(1)), XMsgReact(b"id", Emoji("👍"), True)):
                say(store, contact._record, said, b"id")

        await alice.bot._core.step(disobey)
        await contact.send("two")
        message = await told.receive()
        assert isinstance(message, IncomingMessage)
        assert message.text == "two"


async def test_what_is_not_for_programs_is_acknowledged(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        others = (b"", b"no JSON", b"[]", b'{"v":"1","event":"x.later","params":{}}', b"X\xff\xff")
        for body in others:
            await alice.bot.agent.send(contact.connection_id, body)
        batch = b'[{"event":"y","params":{}},%b,{"event":"x.msg.new","params":{}}]' % (
            ChatMessage(XMsgNew(Text("in a batch")), b"id").encode()
        )
        await alice.bot.agent.send(contact.connection_id, batch)
        call = CallType(Media.AUDIO, CallCapabilities(encryption=True))
        await alice.bot._core.step(
            lambda store: say(store, contact._record, XCallInv(b"call", CallInvitation(call)), None)
        )
        assert await (await contact.send("one")).wait() is DeliveryState.DELIVERED
        assert isinstance(await told.receive(), Contact)
        for text in ("in a batch", "one"):
            message = await told.receive()
            assert isinstance(message, IncomingMessage)
            assert message.text == text


async def test_a_contact_is_deleted_on_both_sides(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        await (await alice.connect(bot.address)).delete()
        assert isinstance(await told.receive(), Contact)
        gone = await told.receive()
        assert isinstance(gone, Contact)
        assert gone.name == "Alice"
        await trio.sleep(60)
        assert await bot.contacts() == []
        assert await alice.bot.contacts() == []
        with pytest.raises(UnknownContact):
            await gone.send("too late")

        await bob.connect(bot.address)
        to_bob = await told.receive()
        assert isinstance(to_bob, Contact)
        await to_bob.delete()
        assert (await bob.next(Contact)).name == "Echo"
        await trio.sleep(60)
        assert await bob.bot.agent.connections() == []
        assert len(await bot.agent.connections()) == 1


async def test_only_the_latest_sent_messages_are_kept(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        sent = [await contact.send("x" * 9000) for _ in range(MAX_SENT + 5)]
        kept = await alice.bot.agent.transact(
            lambda t: (t.kept.count(".chat.sent"), t.kept.count(".chat.sent-ids"))
        )
        assert kept == (MAX_SENT, MAX_SENT)
        found = await alice.bot._core.step(lambda store: store.sent_as(contact.id, sent[-1].id))
        assert found is not None
        assert len(found.content.text) == 500


# --- handlers -----------------------------------------------------------------------------------


class Unit(Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


async def test_commands_have_arguments(autojump_clock: Clock) -> None:
    handlers = Handlers()

    @handlers.command
    async def weather(
        message: IncomingMessage, days: int, unit: Unit | None = None, *, town: str = ""
    ) -> None:
        """The weather.

        Not in the menu.
        """
        await message.answer(f"{days} {unit}")

    @handlers.command("say-it", label="Repeat")
    async def say(message: IncomingMessage, how: Literal["loud", "low"], text: str) -> None:
        await message.answer(text.upper() if how == "loud" else text.lower())

    @handlers.command
    async def add(message: IncomingMessage, *numbers: float) -> None:
        """Add numbers."""
        await message.answer(str(sum(numbers)))

    cases = {
        "/weather 3": "3 None",
        "/WEATHER 3  C": "3 Unit.CELSIUS",
        "/weather": "Usage: /weather <days> [unit]",
        "/weather x": "Usage: /weather <days> [unit]",
        "/weather 3 k": "Usage: /weather <days> [unit]",
        "/weather 3 c d": "Usage: /weather <days> [unit]",
        "/say-it LOUD two  words\nand more": "TWO  WORDS\nAND MORE",
        "/'say-it low Yes'": "yes",
        "/add 1 2 3.5": "6.5",
        "/add": "0",
        "/add 1 nan": "Usage: /add [numbers ...]",
        "/add 1e999": "Usage: /add [numbers ...]",
        "/help": (
            "/weather <days> [unit] - The weather\n/say-it <how> <text> - Repeat\n"
            "/add [numbers ...] - Add numbers\n/help - Show all commands"
        ),
    }
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        for text, answer in cases.items():
            await contact.send(text)
            assert (await alice.next(IncomingMessage)).text == answer
    with pytest.raises(TypeError, match="argument of a command"):

        @handlers.command
        async def wrong(message: IncomingMessage, data: bytes) -> None: ...


async def test_the_first_handler_that_fits_is_called(autojump_clock: Clock) -> None:
    outer, inner = Handlers(), Handlers()
    calls: list[str] = []

    @outer.use
    async def outside(message: IncomingMessage, go_on) -> None:  # type: ignore[no-untyped-def]
        calls.append("outside")
        await go_on()

    @inner.use
    async def inside(message: IncomingMessage, go_on) -> None:  # type: ignore[no-untyped-def]
        calls.append("inside")
        if message.text != "stop":
            await go_on()

    @inner.on_message(text=re.compile("number ([0-9]+)"))
    async def number(message: IncomingMessage, match: re.Match[str]) -> None:
        await message.answer(f"number {match[1]}")

    @inner.on_message(lambda message: {"length": len(message.text)} if message.text else False)
    async def other(message: IncomingMessage, length: int) -> None:
        await message.answer(f"length {length}")

    @outer.on_message(text="hello")
    async def hello(message: IncomingMessage) -> None:
        await message.answer("hello to you")

    @outer.on_message(lambda message: {"answer": "image"}, content=Image)
    async def image(message: IncomingMessage, **data: str) -> None:
        await message.answer(data["answer"])

    outer.include(inner)
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=outer) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        for text, answer in (
            ("hello", "hello to you"),
            ("the number 5", "number 5"),
            ("four", "length 4"),
            ("/unknown", "length 8"),
        ):
            calls.clear()
            await contact.send(text)
            assert (await alice.next(IncomingMessage)).text == answer
            assert calls == (["outside"] if text == "hello" else ["outside", "inside"])
        await contact.send("stop")
        await contact.send("hello")
        assert (await alice.next(IncomingMessage)).text == "hello to you"
        assert "Handlers" in repr(outer)


async def test_errors_of_handlers_do_not_stop_the_bot(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outer, inner = Handlers(), Handlers()
    errors: list[tuple[str, str]] = []

    @inner.on_message(text="inner")
    async def fail(message: IncomingMessage) -> None:
        raise LookupError(message.text)

    @outer.on_message(text="secret")
    async def fail_too(message: IncomingMessage) -> None:
        raise LookupError(message.text)

    @inner.on_error
    async def handle(happened: IncomingMessage, error: Exception) -> None:
        errors.append((happened.text, type(error).__name__))

    def broken_filter(message: IncomingMessage) -> bool:
        raise ZeroDivisionError(message.text)

    inner.on_message(broken_filter)(fail)
    outer.include(inner)
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=outer) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        for text in ("inner", "secret", "secret as well"):
            sent = await contact.send(text)
            assert await sent.wait() is DeliveryState.DELIVERED
    assert errors == [("inner", "LookupError")]
    for name in ("LookupError", "ZeroDivisionError"):
        assert f"a handler has raised {name}" in caplog.text
    for function in ("fail_too", "broken_filter"):
        assert f", in {function} ({__file__}:" in caplog.text
    assert "secret" not in caplog.text


async def test_a_handler_asks_while_others_go_on(autojump_clock: Clock) -> None:
    handlers = Handlers()
    left: list[IncomingMessage] = []

    @handlers.command
    async def order(message: IncomingMessage) -> None:
        first = await message.ask("What?")
        with trio.move_on_after(3600):
            second = await first.ask("How many?")
            await second.reply(f"{second.text} {first.text}")
            left.append(second)
            return
        await message.answer("too slow")

    @handlers.on_message()
    async def other(message: IncomingMessage) -> None:
        await message.answer("not asked")

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Shop", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        alices, bobs = await alice.connect(bot.address), await bob.connect(bot.address)
        for person, contact in ((alice, alices), (bob, bobs)):
            await contact.send("/order")
            assert (await person.next(IncomingMessage)).text == "What?"
        for person, contact, what in ((bob, bobs, "tea"), (alice, alices, "milk")):
            await contact.send(what)
            assert (await person.next(IncomingMessage)).text == "How many?"
        sent = await alices.send("two")
        assert (await alice.next(IncomingMessage)).text == "two milk"
        assert await sent.wait() is DeliveryState.DELIVERED
        assert (await bob.next(IncomingMessage)).text == "too slow"
        await bobs.send("three")
        assert (await bob.next(IncomingMessage)).text == "not asked"
        with pytest.raises(RuntimeError, match="has finished"):
            await left[0].ask("Anything else?")
        with pytest.raises(RuntimeError, match="only the handler"):
            await IncomingMessage(alices, None, Text(""), None, 0).ask("?")


async def test_what_else_happens_does_not_hold_up_an_answer(autojump_clock: Clock) -> None:
    handlers = Handlers()
    others: list[str] = []
    ended = trio.Event()

    @handlers.on_message()
    async def order(message: IncomingMessage) -> None:
        with trio.move_on_after(50):
            await message.ask("quick?")
            raise AssertionError("nothing was answered")
        try:
            while True:
                message = await message.ask(f"{message.text}?")
        except UnknownContact:
            ended.set()

    @handlers.on_reaction
    async def note(reaction: ReactionChanged) -> None:
        others.append("begun")
        await trio.sleep(100)
        others.append("ended")

    @handlers.on_left
    async def note_end(contact: Contact) -> None:
        others.append("left")

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Shop", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        with trio.fail_after(24 * 3600):  # not around the opening, which waits for a thread
            contact = await alice.connect(bot.address)
            await contact.send("tea")
            question = await alice.next(IncomingMessage)
            await question.react("👍")
            await contact.send("milk")
            for text in ("tea?", "milk?"):
                assert (await alice.next(IncomingMessage)).text == text
            # The first question had no more time, but its handler waited for the other one's end.
            assert others == ["begun", "ended"]
            await contact.delete()
            await ended.wait()
            assert others[-1] == "left"
            await trio.sleep(60)
            assert await bot.contacts() == []


async def test_a_message_is_acknowledged_when_its_handler_has_finished(
    autojump_clock: Clock,
) -> None:
    handlers = Handlers()
    may_end = trio.Event()

    @handlers.on_message()
    async def slow(message: IncomingMessage) -> None:
        await may_end.wait()

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Slow", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        sent = await (await alice.connect(bot.address)).send("one")
        assert await sent.wait(DeliveryState.SENT) is DeliveryState.SENT
        with trio.move_on_after(600) as scope:
            await sent.wait()
        assert scope.cancelled_caught
        may_end.set()
        assert await sent.wait() is DeliveryState.DELIVERED
        assert alice.bot._core._waits == {}


# --- restarts -----------------------------------------------------------------------------------

PLAIN = DuplexConfig(pq=False)


async def test_a_restart_repeats_what_was_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    handlers, told = listening()
    of_alice, told_alice = listening()
    stuck = Handlers()
    begun = trio.Event()

    @stuck.on_message()
    async def never_ends(message: IncomingMessage) -> None:
        begun.set()
        await trio.sleep_forever()

    @stuck.on_connected
    async def never_ends_either(contact: Contact) -> None:
        begun.set()
        await trio.sleep_forever()

    def bot(table: Handlers, name: str = "Bot"):  # type: ignore[no-untyped-def]
        return open_bot(path, profile=name, servers=[router.address], config=PLAIN, handlers=table)

    with trio.fail_after(60):
        async with (
            open_router() as router,
            open_bot(
                None,
                profile="Alice",
                servers=[router.address],
                config=PLAIN,
                address=False,
                handlers=of_alice,
            ) as alice,
        ):
            async with bot(stuck) as first:
                address = first.address
                contact = await alice.connect(address)
                await begun.wait()
            begun = trio.Event()
            async with bot(handlers) as second:
                assert second.address == address
                connected = await told.receive()
                assert isinstance(connected, Contact)
                assert connected.name == "Alice"
                while await second._core.step(lambda store: store.notices()):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert isinstance(await told_alice.receive(), Contact)
            async with bot(stuck):
                sent = await contact.send("one")
                await begun.wait()
            async with bot(handlers):
                message = await told.receive()
                assert isinstance(message, IncomingMessage)
                assert (message.text, message.is_repeated) == ("one", True)
                assert await sent.wait() is DeliveryState.DELIVERED
                sent = await contact.send("two")
                message = await told.receive()
                assert isinstance(message, IncomingMessage)
                assert (message.text, message.is_repeated) == ("two", False)
                await sent.wait()


async def test_contacts_are_told_of_a_new_profile(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    handlers, told = listening()
    own, connected = listening()
    with trio.fail_after(60):
        async with (
            open_router() as router,
            open_bot(
                None,
                profile="Alice",
                servers=[router.address],
                config=PLAIN,
                address=False,
                handlers=handlers,
            ) as alice,
        ):
            for name in ("Old name", "New name", "New name"):
                async with open_bot(
                    path, profile=name, servers=[router.address], config=PLAIN, handlers=own
                ) as bot:
                    if name == "Old name":
                        await alice.connect(bot.address)
                        assert isinstance(await told.receive(), Contact)
                        assert isinstance(await connected.receive(), Contact)
                    await bot.agent.drain()
                    shown = AddressData.decode((await alice.agent.look(bot.address)).data or b"")
                    assert shown.profile.display_name == name
            changed = await told.receive()
            assert isinstance(changed, ProfileChanged)
            assert changed.before is not None
            assert changed.before.display_name == "Old name"
            assert (changed.contact.name, changed.profile.display_name) == ("New name", "New name")


async def test_a_profile_that_apps_would_refuse_is_refused() -> None:
    with pytest.raises(EncodeError):
        async with open_bot(None, profile="no. way", config=PLAIN):
            raise AssertionError("it was opened")
