"""The router's handshake over a connection: all its forms, and all that can be wrong with it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.crypto.credentials import generate_service_credentials
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.errors import ServiceRefused
from simplex_trio.router.config import ClientLimits, RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.shortage import RETRY_SECONDS
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.errors.values import Store
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import NEW, PING
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, ServiceIdentity, SMPClientHandshake
from simplex_trio.wire.smp.messages import ERR, IDS, PONG, Message
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange
from tests.router.house import CREDENTIALS, DATE, House, RawClient, open_house
from tests.router.stores import ReluctantStore

ALL_VERSIONS = range(SMP_VERSIONS.lowest, SMP_VERSIONS.highest + 1)
CLIENTS = [(False, version) for version in ALL_VERSIONS]
# In between a proxy cannot say that it is one, and so speaks no more than 10.
PROXIES = [(True, version) for version in ALL_VERSIONS if not 11 <= version < 14]

KEY = Ed25519PrivateKey(b"\x02" * 32)
DH_KEY = X25519PrivateKey(b"\x03" * 32)
CERTIFICATE = generate_service_credentials(now=DATE)


def service(role: ServiceRole) -> ServiceIdentity:
    return ServiceIdentity(
        role, CERTIFICATE.chain, CERTIFICATE.key, Ed25519PrivateKey(b"\x01" * 32)
    )


@pytest.mark.parametrize("with_key", [True, False], ids=["with key", "without"])
@pytest.mark.parametrize(("is_proxy", "version"), [*CLIENTS, *PROXIES])
async def test_at_each_version(version: int, is_proxy: bool, with_key: bool) -> None:
    async with open_house() as house:
        versions = VersionRange(6, version)
        client = await house.connect(versions=versions, is_proxy=is_proxy, with_key=with_key)
        assert client.session.version == version
        assert (client.agreement.chains is not None) == (
            version >= 11 and with_key and not is_proxy
        )
        assert await client.ask(PING()) == PONG()


@pytest.mark.parametrize(("alpn", "highest"), [("smp/1", 20), ("http/1.1", 20), (None, 6)], ids=str)
async def test_versions_go_by_alpn(alpn: str | None, highest: int) -> None:
    async with open_house() as house:
        client = await house.connect(alpn=alpn)
        assert client.session.version == highest
        assert await client.ask(PING()) == PONG()


async def test_versions_go_by_the_configuration() -> None:
    async with open_house(RouterConfig(lowest_version=9, highest_version=12)) as house:
        assert (await house.connect()).session.version == 12
        await _is_refused(house, VersionRange(6, 8))


async def _is_refused(house: House, versions: VersionRange) -> None:
    raw = house.dial()
    blocks = PaddedBlocks(SMP_BLOCK_SIZE)
    hello = SMPClientHandshake(
        session_id=raw.tls.session_id,
        identity=CREDENTIALS.identity_fingerprint,
        tls_chain=CREDENTIALS.chain,
        session_key=None,
        versions=SMP_VERSIONS,
    ).receive(blocks.open(await raw.frames.receive_frame()))
    assert hello is not None
    wrong = versions.highest.to_bytes(2, "big") + hello[2:]
    await raw.frames.send_frames([blocks.seal(wrong)])
    with pytest.raises(trio.EndOfChannel):
        await raw.frames.receive_frame()


@pytest.mark.parametrize("role", [ServiceRole.MESSAGING, ServiceRole.NOTIFIER, ServiceRole.PROXY])
async def test_service_is_known_again(role: ServiceRole) -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        first = await house.connect(service=service(role))
        second = await house.connect(service=service(role))
        assert first.agreement.service is not None
        assert second.agreement.service is not None
        assert first.agreement.service.id == second.agreement.service.id
        assert await second.ask(PING()) == PONG()
        assert house.hub.state.counters[Count.SERVICES_CREATED] == 0
    assert not (await store.load()).services


async def create_queue(client: RawClient) -> Message:
    command = NEW(KEY.public, DH_KEY.public, subscribe=True)
    return await client.ask(command, key=KEY)


async def test_service_with_a_queue_is_known_after_a_restart() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        first = await house.connect(service=service(ServiceRole.MESSAGING))
        assert first.agreement.service is not None
        assert isinstance(await create_queue(first), IDS)
    (record,) = (await store.load()).services
    assert record.service_id == first.agreement.service.id
    assert record.role is ServiceRole.MESSAGING
    async with open_house(store=store) as house:
        second = await house.connect(service=service(ServiceRole.MESSAGING))
        assert second.agreement.service is not None
        assert second.agreement.service.id == record.service_id


async def test_one_certificate_has_one_role() -> None:
    async with open_house() as house:
        client = await house.connect(service=service(ServiceRole.MESSAGING))
        other = await house.connect(service=service(ServiceRole.NOTIFIER))
        assert client.agreement.service is not None
        assert other.agreement.service is not None
        assert client.agreement.service.id != other.agreement.service.id
        assert isinstance(await create_queue(client), IDS)
        with pytest.raises(ServiceRefused):
            await house.connect(service=service(ServiceRole.NOTIFIER))
        assert len(house.hub.state.services) == 1


async def test_service_that_cannot_be_stored_gets_no_queue(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    store.is_full = True
    async with open_house(store=store) as house:
        client = await house.connect(service=service(ServiceRole.MESSAGING))
        answer = await create_queue(client)
        assert isinstance(answer, ERR)
        assert isinstance(answer.error, Store)
        assert len(house.hub.state.services) == 0
        store.is_full = False
        assert isinstance(await create_queue(client), ERR)  # not tried again for a while
        await trio.sleep(RETRY_SECONDS)
        assert isinstance(await create_queue(client), IDS)


@pytest.mark.parametrize(
    "block",
    [
        bytes(SMP_BLOCK_SIZE),
        b"\xff" * SMP_BLOCK_SIZE,
        PaddedBlocks(SMP_BLOCK_SIZE).seal(b""),
        PaddedBlocks(SMP_BLOCK_SIZE).seal(b"\x00\x14\x20" + bytes(32) + b"\x00F0"),
    ],
    ids=["zeros", "no length", "nothing", "another router"],
)
async def test_nonsense_ends_the_connection(block: bytes) -> None:
    async with open_house() as house:
        raw = house.dial()
        await raw.frames.receive_frame()
        await raw.frames.send_frames([block])
        with pytest.raises(trio.EndOfChannel):
            await raw.frames.receive_frame()
        assert await (await house.connect()).ask(PING()) == PONG()


async def test_silence_ends_the_connection(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        raw = house.dial()
        await raw.frames.receive_frame()
        with pytest.raises(trio.EndOfChannel):
            await raw.frames.receive_frame()
        assert trio.current_time() == pytest.approx(60)


async def test_client_that_goes_in_the_middle() -> None:
    async with open_house() as house:
        raw = house.dial()
        await raw.frames.receive_frame()
        await raw.frames.aclose()
        assert await (await house.connect()).ask(PING()) == PONG()


async def test_silence_ends_the_connection_sooner_when_it_is_crowded(
    autojump_clock: MockClock,
) -> None:
    crowded = RouterConfig(limits=ClientLimits(connections=2))
    async with open_house(crowded) as house:
        for _ in range(2):
            assert await house.hub.places.take(None)
        raw = house.dial()
        await raw.frames.receive_frame()
        with pytest.raises(trio.EndOfChannel):
            await raw.frames.receive_frame()
        assert trio.current_time() == crowded.limits.crowded_handshake_seconds
