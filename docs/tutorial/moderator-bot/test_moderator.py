"""The moderator, and people in a group with it, in virtual time."""

import moderator

from simplex_trio.chat import GroupMessage, GroupMessageDeleted, MemberBlocked, Role
from simplex_trio.chat.testing import World


async def test_warnings(simplex_world: World) -> None:
    """A member is warned three times, and then blocked, until a moderator lets it write again."""
    bot = await simplex_world.bot(moderator.handlers, profile="Moderator")
    alice = await simplex_world.person("Alice")
    bob = await simplex_world.person("Bob")
    group = await alice.create_group("Garden")
    await alice.add(bot, group, role=Role.MODERATOR)
    assert (await alice.next(GroupMessage)).text.startswith("Hello!")
    await alice.add(bob, group)
    assert (await bob.next(GroupMessage)).mentions_me

    for count in (1, 2, 3):
        await bob.send("I have won the lottery", to=group)
        await alice.next(GroupMessageDeleted)
        assert (await bob.next(GroupMessage)).text.endswith(f"Warning {count} of 3")
    await bob.send("The casino!", to=group)
    assert (await alice.next(MemberBlocked)).member.is_blocked

    await alice.send("/unblock Bob", to=group)
    assert not (await alice.next(MemberBlocked)).member.is_blocked
