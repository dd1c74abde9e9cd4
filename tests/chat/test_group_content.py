"""What is said in groups, both ways, between bots over routers in virtual time."""

from __future__ import annotations

import pytest
import trio

from simplex_trio.chat.errors import MessageForgotten, NotAllowed
from simplex_trio.chat.group_filters import from_role, in_group, in_support, mentions_me
from simplex_trio.chat.group_message_changes import (
    GroupMessageDeleted,
    GroupMessageEdited,
    GroupReactionChanged,
    GroupReport,
)
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.groups.deliveries import Reach
from simplex_trio.chat.machine.groups.saying import known_group, say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import MAX_SENT, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Report, ReportReason, Text, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    Emoji,
    MemberScope,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    Role,
    Switch,
    TimedGroupPreference,
)

from .hosted import Hosted, open_hosted
from .people import Person

Clock = trio.testing.MockClock

OFF = GroupPreference(Switch.OFF)


async def disobey(group: Group, *events: Event, msg_id: bytes = b"id") -> None:
    """Say to all members what no program of this package would."""

    def decide(store: Store) -> None:
        groups = GroupStore(store)
        record = known_group(groups, group.id)
        for event in events:
            members = groups.current_members(record.group_id)
            say_to(groups, members, [(event, msg_id)], notify=False)

    await group._core.step(decide)


async def settled(hosted: Hosted, group: Group, teller: Group) -> list[object]:
    """What the host has heard when all that was said before has come."""
    await teller.send("that was all")
    while True:
        message = await hosted.host.next(GroupMessage)
        if message.text == "that was all":
            return hosted.host.heard()


# --- messages that were sent --------------------------------------------------------------------


