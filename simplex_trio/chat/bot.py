"""`Bot`: a program that people talk with in their apps."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import final

import trio
from attrs import evolve

from simplex_trio.chat.channels import keep_channels
from simplex_trio.chat.conversations import Conversations, Job
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.dispatching import dispatch, noticed, told
from simplex_trio.chat.group_dispatching import file_job, group_notice_job, told_job
from simplex_trio.chat.group_joining import join_group
from simplex_trio.chat.groups import Group
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.looking import LinkInfo, look_at_link
from simplex_trio.chat.machine.connecting import connect, give_up, take_back
from simplex_trio.chat.machine.file_records import OfferedFile, file_of_notice, file_told
from simplex_trio.chat.machine.file_senders import FileSender, sender_of
from simplex_trio.chat.machine.following import happened
from simplex_trio.chat.machine.groups import forwarding
from simplex_trio.chat.machine.groups.happenings import GroupNoticed, ToldInGroup
from simplex_trio.chat.machine.groups.hosting import new_group, own_group_profile
from simplex_trio.chat.machine.groups.saying import known_group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.happenings import Happening, Noticed, Said
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.machine.incoming import look, settle
from simplex_trio.chat.machine.inviting import drop, finish, invite
from simplex_trio.chat.machine.own import own_profile, publish
from simplex_trio.chat.machine.records import (
    AddressRecord,
    NoticeKind,
)
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.preferences import BotCommand
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.pacing import Pace
from simplex_trio.chat.people import (
    Contact,
    as_content,
    check_alias,
)
from simplex_trio.chat.state import State
from simplex_trio.chat.upkeep import keep_up, sweep_copies
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.errors import AlreadyJoined, DuplexError
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionFailed,
    ConnectionReady,
    DeliveryFailed,
    InvitationReady,
    JoinSent,
    MessageSent,
    PeerInfo,
    PeerMessage,
    QueueLost,
    RatchetBroken,
    ReceiptReceived,
    RequestReceived,
    Resynchronised,
    SecurityCodeChanged,
)
from simplex_trio.duplex.file_events import (
    FileFailed,
    FileNeedsApproval,
    FileProgress,
    FileReceived,
    FileSent,
)
from simplex_trio.errors import StoreError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, parse_link

__all__ = ["Bot"]

_FOLLOWED = (
    InvitationReady,
    RequestReceived,
    ConfirmationReceived,
    PeerInfo,
    JoinSent,
    ConnectionReady,
    ConnectionFailed,
    QueueLost,
    RatchetBroken,
    Resynchronised,
    SecurityCodeChanged,
    MessageSent,
    ReceiptReceived,
    DeliveryFailed,
    FileSent,
    FileReceived,
    FileNeedsApproval,
    FileFailed,
)
"""The events of the agent from which anything follows here."""

_DROPPING = 5
"""Seconds that a call may take on to take back what it had begun, once it was cancelled."""


@final
class Bot:
    """A program with a profile, an address and contacts; `open_bot` opens one."""

    def __init__(
        self,
        core: ChatCore,
        handlers: Handlers,
        address: AddressRecord | None,
        presets: Iterable[ServerAddress],
        commands: tuple[BotCommand, ...] | None = None,
    ) -> None:
        self._core = core
        self._handlers = handlers
        self._address = address
        self._presets = presets
        self._commands = commands
        self._publishing = trio.Lock()
        self._conversations: Conversations | None = None
        self._has_address = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._pace = Pace(forwarding.PASSED_ON_BURST, forwarding.PASSED_ON_RATE)

    def __repr__(self) -> str:
        return f"<Bot: {self._core.agent!r}>"

    @property
    def agent(self) -> DuplexAgent:
        """The agent below, for its network, its pauses, its backups and so on.

        Its events and messages belong to the bot.
        """
        return self._core.agent

    @property
    def profile(self) -> Profile:
        """What contacts and the links show."""
        return self._core.settings.profile

    @property
    def address(self) -> str:
        """The link for everybody who wants to talk with the bot; people open or scan it.

        Raises `RuntimeError` if the bot was opened without an address.
        """
        if self._address is None:
            raise RuntimeError("the bot was opened without an address")
        return self._address.short_link or self._address.link

    @property
    def state(self) -> State:
        """What the program keeps of its own: see `State`, and `Contact.state`."""
        return State(self._core)

    async def set_profile(self, profile: Profile | str) -> None:
        """Change what contacts and the links show, as `open_bot` does with ``profile``.

        Contacts are told, except those that know the bot by a random profile.  It holds until the
        bot is opened the next time, with what is said then.
        """
        takes_files = self._core.settings.folder is not None
        handlers, business = self._handlers, self._core.settings.business
        commands = handlers.group_commands if business else handlers.commands
        own = own_profile(profile, self._commands, commands, takes_files=takes_files)
        await self._publish(evolve(self._core.settings, profile=own))

    async def set_welcome(self, welcome: Content | str | None) -> None:
        """Change the welcome message, for those who come from now on."""
        content = None if welcome is None else as_content(welcome)
        await self._publish(evolve(self._core.settings, welcome=content))

    async def _publish(self, settings: Settings) -> None:
        settings.check()
        async with self._publishing:
            before = self._core.settings
            # So that contacts who come meanwhile are told of the new one, at least.
            self._core.settings = settings
            try:
                await self._core.step(lambda store: publish(store, settings))
            except BaseException:
                self._core.settings = before
                raise

    # --- contacts -------------------------------------------------------------------------------

    async def invite(self, *, alias: str = "", incognito: bool = False) -> str:
        """Make a link for one person, who becomes a contact by opening it.

        The contact will have the ``alias``; if ``incognito``, the link and the contact show a
        random profile.

        It returns when a router has made the link, and otherwise raises as `DuplexAgent.create`
        does.  If it raises, is cancelled, or the program ends meanwhile, nothing is left of it.
        """
        check_alias(alias)
        settings = self._core.settings
        own = random_profile(settings.random) if incognito else None
        begun: list[str] = []

        def begin(store: Store) -> str:
            begun[:] = [invite(store, settings, own, alias)]
            return begun[0]

        is_finished = False
        try:
            made = await self._core.create_with(begin)
            await self._core.step(
                lambda store: finish(
                    *(store, self._core.settings, made, self._presets),
                    shown=settings.invitation_data(own),
                )
            )
            is_finished = True
        finally:
            if begun and not is_finished:
                # One step in the store.  What cannot be stored any more, or not in time, is done
                # when the bot is opened again.
                with (
                    trio.move_on_after(_DROPPING, shield=True),
                    suppress(StoreError, trio.ClosedResourceError),
                ):
                    await self._core.step(lambda store: drop(store, begun[0]))
        return made.short_link or made.link

    async def take_back(self, link: Link | str) -> bool:
        """Delete an invitation that was not opened yet; returns whether there was one."""
        parsed = self._parsed(link)
        return await self._core.step(lambda store: take_back(store, parsed))

    async def look(self, link: Link | str) -> LinkInfo:
        """Find out what a link is and who is behind it, before it is opened.

        It changes nothing, and the other side does not learn of it; except that a one-time link
        can then be opened by this bot alone, as with the apps.

        Raises `NotALink` for what is none, and as `DuplexAgent.look` does.
        """
        return await look_at_link(self._core, link, self._presets)

    def _parsed(self, link: Link | str) -> Link:
        return parse_link(link, self._presets) if isinstance(link, str) else link

    async def connect(
        self, link: Link | str, *, incognito: bool = False, alias: str = ""
    ) -> Contact:
        """Open the invitation of a person, or ask at an address; returns the contact to be.

        If ``incognito``, the other side gets a random profile, as the apps make them, which is kept
        for this contact.  The ``alias`` is the program's own name for it.

        It returns when the other side's router knows of it.  The handlers of
        `Handlers.on_connected` are called when the other side has accepted.  If it raises, the
        agent keeps trying as long as that can help: the same call again waits for the same contact,
        which keeps the profile and the alias of the first call (see `Contact.is_incognito`).

        If the other side is a business, the conversation becomes a group with the id of the
        contact: `GroupHandlers.on_joined` tells so.  `join` does that from the beginning.

        Raises as `DuplexAgent.join` does, `LinkIsOwn`, and `LeadsToGroup`.
        """
        check_alias(alias)
        parsed, settings = self._parsed(link), self._core.settings
        join = partial(connect, incognito=incognito, alias=alias)

        def decide(store: Store) -> tuple[Contact, bytes]:
            contact, info = join(store, settings, parsed, self._presets)
            return Contact(self._core, contact), info

        contact, info = await self._core.step(decide)
        try:
            await self._core.agent.join(parsed, info, decides=True)
        except AlreadyJoined:
            pass  # an earlier call, or an earlier life of the program, has come as far as that
        except DuplexError:
            with trio.CancelScope(shield=True):  # one step in the store, which takes no time
                await self._core.step(lambda store: give_up(store, contact.id))
            raise
        return contact

    async def join(
        self,
        link: Link | str,
        *,
        incognito: bool = False,
        alias: str = "",
        connect_members: bool = False,
    ) -> Group:
        """Ask for a group at its link; returns the group to be.

        It returns when the host's router knows of it.  The handlers of `GroupHandlers.on_joined`
        are called when the host has let the program in; those of `GroupHandlers.on_pending` if it
        has to wait until it is approved, and those of `GroupHandlers.on_not_joined` if it is not.
        The host has three weeks for its answer.

        If ``incognito``, members get a random profile.  The ``alias`` is the program's own name for
        the group.  See `GroupInvitation.accept` for ``connect_members``.

        If it raises, the agent keeps trying as long as that can help: the same call again waits for
        the same group.  A group that the program has left, or was removed from, can be joined
        again, and is another one then.

        The address of a business makes the program one of its customers, in a group with the
        business.  The link of a channel makes it one of the subscribers: see
        :doc:`/how-to/channels`.  It returns when one of the relays of the channel can be reached.

        Raises as `DuplexAgent.join` does, `NotAGroup` for a link that leads to something else,
        `LinkIsOwn` for that of a group which the program hosts, `CannotJoin` for a channel of which
        no relay is of any use, and `GroupsNotSupported` for a kind of group of a later version.
        """
        return await join_group(
            *(self._core, self._parsed(link), self._presets),
            incognito=incognito,
            alias=alias,
            connects=connect_members,
        )

    async def contact(self, contact_id: int) -> Contact | None:
        """The contact with this id."""
        found = await self._core.step(lambda store: store.contact(contact_id), durable=False)
        return None if found is None else Contact(self._core, found)

    async def contacts(self) -> list[Contact]:
        """All contacts, in the order in which they came."""

        def look_up(store: Store) -> list[Contact]:
            found: list[Contact] = []
            while page := store.contacts(after=found[-1].id if found else 0):
                found += (Contact(self._core, each) for each in page)
            return found

        return await self._core.step(look_up, durable=False)

    async def create_group(self, profile: GroupProfile | str, *, alias: str = "") -> Group:
        """Make a group whose owner is the program: `Group.invite` brings others in.

        ``profile`` is a name, or what else the group says of itself.  If it says nothing of
        commands, the menu of the app has those of `Handlers.groups`.

        Raises `EncodeError` for a profile that apps would refuse, and `TooLarge`.
        """
        check_alias(alias)
        own = own_group_profile(profile, self._handlers.group_commands)
        settings = self._core.settings
        made = await self._core.step(lambda store: new_group(store, settings, own, alias=alias))
        return Group(self._core, made)

    async def groups(self) -> list[Group]:
        """All groups, in the order in which they came."""
        found = await self._core.step(
            lambda store: list(GroupStore(store).all_groups()), durable=False
        )
        return [Group(self._core, each) for each in found]

    async def group(self, group_id: int) -> Group:
        """The group with this id; raises `UnknownGroup` if there is none."""
        found = await self._core.step(
            lambda store: known_group(GroupStore(store), group_id), durable=False
        )
        return Group(self._core, found)

    # --- what happens ---------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Call handlers until cancelled; called by `open_bot`."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            deal = partial(dispatch, self._core, self._handlers)
            self._conversations = Conversations(nursery, self._core, deal)
            self._core.contact_removed = self._conversations.end
            self._core.member_silenced = self._conversations.silence
            self._core.notice_added = self._add_notice
            transfers = self._core.transfers
            transfers.nursery, transfers.tell = nursery, self._add_file
            await sweep_copies(self._core)
            for each in await self._core.step(_open_notices, durable=False):
                if isinstance(each, Noticed | GroupNoticed):
                    self._add_notice(each)
                else:
                    self._add_file(*each)
            await transfers.resume()
            nursery.start_soon(keep_up, self._core)
            nursery.start_soon(keep_channels, self._core, self._presets)
            task_status.started()
            async for event in self._core.agent.events:
                if isinstance(event, PeerMessage):
                    await self._paced(event)
                elif isinstance(event, FileProgress):
                    self._core.progress.tell(event)
                elif isinstance(event, _FOLLOWED):
                    follow = partial(happened, settings=self._core.settings, event=event)
                    # Whatever leads to work is durable; the rest is done again after a loss.
                    happenings = await self._core.step(follow, takes_event=True, durable=False)
                    for happening in happenings:
                        self._add(happening)
                    if isinstance(event, InvitationReady | ConnectionReady | ConnectionFailed):
                        self._core.tell_connections()
                    if isinstance(event, InvitationReady):
                        await self._read_address()

    async def _read_address(self) -> None:
        self._address = await self._core.step(lambda store: store.address, durable=False)
        if self._address is not None and self._address.link:
            self._has_address.set()

    async def wait_for_address(self) -> None:
        """Wait until a router has made the address; called by `open_bot`."""
        if self._address is not None and not self._address.link:
            await self._has_address.wait()

    async def _paced(self, message: PeerMessage) -> None:
        """Deal with a message, at once or when its sender has not had too much done for it.

        Until then it is not acknowledged, so that no other of this sender comes.
        """
        delay = self._pace.wait_for(message.connection_id, trio.current_time())
        if delay:
            assert self._nursery is not None
            self._nursery.start_soon(self._arrived_later, message, delay)
        else:
            await self._arrived(message)

    async def _arrived_later(self, message: PeerMessage, delay: float) -> None:
        await trio.sleep(delay)
        await self._arrived(message)

    async def _arrived(self, message: PeerMessage) -> None:
        settings = self._core.settings

        def take(store: Store) -> tuple[list[Happening], bool, int]:
            found = look(store, settings, message)
            is_told = any(isinstance(each, ToldInGroup | Said) for each in found)
            if not is_told:
                settle(store, settings, message)
            return found, is_told, store.passed_on

        found, is_told, passed_on = await self._core.step(take, durable=False)
        self._pace.spend(message.connection_id, passed_on, trio.current_time())
        jobs: list[tuple[int, Job]] = []
        for each in found:
            match each:
                case GroupNoticed():
                    self._add_notice(each)
                case ToldInGroup():
                    jobs.append((each.group.group_id, told_job(self._core, each)))
                case Said():
                    jobs += (
                        (each.contact.contact_id, Job(*what, None))
                        for what in told(self._core, each)
                    )
        settled = partial(settle, settings=settings, message=message)
        if not jobs:
            if is_told:
                await self._core.step(settled)
            return
        # Messages of one conversation are dealt with in order, so the last one settles them all.
        jobs[-1][1].settle = settled
        for conversation_id, job in jobs:
            self._add_job(conversation_id, job)

    def _add(self, happening: Happening) -> None:
        match happening:
            case Noticed() | GroupNoticed():
                self._add_notice(happening)
            case _:
                raise AssertionError("only messages say something")

    def _add_notice(self, happened: Noticed | GroupNoticed) -> None:
        notice = happened.notice
        if isinstance(happened, GroupNoticed):
            job = group_notice_job(self._core, happened)
        else:
            job = Job(*noticed(self._core, happened), None)

        def done(store: Store) -> None:
            store.remove_notice(notice)

        job.settle = done
        self._add_job(notice.contact_id, job)

    def _add_file(self, file: OfferedFile, sender: FileSender) -> None:
        """Tell the program of a file whose outcome no call waits for."""
        job = file_job(self._core, file, sender)
        job.settle = partial(file_told, contact_id=file.contact_id, mark=file.key[1])
        self._add_job(file.contact_id, job)

    def _add_job(self, contact_id: int, job: Job) -> None:
        assert self._conversations is not None
        self._conversations.add(contact_id, job)


def _open_notices(
    store: Store,
) -> list[Noticed | GroupNoticed | tuple[OfferedFile, FileSender]]:
    groups = GroupStore(store)
    found: list[Noticed | GroupNoticed | tuple[OfferedFile, FileSender]] = []
    after = 0
    while notices := store.notices(after):
        after = notices[-1].number
        for notice in notices:
            contact = store.contact(notice.contact_id)
            if notice.kind is NoticeKind.FILE:
                file = file_of_notice(store, notice)
                sender = None if file is None else sender_of(store, file)
                if file is not None and sender is not None:
                    found.append((file, sender))
            elif contact is not None:
                found.append(Noticed(contact, notice))
            elif (group := groups.group(notice.contact_id)) is not None:
                found.append(GroupNoticed(group, notice))
    return found
