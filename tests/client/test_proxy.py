"""Through a proxy: ten ways to end, kept apart; and passing on as the proxy.

The proxy here is a script that holds the keys of the relay as well, so that it can look into what
was sealed for it and answer in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.router_errors import (
    ProxyFailed,
    ProxyMalformedResponse,
    ProxyUnexpectedResponse,
    RouterError,
)
from simplex_trio.client.smp.proxy import ProxiedRelay
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.credentials import (
    generate_router_credentials,
    generate_service_credentials,
)
from simplex_trio.crypto.keys import AuthPrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE, Patience
from simplex_trio.errors import (
    ConnectionLost,
    DecodeError,
    MalformedResponse,
    NoCommonVersion,
    RequestTimeout,
    SessionKeyUnproven,
    SimplexError,
    TooLarge,
    UnexpectedResponseError,
    UnsupportedVersion,
)
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.buffer import short
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.errors.values import (
    Broker,
    BrokerErrorKind,
    Code,
    Network,
    Protocol,
    Proxy,
    ProxyErrorKind,
    Response,
    RouterErrorValue,
    Unexpected,
)
from simplex_trio.wire.handshake import ServiceRole, sign_session_key
from simplex_trio.wire.reading import RefusedTransmission
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.forwarding import FwdResponse, FwdTransmission
from simplex_trio.wire.smp.handshake import smp_session
from simplex_trio.wire.smp.messages import (
    ERR,
    LNK,
    OK,
    PKEY,
    PONG,
    PRES,
    RNAME,
    RRES,
    SOK,
    Message,
)
from simplex_trio.wire.smp.names import Domain
from simplex_trio.wire.smp.proxied import (
    open_command,
    open_forwarded,
    seal_answer,
    seal_forwarded_answer,
)
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import VersionRange
from tests.client.routing import LINK_DATA, LINK_ID, RECORD
from tests.client.support import (
    OTHER_QUEUE,
    QUEUE,
    ROUTER,
    Outcome,
    Peer,
    Received,
    agreeable,
    cancelled_at_every_step,
    config,
    start,
)

KEY = Ed25519PrivateKey.generate()
NOW = datetime.now(UTC)


class Relay:
    """What only the relay knows; its side of the inner layer."""

    def __init__(self, highest: int = 20) -> None:
        self.versions = VersionRange(8, highest)
        self.credentials = generate_router_credentials(now=NOW)
        self.session_key = X25519PrivateKey.generate()
        self.session_id = bytes(range(32))
        self.address = ServerAddress(
            ROUTER.address.protocol,
            ROUTER.address.hosts,
            5224,
            self.credentials.identity_fingerprint,
        )

    @property
    def proof(self) -> ProvenKey:
        return sign_session_key(
            self.session_key.public, self.credentials.chain, self.credentials.key
        )

    def pkey(self) -> PKEY:
        return PKEY(self.session_id, self.versions, self.proof)

    def opened(self, received: Received) -> Received:
        """The command inside a PFWD."""
        passed = received.command
        assert isinstance(passed, smp.PFWD)
        assert received.transmission.entity_id == self.session_id
        assert passed.version == self.versions.highest
        correlation_id = received.transmission.correlation_id
        content = open_command(self._box(received), correlation_id, passed.sealed)
        (inner,) = read_smp_commands(content, smp_session(passed.version, self.session_id))
        assert not isinstance(inner, RefusedTransmission)
        assert inner.transmission.correlation_id == correlation_id
        return inner

    def sealed(self, received: Received, *transmissions: bytes) -> PRES:
        """The answer to a PFWD, with anything inside."""
        batch = Batch(smp_session(self.versions.highest, self.session_id))
        for each in transmissions:
            assert batch.add(each)
        correlation_id = received.transmission.correlation_id
        return PRES(seal_answer(self._box(received), correlation_id, batch.content()))

    def answer(
        self,
        received: Received,
        message: Message | bytes,
        *,
        correlation_id: bytes | None = None,
        entity_id: bytes | None = None,
    ) -> bytes:
        """A transmission from the relay, for `sealed`."""
        asked = self.opened(received).transmission
        version = self.versions.highest
        encoded = message if isinstance(message, bytes) else message.encode(version)
        return prepare_transmission(
            smp_session(version, self.session_id),
            asked.correlation_id if correlation_id is None else correlation_id,
            asked.entity_id if entity_id is None else entity_id,
            encoded,
        ).finish()

    def says(self, received: Received, message: Message | bytes, **ids: bytes) -> PRES:
        """The relay's answer as the proxy passes it back."""
        return self.sealed(received, self.answer(received, message, **ids))

    def _box(self, received: Received) -> BoxKey:
        assert isinstance(received.command, smp.PFWD)
        return BoxKey.agree(self.session_key, received.command.key)


