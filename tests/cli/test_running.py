"""What signals do to a command."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from simplex_trio.cli.failures import Interrupted
from simplex_trio.cli.running import run, run_service
from simplex_trio.errors import ConnectionLost


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Signals have their usual effects, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGHUP, hang_up)


async def seven() -> int:
    await trio.lowlevel.checkpoint()
    return 7


def test_the_result() -> None:
    assert run(seven) == 7


def test_an_error_comes_out_as_it_is() -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fail)


def test_a_hang_up_that_is_ignored_cancels_nothing() -> None:
    async def hang_up() -> int:
        signal.raise_signal(signal.SIGHUP)
        return await seven()

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    assert run(hang_up) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels(number: signal.Signals) -> None:
    cleaned = False

    async def wait() -> None:
        nonlocal cleaned
        signal.raise_signal(number)
        try:
            await trio.sleep_forever()
        finally:
            cleaned = True

    with pytest.raises(Interrupted) as interrupted:
        run(wait)
    assert interrupted.value.signal is number
    assert cleaned


def test_a_failure_while_it_is_being_cancelled_is_only_the_cause() -> None:
    async def lose_the_connection() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await trio.sleep_forever()
        finally:
            raise ConnectionLost("the other part went first")

    with pytest.raises(Interrupted) as caught:
        run(lose_the_connection)
    assert isinstance(caught.value.__cause__, ConnectionLost)


def test_the_second_signal_is_not_waited_for() -> None:
    async def stubborn() -> None:
        signal.raise_signal(signal.SIGINT)
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            signal.raise_signal(signal.SIGINT)
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(stubborn)


def test_a_service_ends_by_a_signal() -> None:
    async def serve() -> None:
        signal.raise_signal(signal.SIGTERM)
        await trio.sleep_forever()

    assert run_service(serve) == "SIGTERM"
    assert run_service(seven) is None
