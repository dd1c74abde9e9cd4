"""The examples run: as commands without arguments, and against routers that are named."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import trio

import simplex_trio
from simplex_trio import MessageReceived, open_router, open_smp_client

FOLDER = Path(__file__).parents[2] / "examples"
NAMES = ["bot", "collector", "connect", "proxying_router", "sensor"]

DEADLINE = 60
"""Seconds after which an example hangs; each takes about one."""

NOT_READINGS = [b"", b"\xff", b"[]", b"{}", b'{"number": Infinity, "celsius": 1}', b"[" * 10_000]
"""What strangers may say to a collector."""


@pytest.fixture
def example(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[ModuleType]:
    """The example that a test names, imported from where one that runs as a command is."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module(request.param)
    for name in NAMES:
        sys.modules.pop(name, None)


def using(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


def test_every_example_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_as_a_command(name: str) -> None:
    package = Path(simplex_trio.__file__).parents[1]
    with trio.fail_after(DEADLINE):
        done = await trio.run_process(
            [sys.executable, "-W", "error", str(FOLDER / f"{name}.py")],
            capture_stdout=True,
            capture_stderr=True,
            env={**os.environ, "PYTHONPATH": str(package), "PYTHONUTF8": "1"},
        )
    assert done.stdout
    assert not done.stderr


@using("bot")
async def test_bot_answers_all_senders(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.fail_after(DEADLINE):
        await example.main()
    assert capsys.readouterr().out == "You said: Hello\nYou said: Is it you?\n"


@using("bot")
@pytest.mark.parametrize("message", [b"", b"\xff\nx", b"smp://nowhere 00\nx", b"no address"])
async def test_bot_drops_what_it_cannot_answer(
    example: ModuleType, message: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.fail_after(DEADLINE):
        await example.answer(message)
    assert "not answered" in capsys.readouterr().out


@using("bot")
async def test_bot_at_a_router(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with trio.fail_after(DEADLINE):
        async with open_router() as router, trio.open_nursery() as nursery:
            nursery.start_soon(example.main, str(router.address))
            (line,) = await printed_lines(capsys, 1)
            address, sender_id = line.split(" ")
            assert address == str(router.address)
            await example.say(router.address, bytes.fromhex(sender_id), router.address, "Hello")
            nursery.cancel_scope.cancel()
    assert capsys.readouterr().out == "You said: Hello\n"


@using("collector")
async def test_collector_has_every_reading_once(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.fail_after(DEADLINE):
        await example.main(count=2)
    *readings, summary = capsys.readouterr().out.splitlines()
    places = [f"{place} {number}" for place in ("east", "west") for number in (1, 2)]
    expected = [f"{place}: {celsius} °C" for place in places for celsius in (20.0, 20.25)]
    assert Counter(readings) == Counter(expected)
    assert summary == "8 readings from 4 sensors"


@using("collector")
async def test_collector_and_sensor_by_invitation(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.fail_after(DEADLINE):
        async with open_router() as router, trio.open_nursery() as nursery:
            nursery.start_soon(example.main, str(router.address))
            (line,) = await printed_lines(capsys, 1)
            name, number, address, sender_id = line.split(" ")
            assert (name, number, address) == ("sensor", "1", str(router.address))
            async with open_smp_client(router.address) as stranger:
                for body in NOT_READINGS:
                    await stranger.send(bytes.fromhex(sender_id), body)
            complaints = await printed_lines(capsys, len(NOT_READINGS))
            assert complaints == ["sensor 1: not a reading"] * len(NOT_READINGS)
            await example.report(address, bytes.fromhex(sender_id), count=1)
            assert await printed_lines(capsys, 1) == ["sensor 1: 20.0 °C"]
            nursery.cancel_scope.cancel()


@using("connect")
async def test_connected_agents(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with trio.fail_after(DEADLINE):
        await example.main()
        async with open_router() as router:
            await example.main(str(router.address))
    once = [
        "Alice is joined by Bob",
        "Bob reads: Hello, Bob",
        "Alice knows that Bob has the message",
    ]
    assert capsys.readouterr().out.splitlines() == [*once, *once]


@using("sensor")
async def test_sensor_reports_to_a_queue(example: ModuleType) -> None:
    with trio.fail_after(DEADLINE):
        async with open_router() as router, open_smp_client(router.address) as client:
            queue = await client.create_queue()
            await example.main(str(router.address), queue.sender_id.hex(), count=1)
            event = await client.events.receive()
            assert isinstance(event, MessageReceived)
            assert event.body == b'{"number": 0, "celsius": 20.0}'


@using("sensor")
async def test_sensor_gives_up_where_trying_again_cannot_help(example: ModuleType) -> None:
    with trio.fail_after(DEADLINE):
        async with open_router() as router:
            with pytest.raises(simplex_trio.RouterError, match="AUTH"):
                await example.report(router.address, bytes(24), count=1)


@using("proxying_router")
async def test_proxying_router(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with trio.fail_after(DEADLINE):
        await example.main()
        async with open_router() as relay:
            await example.main(str(relay.address))
    assert capsys.readouterr().out.splitlines() == [
        "arrived: through the proxy",
        "refused: PROXY BROKER HOST",
        "arrived: through the proxy",
    ]


async def printed_lines(capsys: pytest.CaptureFixture[str], count: int) -> list[str]:
    """The next lines that are printed."""
    printed = ""
    while printed.count("\n") < count:
        await trio.lowlevel.checkpoint()
        printed += capsys.readouterr().out
    return printed.splitlines()
