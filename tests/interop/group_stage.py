"""A raw side and chat programs in groups, with all that they say recorded and checked."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from simplex_trio.chat.messages.batches import pack_forwarded, pack_group
from simplex_trio.chat.messages.bodies import Forwarded
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import (
    XInfo,
    XMsgNew,
    XOk,
)
from simplex_trio.chat.messages.group_events import (
    GroupInvitation,
    MemberIdRole,
    MemberInfo,
    XGrpAcpt,
    XGrpInv,
    XGrpMemCon,
    XGrpMemFwd,
    XGrpMemIntro,
    XGrpMemInv,
    XGrpMemNew,
)
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
)
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.scalars import ChatVersions, Timestamp
from tests.chat.messages.recorded import check_fields, check_info, check_values, check_versions
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.conversation import SQUARE
from tests.interop.raw_side import Heard, RawSide, new_id, open_raw_side
from tests.interop.recording import Recorder
from tests.interop.test_chat_recorded import version_of

__all__ = [
    "ALLOWED",
    "PROFILE",
    "Host",
    "Stage",
    "items",
    "message",
    "name",
    "now",
    "open_stage",
    "sees",
    "text_is",
]

PROFILE = Profile("Raw", image=SQUARE)
ALLOWED = GroupPreferences(
    direct_messages=GroupPreference(Switch.ON), history=GroupPreference(Switch.ON)
)


@define(eq=False)
class Stage:
    """A raw side, and chat programs."""

    raw: RawSide
    recorder: Recorder
    folder: Path
    router: str
    who: dict[str, str] = field(factory=dict)
    """The programs at the other ends of connections."""
    channel: dict[str, Any] | None = None
    """Ids and keys of a channel, if there is one: to verify what was recorded."""
    _stack: AsyncExitStack = field(factory=AsyncExitStack)

    async def program(self, name: str, *, relay: bool = False) -> ChatProgram:
        xftp = os.environ.get("SIMPLEX_TRIO_XFTP")
        options: dict[str, Any] = {"relay": relay} | ({} if xftp is None else {"xftp": xftp})
        return await self._stack.enter_async_context(
            open_chat_program(
                named("SIMPLEX_TRIO_CHAT"), self.router, self.folder / name, name=name, **options
            )
        )

    async def contact(self, program: ChatProgram, name: str) -> str:
        """Connect the raw side with a program; returns the connection's id."""
        answer = await program.command("/c")
        link = answer["connLinkInvitation"]["connFullLink"]
        connection = await self.raw.join(link, XInfo(PROFILE))
        self.who[connection] = name
        await self.raw.hear(XInfo, connection)
        await self.raw.ready(connection)
        await program.event("contactConnected")
        return connection


@asynccontextmanager
async def open_stage(scenario: str, router: str, folder: Path) -> AsyncIterator[Stage]:
    """A stage; what was said on it is checked at the end, and written where that is asked for."""
    recorder = Recorder()
    async with open_raw_side(recorder, router) as raw:
        stage = Stage(raw, recorder, folder, router)
        async with stage._stack:
            yield stage
    numbers = {recorder.number_of(connection): name for connection, name in stage.who.items()}
    for case in recorder.cases:
        case["name"] = f"{scenario}-{case['name']}"
        case["who"] = numbers.get(case["connection"])
        check_fields(case)
        check_values(case)
        check_info(case)
        check_versions(case)
    if path := os.environ.get("SIMPLEX_TRIO_RECORDING"):
        version = (await version_of(named("SIMPLEX_TRIO_CHAT"))).strip()
        if stage.channel is not None:
            recorder.cases.append(keys_case(scenario, stage.channel))
        merge(Path(path), scenario, recorder, version)


def keys_case(scenario: str, channel: dict[str, Any]) -> dict[str, Any]:
    """A case with the keys by which what is signed in the others is verified."""
    ids = {name: channel[name].hex() for name in ("group_id", "relay", "subscriber")}
    return {
        "name": f"{scenario}-keys",
        "kind": "channel_keys",
        **ids,
        "members": {each.hex(): key.raw.hex() for each, key in channel["members"].items()},
    }


def merge(path: Path, scenario: str, recorder: Recorder, version: str) -> None:
    """Put the cases of a scenario into a file, in place of those of before."""
    kept = []
    if path.exists():
        cases = json.loads(gzip.decompress(path.read_bytes()))["cases"]
        kept = [each for each in cases if not each["name"].startswith(f"{scenario}-")]
    merged = Recorder(sorted([*kept, *recorder.cases], key=scenario_of))
    merged.write(path, f"{version}, and an agent of this package that a test speaks through")


def scenario_of(case: dict[str, Any]) -> str:
    scenario: str = case["name"].partition("-")[0]
    return scenario