Respond = Callable[[Received], Message]


class Session:
    """A client of a proxy, the script of the proxy, and the relay behind it."""

    def __init__(self, through: ProxiedRelay, relay: Relay, nursery: trio.Nursery) -> None:
        self.through = through
        self.relay = relay
        self.nursery = nursery
        self.asked: list[Received] = []
        self.on_prxy: Respond = lambda _received: relay.pkey()
        self.on_pfwd: Respond = lambda received: relay.says(received, OK())

    def respond(self, received: Received) -> Message:
        self.asked.append(received)
        match received.command:
            case smp.PRXY():
                return self.on_prxy(received)
            case smp.PFWD():
                return self.on_pfwd(received)
            case _:
                return agreeable(received)

    @property
    def tags(self) -> list[str]:
        return [received.command.TAG.decode() for received in self.asked]


async def in_session(
    act: Callable[[Session], Awaitable[None]],
    relay: Relay | None = None,
    settings: SMPClientConfig | None = None,
) -> None:
    relay = relay or Relay()
    async with (
        ROUTER.open_client(settings) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        session = Session(client.relay(relay.address), relay, nursery)
        nursery.start_soon(peer.serve, session.respond)
        await act(session)
        await wait_all_tasks_blocked()
        assert client.statistics().pending == 0
        await client.ping()
        await client.aclose()


async def failure(session: Session) -> SimplexError:
    with pytest.raises(SimplexError) as failed:
        await session.through.send(QUEUE, b"hello", KEY)
    return failed.value


# --- the ten outcomes -----------------------------------------------------------------------------


async def test_0_the_relay_did_it() -> None:
    async def act(session: Session) -> None:
        await session.through.send(QUEUE, b"hello", KEY, notify=True)
        sent = session.relay.opened(session.asked[-1])
        assert sent.command == smp.SEND(MessageFlags(notification=True), b"hello")
        assert sent.transmission.entity_id == QUEUE
        assert session.tags == ["PRXY", "PFWD"]

    await in_session(act)


Answer = Callable[[Relay, Received], Message]


@pytest.mark.parametrize(
    ("answer", "kind", "error"),
    [
        pytest.param(
            lambda relay, received: relay.says(received, ERR(Code.AUTH)),
            RouterError,
            Code.AUTH,
            id="1 the relay's error",
        ),
        pytest.param(
            lambda relay, received: relay.says(received, ERR(Proxy(ProxyErrorKind.NO_SESSION))),
            RouterError,
            Proxy(ProxyErrorKind.NO_SESSION),
            id="1 the relay's error, even if it looks like a proxy's",
        ),
        pytest.param(
            lambda relay, received: relay.says(received, SOK()),
            UnexpectedResponseError,
            None,
            id="2 the relay answers something else",
        ),
        pytest.param(
            lambda relay, received: relay.says(received, b"???"),
            MalformedResponse,
            None,
            id="3 the relay's answer cannot be read",
        ),
        pytest.param(
            lambda _relay, _received: ERR(Proxy(Protocol(Code.AUTH))),
            ProxyFailed,
            Proxy(Protocol(Code.AUTH)),
            id="4 the relay refuses the proxy",
        ),
        pytest.param(
            lambda _relay, _received: ERR(Proxy(Broker(Unexpected("OK")))),
            ProxyFailed,
            Proxy(Broker(Unexpected("OK"))),
            id="5 the relay answers the proxy something else",
        ),
        pytest.param(
            lambda _relay, _received: ERR(Proxy(Broker(Response("CMD SYNTAX")))),
            ProxyFailed,
            Proxy(Broker(Response("CMD SYNTAX"))),
            id="6 the proxy cannot read the relay's answer",
        ),
        pytest.param(
            lambda _relay, _received: ERR(Code.AUTH),
            ProxyFailed,
            Code.AUTH,
            id="7 the proxy's own error",
        ),
        pytest.param(
            lambda _relay, _received: OK(),
            ProxyUnexpectedResponse,
            None,
            id="8 the proxy answers something else",
        ),
        pytest.param(
            lambda _relay, _received: PONG(),
            ProxyMalformedResponse,
            None,
            id="9 the proxy's answer cannot be read",
        ),
    ],
)
async def test_each_way_to_fail(
    answer: Answer, kind: type[SimplexError], error: RouterErrorValue | None
) -> None:
    async def act(session: Session) -> None:
        session.on_pfwd = lambda received: answer(session.relay, received)
        failed = await failure(session)
        assert type(failed) is kind
        assert isinstance(failed, ProxyFailed) != isinstance(
            failed, RouterError | UnexpectedResponseError | MalformedResponse
        )
        if error is not None:
            assert isinstance(failed, RouterError | ProxyFailed)
            assert failed.error == error
        assert session.tags == ["PRXY", "PFWD"]

    await in_session(act)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            lambda relay, received: relay.says(received, OK(), correlation_id=bytes(24)),
            UnexpectedResponseError,
        ),
        (
            lambda relay, received: relay.says(received, OK(), entity_id=OTHER_QUEUE),
            UnexpectedResponseError,
        ),
        (lambda relay, received: relay.says(received, b""), MalformedResponse),
        (
            lambda relay, received: relay.sealed(received, *[relay.answer(received, OK())] * 2),
            MalformedResponse,
        ),
        (lambda relay, received: relay.sealed(received), MalformedResponse),
        (lambda _relay, _received: PRES(b""), ProxyMalformedResponse),
        (lambda _relay, _received: PRES(bytes(16_242)), ProxyMalformedResponse),
    ],
)
async def test_answers_that_are_not_what_they_should_be(
    answer: Answer, kind: type[SimplexError]
) -> None:
    async def act(session: Session) -> None:
        session.on_pfwd = lambda received: answer(session.relay, received)
        assert type(await failure(session)) is kind

    await in_session(act)


