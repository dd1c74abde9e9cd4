"""PRXY and PFWD: sessions with relays, and every failure as the error that the protocol has."""

from __future__ import annotations

import pytest
import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import (
    ConnectionLost,
    ConnectTimeout,
    DecryptionFailed,
    DialFailed,
    EncodeError,
    IdentityMismatch,
    MalformedHello,
    MalformedResponse,
    NoCommonVersion,
    NoSuitableHost,
    RequestTimeout,
    ServiceRefused,
    SessionKeyUnproven,
    SessionMismatch,
    SimplexError,
    TLSFailed,
    TooLarge,
    UnexpectedResponseError,
    WrongIdentity,
)
from simplex_trio.router.config import ClientLimits, RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.router.proxying import RelayRefused, Requester, proxy_error
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.errors import values as wire
from simplex_trio.wire.errors.values import (
    Broker,
    BrokerErrorKind,
    Code,
    HandshakeErrorKind,
    Network,
    Proxy,
    ProxyErrorKind,
    RouterErrorValue,
    TransportError,
    TransportErrorKind,
)
from simplex_trio.wire.handshake import sign_session_key
from simplex_trio.wire.smp.commands import PFWD, PING, PRXY
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.smp.messages import ERR, PKEY, PONG, PRES
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange
from tests.router.house import CREDENTIALS, House, open_house

ADDRESS = ServerAddress.parse(f"smp://{'A' * 43}=@smp.example.com")
KEY = X25519PrivateKey(b"\x03" * 32)
PROOF = sign_session_key(KEY.public, CREDENTIALS.chain, CREDENTIALS.key)
SESSION_ID = b"\x04" * 32
PRIVATE = ServerAddress.parse(f"smp://{'A' * 43}=@127.0.0.1")


@define
class FakeRelay:
    session_id: bytes = SESSION_ID
    version: int = 20
    versions: VersionRange = SMP_VERSIONS
    proof: ProvenKey | None = PROOF
    answer: bytes | SimplexError = b"sealed"
    forwarded: list[FwdTransmission] = field(factory=list)
    go: trio.Event = field(factory=trio.Event)

    async def forward(self, forwarded: FwdTransmission) -> bytes:
        self.forwarded.append(forwarded)
        await self.go.wait()
        if isinstance(self.answer, SimplexError):
            raise self.answer
        return self.answer


@define
class FakeRelays:
    relay: FakeRelay = field(factory=FakeRelay)
    failure: SimplexError | None = None
    is_connected: bool = True

    def __attrs_post_init__(self) -> None:
        self.relay.go.set()

    async def connection(self, relay: ServerAddress, requester: Requester) -> FakeRelay:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        return self.relay

    def reconfigure(self, policy: ProxyPolicy) -> None:
        raise AssertionError("nothing is reloaded here")

    def find(self, session_id: bytes) -> FakeRelay | None:
        found = self.is_connected and session_id == self.relay.session_id
        return self.relay if found else None


def forwarding(version: int = 20) -> PFWD:
    return PFWD(version, KEY.public, b"from the client")


async def ask_for_session(house: House, command: PRXY | None = None) -> object:
    client = await house.connect()
    answer = await client.ask(command or PRXY(ADDRESS))
    return answer.error if isinstance(answer, ERR) else answer


# --- PRXY ---------------------------------------------------------------------------------------


async def test_session_with_a_relay() -> None:
    async with open_house(relays=FakeRelays()) as house:
        assert await ask_for_session(house) == PKEY(SESSION_ID, VersionRange(8, 20), PROOF)
        assert house.hub.state.counters[Count.RELAY_SESSIONS_REQUESTED] == 1


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (VersionRange(6, 8), VersionRange(8, 8)),
        (VersionRange(12, 30), VersionRange(12, 20)),
        (VersionRange(9, 18), VersionRange(9, 18)),
    ],
)
async def test_versions_are_cut(versions: VersionRange, told: VersionRange) -> None:
    relays = FakeRelays(FakeRelay(versions=versions))
    async with open_house(relays=relays) as house:
        answer = await ask_for_session(house)
        assert isinstance(answer, PKEY)
        assert answer.versions == told


@pytest.mark.parametrize(
    ("relay", "kind"),
    [
        (FakeRelay(version=7, versions=VersionRange(6, 7)), TransportErrorKind.VERSION),
        (FakeRelay(version=7, versions=VersionRange(6, 9)), TransportErrorKind.VERSION),
        (FakeRelay(proof=None), TransportErrorKind.NO_AUTH),
    ],
    ids=["too old", "agreed on too little", "no key"],
)
async def test_relays_that_cannot_be_used(relay: FakeRelay, kind: TransportErrorKind) -> None:
    async with open_house(relays=FakeRelays(relay)) as house:
        assert await ask_for_session(house) == Proxy(Broker(TransportError(kind)))


@pytest.mark.parametrize("password", [None, b"wrong"])
async def test_password_is_needed(password: bytes | None) -> None:
    config = RouterConfig(queues=QueuePolicy(password="secret"))
    async with open_house(config, relays=FakeRelays()) as house:
        refused = await ask_for_session(house, PRXY(ADDRESS, password))
        assert refused == Proxy(ProxyErrorKind.BASIC_AUTH)
        assert isinstance(await ask_for_session(house, PRXY(ADDRESS, b"secret")), PKEY)


@pytest.mark.parametrize("relays", [None, FakeRelays()], ids=["none", "not allowed"])
async def test_router_that_is_no_proxy(relays: FakeRelays | None) -> None:
    config = RouterConfig(proxy=ProxyPolicy(enabled=False))
    async with open_house(config, relays=relays) as house:
        assert await ask_for_session(house) == Proxy(ProxyErrorKind.BASIC_AUTH)