def message(text: str, **extra: Any) -> str:
    """A message for ``/_send``."""
    content = {"type": "text", "text": text}
    return json.dumps([{"msgContent": content, "mentions": {}} | extra])


def text_is(text: str) -> Any:
    def fits(heard: Heard) -> bool:
        event = heard.event
        return isinstance(event, XMsgNew) and event.content == Text(text)

    return fits


async def items(program: ChatProgram, command: str) -> dict[str, Any]:
    """The item that a command has made in the conversation."""
    answer = await program.command(command)
    item: dict[str, Any] = answer["chatItems"][0]["chatItem"]
    return item


async def sees(program: ChatProgram, text: str) -> int:
    """The id of the item in which a message is shown."""
    item = await program.item(text)
    number: int = item["meta"]["itemId"]
    return number


def name(member: dict[str, Any]) -> str:
    displayed: str = member["memberProfile"]["displayName"]
    return displayed


def now() -> Timestamp:
    return Timestamp.of(datetime.now(UTC))


@define(eq=False)
class Host:
    """The raw side as the owner of a group."""

    stage: Stage
    own: bytes = field(factory=new_id)
    profile: GroupProfile = field(
        factory=lambda: GroupProfile("team", description="welcome", group_preferences=ALLOWED)
    )
    members: dict[str, tuple[bytes, str]] = field(factory=dict)
    """Ids and connections of members."""

    @property
    def raw(self) -> RawSide:
        return self.stage.raw

    @property
    def everyone(self) -> list[str]:
        return [connection for _, connection in self.members.values()]

    def info(self, who: str) -> MemberInfo:
        member_id, _ = self.members[who]
        return MemberInfo(member_id, Role.MEMBER, Profile(who), ChatVersions(1, 17))

    async def invite(self, who: str, contact: str, program: ChatProgram, **options: Any) -> str:
        """Invite a contact, which joins; returns the connection of the new member."""
        member_id = new_id()
        link = (await self.raw.agent.create(pq=False)).link
        invitation = GroupInvitation(
            MemberIdRole(self.own, Role.OWNER),
            MemberIdRole(member_id, Role.MEMBER),
            link,
            self.profile,
            group_size=1 + len(self.members),
            **options,
        )
        await self.raw.say(contact, XGrpInv(invitation))
        await program.event("receivedGroupInvitation")
        await program.command("/j #team")
        joining = await self.raw.hear(XGrpAcpt)
        assert joining.event.member_id == member_id
        connection = await self.raw.accept(joining, XOk())
        self.stage.who[connection] = f"{who.lower()} in the group"
        await self.raw.ready(connection)
        self.members[who] = member_id, connection
        return connection

    async def introduce(self, newcomer: str, member: str) -> XGrpMemInv:
        """Introduce a new member to another one; returns how it can be joined.

        That has to come first: a newcomer ignores the introduction of a member that it knows as the
        author of something already.
        """
        _, new = self.members[newcomer]
        member_id, old = self.members[member]
        await self.raw.say(old, XGrpMemNew(self.info(newcomer)))
        await self.raw.say(new, XGrpMemIntro(self.info(member)))
        wanted: XGrpMemInv = (await self.raw.hear(XGrpMemInv, new)).event
        assert wanted.member_id == member_id
        return wanted

    async def connect(self, newcomer: str, member: str, wanted: XGrpMemInv) -> None:
        """Let a member join a new one, and wait until both say that they are connected."""
        new_member_id, new = self.members[newcomer]
        member_id, old = self.members[member]
        await self.raw.say(old, XGrpMemFwd(self.info(newcomer), wanted.member_intro))
        assert (await self.raw.hear(XGrpMemCon, new)).event.member_id == member_id
        assert (await self.raw.hear(XGrpMemCon, old)).event.member_id == new_member_id

    async def say(self, event: Any) -> bytes:
        """Say something to all, with one id."""
        said = ChatMessage(event, new_id())
        [body] = pack_group([said]).bodies
        for each in self.everyone:
            await self.raw.say_body(each, body)
        assert said.id is not None
        return said.id

    async def forward(self, heard: Heard, by: str, to: str, *, binary: bool) -> None:
        """Pass on what a member has said."""
        member_id, _ = self.members[by]
        _, connection = self.members[to]
        seconds = int(datetime.now(UTC).timestamp())
        element = evolve(heard.element, forwarded=Forwarded(seconds, member_id, by))
        for body in pack_forwarded([element], binary=binary).bodies:
            await self.raw.say_body(connection, body)


__all__ = [
    "ALLOWED",
    "PROFILE",
    "Host",
    "Stage",
    "items",
    "message",
    "name",
    "now",
    "open_stage",
    "sees",
    "text_is",
]
