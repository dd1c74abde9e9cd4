"""``simplex-trio queue``, against a router."""

from __future__ import annotations

import io
import json
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio.testing
from attrs import evolve

from simplex_trio import ReceivingQueue, SMPClient
from simplex_trio.cli import queues
from simplex_trio.cli.sealing import MAX_MESSAGE
from simplex_trio.cli.state import State
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import EMBEDDED, Router, open_router
from simplex_trio.wire.text import to_base64url
from tests.cli.support import Result, in_background

Cli = Callable[..., Result]


def type_in(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def secrets_in(state_file: Path) -> list[str]:
    """All secrets in the state, in all ways in which it might be shown."""
    content = json.loads(state_file.read_text())
    names = ("recipient_id", "key", "delivery_key", "sealing_key", "sender_key")
    found = [
        bytes.fromhex(queue[name]) for queue in content["queues"] for name in names if queue[name]
    ]
    return [form for each in found for form in (each.hex(), to_base64url(each), repr(each))]


def test_the_life_of_a_queue(cli: Cli, router: str, state_file: Path) -> None:
    created = cli("queue", "create", "inbox", router, "--json")
    assert created.code == 0
    address = created.json()["address"]
    assert stat.S_IMODE(state_file.stat().st_mode) == 0o600

    assert cli("queue", "list", "--json").json() == [{"name": "inbox", "router": router}]
    assert cli("queue", "send", address, "first", "--json").json()["accepted"] is True
    assert cli("queue", "send", "inbox", "second").code == 0
    assert cli("queue", "info", "inbox", "--json").json()["messages"] == 2

    watched = cli("queue", "watch", "--count", "2", "--seconds", "20", "--json")
    assert watched.code == 0
    messages = watched.json_lines()
    assert [each["text"] for each in messages] == ["first", "second"]
    assert all(each["sealed"] and each["queue"] == "inbox" for each in messages)

    assert cli("queue", "info", "inbox", "--json").json()["messages"] == 0
    assert cli("queue", "delete", "inbox", "--json").json() == {"name": "inbox", "deleted": True}
    assert cli("queue", "list", "--json").json() == []
    gone = cli("queue", "send", address, "too late")
    assert gone.code == 4
    assert "does not know this queue" in gone.err


def test_in_words(cli: Cli, router: str, state_file: Path) -> None:
    assert "queue create" in cli("queue", "list").out
    created = cli("queue", "create", "in[bold]box", router)
    assert str(state_file) in created.out
    assert (
        cli("queue", "send", "in[bold]box", "hello").out == "The router has accepted the message.\n"
    )
    watched = cli("queue", "watch", "--count", "1", "--seconds", "20")
    assert watched.out.endswith("  in[bold]box  hello\n")
    assert "connected to" in watched.err
    info = cli("queue", "info", "in[bold]box").out
    assert "Messages waiting: 0" in info
    assert "Anyone with its address can send." in info
    address = info.split("Address for senders: ")[1].strip()
    assert address in created.out
    assert "in[bold]box" in cli("queue", "list").out
    assert "deleted" in cli("queue", "delete", "in[bold]box").out


def test_no_secret_is_shown_unless_asked_for(cli: Cli, router: str, state_file: Path) -> None:
    outputs = [
        cli("queue", "create", "inbox", router, "--only-me", "--qr"),
        cli("queue", "list", "--json"),
        cli("queue", "send", "inbox", "hello"),
        cli("queue", "info", "inbox", "--json"),
        cli("queue", "info", "inbox"),
        cli("queue", "watch", "--count", "1", "--seconds", "20", "--json"),
        cli("agent", "watch", "--seconds", "0.1"),
    ]
    secrets = secrets_in(state_file)
    assert len(secrets) == 5 * 3
    for each in outputs:
        assert each.code == 0, each.err
        assert not any(secret in each.out + each.err for secret in secrets)
    keys = cli("queue", "info", "inbox", "--show-keys", "--json").json()
    assert {"recipient_id", "key", "delivery_key", "sealing_key", "sender_key"} <= keys.keys()
    assert keys["key"] in secrets
    assert f"sealing_key: {keys['sealing_key']}" in cli("queue", "info", "inbox", "--show-keys").out
    cli("queue", "delete", "inbox")


def test_only_me(cli: Cli, router: str) -> None:
    address = cli("queue", "create", "mine", router, "--only-me", "--json").json()["address"]
    assert cli("queue", "info", "mine", "--json").json()["secured"] is True
    assert "Only the owner of a key" in cli("queue", "info", "mine").out
    assert cli("queue", "send", address, "without a key").code == 4
    assert cli("queue", "send", "mine", "as myself").code == 0
    cli("queue", "delete", "mine")


def test_contact(cli: Cli, router: str) -> None:
    address = cli("queue", "create", "contact", router, "--contact", "--json").json()["address"]
    assert "q=c" in address
    assert cli("queue", "send", address, "hello").code == 0
    cli("queue", "delete", "contact")


def test_a_name_is_used_once(cli: Cli, router: str, running_router: Router) -> None:
    cli("queue", "create", "inbox", router)
    before = running_router.statistics().queues
    again = cli("queue", "create", "inbox", router)
    assert again.code == 2
    assert "already" in again.err
    assert running_router.statistics().queues == before
    cli("queue", "delete", "inbox")


def test_what_cannot_be_saved_is_not_left_on_the_router(
    cli: Cli, router: str, running_router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(state: State) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(State, "_save", fails)
    before = running_router.statistics().queues
    failed = cli("queue", "create", "inbox", router)
    assert failed.code == 1
    assert "no space left" in failed.err
    assert running_router.statistics().queues == before


def test_an_interruption_comes_too_late_to_lose_the_keys(
    router: str, state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_queue = SMPClient.create_queue

    async def interrupted(client: SMPClient, *args: Any, **options: Any) -> ReceivingQueue:
        signal.raise_signal(signal.SIGINT)
        await trio.testing.wait_all_tasks_blocked()
        return await create_queue(client, *args, **options)

    monkeypatch.setattr(SMPClient, "create_queue", interrupted)
    queues.create("inbox", router, state=state_file)
    assert list(State.load(state_file).queues) == ["inbox"]


def test_qr_codes(cli: Cli, router: str) -> None:
    assert "█" in cli("queue", "create", "inbox", router, "--qr").out
    assert "█" in cli("queue", "info", "inbox", "--qr").out
    cli("queue", "delete", "inbox")


# --- sending ------------------------------------------------------------------------------------


def test_from_elsewhere(
    cli: Cli, router: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cli("queue", "create", "inbox", router, "--json").json()["address"]
    (tmp_path / "address.txt").write_text(address + "\n")
    (tmp_path / "binary").write_bytes(b"\x00\xff\n")
    type_in(monkeypatch, "grüß dich\n".encode())
    assert cli("queue", "send", f"@{tmp_path / 'address.txt'}").code == 0
    assert cli("queue", "send", "inbox", "--file", tmp_path / "binary").code == 0
    both = cli("queue", "send", "inbox", "text", "--file", tmp_path / "binary")
    assert both.code == 2
    messages = cli("queue", "watch", "-n", "2", "--seconds", "20", "--json").json_lines()
    assert messages[0]["text"] == "grüß dich"
    assert messages[1]["base64"] == "AP8K"
    cli("queue", "delete", "inbox")


def test_by_proxy(cli: Cli, router: str) -> None:
    cli("queue", "create", "inbox", router)
    with in_background(open_router) as proxy:
        sent = cli("queue", "send", "inbox", "hidden", "--through", proxy.address, "--json")
        assert sent.json() == {"accepted": True, "through_proxy": True}
        assert proxy.statistics().counters["proxied_forwarded"] == 1
    assert cli("queue", "watch", "-n", "1", "--seconds", "20", "--json").json()["text"] == "hidden"
    cli("queue", "delete", "inbox")


def test_too_large(cli: Cli, router: str, tmp_path: Path) -> None:
    cli("queue", "create", "inbox", router)
    (tmp_path / "large").write_bytes(bytes(MAX_MESSAGE + 1))
    failed = cli("queue", "send", "inbox", "--file", tmp_path / "large")
    assert failed.code == 2
    assert f"{MAX_MESSAGE:,} bytes fit" in failed.err
    (tmp_path / "large").write_bytes(bytes(MAX_MESSAGE))
    assert cli("queue", "send", "inbox", "--file", tmp_path / "large").code == 0
    cli("queue", "delete", "inbox")


@pytest.mark.parametrize("target", ["smp://nothing", "@missing", "nobody"])
def test_no_such_target(cli: Cli, target: str) -> None:
    failed = cli("queue", "send", target, "hello")
    assert failed.code in (1, 2)
    assert failed.err.startswith("simplex-trio: ")


# --- routers that want a password ---------------------------------------------------------------


@pytest.fixture
def closed_router() -> Iterator[Router]:
    config = evolve(EMBEDDED, queues=QueuePolicy(password="sesame"))
    with in_background(lambda: open_router(config)) as router:
        yield router


def test_passwords(cli: Cli, closed_router: Router, tmp_path: Path) -> None:
    address = str(closed_router.address)
    refused = cli("queue", "create", "inbox", address)
    assert refused.code == 4
    assert "password" in refused.err
    assert "@FILE" in refused.err

    full = address.replace("@", ":sesame@")
    seen = cli("queue", "create", "inbox", full)
    assert seen.code == 2
    assert "sesame" not in seen.err

    (tmp_path / "router.txt").write_text(full)
    created = cli("queue", "create", "inbox", f"@{tmp_path / 'router.txt'}")
    assert created.code == 0
    assert "sesame" not in created.out
    assert cli("queue", "delete", "inbox").code == 0


# --- deleting -----------------------------------------------------------------------------------


def test_a_queue_that_is_gone_already(cli: Cli, router: str, state_file: Path) -> None:
    cli("queue", "create", "inbox", router)
    kept = state_file.read_bytes()
    cli("queue", "delete", "inbox")
    state_file.write_bytes(kept)  # as after a crash between the router's answer and the saving
    again = cli("queue", "delete", "inbox")
    assert again.code == 0
    assert "gone already" in again.out
    assert cli("queue", "delete", "inbox").code == 2


def test_a_router_that_is_gone_for_good(cli: Cli) -> None:
    with in_background(open_router) as router:
        cli("queue", "create", "inbox", router.address)
    failed = cli("queue", "delete", "inbox")
    assert failed.code == 3
    assert cli("queue", "list", "--json").json()
    forgotten = cli("queue", "delete", "inbox", "--forget")
    assert forgotten.code == 0
    assert "still has" in forgotten.out
    assert cli("queue", "list", "--json").json() == []
