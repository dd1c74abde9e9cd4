"""The fixtures for tests of programs without bots, in projects of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makeini("[pytest]")  # and not that of a folder above
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess(
        "-p", "pytest_simplex_trio", "-p", "no:cacheprovider", "-W", "error", *options
    )


def test_routers_and_agents_on_sockets(pytester: pytest.Pytester) -> None:
    source = """
from simplex_trio import Connected, Disconnected, open_smp_client
from simplex_trio.duplex import DuplexConfig, PeerMessage
from simplex_trio.testing import connect_agents, next_event
from simplex_trio.xftp import open_xftp_client

async def test_a_message(simplex_duplex_agent, tmp_path):
    config = DuplexConfig(pq=False)
    alice = await simplex_duplex_agent(tmp_path / "alice.db", config=config)
    bob = await simplex_duplex_agent(config=config)
    to_bob, to_alice = await connect_agents(alice, bob)
    await bob.send(to_alice, b"hello")
    assert (await next_event(alice, PeerMessage)).body == b"hello"

async def test_a_cut_cable(simplex_agent, simplex_cable):
    client = await simplex_agent.client(simplex_cable.address)
    await next_event(simplex_agent, Connected)
    simplex_cable.cut()
    await next_event(simplex_agent, Disconnected)

async def test_both_kinds_of_routers(simplex_router, simplex_xftp_router):
    async with open_smp_client(simplex_router.address) as client:
        await client.ping()
    async with open_xftp_client(simplex_xftp_router.address) as client:
        await client.ping()
"""
    run(pytester, source, "--strict-markers").assert_outcomes(passed=3)


def test_a_simulation_and_a_clock_that_jumps(pytester: pytest.Pytester) -> None:
    source = """
import time
import pytest
import trio
from simplex_trio.duplex import PeerMessage
from simplex_trio.testing import connect_agents, next_event

async def test_a_message(simplex_simulation):
    alice = await simplex_simulation.duplex_agent()
    bob = await simplex_simulation.duplex_agent()
    to_bob, to_alice = await connect_agents(alice, bob)
    await bob.send(to_alice, b"hello")
    assert (await next_event(alice, PeerMessage)).body == b"hello"

@pytest.mark.parametrize("simplex_seed", [1, 2])
async def test_a_seed(simplex_simulation, simplex_seed, simplex_clock, autojump_clock):
    assert simplex_clock is autojump_clock
    began = simplex_simulation.now
    await simplex_simulation.advance(10)
    assert simplex_simulation.now == began + 10

async def test_a_year(simplex_clock):
    await trio.sleep(365 * 24 * 3600)
    with trio.fail_after(1):
        await trio.to_thread.run_sync(time.sleep, 0)
    assert simplex_clock.current_time() == 365 * 24 * 3600
"""
    run(pytester, source, "--strict-markers").assert_outcomes(passed=4)


def test_the_test_in_the_documentation(pytester: pytest.Pytester) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-program.md"
    source = page.read_text().partition("```text\n")[2].partition("```")[0]
    assert "simplex_simulation" in source
    run(pytester, source, "--strict-markers").assert_outcomes(passed=1)


def test_what_does_not_go_together_is_said(pytester: pytest.Pytester) -> None:
    source = """
async def test_jumps(simplex_router, autojump_clock):
    pass

async def test_also_jumps(simplex_cable, simplex_world):
    pass

def test_sync(simplex_duplex_agent):
    pass

async def test_fails(simplex_duplex_agent):
    await simplex_duplex_agent("missing/folder/file")
"""
    result = run(pytester, source)
    result.assert_outcomes(errors=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*simplex_router uses sockets, and the clock of autojump_clock jumps*",
            "*simplex_cable uses sockets, and the clock of simplex_world jumps*",
            "*the fixture simplex_duplex_agent is for async tests*",
            "*StoreUnavailable: *No such file or directory*",
        ]
    )
    result = run(pytester, source, "-p", "no:trio", "-k", "not fails")
    result.assert_outcomes(errors=3, deselected=1)
    result.stdout.fnmatch_lines(["*the fixture simplex_cable needs pytest-trio: pip install*"])