async def test_an_answer_about_another_session() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        relay = Relay()
        caller = start(nursery, lambda: client.relay(relay.address).send(QUEUE, b"hello"))
        await peer.send(peer.answer(await peer.next_command(), relay.pkey()))
        asked = await peer.next_command()
        correlation_id = asked.transmission.correlation_id
        await peer.send(peer.transmission(correlation_id, QUEUE, relay.says(asked, OK())))
    assert isinstance(caller.error, ProxyUnexpectedResponse)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (Proxy(ProxyErrorKind.NO_SESSION), True),
        (Proxy(Broker(BrokerErrorKind.TIMEOUT)), True),
        (Proxy(Broker(Network())), True),
        (Proxy(ProxyErrorKind.BASIC_AUTH), False),
        (Proxy(Protocol(Code.AUTH)), False),
        (Code.AUTH, False),
    ],
)
def test_which_failures_may_pass(error: RouterErrorValue, retryable: bool) -> None:
    assert ProxyFailed(error).retryable == retryable


# --- what goes through ----------------------------------------------------------------------------

DOMAIN = Domain.parse("alice.simplex")
LINK = LNK(QUEUE, LINK_DATA)

COMMANDS: dict[str, tuple[Callable[[ProxiedRelay], Awaitable[object]], smp.Command, Any, Any]] = {
    "send": (
        lambda relay: relay.send(QUEUE, b"hello"),
        smp.SEND(MessageFlags(), b"hello"),
        OK(),
        None,
    ),
    "secure_as_sender": (
        lambda relay: relay.secure_as_sender(QUEUE, KEY),
        smp.SKEY(KEY.public),
        OK(),
        None,
    ),
    "read_link": (lambda relay: relay.read_link(LINK_ID), smp.LGET(), LINK, LINK),
    "secure_and_read_link": (
        lambda relay: relay.secure_and_read_link(LINK_ID, KEY),
        smp.LKEY(KEY.public),
        LINK,
        LINK,
    ),
    "resolve_name": (
        lambda relay: relay.resolve_name(DOMAIN),
        smp.RSLV(DOMAIN),
        RNAME(RECORD),
        RECORD,
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_every_command(name: str) -> None:
    call, command, answer, result = COMMANDS[name]

    async def act(session: Session) -> None:
        session.on_pfwd = lambda received: session.relay.says(received, answer)
        assert await call(session.through) == result
        assert session.relay.opened(session.asked[-1]).command == command
        session.on_pfwd = lambda received: session.relay.says(received, SOK(), entity_id=QUEUE)
        with pytest.raises(UnexpectedResponseError):
            await call(session.through)

    await in_session(act)


@pytest.mark.parametrize("key", [KEY, X25519PrivateKey.generate()])
async def test_commands_are_authorized_in_the_relay_s_session(key: AuthPrivateKey) -> None:
    async def act(session: Session) -> None:
        await session.through.send(QUEUE, b"hello", key)
        sent = session.relay.opened(session.asked[-1])
        relay_checks = Verifier(session.relay.session_key)
        assert relay_checks.accepts(sent.transmission, [key.public])
        assert sent.transmission.authorized.startswith(short(session.relay.session_id))

    await in_session(act)


async def test_a_service_signs_nothing_through_a_proxy() -> None:
    credentials = generate_service_credentials(now=NOW)
    service = ServiceCertificate(ServiceRole.MESSAGING, credentials.chain, credentials.key)

    async def act(session: Session) -> None:
        await session.through.send(QUEUE, b"hello", KEY)
        sent = session.relay.opened(session.asked[-1]).transmission
        assert sent.service_signature is None
        assert Verifier(session.relay.session_key).accepts(sent, [KEY.public])

    await in_session(act, settings=SMPClientConfig(session=SMPSessionConfig(service=service)))


async def test_every_command_has_a_key_of_its_own() -> None:
    async def act(session: Session) -> None:
        for _ in range(2):
            await session.through.send(QUEUE, b"hello")
        first, second = (
            received.command for received in session.asked if isinstance(received.command, smp.PFWD)
        )
        assert first.key != second.key
        assert len(first.sealed) == len(second.sealed) == 16_242

    await in_session(act)


@pytest.mark.parametrize("version", [8, 14, 15, 20])
async def test_the_relay_s_version_is_spoken(version: int) -> None:
    async def act(session: Session) -> None:
        await session.through.send(QUEUE, b"hello", KEY)
        before = len(session.asked)
        if version < 9:
            with pytest.raises(UnsupportedVersion):
                await session.through.secure_as_sender(QUEUE, KEY)
        if version < 15:
            with pytest.raises(UnsupportedVersion):
                await session.through.read_link(LINK_ID)
        if version < 20:
            with pytest.raises(UnsupportedVersion):
                await session.through.resolve_name(DOMAIN)
        assert len(session.asked) == before

    await in_session(act, Relay(highest=version))


async def test_how_long_a_message_may_be() -> None:
    async def act(session: Session) -> None:
        await session.through.send(QUEUE, bytes(16_048), X25519PrivateKey.generate())
        with pytest.raises(TooLarge):
            await session.through.send(QUEUE, bytes(16_049))

    await in_session(act)


# --- the session with the relay -------------------------------------------------------------------


async def test_a_session_is_asked_for_once() -> None:
    async def act(session: Session) -> None:
        for _ in range(3):
            await session.through.send(QUEUE, b"hello")
        assert session.tags == ["PRXY", "PFWD", "PFWD", "PFWD"]
        prxy = session.asked[0]
        assert prxy.command == smp.PRXY(session.relay.address)
        assert prxy.transmission.entity_id == b""
        assert not prxy.transmission.authorization

    await in_session(act)


async def test_tasks_that_begin_together_share_a_session() -> None:
    async def act(session: Session) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(session.through.send, QUEUE, b"hello")
        assert sorted(session.tags) == ["PFWD"] * 5 + ["PRXY"]

    await in_session(act)


async def test_each_relay_has_a_session_of_its_own() -> None:
    async with ROUTER.open_client() as (client, _peer):
        first, second = Relay(), Relay()
        through = client.relay(first.address)
        assert client.relay(str(first.address)) is through
        assert client.relay(second.address) is not through
        with pytest.raises(DecodeError):
            client.relay("ntf://AAAA@host")
        assert repr(through) == "<ProxiedRelay, no session yet>"


async def test_a_proxy_that_wants_a_password() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        relay = Relay()
        through = client.relay(relay.address, basic_auth=b"secret")
        nursery.start_soon(through.session)
        asked = await peer.next_command()
        assert asked.command == smp.PRXY(relay.address, b"secret")
        await peer.send(peer.answer(asked, relay.pkey()))


async def test_a_session_that_the_proxy_has_lost_is_asked_for_again() -> None:
    async def act(session: Session) -> None:
        await session.through.send(QUEUE, b"hello")
        session.asked.clear()
        old = session.relay.session_id
        session.relay.session_id = bytes(32)

        def respond(received: Received) -> Message:
            if received.transmission.entity_id == old:
                return ERR(Proxy(ProxyErrorKind.NO_SESSION))
            return session.relay.says(received, OK())

        session.on_pfwd = respond
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(session.through.send, QUEUE, b"hello")
        assert session.tags.count("PRXY") == 1  # the three ask together
        assert session.tags.count("PFWD") == 6

    await in_session(act)


async def test_a_session_that_is_lost_at_once_again() -> None:
    async def act(session: Session) -> None:
        session.on_pfwd = lambda _received: ERR(Proxy(ProxyErrorKind.NO_SESSION))
        failed = await failure(session)
        assert isinstance(failed, ProxyFailed)
        assert failed.error == Proxy(ProxyErrorKind.NO_SESSION)
        assert failed.retryable
        assert session.tags == ["PRXY", "PFWD", "PRXY", "PFWD"]

    await in_session(act)


def of_another_router(relay: Relay) -> PKEY:
    other = generate_router_credentials(now=NOW)
    return PKEY(
        relay.session_id,
        relay.versions,
        sign_session_key(relay.session_key.public, other.chain, other.key),
    )


def signed_by_another_key(relay: Relay) -> PKEY:
    other = generate_router_credentials(now=NOW)
    signed = sign_session_key(relay.session_key.public, other.chain, other.key).signed_key
    return PKEY(relay.session_id, relay.versions, ProvenKey(relay.credentials.chain, signed))


def not_valid_yet(relay: Relay) -> PKEY:
    relay.credentials = generate_router_credentials(now=NOW + timedelta(days=30))
    return relay.pkey()


def of_another_kind(relay: Relay) -> PKEY:
    key = Ed25519PrivateKey.generate().public
    proof = sign_session_key(key, relay.credentials.chain, relay.credentials.key)
    return PKEY(relay.session_id, relay.versions, proof)


@pytest.mark.parametrize(
    "pkey", [of_another_router, signed_by_another_key, not_valid_yet, of_another_kind]
)
async def test_a_key_that_is_not_the_relay_s(pkey: Callable[[Relay], PKEY]) -> None:
    relay = Relay()
    answer = pkey(relay)
    # An address is pinned for ever; a certificate that is not valid yet must be that of the relay.
    relay.address = ServerAddress(
        relay.address.protocol,
        relay.address.hosts,
        relay.address.port,
        relay.credentials.identity_fingerprint,
    )

    async def act(session: Session) -> None:
        session.on_prxy = lambda _received: answer
        assert isinstance(await failure(session), SessionKeyUnproven)
        assert session.tags == ["PRXY"]  # nothing was sealed with that key
        session.on_prxy = lambda _received: ERR(Code.AUTH)
        await failure(session)
        assert session.tags == ["PRXY", "PRXY"]

    await in_session(act, relay)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ERR(Proxy(ProxyErrorKind.BASIC_AUTH)), ProxyFailed),
        (ERR(Proxy(Broker(BrokerErrorKind.HOST))), ProxyFailed),
        (ERR(Proxy(Protocol(Code.AUTH))), ProxyFailed),
        (ERR(Code.AUTH), ProxyFailed),
        (PONG(), ProxyUnexpectedResponse),
        (OK(), ProxyMalformedResponse),
    ],
)
async def test_a_proxy_that_opens_no_session(answer: Message, kind: type[SimplexError]) -> None:
    async def act(session: Session) -> None:
        session.on_prxy = lambda _received: answer
        assert type(await failure(session)) is kind

    await in_session(act)


