"""What of another configuration a running router takes, and what has to wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from simplex_trio.router.config import ClientLimits, Intervals, RouterConfig
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.serving.pace import Pace
from simplex_trio.serving.reloading import plan_reload
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.xftp.router.config import XFTPRouterConfig

OLD = RouterConfig(queues=QueuePolicy(password="old"))


def test_the_same_changes_nothing() -> None:
    plan = plan_reload(OLD, evolve(OLD))
    assert (plan.config, plan.changed, plan.waiting) == (OLD, (), ())


def test_what_changes_at_once() -> None:
    new = evolve(
        OLD,
        queues=QueuePolicy(password="new", quota=5),
        limits=ClientLimits(connections=7),
        highest_version=15,
    )
    plan = plan_reload(OLD, new)
    assert plan.config == new
    assert plan.changed == (
        "queues.password",
        "queues.quota",
        "limits.connections",
        "highest_version",
    )
    assert plan.waiting == ()


def test_what_waits_has_its_old_value() -> None:
    new = RouterConfig(
        hosts=("smp.example.com",),
        ports=(1, 2),
        store=Path("elsewhere"),
        queues=QueuePolicy(quota=5),
        proxy=ProxyPolicy(socks="127.0.0.1:9050", max_relays=5),
        intervals=Intervals(end_events=5, expiry=6),
    )
    plan = plan_reload(OLD, new)
    assert plan.waiting == (
        "hosts",
        "store",
        "ports",
        "proxy.socks",
        "intervals.end_events",
    )
    assert plan.config == evolve(
        OLD,
        queues=QueuePolicy(quota=5),
        proxy=ProxyPolicy(max_relays=5),
        intervals=Intervals(expiry=6),
    )


def test_what_waits_is_taken_as_a_whole() -> None:
    old, same, new = (DatabaseURL(f"postgresql://{host}/smp") for host in ("one", "one", "other"))
    assert plan_reload(RouterConfig(store=old), RouterConfig(store=same)).waiting == ()
    plan = plan_reload(RouterConfig(store=old), RouterConfig(store=new))
    assert (plan.changed, plan.waiting) == ((), ("store",))
    assert plan.config.store == old


@pytest.mark.parametrize("cls", [RouterConfig, XFTPRouterConfig])
def test_all_that_waits_is_an_option(cls: type[RouterConfig | XFTPRouterConfig]) -> None:
    config: Any = cls()
    for name in cls.FIXED:
        value = config
        for part in name.split("."):
            value = getattr(value, part)


async def test_a_pace_that_changes(autojump_clock: MockClock) -> None:
    pace, seconds = Pace(), 100.0
    ended: list[float] = []

    async def wait() -> None:
        await pace.wait(lambda: seconds)
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(10)
        seconds = 30
        pace.change()
        await trio.sleep(50)
        nursery.start_soon(wait)
        await trio.sleep(10)
        seconds = 5  # which are over already
        pace.change()
    assert ended == [30, 70]
