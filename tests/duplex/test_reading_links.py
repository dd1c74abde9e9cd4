"""Reading the data of a link that is joined: what fails, and how a call and an event tell it."""

from __future__ import annotations

from typing import cast

import pytest
from attrs import evolve

from simplex_trio.client.router_errors import RouterError
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import LinkNotUsable, NeedsNewerAgent
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.events import ConnectionDeleted, ConnectionFailed, Problem
from simplex_trio.duplex.machine.joining import start_joining
from simplex_trio.duplex.machine.notifying import NotificationWork
from simplex_trio.duplex.machine.work import ReadLink, Work
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.duplex.work.sending import SenderWork
from simplex_trio.duplex.work.watches import Watches
from simplex_trio.errors import ConnectTimeout
from simplex_trio.wire.duplex.link_boxes import LinkContent, open_link, seal_link
from simplex_trio.wire.duplex.link_data import ContactLinkData, FixedLinkData
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.owners import LinkDataInvalid, LinkFlaw, Owner
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.versions import VersionRange
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS, World

ROOT = Ed25519PrivateKey(bytes(range(32)))


def address() -> ContactURI:
    machine = Machine("a")
    request = parse_link(World(machine).address(machine).link)
    assert isinstance(request, ContactURI)
    return request


def content(*, direct: bool = True, versions: VersionRange = AGENT_VERSIONS) -> LinkContent:
    request = evolve(address(), agent_versions=versions)
    fixed = FixedLinkData(versions, ROOT.public, request)
    return LinkContent(fixed, ContactLinkData(versions, direct=direct))


class FakeRouters:
    """Routers that answer as a test wants it."""

    def __init__(self, answer: LinkContent | Exception) -> None:
        self.answer = answer

    async def read_link(self, *_: object) -> LinkContent:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def join(answer: LinkContent | Exception) -> tuple[Exception | None, list[object]]:
    """What a call that waits raises, and what the program is told, after one attempt."""
    store, watches = DuplexStore(MemoryDatabase()), Watches()
    core = Core(DuplexConfig(pq=False), store, DuplexEvents(store), None, watches)
    works: list[Work | NotificationWork] = []
    told: list[object] = []
    core.set_work = lambda _, work: works.extend(work)
    publish = store.publish

    def published(events: list[tuple[int, object]]) -> None:
        told.extend(event for _, event in events)
        publish(events)  # type: ignore[arg-type]

    store.publish = published  # type: ignore[assignment]
    link = ShortContactLink(SERVERS[0], ContactKind.CONTACT, bytes(32))
    connection_id = await core.step(
        lambda step: start_joining(step, link, user="", info=b"B", pq=False).connection_id
    )
    [work] = works
    assert isinstance(work, ReadLink)
    watch = watches.add(connection_id)
    await SenderWork(core, cast("Routers", FakeRouters(answer))).read_link(work)
    raised = watch.error
    if raised is not None:
        assert told.pop() == ConnectionDeleted(connection_id)
        assert not await core.read(lambda rows: rows.connection_ids(None))
    problems = [event.problem if isinstance(event, ConnectionFailed) else event for event in told]
    return raised if isinstance(raised, Exception) else None, problems


@pytest.mark.parametrize("flaw", LinkFlaw)
async def test_data_that_is_not_what_the_link_promises(flaw: LinkFlaw) -> None:
    raised, told = await join(LinkDataInvalid(flaw))
    needs_newer = flaw is LinkFlaw.FUTURE_VERSION
    assert raised is not None
    assert isinstance(raised, NeedsNewerAgent if needs_newer else LinkNotUsable)
    assert isinstance(raised.__cause__, LinkDataInvalid)
    assert raised.__cause__.flaw is flaw
    assert told == [Problem.NEWER_AGENT if needs_newer else Problem.LINK]


async def test_data_that_cannot_be_used() -> None:
    raised, told = await join(content(direct=False))
    assert isinstance(raised, LinkNotUsable)
    assert told == [Problem.LINK]
    raised, told = await join(content(versions=VersionRange(8, 9)))
    assert isinstance(raised, NeedsNewerAgent)
    assert told == [Problem.NEWER_AGENT]


async def test_a_router_without_the_link() -> None:
    raised, told = await join(RouterError(Code.AUTH))
    assert isinstance(raised, RouterError)
    assert told == [Problem.QUEUE_GONE]


async def test_what_passes_by_itself_is_left_to_the_lane() -> None:
    with pytest.raises(ConnectTimeout):
        await join(ConnectTimeout("no answer"))
    raised, told = await join(content())
    assert (raised, told) == (None, [])


# --- owners -------------------------------------------------------------------------------------


def sealed_with_owners(*owners: Owner, by: Ed25519PrivateKey = ROOT) -> LinkContent:
    request = address()
    fixed = FixedLinkData(AGENT_VERSIONS, ROOT.public, request)
    user = ContactLinkData(AGENT_VERSIONS, owners=owners)
    sealed = seal_link(fixed, user, ROOT, fixed_nonce=bytes(24), user_nonce=bytes(24), user_key=by)
    return open_link(sealed.keys, sealed.data)


async def test_an_address_whose_data_an_owner_has_signed() -> None:
    key = Ed25519PrivateKey.generate()
    owner = Owner.authorize(b"owner", key.public, ROOT)
    raised, told = await join(sealed_with_owners(owner, by=key))
    assert (raised, told) == (None, [])