async def test_a_message_is_edited_and_deleted(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        sent = await of_alice.send("helo")
        bob = hosted.people[1]
        for each in (hosted.host, bob):  # to Bob, the host passes it on
            assert (await each.next(GroupMessage)).id == sent.id
        await sent.edit("hello")
        await sent.delete()
        for each in (hosted.host, bob):
            edited = await each.next(GroupMessageEdited)
            assert (edited.message_id, edited.content.text) == (sent.id, "hello")
            assert edited.member.name == "Alice"
            assert edited.support is None
            deleted = await each.next(GroupMessageDeleted)
            assert deleted.message_id == sent.id
            assert deleted.author is not None
            assert deleted.author.id == deleted.by.id == edited.member.id


async def test_it_is_known_how_many_members_have_a_message(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        alone = await group.send("is anyone here?")
        assert await alone.wait(DeliveryState.SENT) is DeliveryState.SENT
        assert await alone.reach() == Reach(0)
        for place in range(2):
            await hosted.bring_in(group, place)
        sent = await group.send("hello")
        assert await sent.wait() is DeliveryState.DELIVERED
        assert await sent.reach() == Reach(2, sent=2, delivered=2)
        assert (await hosted.people[0].next(GroupMessage)).text == "hello"
        for number in range(MAX_SENT):
            await group.send(str(number))
        with pytest.raises(MessageForgotten):
            await sent.wait()
        with pytest.raises(MessageForgotten):
            await sent.reach()


async def test_nothing_is_left_of_messages_that_have_come(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        sent = await group.send("hello")
        await sent.wait()
        await trio.sleep(60)

        def rows(store: Store) -> list[int]:
            spaces = ("copies", "reach", "receipts")
            return [store.t.kept.count(f".chat.group-{each}") for each in spaces]

        core = hosted.host.bot._core
        assert await core.step(rows) == [0, 1, 1]
        await group.delete()
        await group.forget()
        assert await core.step(rows) == [0, 0, 0]


async def test_waiting_ends_when_a_member_is_removed(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        assert of_alice.name == "Team"
        await hosted.people[0].bot.agent.pause()
        sent = await group.send("hello")
        assert await sent.wait(DeliveryState.SENT) is DeliveryState.SENT
        assert await hosted.people[1].next(GroupMessage)
        await trio.sleep(60)
        assert await sent.reach() == Reach(2, sent=2, delivered=1)
        member = next(each for each in await group.members() if each.name == "Alice")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sent.wait)
            await trio.testing.wait_all_tasks_blocked()
            await member.remove()
        assert (await sent.reach()).state is DeliveryState.DELIVERED


async def test_a_message_grows(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        async with group.live() as live:
            await live.write("one")
            await trio.sleep(10)
            await live.write(", two")
        alice = hosted.people[0]
        message = await alice.next(GroupMessage)
        assert (message.text, message.is_live) == ("one", True)
        seen: list[tuple[str, bool]] = []
        while not seen or seen[-1][1]:
            edited = await alice.next(GroupMessageEdited)
            seen.append((edited.content.text, edited.is_live))
        assert seen[-1] == ("one, two", False)


async def test_messages_disappear_where_the_group_says_so(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await hosted.bring_in(group, 0)
        alice = hosted.people[0]
        with pytest.raises(NotAllowed):
            await group.send("hello", ttl=60)
        timed = TimedGroupPreference(Switch.ON, 3600)
        await group.set_preferences(GroupPreferences(timed_messages=timed))
        sent = await group.send("hello")
        assert (await alice.next(GroupMessage)).ttl == 3600
        await group.send("soon gone", ttl=60)
        assert (await alice.next(GroupMessage)).ttl == 60
        await trio.sleep(2 * 3600)
        with pytest.raises(MessageForgotten):
            await sent.reach()


async def test_what_a_group_does_not_allow_is_not_sent(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        preferences = GroupPreferences(
            reactions=OFF, voice=GroupPreference(Switch.ON, Role.ADMIN), simplex_links=OFF
        )
        await group.set_preferences(preferences)
        of_alice = await hosted.bring_in(group, 0)
        link = hosted.host.bot.address
        await group.send("hello")
        message = await hosted.people[0].next(GroupMessage)
        for call in (
            message.react("👍"),
            of_alice.send(f"see {link}"),
            of_alice.send(Voice(3)),
            message.delete(),
        ):
            with pytest.raises(NotAllowed):
                await call
        await disobey(of_alice, XMsgNew(Voice(3)), msg_id=b"1")
        await disobey(of_alice, XMsgNew(Text(f"see {link}")), msg_id=b"2")
        await disobey(of_alice, XMsgReact(message.id or b"", Emoji("👍"), True), msg_id=b"3")
        await disobey(of_alice, XMsgUpdate(b"4", Text(f"see {link}")), msg_id=b"4")
        assert await settled(hosted, group, of_alice) == []


# --- reactions, moderation, mentions ------------------------------------------------------------


async def test_reactions_come_to_all(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        await hosted.bring_in(group, 1)
        sent = await of_alice.send("hello")
        of_bob = await hosted.people[1].next(GroupMessage)
        await of_bob.react("👍")
        for each in (hosted.host, hosted.people[0]):
            reaction = await each.next(GroupReactionChanged)
            assert (reaction.member.name, reaction.emoji, reaction.added) == ("Bob", "👍", True)
            assert reaction.message_id == sent.id
        assert reaction.message is not None
        assert reaction.author is None
        assert reaction.message.content == Text("hello")
        await of_bob.react("👍", add=False)
        reaction = await hosted.host.next(GroupReactionChanged)
        assert not reaction.added
        assert reaction.author is not None
        assert reaction.author.name == "Alice"


async def test_moderators_delete_messages_of_others(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        alice, bob = hosted.people
        spam = await of_alice.send("buy this")
        message = await bob.next(GroupMessage)
        rules = await group.send("rules")
        by_host = await alice.next(GroupMessage)
        with pytest.raises(NotAllowed):  # Alice is no moderator
            await by_host.delete()
        await message.delete()
        deleted = await alice.next(GroupMessageDeleted)
        assert (deleted.by.name, deleted.message_id) == ("Bob", spam.id)
        assert deleted.message is not None
        assert deleted.author is None
        deleted = await hosted.host.next(GroupMessageDeleted)
        assert deleted.author is not None
        assert deleted.author.name == "Alice"
        with pytest.raises(NotAllowed):  # the host is the owner
            await (await bob.next(GroupMessage)).delete()
        host_id = group._record.own_id
        await disobey(of_bob, XMsgDel(rules.id, host_id))
        await disobey(of_alice, XMsgDel(rules.id), msg_id=b"1")
        await disobey(of_alice, XMsgUpdate(rules.id, Text("no rules")), msg_id=b"2")
        await settled(hosted, group, of_bob)
        heard = await settled(hosted, group, of_alice)
        kinds = (GroupMessageDeleted, GroupMessageEdited)
        assert not [each for each in heard if isinstance(each, kinds)]


async def test_a_message_that_was_deleted_before_it_comes(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        own_id = of_alice._record.own_id
        await disobey(of_bob, XMsgDel(b"spam", own_id), msg_id=b"1")
        assert (await hosted.host.next(GroupMessageDeleted)).message_id == b"spam"
        await disobey(of_alice, XMsgNew(Text("buy this")), msg_id=b"spam")
        await disobey(of_alice, XMsgUpdate(b"spam", Text("buy that")), msg_id=b"more")
        heard = await settled(hosted, group, of_alice)
        assert not [each for each in heard if isinstance(each, GroupMessage | GroupMessageEdited)]


async def test_members_are_mentioned(autojump_clock: Clock) -> None:
    async with open_hosted("Alice B", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        for place in range(2):
            await hosted.bring_in(group, place)
        alice, bob = hosted.people
        member = next(each for each in await group.members() if each.name == "Alice B")
        assert member.mention == "@'Alice B'"
        await group.send(f"hello {member.mention} and @Bob", mentions=[member])
        message = await alice.next(GroupMessage)
        assert message.mentions_me
        assert message.mentions == {}
        message = await bob.next(GroupMessage)
        assert not message.mentions_me
        assert {name: each.id for name, each in message.mentions.items()} == {"Alice B": member.id}
        with pytest.raises(ValueError, match="more than 3"):
            await group.send("hello", mentions=[member] * 4)


# --- the admins ---------------------------------------------------------------------------------


async def test_a_member_talks_with_the_admins(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob", "Carol") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0, Role.OBSERVER)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        of_carol = await hosted.bring_in(group, 2)
        alice, bob, carol = hosted.people
        await of_alice.support.send("may I write?")
        question = await hosted.host.next(GroupMessage)
        assert question.text == "may I write?"
        assert question.support is not None
        assert (question.support.member_id, question.support.is_own) == (question.member.id, False)
        assert (await bob.next(GroupMessage)).support is not None  # the host has passed it on
        answer = await question.reply("why?")
        for each in (alice, bob):
            said = await each.next(GroupMessage)
            assert said.text == "why?"
            assert said.support is not None
            assert said.support.member_id == question.member.id
            assert said.support.is_own == (each is alice)
        await answer.edit("why not?")
        edited = await alice.next(GroupMessageEdited)
        assert edited.support is not None
        assert edited.support.is_own
        await question.react("👍")
        assert (await alice.next(GroupReactionChanged)).emoji == "👍"
        await group.send("hello, all")
        message = await carol.next(GroupMessage)
        assert message.text == "hello, all"
        assert message.support is None
        assert not [each for each in carol.heard() if isinstance(each, GroupMessageEdited)]
        # Carol is no admin, and may not say anything there.
        with pytest.raises(NotAllowed):
            await type(of_carol.support)(of_carol, question.member.id).send("hello")
        scope = MemberScope(question.member.id)
        await disobey(of_carol, XMsgNew(Text("let me in"), scope=scope))
        await disobey(of_carol, XMsgUpdate(b"2", Text("let me in"), scope=scope), msg_id=b"2")
        unknown = MemberScope(b"none of them")
        await disobey(of_bob, XMsgNew(Text("hello?"), scope=unknown))
        await settled(hosted, group, of_bob)
        heard = await settled(hosted, group, of_carol)
        assert not [each for each in heard if isinstance(each, GroupMessage | GroupMessageEdited)]


async def test_an_answer_comes_where_the_question_was_asked(autojump_clock: Clock) -> None:
    handlers = Handlers()
    answers: list[tuple[str, bool]] = []
    others: list[str] = []

    @handlers.groups.command(None, in_support)
    async def ask(message: GroupMessage) -> None:
        """Ask something."""
        answer = await message.ask("what is 3+4?")
        answers.append((answer.text, answer.support is not None))

    @handlers.groups.on_message()
    async def note(message: GroupMessage) -> None:
        others.append(message.text)

    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        hosted.host.bot._handlers.groups._commands += handlers.groups._commands
        hosted.host.bot._handlers.groups._messages[:] = handlers.groups._messages
        alice = hosted.people[0]
        await of_alice.support.send("/ask")
        assert (await alice.next(GroupMessage)).text == "what is 3+4?"
        await of_alice.send("nobody sees that I am asked")
        await of_alice.support.send("7")
        await trio.sleep(60)
        assert answers == [("7", True)]
        assert others == ["nobody sees that I am asked"]


async def test_members_report_messages(autojump_clock: Clock) -> None:
    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1)
        alice, bob = hosted.people
        sent = await of_alice.send("buy this")
        spam = await bob.next(GroupMessage)
        await of_bob.support.send(Report(ReportReason.SPAM, "look"), quote=spam)
        report = await hosted.host.next(GroupReport)
        assert (report.member.name, report.reason, report.text) == ("Bob", "spam", "look")
        assert report.author is not None
        assert report.author.name == "Alice"
        assert (report.message_id, report.content) == (sent.id, Text("buy this"))
        await report.answer("thank you")
        answer = await bob.next(GroupMessage)
        assert answer.text == "thank you"
        assert answer.support is not None
        await report.delete_message()
        assert (await alice.next(GroupMessageDeleted)).message_id == sent.id
        assert not [each for each in alice.heard() if isinstance(each, GroupReport)]


async def test_conversations_with_admins_can_be_forbidden(autojump_clock: Clock) -> None:
    async with open_hosted("Alice") as hosted:
        group = await hosted.host.bot.create_group("Team")
        await group.set_preferences(GroupPreferences(support=OFF))
        of_alice = await hosted.bring_in(group, 0)
        await of_alice.support.send("hello?")
        heard = await settled(hosted, group, of_alice)
        assert not [each for each in heard if isinstance(each, GroupMessage)]


# --- filters ------------------------------------------------------------------------------------


async def _said(person: Person) -> str:
    return (await person.next(GroupMessage)).text


async def test_commands_and_filters(autojump_clock: Clock) -> None:
    handlers = Handlers()

    @handlers.groups.command(None, from_role(Role.MODERATOR))
    async def ban(message: GroupMessage, name: str) -> None:
        """Ban a member."""
        await message.answer(f"{name} is banned")

    @handlers.groups.command
    async def rules(message: GroupMessage) -> None:
        """The rules."""
        await message.answer("be kind")

    @handlers.groups.on_message(mentions_me)
    async def mentioned(message: GroupMessage) -> None:
        await message.answer(f"you say: {message.said_to_me}")

    @handlers.groups.on_message(in_group(10_000))
    async def elsewhere(message: GroupMessage) -> None:
        raise AssertionError("another group")

    async with open_hosted("Alice", "Bob") as hosted:
        group = await hosted.host.bot.create_group("Team")
        of_alice = await hosted.bring_in(group, 0)
        of_bob = await hosted.bring_in(group, 1, Role.MODERATOR)
        table = hosted.host.bot._handlers.groups
        table._commands[:] = handlers.groups._commands
        table._messages[:] = handlers.groups._messages
        alice, bob = hosted.people
        host = next(each for each in await of_alice.members() if each.name == "Host")
        await of_alice.send("/ban Bob")
        await of_alice.send("/rules")
        assert await _said(alice) == "be kind"
        await of_bob.send(f"{host.mention} /ban Alice", mentions=[host])
        while "banned" not in (text := await _said(bob)):
            pass
        assert text == "Alice is banned"
        await of_alice.send(f"{host.mention}: hello", mentions=[host])
        while not (text := await _said(alice)).startswith("you say"):
            pass
        assert text == "you say: hello"
