"""Every command of NTF as a method, on the engine that SMP has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.connection import ClientConfig
from simplex_trio.client.ntf import NTFClient, RegisteredToken
from simplex_trio.client.router_errors import RouterError
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.events import ErrorEvent, ExpiredResponse, UnexpectedResponse
from simplex_trio.errors import (
    ConnectionLost,
    EncodeError,
    MalformedResponse,
    RequestTimeout,
    RouterSilent,
    SimplexError,
    TooLarge,
    UnexpectedResponseError,
)
from simplex_trio.testing.scripted import ScriptedNTFRouter, ScriptedPeer
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.ntf import commands as ntf
from simplex_trio.wire.ntf.messages import ERR, IDSUB, IDTKN, OK, PONG, SUB, TKN, Message
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import (
    InvalidReason,
    SubscriptionState,
    SubscriptionStatus,
    TokenState,
    TokenStatus,
)
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.versions import VersionRange
from tests.client.network import Network
from tests.client.support import cancelled_at_every_step, start
from tests.scenarios.ntf import life_of_a_token

Received = ReceivedCommand[ntf.Command]
Peer = ScriptedPeer[ntf.Command]

ROUTERS = {version: ScriptedNTFRouter(VersionRange(1, version)) for version in (1, 2, 3)}
ROUTER = ROUTERS[3]

KEY = Ed25519PrivateKey.generate()
TOKEN_ID = b"the id of a token, 24 b."
SUBSCRIPTION = b"id of a subscription 24b"
TOKEN = RegisteredToken(TOKEN_ID, KEY, BoxKey(bytes(32)))
DEVICE = DeviceToken(PushProvider.APNS_TEST, b"abcd" * 16)
QUEUE = NotifierQueue(
    ServerAddress.parse(f"smp://{'A' * 43}=@router.example"), b"the id of a notifier 24b"
)
ACTIVE = SubscriptionStatus(SubscriptionState.ACTIVE)
INVALID = TokenStatus(TokenState.INVALID, InvalidReason.EXPIRED)
DH_KEY = X25519PrivateKey.generate()


def agreeable(received: Received) -> Message:
    """The answer of a router that says yes to everything."""
    match received.command:
        case ntf.TNEW():
            return IDTKN(TOKEN_ID, DH_KEY.public)
        case ntf.TCHK():
            return TKN(TokenStatus(TokenState.ACTIVE))
        case ntf.SNEW():
            return IDSUB(SUBSCRIPTION)
        case ntf.SCHK():
            return SUB(ACTIVE)
        case ntf.PING():
            return PONG()
        case _:
            return OK()


Call = Callable[[NTFClient], Awaitable[object]]

METHODS: dict[str, tuple[Call, object, list[tuple[ntf.Command, bytes]]]] = {
    "verify_token": (
        lambda client: client.verify_token(TOKEN, b"code"),
        None,
        [(ntf.TVFY(b"code"), TOKEN_ID)],
    ),
    "check_token": (
        lambda client: client.check_token(TOKEN),
        TokenStatus(TokenState.ACTIVE),
        [(ntf.TCHK(), TOKEN_ID)],
    ),
    "replace_token": (
        lambda client: client.replace_token(TOKEN, DEVICE),
        None,
        [(ntf.TRPL(DEVICE), TOKEN_ID)],
    ),
    "delete_token": (
        lambda client: client.delete_token(TOKEN),
        None,
        [(ntf.TDEL(), TOKEN_ID)],
    ),
    "set_periodic_notifications": (
        lambda client: client.set_periodic_notifications(TOKEN, 20),
        None,
        [(ntf.TCRN(20), TOKEN_ID)],
    ),
    "create_subscription": (
        lambda client: client.create_subscription(TOKEN, QUEUE, KEY),
        SUBSCRIPTION,
        [(ntf.SNEW(TOKEN_ID, QUEUE, KEY), b"")],
    ),
    "check_subscription": (
        lambda client: client.check_subscription(TOKEN, SUBSCRIPTION),
        ACTIVE,
        [(ntf.SCHK(), SUBSCRIPTION)],
    ),
    "check_subscriptions": (
        lambda client: client.check_subscriptions(TOKEN, [SUBSCRIPTION, TOKEN_ID]),
        [ACTIVE, ACTIVE],
        [(ntf.SCHK(), SUBSCRIPTION), (ntf.SCHK(), TOKEN_ID)],
    ),
    "create_subscriptions": (
        lambda client: client.create_subscriptions(TOKEN, [(QUEUE, KEY), (QUEUE, KEY)]),
        [SUBSCRIPTION, SUBSCRIPTION],
        [(ntf.SNEW(TOKEN_ID, QUEUE, KEY), b"")] * 2,
    ),
    "delete_subscriptions": (
        lambda client: client.delete_subscriptions(TOKEN, [SUBSCRIPTION, TOKEN_ID]),
        [None, None],
        [(ntf.SDEL(), SUBSCRIPTION), (ntf.SDEL(), TOKEN_ID)],
    ),
    "delete_subscription": (
        lambda client: client.delete_subscription(TOKEN, SUBSCRIPTION),
        None,
        [(ntf.SDEL(), SUBSCRIPTION)],
    ),
    "ping": (lambda client: client.ping(), None, [(ntf.PING(), b"")]),
}


@pytest.mark.parametrize("version", ROUTERS)
async def test_every_method_at_every_version(version: int) -> None:
    asked: list[Received] = []

    def respond(received: Received) -> Message:
        asked.append(received)
        return agreeable(received)

    async with (
        ROUTERS[version].open_client() as (client, peer),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(peer.serve, respond)
        assert client.version == version
        verifier = Verifier(peer.agreement.session_key)
        for name, (call, result, sent) in METHODS.items():
            asked.clear()
            assert await call(client) == result, name
            assert [(each.command, each.transmission.entity_id) for each in asked] == sent, name
            for each in asked:
                if name == "ping":
                    assert not each.transmission.authorization
                else:
                    assert verifier.accepts(each.transmission, [KEY.public])
        await client.aclose()


@pytest.mark.parametrize("version", ROUTERS)
async def test_registering_a_token(version: int) -> None:
    async with (
        ROUTERS[version].open_client() as (client, peer),
        trio.open_nursery() as nursery,
    ):
        caller = start(nursery, lambda: client.register_token(DEVICE))
        asked = await peer.next_command()
        command = asked.command
        assert isinstance(command, ntf.TNEW)
        assert command.device_token == DEVICE
        verifier = Verifier(peer.agreement.session_key)
        assert verifier.accepts(asked.transmission, [command.auth_key])
        await peer.send(peer.answer(asked, agreeable(asked)))
        await wait_all_tasks_blocked()
        token = caller.result
        assert token.token_id == TOKEN_ID
        assert token.key.public == command.auth_key
        assert token.push_key == BoxKey.agree(DH_KEY, command.dh_key)


@pytest.mark.parametrize("key", [Ed448PrivateKey.generate(), X25519PrivateKey.generate()])
async def test_other_kinds_of_keys(key: AuthPrivateKey) -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        dh_key = X25519PrivateKey.generate()
        caller = start(nursery, lambda: client.register_token(DEVICE, key=key, dh_key=dh_key))
        asked = await peer.next_command()
        assert asked.command == ntf.TNEW(DEVICE, key.public, dh_key.public)
        verifier = Verifier(peer.agreement.session_key)
        assert verifier.accepts(asked.transmission, [key.public])
        await peer.send(peer.answer(asked, agreeable(asked)))
        await wait_all_tasks_blocked()
        assert caller.result.push_key == BoxKey.agree(dh_key, DH_KEY.public)


async def test_why_a_token_is_invalid() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.check_token(TOKEN))
        await peer.send(peer.answer(await peer.next_command(), TKN(INVALID)))
    assert caller.result == INVALID


@pytest.mark.parametrize("version", ROUTERS)
async def test_checking_many_fails_one_by_one(version: int) -> None:
    async with (
        ROUTERS[version].open_client() as (client, peer),
        trio.open_nursery() as nursery,
    ):
        ids = [bytes([number]) * 24 for number in range(4)]
        caller = start(nursery, lambda: client.check_subscriptions(TOKEN, ids))
        asked = [await peer.next_command() for _ in range(4)]
        answers: list[Message] = [SUB(ACTIVE), ERR(Code.AUTH), OK(), SUB(ACTIVE)]
        for each, answer in zip(asked, answers, strict=True):
            await peer.send(peer.answer(each, answer))
        await wait_all_tasks_blocked()
        kinds: list[Any] = [type(result) for result in caller.result]
        assert kinds == [
            SubscriptionStatus,
            RouterError,
            UnexpectedResponseError,
            SubscriptionStatus,
        ]


@pytest.mark.parametrize("name", METHODS)
async def test_what_the_router_refuses(name: str) -> None:
    call, _result, _sent = METHODS[name]
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, lambda _received: ERR(Code.AUTH))
        if name.endswith("_subscriptions"):
            results = await call(client)
            assert isinstance(results, list)
            assert [type(result) for result in results] == [RouterError] * 2
        else:
            with pytest.raises(RouterError) as refused:
                await call(client)
            assert refused.value.error is Code.AUTH
        await client.aclose()


# --- the same engine ------------------------------------------------------------------------------


async def test_blocks_of_512_bytes_hold_a_few_commands() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.check_subscriptions(TOKEN, [SUBSCRIPTION] * 10))
        sizes: list[int] = []
        while sum(sizes) < 10:
            block = await peer.next_block()
            sizes.append(len(block))
            for each in block:
                await peer.send(peer.answer(each, agreeable(each)))
        assert sizes == [4, 4, 2]
        await wait_all_tasks_blocked()
        assert caller.result == [ACTIVE] * 10


async def test_the_oldest_version_has_one_command_in_a_block() -> None:
    async with ROUTERS[1].open_client() as (client, peer), trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(client.ping)
        for _ in range(3):
            (asked,) = await peer.next_block()
            await peer.send(peer.answer(asked, PONG()))


async def test_a_router_without_alpn_speaks_the_oldest_version() -> None:
    async with ScriptedNTFRouter(alpn=None).open_client() as (client, _peer):
        assert client.version == 1


async def test_a_command_that_does_not_fit_fails_alone() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        device = DeviceToken(PushProvider.APNS_TEST, bytes(255))
        key = Ed448PrivateKey.generate()
        with pytest.raises(TooLarge):
            await client.register_token(device, key=key)
        with pytest.raises(EncodeError):
            await client.verify_token(TOKEN, bytes(256))
        with pytest.raises(EncodeError):
            await client.set_periodic_notifications(TOKEN, 65_536)
        with pytest.raises(EncodeError):
            await client.check_subscription(TOKEN, b"")
        assert client.statistics().requests == 0
        nursery.start_soon(client.ping)
        await peer.send(peer.answer(await peer.next_command(), PONG()))


async def test_late_answers_and_answers_to_nothing(autojump_clock: MockClock) -> None:
    async with ROUTER.open_client() as (client, peer):
        with pytest.raises(RequestTimeout):
            await client.check_token(TOKEN)
        asked = await peer.next_command()
        await peer.send(peer.answer(asked, OK()), peer.answer(asked, OK()))
        assert await client.events.receive() == ExpiredResponse(TOKEN_ID, ntf.TCHK(), OK())
        assert await client.events.receive() == UnexpectedResponse(TOKEN_ID, OK())


async def test_garbage() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.ping)
        ping = await peer.next_command()
        await peer.send_content(b"nothing that can be read")
        event = await client.events.receive()
        assert isinstance(event, ErrorEvent)
        assert isinstance(event.error, MalformedResponse)
        await peer.send(peer.answer(ping, PONG()))
        await wait_all_tasks_blocked()
        assert caller.error is None
        await peer.raw.send_bytes(b"\xff" * 512)
        assert isinstance(await client.wait_disconnected(), SimplexError)


async def test_the_monitor(autojump_clock: MockClock) -> None:
    config = ClientConfig(engine=EngineConfig(ping_interval=100, max_timeouts=1, silence=200))
    async with ROUTER.open_client(config) as (client, peer), trio.open_nursery() as nursery:
        client.enable_pings()
        caller = start(nursery, lambda: client.request(ntf.PING(), timeout=1e6))
        reason = await client.wait_disconnected()
        assert isinstance(reason, RouterSilent)
        assert trio.current_time() == pytest.approx(260)
        await wait_all_tasks_blocked()
        assert isinstance(caller.error, ConnectionLost)
        assert [type(each.command) for each in await peer.next_block()] == [ntf.PING]


@pytest.mark.parametrize("name", METHODS)
async def test_every_method_cancelled_at_every_step(name: str) -> None:
    method, _result, _sent = METHODS[name]
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, agreeable)

        async def call() -> None:
            await method(client)

        async def check(_cut_short: bool) -> None:
            await wait_all_tasks_blocked()
            await client.ping()
            counted = client.statistics()
            assert (counted.pending, counted.queued, counted.expired) == (0, 0, 0)

        assert await cancelled_at_every_step(call, check) > 5
        await client.aclose()


# --- the scenario for real routers ----------------------------------------------------------------


class OneToken:
    """A notification router that knows one token, which cannot be verified."""

    def __init__(self) -> None:
        self.registered = False

    def respond(self, received: Received) -> Message:
        """What a real one answers as well."""
        match received.command:
            case ntf.PING():
                return PONG()
            case ntf.TNEW():
                self.registered = True
                return IDTKN(TOKEN_ID, DH_KEY.public)
            case ntf.TCHK() if self.registered:
                return TKN(TokenStatus(TokenState.REGISTERED))
            case ntf.TRPL() if self.registered:
                return OK()
            case ntf.TCRN(minutes) if self.registered:
                return OK() if minutes in (0, *range(20, 0x10000)) else ERR(Code.QUOTA)
            case ntf.TDEL() if self.registered:
                self.registered = False
                return OK()
            case _:
                return ERR(Code.AUTH)


async def test_the_scenario_for_real_routers() -> None:
    network = Network(ROUTER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.serve, OneToken().respond)
        await life_of_a_token(str(ROUTER.address), config=network.config)
