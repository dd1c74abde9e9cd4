"""``simplex-trio notify``: a script, and a person with an app in another thread."""

from __future__ import annotations

import base64
import io
import json
import math
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from rich.console import Console

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.errors import AppriseMissing
from simplex_trio.chat.messages.content import File, Image
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.notifying import opening
from simplex_trio.chat.notifying.apprise import add_to_apprise
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact, IncomingMessage
from simplex_trio.cli import output
from simplex_trio.cli.notify import pairing, place
from simplex_trio.cli.notify.place import Place, open_alerts
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.xftp.router.server import open_xftp_router
from tests.chat.people import listening
from tests.cli.support import Result, a_free_port, in_background

Cli = Callable[..., Result]

CONFIG = DuplexConfig(pq=False)

SENT = ("Sent: the contact's router has it.", "Delivered: the contact's app has it.")
"""The app may have it at once."""

SOON = ("--seconds", "30")
"""An end for what would hang; what is waited for comes within a second."""


@define(eq=False)
class Phone:
    """A person with an app."""

    bot: Bot
    told: SimpleQueue[object]
    token: trio.lowlevel.TrioToken = field(factory=trio.lowlevel.current_trio_token)

    def open(self, link: str) -> Contact:
        return trio.from_thread.run(self.bot.connect, link, trio_token=self.token)

    def say(self, contact: Contact, text: str) -> None:
        trio.from_thread.run(contact.send, text, trio_token=self.token)

    def leave(self, contact: Contact) -> None:
        trio.from_thread.run(contact.delete, trio_token=self.token)
        trio.from_thread.run(self.bot.agent.drain, trio_token=self.token)

    def read(self, message: IncomingMessage) -> bytes:
        """The content of a file."""
        assert message.file is not None
        read = partial(message.file.read, approve=True)
        return trio.from_thread.run(read, trio_token=self.token)

    def next(self, kind: type[Any]) -> Any:
        while True:
            each = self.told.get(timeout=60)
            if isinstance(each, kind):
                return each

    def text(self) -> str:
        """The next message."""
        text = self.next(IncomingMessage).text
        assert isinstance(text, str)
        return text


