"""``simplex-trio connect``: two stores, one router."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.cli.asking import ask, can_ask
from simplex_trio.cli.connect import accepting, making, sending, store
from simplex_trio.cli.failures import CommandFailed
from simplex_trio.cli.running import run
from simplex_trio.duplex import (
    DuplexAgent,
    DuplexConfig,
    DuplexEvents,
    PeerMessage,
    open_duplex_agent,
)
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import EMBEDDED, open_router
from tests.cli.support import Result, call, in_background

Cli = Callable[..., Result]

CONFIG = DuplexConfig(pq=False)

LONG = ("--seconds", "30")
"""An end for what would hang; what is waited for comes within a second."""


class Peer:
    """A store, and the commands on it."""

    def __init__(self, cli: Cli, path: Path, router: str) -> None:
        self._cli = cli
        self.path = path
        self.router = ("--router", router)

    def __call__(self, command: str, *arguments: object) -> Result:
        return self._cli("connect", command, *arguments, "--store", self.path)

    def json(self, command: str, *arguments: object) -> Any:
        """What a command prints that succeeds."""
        result = self(command, *arguments, "--json")
        assert result.code == 0, result.err
        return result.json()

    def lines(self, command: str, *arguments: object) -> list[Any]:
        result = self(command, *arguments, "--json")
        assert result.code == 0, result.err
        return result.json_lines()

    def watched(self, *arguments: object) -> list[Any]:
        """The events that `watch` prints, but for those about routers."""
        return [each for each in self.lines("watch", *arguments) if "connection" in each]

    def connect(self, other: Peer) -> tuple[str, str]:
        """A connection with another store; its id in both."""
        created = self.json("create", *self.router)
        joined = other.json("join", created["link"], "--info", other.path.stem, *other.router)
        (_, accepted) = self.lines("accept", created["connection"], *LONG)
        assert accepted == {"accepted": created["connection"], "state": "ready"}
        return created["connection"], joined["connection"]


@pytest.fixture
def alice(cli: Cli, router: str, tmp_path: Path) -> Peer:
    return Peer(cli, tmp_path / "alice.db", router)


@pytest.fixture
def bob(cli: Cli, router: str, tmp_path: Path) -> Peer:
    return Peer(cli, tmp_path / "bob.db", router)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands without the KEM, whose keys take longer than everything else."""
    monkeypatch.setattr(accepting, "QUIET", 0.1)
    monkeypatch.setattr(store, "DuplexConfig", partial(DuplexConfig, pq=False))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Standard input as a terminal; what is called types into it."""
    master, slave = os.openpty()
    with open(slave, encoding="utf-8") as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        yield lambda text: print(text, end="", file=open(master, "w", closefd=False))  # noqa: SIM115
    os.close(master)


# --- the story ----------------------------------------------------------------------------------


def test_the_story_of_two_stores(alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "DuplexConfig", DuplexConfig)  # with the KEM
    created = alice.json("create", "--info", "Alice", *alice.router)
    ours = created["connection"]
    assert (created["kind"], created["short_link"]) == ("invitation", None)
    assert alice.json("list")[0]["state"] == "offered"

    looked = bob.json("join", created["link"], "--look", *bob.router)
    assert (looked["kind"], looked["can_join"], looked["connection"]) == ("invitation", True, None)
    joined = bob.json("join", created["link"], "--info", "Bob")  # the router is remembered
    theirs = joined["connection"]
    assert joined == {"connection": theirs, "kind": "invitation", "can_send": True}

    (asking,) = alice.lines("accept", *LONG)
    assert (asking["event"], asking["id"], asking["info"]) == (
        "confirmation",
        ours,
        {"text": "Bob"},
    )
    assert alice.json("list")[0]["state"] == "confirmed"
    accepted = alice.lines("accept", "--all", *LONG)[-1]
    assert accepted == {"accepted": ours, "state": "ready"}
    assert alice.json("list")[0]["name"] == "Bob"

    sent = bob.json("send", theirs[:6], "hello, Alice", *LONG)
    assert (sent["sent"], sent["proxied"]) == (True, False)
    ready, message = alice.watched("--count", "1", "--receipts", *LONG)
    assert ready == {"event": "ready", "connection": ours, "pq": True}
    assert (message["event"], message["text"], message["integrity"]) == (
        "message",
        "hello, Alice",
        "ok",
    )

    alice("send", ours, "hello, Bob", *LONG)
    events = bob.watched("--count", "1", *LONG)
    assert [each["event"] for each in events] == [
        "join_sent",
        "peer_info",
        "ready",
        "receipt",
        "message",
    ]
    assert events[3]["message"] == sent["message"]
    assert events[4]["text"] == "hello, Bob"
    assert bob.watched("--seconds", "0") == []

    here, there = alice.json("status", ours), bob.json("status", theirs)
    assert here["security_code"] == there["security_code"] is not None
    assert (here["state"], here["pq"], here["link"], there["name"]) == (
        "ready",
        True,
        None,
        "Alice",
    )

    assert alice.json("delete", ours) == {"deleted": True}
    assert alice.json("list") == []
    refused = bob("send", theirs, "too late", *LONG)
    assert refused.code == 4
    assert "the peer's queue is gone" in refused.err


def test_in_words(alice: Peer, bob: Peer, tmp_path: Path) -> None:
    assert "connect create" in alice("list").out
    created = alice("create", "--short", "--data", "Alice, at work", "--qr", *alice.router)
    link = next(line for line in created.out.splitlines() if line.startswith("simplex:/i"))
    assert "connect join" in created.out
    assert "connect accept" in created.out
    assert "█" in created.out
    status = alice("status", alice.json("list")[0]["connection"], "--qr")
    assert link in status.out
    assert "█" in status.out
    assert "invitation, open" in status.out

    (tmp_path / "link.txt").write_text(f"  {link}\n")
    looked = bob("join", f"@{tmp_path / 'link.txt'}", "--look", *bob.router)
    assert looked.out.startswith("An invitation for one peer, on 127.0.0.1:")
    assert "Alice, at work" in looked.out
    assert looked.err == ""
    joined = bob("join", link, "--info", "[bold]Bob\x1b[31m")
    assert "can be seen by others" in joined.err
    assert "You can write already" in joined.out
    assert "'Alice, at work'  waiting for the peer" in bob("list").out
    assert "You have joined it already" in bob("join", link, "--look").out

    shown = alice("accept", *LONG)
    assert "says it is '[bold]Bob\\x1b[31m'" in shown.out
    assert "--all" in shown.err
    accepted = alice("accept", "--all", *LONG)
    assert "Connected, as " in accepted.out
    (ours,), (theirs,) = alice.json("list"), bob.json("list")
    assert bob("send", theirs["connection"], "red \x1b[31m", *LONG).out.startswith("Sent: ")
    watched = alice("watch", "--count", "1", *LONG)
    assert watched.out.splitlines()[-1].endswith("'[bold]Bob\\x1b[31m'  red \\x1b[31m")
    assert "receiving from 127.0.0.1:" in watched.err
    assert "  connected" in alice("list").out
    assert "Security code" in alice("status", ours["connection"]).out
    assert alice("delete", ours["connection"]).out == "Deleted.\n"


@pytest.fixture
def other_router() -> Iterator[str]:
    """Another one than `router`."""
    with in_background(open_router) as running:
        yield str(running.address)


def test_moving_to_another_router(alice: Peer, bob: Peer, other_router: str) -> None:
    ours, theirs = alice.connect(bob)
    (before,) = alice.json("status", ours)["receives_at"]
    assert alice("rotate", ours, "--abort").code == 1
    begun = alice.json("rotate", ours, "--router", other_router, "--seconds", "0.5")
    assert (begun["phase"], begun["receives_at"][0]) == (None, before)
    (rotation,) = alice.json("status", ours)["rotations"]
    assert (rotation["phase"], rotation["from"]) == ("started", before)
    assert f"Its queue is being moved from {before} to " in alice("status", ours).out
    assert "It stays" in alice("rotate", ours, "--abort").out
    assert "It has begun" in alice("rotate", ours, "--seconds", "0.5").out
    heard: list[str] = []
    for _ in range(20):
        bob.watched("--seconds", "0.3")
        events = alice.watched("--seconds", "0.3")
        heard += [each["phase"] for each in events if each["event"] == "rotation"]
        if "completed" in heard:
            break
    assert heard == ["confirmed", "secured", "completed"]
    (after,) = alice.json("status", ours)["receives_at"]
    assert after == rotation["to"] != before
    bob("send", theirs, "over there", *LONG)
    (message,) = alice.watched("--count", "1", *LONG)
    assert message["text"] == "over there"


# --- addresses, accepting and rejecting ---------------------------------------------------------


def test_a_contact_address(alice: Peer, bob: Peer, cli: Cli, router: str, tmp_path: Path) -> None:
    carol = Peer(cli, tmp_path / "carol.db", router)
    created = alice.json("create", "--address", "--data", "Alice", *alice.router)
    assert created["kind"] == "address"
    for peer in (bob, carol):
        joined = peer.json("join", created["short_link"], "--info", peer.path.stem, *peer.router)
        assert (joined["kind"], joined["can_send"]) == ("address", False)
        early = peer("send", joined["connection"], "hello")
        assert early.code == 1
        assert "cannot send yet" in early.err
    asking: dict[str, str] = {}
    while len(asking) < 2:
        for each in alice.lines("accept", *LONG):
            asking[each["info"]["text"]] = each["id"]
    assert alice.lines("reject", asking["carol"])[-1] == {"rejected": asking["carol"]}
    *_, accepted = alice.lines("accept", asking["bob"][:8], "--info", "at last")
    assert accepted["state"] == "waiting"
    assert alice.json("send", accepted["accepted"], "hello", *LONG)["sent"] is True
    events = bob.watched("--count", "1", *LONG)
    assert [each["event"] for each in events if each["event"] != "ready"] == [
        "join_sent",
        "peer_info",
        "message",
    ]
    assert bob.json("list")[0]["name"] == "at last"
    again = alice("accept", asking["bob"], "--seconds", "0")
    assert again.code == 1
    assert "No peer has asked" in again.err
    assert sorted(each["state"] for each in alice.json("list"))[0] == "address"


def test_a_contact_address_in_words(
    alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = alice("create", "--address", "--short", *alice.router)
    assert "to all who may ask for a connection" in created.out
    (address,) = alice.json("list")
    link = alice.json("status", address["connection"])["short_link"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{link}\n"))
    joined = bob("join", "-", *bob.router)
    assert joined.out.startswith("A contact address, on ")
    assert "You can write" not in joined.out
    with monkeypatch.context() as patch:
        # As if the program were killed before the event is taken.
        patch.setattr(DuplexEvents, "take", DuplexEvents.keep)
        accepted = alice("accept", "--all", *LONG)
    assert "does not say who it is asks your contact address" in accepted.out
    assert "Accepted, as " in accepted.out
    with monkeypatch.context() as patch:
        patch.setattr(DuplexEvents, "take", DuplexEvents.keep)
        again = alice("accept", "--all", *LONG)
    assert [each for each in again.out.splitlines() if "as " in each] == [
        each for each in accepted.out.splitlines() if "as " in each
    ]
    rejected = alice.lines("accept", *LONG)
    late = alice("reject", rejected[0]["id"])
    assert late.code == 0
    assert "has an answer already" in late.err
    assert "No peer has asked" in alice("accept", "--seconds", "0.1").err


def test_a_peer_that_asked_for_what_is_deleted(alice: Peer, bob: Peer) -> None:
    _, theirs = alice.connect(bob)
    created = alice.json("create")
    bob.json("join", created["link"])
    alice.lines("accept", *LONG)
    alice.json("delete", created["connection"])
    bob.json("send", theirs, "hello", *LONG)
    events = alice.watched("--count", "1", *LONG)
    assert "confirmation" not in [each["event"] for each in events]


def test_rejecting_an_invitation_deletes_it(alice: Peer, bob: Peer) -> None:
    created = alice.json("create", *alice.router)
    bob.json("join", created["link"], *bob.router)
    rejected = alice("reject", created["connection"])
    assert rejected.code == 0
    assert "Rejected." in rejected.out
    assert alice.json("list") == []


def test_peers_that_do_not_ask(alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    created = alice.json("create", *alice.router)
    bob.json("join", created["link"], *bob.router)
    alice.lines("accept", *LONG)
    monkeypatch.setattr(accepting, "STORED", 0.1)
    wrong = alice("accept", "unknown", *LONG)
    assert wrong.code == 2
    assert "Not all of these peers" in wrong.err
    assert "at least 4" in alice("accept", "abc").err
    assert "at least 4" in alice("reject", "abc").err
    assert alice.json("list")[0]["state"] == "confirmed"


def test_accepting_without_an_open_invitation(alice: Peer, bob: Peer) -> None:
    assert "connect create" in alice("accept").err
    alice.connect(bob)
    assert "no open invitation" in alice("accept").err
    alice.json("create")
    quiet = alice("accept", "--seconds", "0")
    assert quiet.code == 1
    assert "No peer has asked" in quiet.err
    assert "tells nothing of you" in alice("create", "--address", "--info", "Alice").err


@pytest.mark.parametrize(
    ("typed", "state", "said"),
    [
        ("y\n", "ready", "Connected, as "),
        ("what?\nYes\n", "ready", "Connected, as "),
        ("l\n", "confirmed", ""),
        ("\x04", "confirmed", ""),
        ("no\n", None, "Rejected."),
    ],
)
def test_the_person_at_the_terminal_decides(
    alice: Peer,
    bob: Peer,
    terminal: Callable[[str], None],
    typed: str,
    state: str | None,
    said: str,
) -> None:
    created = alice.json("create", *alice.router)
    bob.json("join", created["link"], "--info", "Bob", *bob.router)
    terminal(typed)
    accepted = alice("accept", *LONG)
    assert accepted.code == 0, accepted.err
    assert "says it is 'Bob'" in accepted.out
    assert said in accepted.out
    assert [each["state"] for each in alice.json("list")] == ([] if state is None else [state])


def test_questions_are_asked_of_terminals_only(
    terminal: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert can_ask()
    terminal("One\nTwo\n")
    assert [run(partial(ask, "?")), run(partial(ask, "?"))] == ["one", "two"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert not can_ask()


def test_waiting_for_a_peer(alice: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    links: SimpleQueue[str] = SimpleQueue()
    monkeypatch.setattr(making, "print_json", lambda value: links.put(value["link"]))

    async def join() -> None:
        async with open_duplex_agent(None, servers=[alice.router[1]], config=CONFIG) as agent:
            await agent.join(await trio.to_thread.run_sync(links.get), b"Bob")
            await trio.to_thread.run_sync(done.wait)

    done = threading.Event()
    joiner = threading.Thread(target=trio.run, args=(join,))
    joiner.start()
    try:
        (asking,) = alice.lines("create", "--wait", *alice.router)
    finally:
        done.set()
        joiner.join()
    assert asking["info"] == {"text": "Bob"}
    assert alice.json("list")[0]["state"] == "confirmed"


# --- sending and watching -----------------------------------------------------------------------


def test_what_one_command_leaves_the_next_one_does(
    alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = alice.connect(bob)
    # A message of a peer, a receipt and a peer that joins wait while another message is sent.
    bob.json("send", theirs, "first", *LONG)
    alice.watched("--count", "1", "--receipts", *LONG)
    second = alice.json("create")
    bob.json("join", second["link"], "--info", "again")
    assert alice.lines("accept", *LONG)[0]["id"] == second["connection"]
    bob.json("send", theirs, "second", *LONG)
    assert alice.json("send", ours, "-5 degrees", "--no-wait") == {"message": 4, "sent": False}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from elsewhere\n")))
    assert alice.json("send", ours, "-", *LONG)["sent"] is True
    (asking, *events) = alice.watched("--count", "1", *LONG)
    assert (asking["event"], asking["id"]) == ("confirmation", second["connection"])
    assert events[-1]["text"] == "second"
    assert alice.lines("accept", second["connection"], *LONG)[-1]["state"] == "ready"
    texts = [each["text"] for each in bob.watched("-n", "2", *LONG) if each["event"] == "message"]
    assert texts == ["-5 degrees", "from elsewhere"]


def test_watching_some_connections(alice: Peer, bob: Peer) -> None:
    first, second = alice.connect(bob), alice.connect(bob)
    for _, theirs in (first, second):
        bob.json("send", theirs, theirs, *LONG)
    (message,) = (
        each
        for each in alice.watched(second[0], "--count", "1", *LONG)
        if each["event"] == "message"
    )
    assert message["text"] == second[1]
    assert alice.watched("--count", "1", *LONG)[-1]["text"] == first[1]
    assert alice("watch", "--count", "1", "--seconds", "0").code == 1


@asynccontextmanager
async def acknowledging(path: Path) -> AsyncIterator[DuplexAgent]:
    """An agent that sends a receipt for each message."""

    async def acknowledge() -> None:
        async for event in agent.events:
            if isinstance(event, PeerMessage):
                await agent.acknowledge(event, receipt=b"read")

    async with open_duplex_agent(path, config=CONFIG) as agent, trio.open_nursery() as nursery:
        nursery.start_soon(acknowledge)
        yield agent
        nursery.cancel_scope.cancel()


def test_receipts_and_a_store_that_is_in_use(alice: Peer, bob: Peer) -> None:
    _, theirs = alice.connect(bob)
    with in_background(lambda: acknowledging(alice.path)):
        in_use = alice("list")
        assert in_use.code == 1
        assert "in use by another command" in in_use.err
        sent = bob.json("send", theirs, "hello", "--receipt", *LONG)
        assert sent["receipt"] == {"intact": True, "info": {"text": "read"}}
        assert bob("send", theirs, "again", "--receipt", *LONG).out == "Received.\n"
    assert "not both" in bob("send", theirs, "x", "--receipt", "--no-wait").err


def test_a_message_is_printed_again_if_watching_is_interrupted_before_it_is_acknowledged(
    alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, theirs = alice.connect(bob)
    bob("send", theirs, "hello", *LONG)

    async def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(DuplexAgent, "acknowledge", interrupted)
        result = alice("watch", "--json")
    assert result.code == 130
    assert result.err == ""
    again = alice.watched("--count", "1", *LONG)[-1]
    assert again == result.json_lines()[-1]
    assert again["text"] == "hello"


def test_sending_is_interrupted(alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    _, theirs = alice.connect(bob)

    async def interrupted(*_: object, receipt: bool) -> None:
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_follow", interrupted)
        result = bob("send", theirs, "hello")
    assert result.code == 130
    assert "is sent by the next command" in result.err
    assert bob.watched("--seconds", "0") == []  # which sends what is left before it ends
    assert alice.watched("--count", "1", *LONG)[-1]["text"] == "hello"


def test_a_receipt_that_does_not_come(
    alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = sending._follow

    async def until_sent(*arguments: Any, receipt: bool) -> None:
        assert receipt
        await follow(*arguments, receipt=False)

    monkeypatch.setattr(sending, "_follow", until_sent)
    _, theirs = alice.connect(bob)
    late = bob("send", theirs, "hello", "--receipt", *LONG)
    assert late.code == 1
    assert "no receipt has come" in late.err


def test_new_keys(alice: Peer, bob: Peer) -> None:
    ours, theirs = alice.connect(bob)
    bob.watched("--seconds", "0.5")
    before = alice.json("status", ours)
    assert before["synchrony"] == "ok"
    needless = alice("resync", ours)
    assert needless.code == 2
    assert "no new keys" in needless.err
    begun = alice("resync", ours, "--force", "--seconds", "0.2")
    assert begun.out.startswith("It has begun")
    refused = alice("send", ours, "too early")
    assert refused.code == 1
    assert "connect resync" in refused.err
    assert "waits for the peer's new keys" in alice("status", ours).out
    while alice.json("status", ours)["synchrony"] != "ok":
        bob.lines("watch", "--seconds", "0.5")
        alice.lines("watch", "--seconds", "0.5")
    bob.lines("watch", "--seconds", "0.5")
    here, there = alice.json("status", ours), bob.json("status", theirs)
    assert here["security_code"] == there["security_code"] != before["security_code"]
    assert alice.json("send", ours, "again", *LONG)["sent"] is True


def test_a_router_that_is_away(alice: Peer, bob: Peer) -> None:
    with in_background(open_router) as away:
        alice.router = ("--router", str(away.address))
        ours, theirs = alice.connect(bob)
    unsent = bob("send", theirs, "hello", "--seconds", "0.2")
    assert unsent.code == 3
    assert "the message is stored" in unsent.err.lower()
    assert "1 message is not sent yet" in bob("list").out
    assert bob.json("send", theirs, "hello again", "--no-wait")["sent"] is False
    assert "2 messages are not sent yet." in bob("status", theirs).out
    marked = bob("delete", theirs, "--after-delivery", "--seconds", "0.2")
    assert "when messages are sent" in marked.out
    assert bob.json("list")[0]["state"] == "deleting"
    assert alice.json("delete", ours, "--seconds", "0.2") == {"deleted": False}
    unreachable = alice("create")
    assert unreachable.code == 3


# --- what cannot be done ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("nonsense", "not a link to connect to"),
        (f"smp://{'A' * 43}=@smp.example.com", "the address of a router"),
        ("simplex:/invitation#/?v=2-7", "damaged"),
        ("simplex:/file#/?desc=x", "a link to a file"),
    ],
)
def test_not_a_link(bob: Peer, link: str, said: str) -> None:
    failed = bob("join", link, *bob.router)
    assert failed.code == 2
    assert said in failed.err
    assert link not in failed.err


def test_a_link_is_used_once(alice: Peer, bob: Peer, cli: Cli, tmp_path: Path) -> None:
    created = alice.json("create", "--short", *alice.router)
    bob.json("join", created["short_link"], *bob.router)
    twice = bob("join", created["short_link"])
    assert twice.code == 2
    assert "joined this link before" in twice.err
    carol = Peer(cli, tmp_path / "carol.db", alice.router[1])
    late = carol("join", created["short_link"], *carol.router)
    assert late.code == 4
    assert created["short_link"] not in late.err


def test_nothing_can_be_done_without_a_store_or_a_router(alice: Peer) -> None:
    for command in (("watch",), ("send", "abcd", "hello"), ("status", "abcd"), ("accept",)):
        failed = alice(*command)
        assert failed.code == 2
        assert "There are no connections" in failed.err
    assert alice.json("list") == []
    unnamed = alice("create")
    assert unnamed.code == 2
    assert "--router" in unnamed.err
    assert not alice.path.exists()
    assert "This is no address" in alice("create", "--router", "nowhere").err


def test_ids(alice: Peer) -> None:
    ids = [alice.json("create", *alice.router)["connection"] for _ in range(2)]
    unknown = alice("send", "?", "hello")
    assert unknown.code == 2
    assert "no connection with this id" in unknown.err
    several = ["abcd", "abce"]
    assert store.chosen([*several, "abc"], "abc") == "abc"
    assert store.chosen(several, "abcd") == "abcd"
    with pytest.raises(CommandFailed, match="Several"):
        store.chosen(several, "abc")
    assert alice("watch", "--seconds", "0", *ids).code == 0


def test_too_large(alice: Peer, bob: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    _, theirs = alice.connect(bob)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(20_000))))
    failed = bob("send", theirs)
    assert failed.code == 2
    assert "fit" in failed.err


def test_a_store_that_lacks_commits(alice: Peer) -> None:
    alice.json("create", *alice.router)
    before = alice.path.read_bytes()
    alice.json("create")
    alice.path.write_bytes(before)
    refused = alice("list")
    assert refused.code == 1
    assert "--accept-loss" in refused.err
    assert alice("watch", "--accept-loss", "--seconds", "0").code == 0
    assert len(alice.json("list")) == 1


def test_what_is_no_store(alice: Peer) -> None:
    alice.path.write_bytes(b"something else" * 100)
    refused = alice("list")
    assert refused.code == 1
    assert "cannot be used" in refused.err


# --- what is remembered -------------------------------------------------------------------------


def test_passwords_are_remembered_in_private(alice: Peer, tmp_path: Path) -> None:
    closed = evolve(EMBEDDED, queues=QueuePolicy(password="sesame"))
    with in_background(lambda: open_router(closed)) as router:
        address = str(router.address)
        refused = alice("create", "--router", address)
        assert refused.code == 4
        assert "password" in refused.err
        (tmp_path / "router.txt").write_text(address.replace("@", ":sesame@"))
        alice.json("create", "--router", f"@{tmp_path / 'router.txt'}")
        alice.json("create")
    beside = alice.path.with_name("alice.db.json")
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert stat.S_IMODE(alice.path.stat().st_mode) == 0o600
    beside.write_text("{")
    damaged = alice("list")
    assert damaged.code == 2
    assert "sesame" not in damaged.err


def test_an_encrypted_store(alice: Peer, bob: Peer, tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3", exc_type=ImportError)
    (tmp_path / "key.txt").write_text("a long passphrase\n")
    (tmp_path / "wrong.txt").write_text("another one\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    key = ("--key-file", tmp_path / "key.txt")
    created = alice.json("create", *alice.router, *key)
    bob.json("join", created["link"], "--info", "Bob", *bob.router)
    assert alice.lines("accept", "--all", *LONG, *key)[-1]["state"] == "ready"
    assert alice.json("list", *key)[0]["state"] == "ready"
    assert b"SQLite" not in alice.path.read_bytes()[:16]
    assert "Bob" not in alice.path.with_name("alice.db.json").read_text()
    for other in ((), ("--key-file", tmp_path / "wrong.txt")):
        refused = alice("list", *other)
        assert refused.code == 2
        assert "--key-file" in refused.err
    assert bob("list", *key).code == 2
    assert "no passphrase" in alice("list", "--key-file", tmp_path / "empty.txt").err
    assert "not a text file" in alice("list", "--key-file", tmp_path / "binary").err
    watched = alice("watch", "--seconds", "0", *key)
    assert watched.code == 0


def test_stores_by_name(cli: Cli, router: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    cli("connect", "create", "--router", router)
    cli("connect", "create", "--router", router, "--store", "alice")
    folder = tmp_path / "state" / "simplex-trio"
    assert {"connections.db", "alice.db"} <= {path.name for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.setenv("SIMPLEX_TRIO_STORE", "alice")
    cli("connect", "create")
    assert len(cli("connect", "list", "--json").json()) == 2
    shutil.rmtree(folder)


def test_no_secret_is_shown_unless_asked_for(
    alice: Peer, bob: Peer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    created = alice.json("create", "--short", *alice.router)
    theirs = bob.json("join", created["short_link"], *bob.router)["connection"]
    results = [
        alice("list"),
        alice("accept", "--all", *LONG),
        alice("watch", "--seconds", "0"),
        bob("watch", "--seconds", "0.2"),
        bob("join", created["short_link"]),
        bob("join", created["link"]),
        bob("send", theirs, "hello", *LONG),
        bob("status", theirs),
    ]
    parts = [created["link"].split("dh%3D")[1][:40], created["short_link"].split("#")[1][:40]]
    for result in results:
        assert not any(part in result.out + result.err for part in parts)
    ids = [created["connection"], theirs]
    assert not any(each in caplog.text for each in [*parts, *ids])
    assert call(capsys, "connect").code == 0