async def test_a_relay_of_versions_to_come() -> None:
    relay = Relay()
    relay.versions = VersionRange(21, 22)

    async def act(session: Session) -> None:
        assert isinstance(await failure(session), NoCommonVersion)

    await in_session(act, relay)


async def test_an_old_router_is_no_proxy() -> None:
    async with ROUTER.open_client(config(version=7)) as (client, _peer):
        with pytest.raises(UnsupportedVersion):
            await client.relay(Relay().address).send(QUEUE, b"hello")
        assert client.statistics().requests == 0


# --- waiting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "for_a_session", "for_a_command"),
    [
        (INTERACTIVE, 15 + 10, 20),
        (Patience.after(1), 22.5 + 15, 30),
        (BACKGROUND, 45 + 30, 60),
    ],
)
async def test_how_long_senders_wait(
    autojump_clock: MockClock, patience: Patience, for_a_session: float, for_a_command: float
) -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        relay = Relay()
        through = client.relay(relay.address)
        with pytest.raises(RequestTimeout):
            await through.send(QUEUE, b"hello", patience=patience)
        assert trio.current_time() == pytest.approx(for_a_session)
        await peer.next_command()
        caller = start(nursery, lambda: through.send(QUEUE, b"hello", patience=patience))
        await peer.send(peer.answer(await peer.next_command(), relay.pkey()))
        await peer.next_command()
        asked_at = trio.current_time()
        await trio.sleep(1000)
        assert isinstance(caller.error, RequestTimeout)
        assert caller.finished_at == pytest.approx(asked_at + for_a_command)


