"""Business addresses: each customer gets a group, which staff can join."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack

import pytest
import trio

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups import business
from simplex_trio.chat.machine.groups.business import business_preferences
from simplex_trio.chat.machine.groups.history import History
from simplex_trio.chat.machine.groups.hosting import check_group_profile
from simplex_trio.chat.messages.bodies import decode_body, decode_info, encode_info, pack
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XInfo, XMsgNew, XMsgUpdate
from simplex_trio.chat.messages.group_events import BusinessSide, XGrpLinkInv, XGrpLinkMem
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    Role,
    Switch,
)
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import (
    Allow,
    Command,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import ConfirmationReceived, PeerInfo, PeerMessage
from tests.duplex.quiet import Quiet, next_event, open_quiet

from .people import Person, open_quiet_bot

Clock = trio.testing.MockClock

KEY = b"k" * 16


async def open_desk(quiet: Quiet, nursery: trio.Nursery) -> Person:
    """A bot with a business address, which runs until the nursery ends."""
    send, told = trio.open_memory_channel[object](math.inf)
    handlers = Handlers()

    @handlers.groups.on_customer
    async def note(group: Group) -> None:
        await send.send(group)

    @handlers.groups.on_message()
    async def message(message: GroupMessage) -> None:
        await send.send(message)

    async def run(*, task_status: trio.TaskStatus[Person]) -> None:
        options = {"handlers": handlers, "business": True, "welcome": "Hello!"}
        async with open_quiet_bot(quiet, "Desk", **options) as bot:
            task_status.started(Person(bot, told))
            await trio.sleep_forever()

    person: Person = await nursery.start(run)
    return person


async def asks(customer: DuplexAgent, desk: Person, request: Event) -> str:
    info = encode_info(ChatMessage(request), pq=True)
    joined = await customer.join(desk.bot.address, info)
    return joined if isinstance(joined, str) else joined.connection_id


async def said(customer: DuplexAgent) -> list[Event]:
    """What is in the next message of the desk."""
    message = await next_event(customer, PeerMessage)
    await customer.acknowledge(message)
    messages = [getattr(each, "message", None) for each in decode_body(message.body)]
    return [each.event for each in messages if isinstance(each, ChatMessage)]


async def test_a_customer_gets_a_group(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        quiet.open_agent() as customer,
        trio.open_nursery() as nursery,
    ):
        desk = await open_desk(quiet, nursery)
        request = XContact(
            Profile("Carol", short_descr="Buys fish"),
            contact_req_id=KEY,
            welcome_msg_id=b"welcome",
            msg_id=b"first",
            content=Text("a fish, please"),
        )
        await asks(customer, desk, request)
        answered = decode_info((await next_event(customer, PeerInfo)).info).event
        assert isinstance(answered, XGrpLinkInv)
        invitation = answered.group_link_invitation
        assert invitation.group_profile.display_name == "Desk"
        assert invitation.from_member.member_role is Role.OWNER
        roles = invitation.business
        assert roles is not None
        assert roles.chat_type is BusinessSide.BUSINESS
        assert roles.business_id == invitation.from_member.member_id
        assert roles.customer_id == invitation.invited_member.member_id

        group = await desk.next(Group)
        assert (group.name, group.role) == ("Carol", Role.OWNER)
        assert group.business is not None
        assert group.business.chat_type is BusinessSide.CUSTOMER
        message = await desk.next(GroupMessage)
        assert (message.text, message.id) == ("a fish, please", b"first")
        found = await group.customer()
        assert found is not None
        assert (found.name, found.id) == ("Carol", message.member.id)
        kept = await desk.bot._core.step(lambda store: list(History(store.t.kept, group.id).all()))
        assert [each.msg_id for each in kept] == [b"first"]

        welcome, introduction = await said(customer)
        assert welcome == XMsgUpdate(b"welcome", Text("Hello!"))
        assert isinstance(introduction, XGrpLinkMem)
        await message.reply("which one?")
        (answer,) = await said(customer)
        assert isinstance(answer, XMsgNew)
        assert answer.content == Text("which one?")

        # The same request again is no other customer.
        async with quiet.open_agent() as again:
            await asks(again, desk, request)
            await trio.sleep(60)
            assert len(await desk.bot.groups()) == 1
        await group.set_preferences(GroupPreferences(voice=GroupPreference(Switch.OFF)))
        await group.delete()
        spaces = await desk.bot._core.step(
            lambda store: [store.t.kept.count(f".chat.{each}") for each in ("groups", "customers")]
        )
        assert spaces == [0, 0]
        nursery.cancel_scope.cancel()


async def test_old_programs_ask_as_for_a_contact(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        quiet.open_agent() as customer,
        trio.open_nursery() as nursery,
    ):
        desk = await open_desk(quiet, nursery)
        await asks(customer, desk, XInfo(Profile("Carol")))
        group = await desk.next(Group)
        assert group.name == "Carol"
        assert await desk.bot.contacts() == []
        nursery.cancel_scope.cancel()


async def test_customers_that_never_connect_make_room(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business, "MAX_CONNECTING_CUSTOMERS", 2)

    async def count() -> list[int]:
        spaces = ("groups", "members", "customers", "customers-connecting", "group-waiting")
        return await desk.bot._core.step(
            lambda store: [store.t.kept.count(f".chat.{each}") for each in spaces]
        )

    async with AsyncExitStack() as stack:
        quiet = await stack.enter_async_context(open_quiet())
        nursery = await stack.enter_async_context(trio.open_nursery())
        desk = await open_desk(quiet, nursery)
        answers: list[tuple[DuplexAgent, ConfirmationReceived]] = []
        for n in range(3):
            customer = await stack.enter_async_context(quiet.open_agent())
            request = XContact(Profile(f"Carol{n}"), contact_req_id=bytes([n]) * 16)
            info = encode_info(ChatMessage(request), pq=True)
            await customer.join(desk.bot.address, info, decides=True)
            answers.append((customer, await next_event(customer, ConfirmationReceived)))
        assert await count() == [2, 2, 2, 2, 2]
        for customer, answer in answers:
            shown = encode_info(ChatMessage(XInfo(Profile("Carol"))), pq=False)
            await customer.accept(answer, shown)
        names = {(await desk.next(Group)).name for _ in range(2)}
        assert names == {"Carol1", "Carol2"}
        # There is room again for those who ask.
        assert await count() == [2, 2, 2, 0, 0]
        await asks(answers[0][0], desk, XContact(Profile("Carol0"), contact_req_id=b"\0" * 16))
        assert (await desk.next(Group)).name == "Carol0"
        nursery.cancel_scope.cancel()


async def test_staff_can_be_invited_whatever_a_customer_says(autojump_clock: Clock) -> None:
    """The group is called after the customer, who may say more than an invitation has room for."""
    async with (
        open_quiet() as quiet,
        quiet.open_agent() as customer,
        trio.open_nursery() as nursery,
    ):
        desk = await open_desk(quiet, nursery)
        connection = await asks(customer, desk, XContact(Profile("Carol"), contact_req_id=KEY))
        group = await desk.next(Group)
        await trio.sleep(60)
        longer = Profile("Caroline", image=Picture("data:image/png;base64," + "A" * 15_000))
        (body,) = pack([ChatMessage(XInfo(longer), b"id")], pq=False)
        await customer.send(connection, body)
        await trio.sleep(60)
        renamed = await desk.bot.group(group.id)
        assert renamed.name == "Caroline"
        check_group_profile(renamed.profile)
        nursery.cancel_scope.cancel()


async def test_customers_are_always_accepted(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet:
        with pytest.raises(ValueError, match="accepted"):
            async with open_quiet_bot(quiet, "Desk", business=True, accept_requests=False):
                pass


def test_the_rules_follow_from_the_profile() -> None:
    on, off = GroupPreference(Switch.ON), GroupPreference(Switch.OFF)
    unsaid = business_preferences(None)
    assert unsaid.full_delete == GroupPreference(Switch.ON, Role.MODERATOR)
    assert (unsaid.history, unsaid.direct_messages, unsaid.reports) == (on, off, off)
    commands = (Command("order", "Orders"),)
    said_of = Preferences(
        timed_messages=TimedMessages(Allow.YES, 3600),
        files=Preference(Allow.NO),
        voice=Preference(Allow.ALWAYS),
        commands=commands,
    )
    rules = business_preferences(said_of)
    assert rules.timed_messages is not None
    assert (rules.timed_messages.enable, rules.timed_messages.ttl) == (Switch.ON, 3600)
    assert (rules.files, rules.voice, rules.reactions, rules.full_delete) == (off, on, on, off)
    assert rules.commands == commands