async def test_private_relay() -> None:
    async with open_house(relays=FakeRelays()) as house:
        refused = await ask_for_session(house, PRXY(PRIVATE))
        assert refused == Proxy(Broker(BrokerErrorKind.HOST))
        assert house.hub.state.counters[Count.RELAY_SESSIONS_REFUSED] == 1


async def test_relay_that_cannot_be_reached() -> None:
    async with open_house(relays=FakeRelays(failure=DialFailed())) as house:
        assert await ask_for_session(house) == Proxy(Broker(Network()))
        assert house.hub.state.counters[Count.RELAY_SESSIONS_FAILED] == 1


# --- PFWD ---------------------------------------------------------------------------------------


async def test_forwarding() -> None:
    relays = FakeRelays()
    async with open_house(relays=relays) as house:
        client = await house.connect()
        answer = await client.ask(forwarding(17), SESSION_ID, correlation_id=b"c" * 24)
        assert answer == PRES(b"sealed")
        (forwarded,) = relays.relay.forwarded
        assert forwarded == FwdTransmission(b"c" * 24, 17, KEY.public, b"from the client")
        assert house.hub.state.counters[Count.PROXIED_FORWARDED] == 1


@pytest.mark.parametrize("session_id", [SESSION_ID, b"another"])
async def test_session_that_is_gone(session_id: bytes) -> None:
    async with open_house(relays=FakeRelays(is_connected=False)) as house:
        client = await house.connect()
        answer = await client.ask(forwarding(), session_id)
        assert answer == ERR(Proxy(ProxyErrorKind.NO_SESSION))


async def test_forwarding_by_no_proxy() -> None:
    async with open_house() as house:
        client = await house.connect()
        answer = await client.ask(forwarding(), SESSION_ID)
        assert answer == ERR(Proxy(ProxyErrorKind.NO_SESSION))


async def test_forwarding_to_a_relay_that_is_too_old() -> None:
    async with open_house(relays=FakeRelays(FakeRelay(version=7))) as house:
        client = await house.connect()
        answer = await client.ask(forwarding(), SESSION_ID)
        assert answer == ERR(Proxy(Broker(TransportError(TransportErrorKind.VERSION))))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (RelayRefused(Code.AUTH), Proxy(wire.Protocol(Code.AUTH))),
        (RequestTimeout(), Proxy(Broker(BrokerErrorKind.TIMEOUT))),
        (ConnectionLost(), Proxy(Broker(Network()))),
    ],
    ids=["refused", "timed out", "lost"],
)
async def test_relay_that_does_not_answer(
    failure: SimplexError, expected: RouterErrorValue
) -> None:
    relays = FakeRelays(FakeRelay(answer=failure))
    async with open_house(relays=relays) as house:
        client = await house.connect()
        assert await client.ask(forwarding(), SESSION_ID) == ERR(expected)


async def test_slow_relays_hold_up_no_client_until_there_are_many() -> None:
    relays = FakeRelays()
    relays.relay.go = trio.Event()
    config = RouterConfig(limits=ClientLimits(proxied_at_once=3))
    async with open_house(config, relays=relays) as house:
        client, other = await house.connect(), await house.connect()
        for _ in range(3):
            await client.send(client.transmission(forwarding(), SESSION_ID))
        assert await client.ask(PING()) == PONG()
        await client.send(
            client.transmission(PING()),
            client.transmission(forwarding(), SESSION_ID),
            client.transmission(PING()),
        )
        assert (await client.read()).message == PONG()
        await wait_all_tasks_blocked()
        assert len(relays.relay.forwarded) == 3
        assert await other.ask(PING()) == PONG()
        relays.relay.go.set()
        answers = [(await client.read()).message for _ in range(5)]
        assert answers.count(PRES(b"sealed")) == 4
        assert answers.count(PONG()) == 1


# --- errors -------------------------------------------------------------------------------------


def transport(kind: TransportErrorKind) -> RouterErrorValue:
    return Proxy(Broker(TransportError(kind)))


def of_handshake(kind: HandshakeErrorKind) -> RouterErrorValue:
    return Proxy(Broker(TransportError.of_handshake(kind)))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (RelayRefused(Code.QUOTA), Proxy(wire.Protocol(Code.QUOTA))),
        (NoSuitableHost(), Proxy(Broker(BrokerErrorKind.HOST))),
        (RequestTimeout(), Proxy(Broker(BrokerErrorKind.TIMEOUT))),
        (DialFailed(), Proxy(Broker(Network()))),
        (ConnectTimeout(), Proxy(Broker(Network()))),
        (TLSFailed(), Proxy(Broker(Network()))),
        (WrongIdentity(), Proxy(Broker(Network()))),
        (ConnectionLost(), Proxy(Broker(Network()))),
        (NoCommonVersion(), transport(TransportErrorKind.VERSION)),
        (SessionMismatch(), transport(TransportErrorKind.SESSION)),
        (SessionKeyUnproven(), of_handshake(HandshakeErrorKind.BAD_AUTH)),
        (IdentityMismatch(), of_handshake(HandshakeErrorKind.IDENTITY)),
        (MalformedHello(), of_handshake(HandshakeErrorKind.PARSE)),
        (ServiceRefused(), Proxy(Broker(Network()))),
        (TooLarge(), transport(TransportErrorKind.LARGE_MSG)),
        (MalformedResponse("what"), Proxy(Broker(wire.Response("what")))),
        (UnexpectedResponseError("what"), Proxy(Broker(wire.Unexpected("what")))),
        (DecryptionFailed(), Code.CRYPTO),
        (EncodeError(), Code.INTERNAL),
        (SimplexError(), Code.INTERNAL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_failure_has_an_error(failure: SimplexError, expected: RouterErrorValue) -> None:
    assert proxy_error(failure) == expected
