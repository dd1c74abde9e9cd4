"""A channel with an owner and relays of our own, as subscribers meet them, in virtual time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
from attrs import define, evolve, field

from simplex_trio.chat.messages.addresses import (
    GroupLinkData,
    PublicGroupData,
    RelayLinkData,
    group_client_data,
)
from simplex_trio.chat.messages.bodies import (
    Element,
    Forwarded,
    Received,
    decode_body,
    encode_batch,
    encode_element,
)
from simplex_trio.chat.messages.channel_events import XMember
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XMsgNew
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    GroupLinkInvitation,
    MemberIdRole,
    XGrpLinkInv,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, GroupType, PublicGroup, Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.signing import MemberSigner, verify
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import (
    ConnectionReady,
    InvitationReady,
    LinkUpdated,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.machine import queues
from simplex_trio.duplex.machine.connection import ConnectionKind, ReceivingQueue
from simplex_trio.duplex.machine.step import Moment
from simplex_trio.wire.duplex.link_data import (
    ContactLinkData,
    FixedLinkData,
    InvitationLinkData,
    UserLinkData,
)
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.owners import Owner
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from simplex_trio.wire.versions import VersionRange
from tests.duplex.quiet import Quiet, next_event, open_quiet

__all__ = ["OWNER_ID", "TIME", "Channel", "Relay", "Stage", "open_stage"]

OWNER_ID = b"owner-of-channel"
TIME = 1_800_000_000


class Links:
    """What links say beside the data of the program, as other programs make them."""

    def __init__(self) -> None:
        self.keys: dict[bytes, Ed25519PrivateKey] = {}
        self.entity_ids: dict[bytes, bytes] = {}
        self.next_id: Callable[[Ed25519PublicKey], bytes | None] = lambda _: None
        self.relays: tuple[ShortContactLink, ...] = ()
        self.owners: Callable[[Ed25519PrivateKey], tuple[Owner, ...]] = lambda _: ()

    def fixed(
        self, versions: VersionRange, root_key: Ed25519PublicKey, request: ContactURI
    ) -> FixedLinkData:
        if root_key.raw not in self.entity_ids:
            self.entity_ids[root_key.raw] = self.next_id(root_key) or b""
        entity_id = self.entity_ids[root_key.raw] or None
        return FixedLinkData(versions, root_key, request, entity_id)

    def user(self, c: Any, queue: ReceivingQueue, moment: Moment) -> UserLinkData:
        data, key = queue.link_data, queue.root_key
        if c.row.kind is not ConnectionKind.ADDRESS:
            return InvitationLinkData(moment.spoken.agent, data)
        assert key is not None
        self.keys[key.public.raw] = key
        if b"publicGroup" not in data:
            return ContactLinkData(moment.spoken.agent, program_data=data)
        return ContactLinkData(
            moment.spoken.agent,
            direct=False,
            owners=self.owners(key),
            relays=self.relays,
            program_data=data,
        )

    @contextmanager
    def patched(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queues, "_user_data", self.user)
            patch.setattr(queues, "FixedLinkData", self.fixed)
            yield


@define(eq=False)
class Channel:
    """What its owner knows."""

    public_id: bytes
    link: str
    profile: GroupProfile
    owner: MemberSigner
    connection_id: str = ""
    _ids: int = 0

    def new_id(self) -> bytes:
        self._ids += 1
        return b"id-%013d" % self._ids

    def said(self, event: Event, msg_id: bytes | None = None) -> ChatMessage:
        return ChatMessage(event, msg_id or self.new_id())

    def post(self, event: Event | str, msg_id: bytes | None = None, at: int = TIME) -> Received:
        """What the channel says as a whole."""
        event = XMsgNew(Text(event), as_group=True) if isinstance(event, str) else event
        return Received(self.said(event, msg_id), Forwarded(at))

    def signed(
        self, event: Event, by: MemberSigner | None = None, msg_id: bytes | None = None
    ) -> Received:
        """What a member says with its signature, by default the owner."""
        signer = by or self.owner
        signed = signer.sign(self.said(event, msg_id))
        return evolve(signed, forwarded=Forwarded(TIME, signer.member_id, "name"))

    def unsigned(
        self, event: Event | str, by: bytes = OWNER_ID, msg_id: bytes | None = None
    ) -> Received:
        event = XMsgNew(Text(event)) if isinstance(event, str) else event
        return Received(self.said(event, msg_id), Forwarded(TIME, by, "name"))

    def member(self, member_id: bytes) -> MemberSigner:
        """Another member, with a key."""
        return MemberSigner(self.public_id, member_id, Ed25519PrivateKey.generate())


@define(eq=False)
class Relay:
    """A relay, which takes all who come."""

    number: int
    agent: DuplexAgent
    member_id: bytes
    link: str
    key: Ed25519PrivateKey
    channel: Channel | None = None
    subscribers: dict[bytes, str] = field(factory=dict)
    """Their connections, by their member ids."""
    asked: list[XMember] = field(factory=list)
    heard: list[Element] = field(factory=list)
    says: Callable[[GroupLinkInvitation], GroupLinkInvitation] = lambda said: said
    is_silent: bool = False
    changed: trio.Event = field(factory=trio.Event)
    _asking: dict[str, bytes] = field(factory=dict)

    async def run(self) -> None:
        async for event in self.agent.events:
            match event:
                case RequestReceived() if not self.is_silent:
                    await self._requested(event)
                case ConnectionReady() if event.connection_id in self._asking:
                    member_id = self._asking[event.connection_id]
                    self.subscribers[member_id] = event.connection_id
                case PeerMessage():
                    self.heard += decode_body(event.body)
                    await self.agent.acknowledge(event)
                case _:
                    continue
            self.changed.set()
            self.changed = trio.Event()

    async def _requested(self, event: RequestReceived) -> None:
        [element] = decode_body(event.info)
        assert isinstance(element, Received)
        assert isinstance(element.message, ChatMessage)
        asked = element.message.event
        assert isinstance(asked, XMember)
        assert element.signed is not None
        assert self.channel is not None
        key = Ed25519PublicKey.from_der(asked.new_member_key)
        verify(element.signed, key, self.channel.public_id, asked.new_member_id)
        assert asked.via_relay == self.member_id
        self.asked.append(asked)
        said = GroupLinkInvitation(
            MemberIdRole(self.member_id, Role.RELAY),
            f"relay{self.number}",
            MemberIdRole(asked.new_member_id, Role.OBSERVER),
            self.channel.profile,
            Acceptance.ACCEPTED,
        )
        info = ChatMessage(XGrpLinkInv(self.says(said))).encode()
        connection_id = await self.agent.accept(event, info, pq=False)
        self._asking[connection_id] = asked.new_member_id

    async def until(self, fits: Callable[[], bool]) -> None:
        with trio.fail_after(30 * 24 * 3600):
            while not fits():
                await self.changed.wait()

    async def passes_on(self, *elements: Received) -> None:
        """Pass something on to all subscribers."""
        await self.sends(encode_batch(elements))

    async def says_itself(self, *events: Event, signed: bool = False) -> None:
        assert self.channel is not None
        signer = MemberSigner(self.channel.public_id, self.member_id, self.key)
        for event in events:
            message = self.channel.said(event)
            said = signer.sign(message) if signed else Received(message)
            await self.sends(encode_element(said))

    async def sends(self, body: bytes) -> None:
        for each in self.subscribers.values():
            await self.agent.send(each, body, notify=False)


@define(eq=False)
class Stage:
    quiet: Quiet
    links: Links
    owner: DuplexAgent
    relays: list[Relay]
    channel: Channel

    async def show(
        self, *relays: Relay, profile: GroupProfile | None = None, subscribers: int = 1
    ) -> None:
        """Let the link of the channel name these relays."""
        self.links.relays = tuple(_short(each.link) for each in relays)
        data = GroupLinkData(profile or self.channel.profile, PublicGroupData(subscribers))
        await self.owner.change_link(self.channel.connection_id, data.encode())
        await next_event(self.owner, LinkUpdated)


def _short(link: str) -> ShortContactLink:
    found = parse_link(link)
    assert isinstance(found, ShortContactLink)
    return found


@asynccontextmanager
async def open_stage(relays: int = 1, **options: Any) -> AsyncIterator[Stage]:
    links = Links()
    async with AsyncExitStack() as stack:
        quiet = await stack.enter_async_context(open_quiet())
        stack.enter_context(links.patched())
        made: list[Relay] = []
        for number in range(relays):
            agent = await stack.enter_async_context(quiet.open_agent())
            member_id = b"relay-%010d" % number
            links.next_id = lambda _, member_id=member_id: member_id  # type: ignore[misc]
            data = RelayLinkData(Profile(f"relay{number}")).encode()
            ready = await agent.prepare_address(
                data=data,
                client_data=group_client_data(bytes(16)),
                kind=ContactKind.GROUP,
                pq=False,
            )
            await next_event(agent, InvitationReady)
            link = ready.short_link or ""
            root = next(
                key for raw, key in links.keys.items() if links.entity_ids[raw] == member_id
            )
            made.append(Relay(number, agent, member_id, link, root))
        owner = await stack.enter_async_context(quiet.open_agent())
        links.next_id = lambda key: hashlib.sha256(key.raw).digest()
        signing = Ed25519PrivateKey.generate()
        links.owners = lambda root: (Owner.authorize(OWNER_ID, signing.public, root),)
        first = await owner.prepare_address(
            data=b"{}",
            client_data=group_client_data(bytes(16)),
            kind=ContactKind.CHANNEL,
            pq=False,
        )
        await next_event(owner, InvitationReady)
        root_raw = next(raw for raw, found in links.entity_ids.items() if len(found) == 32)
        public_id = hashlib.sha256(root_raw).digest()
        link = first.short_link or ""
        profile = GroupProfile("news", public_group=PublicGroup(GroupType.CHANNEL, link, public_id))
        signer = MemberSigner(public_id, OWNER_ID, signing)
        channel = Channel(public_id, link, profile, signer, first.connection_id)
        stage = Stage(quiet, links, owner, made, channel)
        await stage.show(*made)
        links.next_id = lambda _: None
        async with trio.open_nursery() as nursery:
            for each in made:
                each.channel = channel
                nursery.start_soon(each.run)
            yield stage
            nursery.cancel_scope.cancel()
