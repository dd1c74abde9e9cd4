"""``simplex-trio queue watch``: what is printed, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from simplex_trio import MessageReceived
from simplex_trio.cli.queue_watch import Watch, tell_person, tell_program
from simplex_trio.cli.sealing import open_sealed, seal
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.wire.smp.flags import MessageFlags
from tests.cli.support import Result
from tests.cli.test_state import ROUTER, a_queue

Cli = Callable[..., Result]

SAVED = a_queue("inbox")


def message(number: int, body: bytes = b"") -> MessageReceived:
    return MessageReceived(SAVED.queue.recipient_id, b"%24d" % number, 0, MessageFlags(), body)


def test_sealed_messages_are_opened() -> None:
    sealed = seal(SAVED.uri, b"hello")
    assert b"hello" not in sealed
    assert open_sealed(SAVED.sealing_key, sealed) == b"hello"
    assert open_sealed(X25519PrivateKey.generate(), sealed) is None
    assert seal(SAVED.uri, b"hello") != sealed
    assert len(seal(SAVED.uri, b"")) == len(sealed)


@pytest.mark.parametrize("body", [b"", b"hello", b"\x00\x04" + bytes(100), bytes(200)])
def test_other_bodies_are_not_taken_for_sealed_ones(body: bytes) -> None:
    assert open_sealed(SAVED.sealing_key, body) is None


def test_what_comes_again_is_not_printed_again() -> None:
    watch = Watch.over([SAVED])
    first = watch.arrived(ROUTER, message(1, seal(SAVED.uri, b"one")))
    assert first is not None
    assert (first.queue, first.body, first.sealed) == ("inbox", b"one", True)
    assert watch.arrived(ROUTER, message(1)) is None
    second = watch.arrived(ROUTER, message(2, b"two"))
    assert second is not None
    assert (second.body, second.sealed) == (b"two", False)
    assert watch.printed == 2


@pytest.mark.parametrize("timestamp", [-1, 2**33, 2**63 - 1, -(2**63)])
def test_impossible_times(capsys: pytest.CaptureFixture[str], timestamp: int) -> None:
    arrived = Watch.over([SAVED]).arrived(ROUTER, evolve(message(1), timestamp=timestamp))
    assert arrived is not None
    assert arrived.at is None
    tell_person(arrived)
    tell_program(arrived)
    person, program = capsys.readouterr().out.splitlines()
    assert person.startswith("at some time  inbox")
    assert json.loads(program)["time"] is None


@pytest.mark.parametrize("timestamp", [0, 2**33 - 1])
def test_possible_times(capsys: pytest.CaptureFixture[str], timestamp: int) -> None:
    arrived = Watch.over([SAVED]).arrived(ROUTER, evolve(message(1), timestamp=timestamp))
    assert arrived is not None
    tell_person(arrived)
    assert "some time" not in capsys.readouterr().out


def test_queues_that_are_lost() -> None:
    watch = Watch.over([SAVED])
    assert watch.lost(ROUTER, SAVED.queue.recipient_id) == "inbox"
    assert not watch.queues


def test_nothing_moves_the_cursor(cli: Cli, router: str) -> None:
    cli("queue", "create", "inbox", router)
    cli("queue", "send", "inbox", "red \x1b[31m, bell \x07, \r\ntwo lines, [bold]")
    printed = cli("queue", "watch", "-n", "1", "--seconds", "20").out
    assert printed.endswith("red \\x1b[31m, bell \\x07, \\r\\ntwo lines, [bold]\n")
    assert printed.count("\n") == 1
    cli("queue", "delete", "inbox")


def test_keeping_messages(cli: Cli, router: str) -> None:
    cli("queue", "create", "inbox", router)
    cli("queue", "send", "inbox", "hello")
    for _ in range(2):
        kept = cli("queue", "watch", "inbox", "--keep", "-n", "1", "--seconds", "20", "--json")
        assert kept.json()["text"] == "hello"
    assert cli("queue", "info", "inbox", "--json").json()["messages"] == 1
    cli("queue", "delete", "inbox")


def test_too_few_messages_are_a_failure(cli: Cli, router: str) -> None:
    cli("queue", "create", "inbox", router)
    assert cli("queue", "watch", "--seconds", "0.1").code == 0
    assert cli("queue", "watch", "--count", "1", "--seconds", "0.1").code == 1
    cli("queue", "delete", "inbox")


def test_queues_that_the_router_does_not_know(cli: Cli, router: str, state_file: Path) -> None:
    cli("queue", "create", "inbox", router)
    kept = state_file.read_bytes()
    cli("queue", "delete", "inbox")
    state_file.write_bytes(kept)
    watched = cli("queue", "watch", "--seconds", "20")
    assert watched.code == 4
    assert "inbox: the router refused: it does not know this queue" in watched.err
    assert "no queue left" in watched.err


def test_no_queue_to_watch(cli: Cli) -> None:
    assert cli("queue", "watch").code == 2
    assert cli("queue", "watch", "nobody").code == 2
