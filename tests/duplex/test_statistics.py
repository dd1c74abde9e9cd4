"""What is counted of routers, that it outlives a restart, and what it does not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.duplex import statistics
from simplex_trio.duplex.config import ProxyUse
from simplex_trio.duplex.events import (
    ConnectionDeleted,
    DeliveryFailed,
    DeliveryWarning,
    PeerMessage,
    ReceiptReceived,
)
from simplex_trio.duplex.statistics import AgentCount, Tally, error_kind
from simplex_trio.errors import ConnectTimeout, DialFailed, RequestTimeout, TLSFailed
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.errors.values import Code, Proxy, ProxyErrorKind, Store
from tests.duplex.quiet import connect, next_event, open_quiet


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RequestTimeout("no answer"), "request_timeout"),
        (ConnectTimeout("no answer"), "connect_timeout"),
        (TLSFailed("no"), "tls_failed"),
        (RouterError(Code.QUOTA), "router_quota"),
        (RouterError(Code.NO_MSG), "router_no_msg"),
        (RouterError(Store("of the secret disk")), "router_store"),
        (ProxyFailed(Proxy(ProxyErrorKind.NO_SESSION)), "proxy_failed"),
        (ConnectionResetError("secret"), "connection_reset_error"),
        (OSError("secret"), "os_error"),
    ],
)
def test_kinds_of_errors(error: BaseException, kind: str) -> None:
    assert error_kind(error) == kind


def address(number: int) -> ServerAddress:
    return ServerAddress.parse(f"smp://{'A' * 43}=@{number}.example")


def test_the_number_of_routers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_ROUTERS", 2)
    tally = Tally()
    for number in (1, 2, 3, 1):
        tally.add(address(number), AgentCount.RECEIVED)
    tally.add(None, AgentCount.RECEIVED)
    read = tally.read({})
    assert [each.counters[AgentCount.RECEIVED] for each in read.routers] == [2, 1]
    assert read.counters["received"] == 3
    assert sorted(number for _, _, number in tally.take_changes()) == [1, 2]
    assert tally.take_changes() == []


def test_what_it_shows_of_itself() -> None:
    tally = Tally()
    tally.failed(address(1), DialFailed("at 1.example"))
    read = tally.read({})
    assert "example" not in repr(read)
    assert "example" not in repr(read.routers)
    assert "example" not in str(read.counters)


async def test_what_is_done_is_counted(autojump_clock: MockClock) -> None:
    async with open_quiet(2) as quiet:
        first, second = (router.address for router in quiet.routers)
        async with (
            quiet.open_agent(servers=(first,)) as a,
            quiet.open_agent(servers=(second,)) as b,
        ):
            ours, theirs = await connect(a, b)
            for number in range(3):
                await a.send(ours, b"%d" % number)
                await b.acknowledge(await next_event(b, PeerMessage), receipt=True)
                await next_event(a, ReceiptReceived)
            await a.drain()
            await b.drain()
            counted = {each.server: each for each in a.statistics().routers}
            assert (counted[first].connections, counted[first].subscribed) == (1, 1)
            assert counted[first].pending == 0
            own, peers = counted[first].counters, counted[second].counters
            assert own[AgentCount.QUEUES_CREATED] == own[AgentCount.SUBSCRIBED] == 1
            assert own[AgentCount.RECEIVED] == own[AgentCount.ACKNOWLEDGED] == 4
            assert own[AgentCount.SENT_DIRECTLY] == 0
            assert peers[AgentCount.SENT_DIRECTLY] == 4
            assert peers[AgentCount.CONNECTED] == 1
            assert not counted[first].errors
            sums = a.statistics().counters
            assert sums["sent_directly"] == 4
            assert sums["received"] == 4
            await a.delete(ours)
            await next_event(a, ConnectionDeleted)
            assert a.statistics().counters["queues_deleted"] == 1
            await b.send(theirs, b"in vain")
            await next_event(b, DeliveryFailed)
            failed = {each.server: each for each in b.statistics().routers}[first]
            assert failed.counters[AgentCount.SENDING_FAILED] == 1
            assert failed.errors == {"router_auth": 1}
            assert b.statistics().counters["errors_router_auth"] == 1


async def test_what_goes_through_a_proxy_is_counted_apart(autojump_clock: MockClock) -> None:
    async with open_quiet(2) as quiet:
        first, second = (router.address for router in quiet.routers)
        async with (
            quiet.open_agent(servers=(first,), proxy=ProxyUse.UNKNOWN) as a,
            quiet.open_agent(servers=(second,)) as b,
        ):
            await connect(a, b)
            await a.drain()
            counted = {each.server: each.counters for each in a.statistics().routers}
            assert counted[second][AgentCount.SENT_PROXIED] == 1
            assert counted[second][AgentCount.SENT_DIRECTLY] == 0


async def test_errors_of_the_network(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        ours, _ = await connect(a, b)
        quiet.stop()
        await a.send(ours, b"one")
        await next_event(a, DeliveryWarning)
        await wait_all_tasks_blocked()
        (counted,) = a.statistics().routers
        assert counted.errors["dial_failed"] >= 1
        assert counted.connections == counted.subscribed == 0
        assert counted.pending == 1


@pytest.mark.parametrize("waits", [False, True])
async def test_counters_outlive_a_restart(
    tmp_path: Path, autojump_clock: MockClock, waits: bool
) -> None:
    path = tmp_path / "agent.db"
    async with open_quiet() as quiet:
        for life in (1, 2, 3):
            async with quiet.open_agent(path) as agent:
                await agent.create()
                if waits:
                    await trio.sleep(400)
                assert agent.statistics().counters["queues_created"] == life


async def test_metrics(autojump_clock: MockClock) -> None:
    pytest.importorskip("prometheus_client")
    from simplex_trio.serving.metrics import metrics_writer

    async with open_quiet() as quiet, quiet.open_agent() as agent:
        await agent.create()
        text = metrics_writer(agent.statistics, "simplex_agent_")().body.decode()
        assert "simplex_agent_queues_created_total 1.0" in text
        assert "simplex_agent_connections 1.0" in text
        assert "test" not in text  # the routers' names


async def test_metrics_are_served() -> None:
    pytest.importorskip("prometheus_client")
    from simplex_trio.duplex.config import DuplexConfig
    from simplex_trio.duplex.opening import open_duplex_agent

    config = DuplexConfig(pq=False)
    async with open_duplex_agent(None, config=config) as agent, trio.open_nursery() as nursery:
        port: Any = await nursery.start(agent.serve_metrics, 0)
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await stream.receive_some()
        assert b"200" in answer.split(b"\r\n", 1)[0]
        nursery.cancel_scope.cancel()
