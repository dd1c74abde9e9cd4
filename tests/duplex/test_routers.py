"""What failures mean, and how the work reaches routers: directly, through proxies, or back."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import define, evolve, field

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.client.router_errors import (
    ProxyFailed,
    ProxyMalformedResponse,
    ProxyUnexpectedResponse,
    RouterError,
)
from simplex_trio.client.smp.sending import SenderCommands
from simplex_trio.duplex.config import DuplexConfig, Fallback, Isolation, ProxyUse, Server
from simplex_trio.duplex.machine.delivering import SendFailure
from simplex_trio.duplex.work import routers as module
from simplex_trio.duplex.work.routers import Routers, failure_of, is_temporary
from simplex_trio.errors import (
    ConnectionLost,
    ConnectTimeout,
    DialFailed,
    MalformedResponse,
    NoCommonVersion,
    NoSuitableHost,
    RequestTimeout,
    TooLarge,
    UnexpectedResponseError,
    UnsupportedVersion,
    WrongIdentity,
)
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.errors.values import (
    Broker,
    BrokerErrorKind,
    Code,
    Proxy,
    ProxyErrorKind,
    Store,
    TransportError,
    TransportErrorKind,
)


def through_proxy(kind: Any) -> ProxyFailed:
    return ProxyFailed(Proxy(Broker(kind)))


FAILURES: list[tuple[BaseException, SendFailure]] = [
    (RouterError(Code.QUOTA), SendFailure.QUOTA),
    (RouterError(Code.AUTH), SendFailure.GONE),
    (RouterError(Code.INTERNAL), SendFailure.TEMPORARY),
    (RouterError(Store("disk")), SendFailure.TEMPORARY),
    (RouterError(Code.LARGE_MSG), SendFailure.REFUSED),
    (RouterError(Code.NO_MSG), SendFailure.REFUSED),
    (ProxyFailed(Proxy(ProxyErrorKind.NO_SESSION)), SendFailure.TEMPORARY),
    (ProxyFailed(Proxy(ProxyErrorKind.BASIC_AUTH)), SendFailure.TEMPORARY),
    (through_proxy(BrokerErrorKind.TIMEOUT), SendFailure.TEMPORARY),
    (through_proxy(BrokerErrorKind.HOST), SendFailure.UNREACHABLE),
    (through_proxy(TransportError(TransportErrorKind.VERSION)), SendFailure.UNREACHABLE),
    (ProxyUnexpectedResponse(), SendFailure.TEMPORARY),
    (ProxyMalformedResponse(), SendFailure.TEMPORARY),
    (DialFailed("refused"), SendFailure.UNREACHABLE),
    (ConnectTimeout("no answer"), SendFailure.UNREACHABLE),
    (WrongIdentity("another key"), SendFailure.UNREACHABLE),
    (NoSuitableHost("no onion"), SendFailure.UNREACHABLE),
    (NoCommonVersion("19-20"), SendFailure.UNREACHABLE),
    (ConnectionLost("the end"), SendFailure.TEMPORARY),
    (RequestTimeout("no answer"), SendFailure.TEMPORARY),
    (OSError("no route"), SendFailure.TEMPORARY),
    (MalformedResponse("garbage"), SendFailure.REFUSED),
    (UnexpectedResponseError("PONG"), SendFailure.REFUSED),
    (UnsupportedVersion("SKEY"), SendFailure.REFUSED),
    (TooLarge("16385"), SendFailure.REFUSED),
]


@pytest.mark.parametrize(("error", "failure"), FAILURES, ids=lambda value: repr(value)[:50])
def test_what_a_failure_means(error: BaseException, failure: SendFailure) -> None:
    assert failure_of(error) is failure
    given_up = failure in (SendFailure.GONE, SendFailure.REFUSED)
    assert is_temporary(error) is not given_up
    assert failure.problem is not None


# --- ways ---------------------------------------------------------------------------------------


def address(host: str) -> ServerAddress:
    return ServerAddress.parse(f"smp://{'A' * 43}=@{host}")


@define
class FakeAgent:
    """Says what it was asked for."""

    asked: list[tuple[str, ...]] = field(factory=list)
    relay_errors: list[Exception] = field(factory=list)

    async def client(self, server: ServerAddress, *, label: str) -> str:
        self.asked.append(("direct", str(server.hosts[0]), label))
        return "direct"

    async def relay(
        self, proxy: ServerAddress, server: ServerAddress, *, basic_auth: bytes | None, label: str
    ) -> str:
        password = "" if basic_auth is None else basic_auth.decode()
        self.asked.append(("proxy", str(proxy.hosts[0]), str(server.hosts[0]), label, password))
        if self.relay_errors:
            raise self.relay_errors.pop(0)
        return "relay"


OWN, THEIRS = address("own.example"), address("theirs.example")
PROXIES = (
    Server(OWN, basic_auth=b"secret"),
    Server(address("two.example")),
    Server(address("three.example")),
)


def make(agent: FakeAgent, **options: Any) -> Routers:
    config = evolve(DuplexConfig(PROXIES), **options)
    numbers = iter([0.1, 0.2, 0.3] + [0.3, 0.1, 0.2] * 20)
    return Routers(config, cast("SMPClientAgent", agent), lambda: next(numbers))


async def say(sender: SenderCommands) -> str:
    return f"through {sender}"


async def test_an_unknown_router_is_reached_through_the_same_proxy_each_time() -> None:
    agent = FakeAgent()
    routers = make(agent)
    for _ in range(3):
        assert await routers.send(THEIRS, "user", say) == ("through relay", True)
    assert agent.asked == [("proxy", "own.example", "theirs.example", "user", "secret")] * 3
    agent.asked.clear()
    assert await routers.send(OWN, "user", say) == ("through direct", False)
    assert agent.asked == [("direct", "own.example", "user")]


async def test_a_proxy_that_fails_is_replaced_at_the_next_attempt() -> None:
    agent = FakeAgent(relay_errors=[ConnectTimeout("no answer")])
    routers = make(agent)
    with pytest.raises(ConnectTimeout):
        await routers.send(THEIRS, "user", say)
    await routers.send(THEIRS, "user", say)
    assert [asked[1] for asked in agent.asked] == ["own.example", "two.example"]


async def test_the_relays_own_answer_keeps_the_proxy() -> None:
    agent = FakeAgent()
    routers = make(agent)

    async def refused(sender: SenderCommands) -> str:
        raise RouterError(Code.QUOTA)

    for _ in range(2):
        with pytest.raises(RouterError):
            await routers.send(THEIRS, "user", refused)
    assert [asked[1] for asked in agent.asked] == ["own.example"] * 2


HOST_ERRORS = [
    NoSuitableHost("no host"),
    NoCommonVersion("19-20"),
    through_proxy(BrokerErrorKind.HOST),
    through_proxy(TransportError(TransportErrorKind.VERSION)),
]
OTHER_ERRORS = [
    ConnectTimeout("no answer"),
    RequestTimeout("no answer"),
    ConnectionLost("the end"),
    through_proxy(BrokerErrorKind.TIMEOUT),
    ProxyFailed(Proxy(ProxyErrorKind.NO_SESSION)),
]


@pytest.mark.parametrize("error", HOST_ERRORS, ids=repr)
async def test_falling_back_where_no_proxy_can_reach_a_router(error: Exception) -> None:
    agent = FakeAgent(relay_errors=[error])
    outcome = await make(agent, fallback=Fallback.ALLOW).send(THEIRS, "user", say)
    assert outcome == ("through direct", False)
    assert agent.asked[-1] == ("direct", "theirs.example", "user")


@pytest.mark.parametrize("error", OTHER_ERRORS, ids=repr)
async def test_no_falling_back_after_what_may_pass(error: Exception) -> None:
    agent = FakeAgent(relay_errors=[error])
    with pytest.raises(type(error)):
        await make(agent, fallback=Fallback.ALLOW).send(THEIRS, "user", say)
    assert [asked[0] for asked in agent.asked] == ["proxy"]


@pytest.mark.parametrize("fallback", [Fallback.PROHIBIT, Fallback.ALLOW_PROTECTED])
async def test_no_falling_back_where_that_would_show_who_sends(fallback: Fallback) -> None:
    agent = FakeAgent(relay_errors=[NoSuitableHost("no host")])
    with pytest.raises(NoSuitableHost):
        await make(agent, fallback=fallback).send(THEIRS, "user", say)
    assert [asked[0] for asked in agent.asked] == ["proxy"]


async def test_nothing_is_sent_directly_where_there_is_no_proxy_to_hide_behind() -> None:
    agent = FakeAgent()
    routers = make(agent, servers=(), proxy=ProxyUse.ALWAYS, fallback=Fallback.PROHIBIT)
    with pytest.raises(NoSuitableHost):
        await routers.send(THEIRS, "user", say)
    assert not agent.asked


async def test_the_number_of_remembered_proxies_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MAX_PROXIES", 2)
    routers = make(FakeAgent(), proxy=ProxyUse.ALWAYS)
    for number in range(5):
        await routers.send(address(f"{number}.example"), "user", say)
        assert len(routers._proxies) <= 2


@pytest.mark.parametrize(
    ("isolation", "labels"),
    [(Isolation.USER, 2), (Isolation.SERVER, 4), (Isolation.QUEUE, 8)],
)
def test_labels_keep_apart_what_is_to_be_apart(isolation: Isolation, labels: int) -> None:
    routers = make(FakeAgent(), isolation=isolation)
    found = {
        routers.label(user, server, queue)
        for user in ("alice", "bob")
        for server in (OWN, THEIRS)
        for queue in (b"1", b"2")
    }
    assert len(found) == labels


def test_a_queue_that_was_planned_on_a_server_is_made_there() -> None:
    routers = make(FakeAgent())
    assert routers.servers_for_queue([], OWN) == [PROXIES[0]]
    assert routers.servers_for_queue([], THEIRS) == [Server(THEIRS)]
    assert sorted(map(str, (s.address for s in routers.servers_for_queue([], None)))) == sorted(
        str(proxy.address) for proxy in PROXIES
    )