@asynccontextmanager
async def open_phone(router: str, name: str = "Alice") -> AsyncIterator[Phone]:
    handlers, told = listening()
    profile = Profile(name, peer_type=PeerType.HUMAN, preferences=Preferences())
    noted = SimpleQueue[object]()

    async def note() -> None:
        async for each in told:
            noted.put(each)

    async with (
        open_bot(
            None, profile=profile, handlers=handlers, servers=[router], config=CONFIG, address=False
        ) as bot,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(note)
        yield Phone(bot, noted)
        nursery.cancel_scope.cancel()


@pytest.fixture
def phone(router: str) -> Iterator[Phone]:
    with in_background(partial(open_phone, router)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands without the KEM, whose keys take longer than everything else."""
    monkeypatch.setattr(place, "DuplexConfig", partial(DuplexConfig, pq=False))


@define
class Alerts:
    """The command, on one store."""

    cli: Cli
    path: Path
    router: str

    def __call__(self, *arguments: object) -> Result:
        return self.cli("notify", *arguments, "--store", self.path)

    def json(self, *arguments: object) -> Any:
        result = self(*arguments, "--json")
        assert result.code == 0, result.err
        return result.json()

    def pair(self, phone: Phone, *name: str) -> Contact:
        """Pair a person; returns the other side."""
        begun = self("--pair", *name, "--router", self.router, "--seconds", "0", "--json")
        assert begun.code == 5, begun.err
        contact = phone.open(begun.json()["link"])
        finished = self("--pair", *name, *SOON, "--json")
        assert finished.code == 0, finished.err
        assert phone.text() == "You are connected. Alerts come here."
        return contact


@pytest.fixture
def alerts(cli: Cli, router: str, tmp_path: Path) -> Alerts:
    return Alerts(cli, tmp_path / "alerts.db", router)


def test_the_story_of_an_alert(
    alerts: Alerts, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--pair" in alerts("--list").out
    early = alerts("kitchen", "hello")
    assert (early.code, "--pair" in early.err) == (6, True)
    assert not alerts.path.exists()
    no_router = alerts("--pair", "kitchen")
    assert (no_router.code, "--router" in no_router.err) == (2, True)

    begun = alerts("--pair", "kitchen", "--as", "web1", "--router", alerts.router, "--seconds", "0")
    assert (begun.code, "stays good" in begun.err) == (5, True)
    *_, link = begun.out.split()
    assert "█" not in begun.out  # as this is no terminal
    (invited,) = alerts.json("--list")
    assert (invited["name"], invited["state"], invited["link"]) == ("kitchen", "invited", link)
    assert alerts("kitchen", "hello").code == 6
    contact = phone.open(link)
    again = alerts("--pair", "kitchen", "--greeting", "too late", *SOON)
    assert again.code == 0
    assert "Connected with 'kitchen', whose profile says 'Alice'." in again.out
    assert phone.next(Contact).name == "web1"
    assert phone.text() == "You are connected. Alerts come here."
    assert alerts("--pair", "kitchen").code == 2

    sent = alerts("kitchen", "*disk* is full")
    assert (sent.code, sent.out.startswith(SENT)) == (0, True)
    assert phone.text() == "\u2060*disk* is full"
    delivered = alerts("Kitchen", "--markup", "--until", "delivered", "*disk* is full", *SOON)
    assert (delivered.code, delivered.out) == (0, "Delivered: the contact's app has it.\n")
    assert phone.text() == "*disk* is full"
    typed = io.TextIOWrapper(io.BytesIO("zwei\nlines é\n".encode()))
    monkeypatch.setattr(sys, "stdin", typed)
    told = alerts.json("id:1")
    assert (told["contact"], told["problem"]) == (1, None)
    assert told["state"] in ("sent", "delivered")
    assert phone.text() == "zwei\nlines é"

    (person,) = alerts.json("--list")
    assert person == {
        "name": "kitchen",
        "contact": 1,
        "profile": "Alice",
        "state": "ready",
        "link": None,
        "queued": 0,
        "failed": 0,
    }
    assert alerts("--list").out == "kitchen  id:1  'Alice'  connected\n"
    assert alerts("somebody else", "hello").code == 6
    assert alerts("--remove", "kitchen").out == "Removed.\n"
    assert alerts("--remove", "kitchen").code == 6
    assert phone.next(Contact).id == contact.id
    assert alerts.json("--list") == []


def test_what_cannot_be_sent_is_stored(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_background(open_router) as running:
        alerts = Alerts(cli, tmp_path / "alerts.db", str(running.address))
        with in_background(partial(open_phone, alerts.router)) as phone:
            alerts.pair(phone)
            assert alerts.json("Alice", "one", "--until", "stored")["state"] == "stored"
            assert alerts("--flush").out == "Everything is sent.\n"
            assert phone.text() == "one"
        # The phone is off.
        unread = alerts("Alice", "two", "--until", "delivered", "--seconds", "0.5", "--json")
        assert (unread.code, unread.json()["state"]) == (5, "sent")
        assert "has not fetched it" in unread.err
    unsent = alerts("Alice", "three", "--seconds", "1", "--json")
    assert (unsent.code, unsent.json()) == (
        5,
        {"contact": 1, "state": "stored", "problem": "network"},
    )
    assert "routers cannot be reached" in unsent.err
    assert "--flush" in unsent.err
    assert "not sent yet: 1" in alerts("--list").out
    left = alerts("--flush", "--seconds", "0.2", "--json")
    assert (left.code, left.json()) == (5, {"queued": 1, "failed": 0})
    assert alerts("Alice", "four", "--until", "stored").out.startswith("Stored; ")


def test_an_app_that_has_left(alerts: Alerts, phone: Phone) -> None:
    contact = alerts.pair(phone)
    phone.say(contact, "stop it")
    phone.leave(contact)
    late = alerts("Alice", "hello")
    # It may be known already, or found out from the queue that is gone.
    assert late.code in (4, 6)
    assert alerts("Alice", "hello").code in (4, 6)


def test_names_that_several_have(alerts: Alerts, phone: Phone, router: str) -> None:
    with in_background(partial(open_phone, router)) as other:
        alerts.pair(phone)
        alerts.pair(other)
    assert [each["name"] for each in alerts.json("--list")] == ["Alice", "Alice_1"]


def test_a_store_that_is_in_use(alerts: Alerts, phone: Phone, tmp_path: Path) -> None:
    alerts.pair(phone)
    with (
        in_background(partial(open_bot, alerts.path, profile="Bot", servers=[alerts.router])),
    ):
        busy = alerts("Alice", "hello", "--wait", "0.2")
        assert (busy.code, "nothing is stored" in busy.err) == (7, True)
    assert alerts("Alice", "hello").code == 0
    for refused in (
        alerts("--pair", "--as", "Other"),
        alerts("--pair"),
        alerts("--remove", "id:1"),
    ):
        assert (refused.code, "bot's" in refused.err) == (2, True)


def test_an_encrypted_store(alerts: Alerts, tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3", exc_type=ImportError)
    (tmp_path / "key.txt").write_text("a long passphrase\n")
    (tmp_path / "wrong.txt").write_text("another one\n")
    key = ("--key-file", tmp_path / "key.txt")
    assert alerts("--pair", "alice", "--router", alerts.router, "--seconds", "0", *key).code == 5
    assert alerts.json("--list", *key)[0]["name"] == "alice"
    assert b"SQLite" not in alerts.path.read_bytes()[:16]
    for other in ((), ("--key-file", tmp_path / "wrong.txt")):
        refused = alerts("alice", "hello", *other)
        assert (refused.code, "--key-file" in refused.err) == (2, True)


def test_a_store_that_has_lost_something(alerts: Alerts) -> None:
    alerts("--pair", "alice", "--router", alerts.router, "--seconds", "0")
    before = alerts.path.read_bytes()
    alerts("--pair", "bob", "--seconds", "0")
    alerts.path.write_bytes(before)
    refused = alerts("--list")
    assert (refused.code, "--accept-loss" in refused.err) == (1, True)
    assert alerts("--flush", "--accept-loss").code == 0
    assert len(alerts.json("--list")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("alice", ""),
        ("--pair", "--list"),
        ("--list", "alice"),
        ("--pair", "alice", "text"),
        ("--remove",),
        ("alice", "text", "--as", "me"),
        ("alice", "text", "--router", "smp://"),
        ("alice", "text", "--file-router", "xftp://"),
        ("--list", "--file", "x"),
        ("alice", "text", "--until", "read"),
        ("alice", "text", "--seconds", "-1"),
        ("alice", "text", "--seconds", "nan"),
        ("alice", "text", "--wait", "nan"),
    ],
    ids=str,
)
def test_what_makes_no_sense(alerts: Alerts, arguments: tuple[str, ...]) -> None:
    assert alerts(*arguments).code == 2
    assert not alerts.path.exists()


def test_a_router_with_a_password(cli: Cli, tmp_path: Path) -> None:
    closed = evolve(EMBEDDED, queues=QueuePolicy(password="sesame"))
    with in_background(lambda: open_router(closed)) as router:
        alerts = Alerts(cli, tmp_path / "alerts.db", str(router.address))
        refused = alerts("--pair", "--router", alerts.router)
        assert (refused.code, "password" in refused.err) == (4, True)


def test_pairing_with_a_router_that_is_away(
    cli: Cli, tmp_path: Path, router: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pairing, "PATIENCE", 1)
        alerts = Alerts(cli, tmp_path / "alerts.db", f"smp://{'A' * 43}=@127.0.0.1:{a_free_port()}")
        result = alerts("--pair", "--router", alerts.router, "--seconds", "0")
    assert (result.code, "No router has made a link yet" in result.err) == (3, True)
    assert "it has to wait: routers cannot be reached" in result.err
    result = alerts("--pair", "--router", router, "--seconds", "0", "--json")
    assert (result.code, "link" in result.json()) == (5, True)


async def test_pairing_gives_way_to_alerts(
    router: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pairing, "_LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(pairing, "_AWAY", 0.2)
    links, shown = trio.open_memory_channel[str](1)
    monkeypatch.setattr(pairing, "_show", lambda link, **_: links.send_nowait(link))
    where = Place(tmp_path / "alerts.db")
    with trio.fail_after(60):
        async with open_phone(router) as phone, trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(
                    pairing.pair,
                    where,
                    "kitchen",
                    routers=[router],
                    profile=None,
                    greeting="Hello",
                    seconds=math.inf,
                    wait=30,
                    json=True,
                )
            )
            link = await shown.receive()
            async with open_alerts(where, wait=30) as notifier:
                assert [each.link for each in await notifier.recipients()] == [link]
            await phone.bot.connect(link)
    (paired,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert paired == {"paired": "kitchen", "contact": 1, "profile": "Alice"}


def test_pairing_is_interrupted(alerts: Alerts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "_show", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    result = alerts("--pair", "--router", alerts.router)
    assert (result.code, "stays good" in result.err) == (128 + signal.SIGINT, True)


def test_a_qr_code_is_light_on_dark_whatever_the_terminal_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = "simplex:/i#" + "x" * 60
    for no_color, expected in ((False, "\x1b[38;2;255;255;255;48;2;0;0;0m"), (True, "")):
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, color_system="truecolor", width=80)
        console.no_color = no_color
        monkeypatch.setattr(output, "OUT", console)
        output.show_qr_code(link)
        lines = out.getvalue().splitlines()
        assert lines[0].startswith(f"{expected}██████")
        assert len(lines) > 15


# --- files --------------------------------------------------------------------------------------

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_files(alerts: Alerts, phone: Phone, apprise: Any, tmp_path: Path) -> None:
    alerts.pair(phone)
    log, picture = tmp_path / "backup.log", tmp_path / "door.PNG"
    log.write_text("all is lost")
    picture.write_bytes(_PIXEL)
    unknown = alerts("alice", "--file", log)
    assert (unknown.code, "--file-router" in unknown.err) == (2, True), unknown.err
    with in_background(open_xftp_router) as files:
        routers = ("--file-router", str(files.address))
        sent = alerts("alice", "The *log*", "--file", log, *routers, *SOON)
        assert (sent.code, sent.out.startswith(SENT)) == (0, True)
        message = phone.next(IncomingMessage)
        assert message.content == File("The \u2060*log*")
        assert message.file.name == "backup.log"
        assert phone.read(message) == b"all is lost"
        assert alerts.json("alice", "--file", picture, *SOON)["state"] in ("sent", "delivered")
        message = phone.next(IncomingMessage)
        assert isinstance(message.content, Image)
        assert message.content.image.content == _PIXEL
        assert phone.read(message) == _PIXEL

        sender = apprise.Apprise()
        sender.add(f"simplex://alice?store={alerts.path}")
        assert sender.notify(body="by Apprise", attach=[str(log), str(picture)])
        assert phone.text() == "by Apprise"
        names = {phone.next(IncomingMessage).file.name for _ in range(2)}
        assert names == {"backup.log", "door.PNG"}
    log.unlink()
    missing = alerts("alice", "--file", log)
    assert (missing.code, f"There is no file {log}." in missing.err) == (2, True)


# --- Apprise ------------------------------------------------------------------------------------


@pytest.fixture
def apprise(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Apprise, which knows the schema."""
    found = pytest.importorskip("apprise", exc_type=ImportError)
    monkeypatch.setattr(opening, "DuplexConfig", partial(DuplexConfig, pq=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the plugins that it loads
        add_to_apprise()
        add_to_apprise()
    return found


def test_alerts_by_apprise(alerts: Alerts, phone: Phone, apprise: Any, tmp_path: Path) -> None:
    alerts.pair(phone)
    alerts.pair(phone, "My phone")

    def send(url: str, body: str = "*disk* is full", **options: Any) -> bool:
        sender = apprise.Apprise()
        assert sender.add(f"{url}store={alerts.path}")
        return bool(sender.notify(body=body, **options))

    assert send("simplex://alice?until=delivered&", title="web1")
    assert phone.text() == "web1\n\u2060*disk* is full"
    assert send("simplex://ALICE/My%20phone?until=stored&markup=yes&")
    assert [phone.text(), phone.text()] == 2 * ["*disk* is full"]
    # No router for files is known, so the text comes without it.
    assert not send("simplex://alice?markup=yes&", attach=__file__)
    assert phone.text() == "*disk* is full"
    assert send("simplex://id:2?", "<b>one</b><br/>two", body_format="html")
    assert phone.text() == "one\ntwo"
    assert not send("simplex://somebody/alice?")
    assert phone.text() == "\u2060*disk* is full"
    for url in (
        "simplex://?",
        "simplex://alice?until=read&",
        "simplex://alice?wait=long&",
        *("simplex://alice?seconds=nan&", "simplex://alice?wait=-1&"),
    ):
        assert not send(url)
    with open(alerts.path.with_name("none"), "w"):
        assert not send("simplex://alice?store=/none.db&x=")


def test_a_plugin_for_the_command_of_apprise(
    alerts: Alerts, phone: Phone, apprise: Any, tmp_path: Path
) -> None:
    alerts.pair(phone)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "simplex.py").write_text(
        "from simplex_trio.chat import add_to_apprise\n\nadd_to_apprise()\n"
    )
    command = [
        *(sys.executable, "-c", "from apprise.cli import main; main()"),
        *("--plugin-path", str(plugins)),
        *("--body", "by the command", f"simplex://alice?store={alerts.path}"),
    ]
    run = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert phone.text() == "by the command"


def test_apprise_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(AppriseMissing, match=r"simplex-trio\[apprise\]"):
        add_to_apprise()
