"""The group bots among the examples, as commands, and chat programs that people use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.docs.test_bot_tutorial import SCREENS
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.test_chat_groups_content import is_deleted, members_of, number_of
from tests.interop.test_example_bots import connect, open_example

SUM = re.compile(r"(\d) and (\d)\?$")


async def test_moderator(router: str, tmp_path: Path) -> None:
    name = named("SIMPLEX_TRIO_CHAT")
    async with (
        open_example("moderator", router, tmp_path) as (address, _),
        open_chat_program(name, router, tmp_path / "alice") as alice,
        open_chat_program(name, router, tmp_path / "bob", name=SCREENS.NEWCOMER) as bob,
    ):
        hello, welcome, *_, rules = (text for _, text, _ in SCREENS.WELCOMED)
        await connect(alice, address)
        await alice.command(f"/g #{SCREENS.GROUP}")
        await alice.command(f"/a #{SCREENS.GROUP} {SCREENS.MODERATOR} moderator")
        await alice.item(hello)
        link = (await alice.command(f"/create link #{SCREENS.GROUP} member"))["groupLink"]
        await bob.command(f"/c {link['connLinkContact']['connFullLink']}")
        await bob.event("userJoinedGroup")
        assert "Bob" in (await bob.item(welcome))["mentions"]
        await bob.command(f"#{SCREENS.GROUP} /rules")
        answer = await alice.item(rules)
        assert answer["quotedItem"]["content"]["text"] == "/rules"

        said, warning = (text for _, text, _ in SCREENS.WARNED)
        for count in (1, 2, 3):
            await bob.command(f"#{SCREENS.GROUP} {said}")
            await is_deleted(alice, await number_of(alice, said))
            await bob.item(warning.replace("Warning 1", f"Warning {count}"))
        await bob.command(f"#{SCREENS.GROUP} {said}")
        blocked = await alice.event("memberBlockedForAll")
        assert (blocked["member"]["localDisplayName"], blocked["blocked"]) == ("Bob", True)
        (_, says, _), (_, unblock, _) = SCREENS.BLOCKED
        await alice.item(says)
        await alice.command(f"#{SCREENS.GROUP} {unblock}")
        assert (await alice.event("memberBlockedForAll"))["blocked"] is False
        await alice.event("chatItemReaction")
        await bob.command(f"#{SCREENS.GROUP} thanks")
        await alice.item("thanks")


async def answer(program: ChatProgram, text: str) -> None:
    message: dict[str, Any] = {"msgContent": {"type": "text", "text": text}, "mentions": {}}
    await program.command(f"/_send #1(_support) json {json.dumps([message])}")


async def question(program: ChatProgram) -> tuple[int, int]:
    """The numbers in the next question."""

    def find(event: dict[str, Any]) -> re.Match[str] | None:
        texts = [each["chatItem"]["meta"]["itemText"] for each in event["chatItems"]]
        return next(filter(None, map(SUM.search, texts)), None)

    found = find(await program.event("newChatItems", find))
    assert found is not None
    return int(found[1]), int(found[2])


async def test_captcha(router: str, tmp_path: Path) -> None:
    async with (
        open_example("captcha", router, tmp_path, "--group", "Town") as (link, _),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "alice") as alice,
    ):
        await alice.command(f"/c {link}")
        one, two = await question(alice)
        await answer(alice, str(one + two + 1))
        one, two = await question(alice)
        await answer(alice, str(one + two))
        joined = await alice.event("userJoinedGroup")
        assert joined["groupInfo"]["localDisplayName"] == "Town"
        assert set(await members_of(alice)) == {"Doorkeeper"}


async def test_announcer(router: str, tmp_path: Path) -> None:
    async with (
        open_example("announcer", router, tmp_path) as (link, process),
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "alice") as alice,
    ):
        await alice.command(f"/c {link}")
        joined = await alice.event("userJoinedGroup")
        assert joined["groupInfo"]["membership"]["memberRole"] == "observer"
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send_all(b"We are open on Sunday.\n")
        await alice.item("We are open on Sunday.")


async def test_support_of_a_business(router: str, tmp_path: Path) -> None:
    name = named("SIMPLEX_TRIO_CHAT")
    async with (
        open_example("support", router, tmp_path, "--business", "1") as (lines, _),
        open_chat_program(name, router, tmp_path / "alice") as alice,
        open_chat_program(name, router, tmp_path / "bob", name="Bob") as bob,
    ):
        for_customers, for_staff = (line.partition(": ")[2] for line in lines.splitlines())
        await connect(bob, for_staff)
        await alice.command(f"/c {for_customers}")
        await alice.event("userJoinedGroup")
        await alice.command("#Support my router is on fire")
        invited = await bob.event("receivedGroupInvitation")
        assert invited["groupInfo"]["localDisplayName"] == "Alice"
        await bob.command("/j #Alice")
        await bob.item("my router is on fire")
        await bob.event("connectedToGroupMember")
        await bob.command("#Alice use water")
        await alice.item("use water")