async def test_a_proxy_that_is_lost() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        through = client.relay(Relay().address)
        callers: list[Outcome] = [
            start(nursery, lambda: through.send(QUEUE, b"hello")) for _ in range(2)
        ]
        await peer.next_command()
        await peer.hang_up()
    assert [type(caller.error) for caller in callers] == [ConnectionLost] * 2


async def test_a_command_through_a_proxy_cancelled_at_every_step() -> None:
    async def act(session: Session) -> None:
        async def call() -> None:
            session.through.forget(await session.through.session())
            await session.through.send(QUEUE, b"hello")

        async def check(_cut_short: bool) -> None:
            await wait_all_tasks_blocked()
            await session.through.send(QUEUE, b"hello")

        assert await cancelled_at_every_step(call, check) > 10

    await in_session(act)


# --- as the proxy ---------------------------------------------------------------------------------

FORWARDED = FwdTransmission(
    b"the client's id, 24 byte", 17, X25519PrivateKey.generate().public, b"sealed for the relay"
)

AS_PROXY = SMPClientConfig(session=SMPSessionConfig(is_proxy=True))


def response_to(peer: Peer, received: Received, answer: FwdResponse) -> RRES:
    secret = peer.agreement.shared_secret
    assert secret is not None
    box = BoxKey.from_secret(secret)
    assert isinstance(received.command, smp.RFWD)
    correlation_id = received.transmission.correlation_id
    assert open_forwarded(box, correlation_id, received.command.sealed) == FORWARDED
    return RRES(seal_forwarded_answer(box, correlation_id, answer))


async def test_forwarding() -> None:
    async with ROUTER.open_client(AS_PROXY) as (client, peer), trio.open_nursery() as nursery:
        assert peer.agreement.client_is_proxy
        caller = start(nursery, lambda: client.forward(FORWARDED))
        asked = await peer.next_command()
        assert asked.transmission.entity_id == b""
        assert not asked.transmission.authorization
        answer = FwdResponse(FORWARDED.correlation_id, b"sealed for the client")
        await peer.send(peer.answer(asked, response_to(peer, asked, answer)))
    assert caller.result == b"sealed for the client"


Reply = Callable[[Peer, Received], Message]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (lambda _peer, _received: ERR(Code.AUTH), RouterError),
        (lambda _peer, _received: PONG(), UnexpectedResponseError),
        (lambda _peer, _received: RRES(b""), MalformedResponse),
        (lambda _peer, _received: RRES(bytes(100)), MalformedResponse),
        (
            lambda peer, received: response_to(peer, received, FwdResponse(b"another", b"sealed")),
            UnexpectedResponseError,
        ),
    ],
)
async def test_forwarding_that_fails(reply: Reply, kind: type[SimplexError]) -> None:
    async with ROUTER.open_client(AS_PROXY) as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.forward(FORWARDED))
        asked = await peer.next_command()
        await peer.send(peer.answer(asked, reply(peer, asked)))
    assert type(caller.error) is kind


async def test_a_relay_that_does_not_answer(autojump_clock: MockClock) -> None:
    async with ROUTER.open_client(AS_PROXY) as (client, _peer):
        with pytest.raises(RequestTimeout):
            await client.forward(FORWARDED)
        assert trio.current_time() == 30


async def test_forwarding_needs_a_secret() -> None:
    settings = SMPClientConfig(session=SMPSessionConfig(agree_secret=False))
    async with ROUTER.open_client(settings) as (client, _peer):
        with pytest.raises(SessionKeyUnproven):
            await client.forward(FORWARDED)
        assert client.statistics().requests == 0
