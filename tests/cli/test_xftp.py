"""``simplex-trio xftp``, against a router."""

from __future__ import annotations

import io
import json
import signal
import ssl
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes

import pytest
import trio
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from rich.console import Console

from simplex_trio.cli import web_pages, xftp_bars, xftp_files
from simplex_trio.cli.web_pages import shows_pages
from simplex_trio.cli.xftp_bars import showing_progress
from simplex_trio.crypto.pem import to_pem
from simplex_trio.errors import DialFailed, RequestTimeout
from simplex_trio.transport.tls import TlsCredentials, utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.files.progress import Phase, Progress, Retrying
from simplex_trio.xftp.router.config import PacketPolicy, XFTPRouterConfig
from simplex_trio.xftp.router.server import EMBEDDED, XFTPRouter, open_xftp_router
from simplex_trio.xftp.router.storage import open_storage
from tests.cli.support import Program, Result, a_free_port, in_background
from tests.postgres import new_place
from tests.transport.support import web_credentials
from tests.xftp.browsers import browser_on
from tests.xftp.stored import BODY, stored

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def running() -> Iterator[XFTPRouter]:
    with in_background(open_xftp_router) as router:
        yield router


@pytest.fixture
def server(running: XFTPRouter) -> str:
    return str(running.address)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(bytes(range(256)) * 400)
    return path


def test_there_and_back(cli: Cli, server: str, photo: Path, tmp_path: Path) -> None:
    sent = cli(
        "xftp", "send", photo, server, "--recipients", "2", "--to", tmp_path / "out", "--json"
    )
    assert sent.code == 0
    first, second = sent.json()["descriptions"]
    private = sent.json()["private"]
    assert all(stat.S_IMODE(Path(each).stat().st_mode) == 0o600 for each in (first, private))
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"photo.jpg.xftp"}

    facts = cli("xftp", "info", first, "--json").json()
    assert facts["party"] == "recipient"
    assert facts["bytes"] >= photo.stat().st_size
    assert facts["routers"] == [server.partition("@")[2]]

    received = cli("xftp", "receive", first, "--to", tmp_path / "in", "--json")
    assert Path(received.json()["path"]).read_bytes() == photo.read_bytes()
    again = cli("xftp", "receive", first, "--to", tmp_path / "in")
    assert again.code == 4
    assert "received already" in again.err
    kept = cli("xftp", "receive", second, "--to", tmp_path / "in", "--keep")
    assert kept.out == f"Received {tmp_path / 'in' / 'photo_1.jpg'}\n"
    assert len(list((tmp_path / "in").iterdir())) == 2

    deleted = cli("xftp", "delete", private, "--json").json()
    assert deleted["unknown"] == 0
    assert deleted["deleted"] == facts["packets"]
    assert cli("xftp", "receive", second, "--to", tmp_path / "in").code == 4
    assert len(list((tmp_path / "in").iterdir())) == 2
    assert "did not know" in cli("xftp", "delete", private).out


def test_in_words(cli: Cli, server: str, photo: Path, tmp_path: Path) -> None:
    sent = cli("xftp", "send", photo, server, "--to", tmp_path, "--name", "holiday.jpg", "--link")
    description = tmp_path / "photo.jpg.xftp" / "rcv1.xftp"
    assert str(description) in sent.out
    link = sent.out.splitlines()[-1]
    assert link.startswith("simplex:/file#/")
    assert "A description for a recipient" in cli("xftp", "info", description).out
    private = tmp_path / "photo.jpg.xftp" / "snd.xftp.private"
    assert "A description for its sender" in cli("xftp", "info", private).out
    (tmp_path / "link.txt").write_text(link)
    assert cli("xftp", "receive", tmp_path / "link.txt", "--to", tmp_path).code == 0
    assert (tmp_path / "holiday.jpg").read_bytes() == photo.read_bytes()
    seen = cli("xftp", "info", link)
    assert seen.code == 0
    assert "can be seen by others" in seen.err


def test_keys_are_not_shown(cli: Cli, server: str, photo: Path, tmp_path: Path) -> None:
    sent = cli("xftp", "send", photo, server, "--to", tmp_path)
    text = (tmp_path / "photo.jpg.xftp" / "rcv1.xftp").read_text()
    (key,) = [line.split()[1] for line in text.splitlines() if line.startswith("key:")]
    told = cli("xftp", "info", tmp_path / "photo.jpg.xftp" / "rcv1.xftp")
    for each in (sent, told):
        assert key.rstrip("=") not in each.out + each.err


@pytest.mark.parametrize("link", [None, "link", "web_link"])
def test_from_standard_input(
    cli: Cli,
    server: str,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    link: str | None,
) -> None:
    options = ("--link", "--web-link", "--json")
    sent = cli("xftp", "send", photo, server, "--to", tmp_path, *options).json()
    text = Path(sent["descriptions"][0]).read_text() if link is None else sent[link]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli("xftp", "info", "-", "--json").json()["party"] == "recipient"


def test_descriptions_of_the_other_kind(cli: Cli, server: str, photo: Path, tmp_path: Path) -> None:
    sent = cli("xftp", "send", photo, server, "--to", tmp_path, "--json").json()
    assert cli("xftp", "receive", sent["private"]).code == 2
    assert cli("xftp", "delete", sent["descriptions"][0]).code == 2


def test_mistakes(cli: Cli, server: str, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_text("nothing of the kind")
    for arguments in (
        ("send", photo),
        ("send", tmp_path / "missing", server),
        ("send", photo, "smp://nonsense"),
        ("send", photo, server, "--replicas", "2"),
        ("send", photo, server, server, "--replicas", "2"),
        ("send", photo, server, "--recipients", "0"),
        ("send", photo, server, "--recipients", "1025"),
        ("receive", tmp_path / "missing"),
        ("receive", tmp_path / "nonsense"),
        ("delete", tmp_path / "nonsense"),
        ("info", "simplex:/file#/?desc=nonsense"),
    ):
        result = cli("xftp", *arguments)
        assert result.code == 2, arguments
        assert result.out == ""


def test_a_state_file_of_another_transfer(
    cli: Cli, server: str, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / ".photo.jpg.xftp-sending").write_text('{"step": "dance"}\n')
    result = cli("xftp", "send", photo, server, "--to", tmp_path)
    assert result.code == 2
    assert "delete it" in result.err


def test_a_file_that_has_changed(cli: Cli, server: str, photo: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xftp_files, "save_descriptions", interrupted)
        assert cli("xftp", "send", photo, server, "--to", tmp_path).code == 3
    state = tmp_path / ".photo.jpg.xftp-sending"
    lines = state.read_text().splitlines(keepends=True)
    state.write_text("".join(each for each in lines if '"encrypted"' not in each))
    photo.write_bytes(photo.read_bytes()[::-1])
    result = cli("xftp", "send", photo, server, "--to", tmp_path)
    assert result.code == 1
    assert f"delete {state}" in result.err
    state.unlink()
    assert cli("xftp", "send", photo, server, "--to", tmp_path).code == 0


async def interrupted(*_: object) -> None:
    raise RequestTimeout("just before the end")


def test_a_name_that_is_as_long_as_names_may_be(cli: Cli, server: str, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")
    path.write_bytes(b"content")
    sent = cli("xftp", "send", path, server, "--to", tmp_path / "out", "--json").json()
    received = cli("xftp", "receive", sent["descriptions"][0], "--to", tmp_path / "in", "--json")
    assert Path(received.json()["path"]).read_bytes() == b"content"
    assert received.json()["path"].endswith("x.txt")
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_passwords(cli: Cli, photo: Path, tmp_path: Path) -> None:
    config = evolve(EMBEDDED, packets=PacketPolicy(password="sesame"))
    with in_background(lambda: open_xftp_router(config)) as router:
        refused = cli("xftp", "send", photo, router.address, "--to", tmp_path)
        assert refused.code == 4
        assert "password" in refused.err
        (tmp_path / "router").write_text(str(router.address).replace("@", ":sesame@"))
        at = f"@{tmp_path / 'router'}"
        assert cli("xftp", "send", photo, at, "--to", tmp_path / "out").code == 0


def test_links_that_browsers_do_not_open(
    cli: Cli, server: str, photo: Path, tmp_path: Path
) -> None:
    sent = cli("xftp", "send", photo, server, "--to", tmp_path, "--web-link", "--json")
    assert "web_link" in sent.json()
    assert "no certificate that browsers trust" in sent.err


async def test_links_that_browsers_open() -> None:
    certificate, web = web_certificate_for("localhost")
    trusted = ssl.create_default_context(cadata=certificate.public_bytes(Encoding.PEM).decode())
    config = evolve(EMBEDDED, hosts=("localhost",), web_ports=(0,))
    async with open_xftp_router(config, web_credentials=web) as router:
        assert await shows_pages(router.address, trusted)
        assert not await shows_pages(router.address)
    assert not await shows_pages(router.address, trusted)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("[2001:db8::1]", ["2001:db8::1"]),
        ("192.0.2.1", ["192.0.2.1"]),
        (f"{'a' * 56}.onion,xftp.example.com", []),
    ],
    ids=["IPv6", "IPv4", "onion"],
)
async def test_the_host_that_is_asked_for_pages(
    monkeypatch: pytest.MonkeyPatch, host: str, expected: list[str]
) -> None:
    asked: list[str] = []

    async def connect(host: str, *_args: object, **_options: object) -> None:
        await trio.lowlevel.checkpoint()
        asked.append(host)
        raise OSError

    monkeypatch.setattr(trio, "open_ssl_over_tcp_stream", connect)
    server = ServerAddress.parse(f"xftp://{'A' * 43}=@{host}")
    assert not await web_pages.shows_pages(server)
    assert asked == expected


def test_links_are_printed_before_the_pages_are_looked_for(
    cli: Cli,
    server: str,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def shows_pages(_server: ServerAddress) -> bool:
        await trio.lowlevel.checkpoint()
        raise OSError("while the pages are looked for")

    monkeypatch.setattr(xftp_files, "shows_pages", shows_pages)
    sent = cli("xftp", "send", photo, server, "--to", tmp_path, "--web-link")
    assert sent.code == 1
    assert "https://" in sent.out


def web_certificate_for(host: str) -> tuple[x509.Certificate, TlsCredentials]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, SHA256())
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return certificate, TlsCredentials((certificate.public_bytes(Encoding.DER),), der)


# --- the router ---------------------------------------------------------------------------------


def a_router(cli: Cli, folder: Path, *options: str, more: str = "") -> None:
    """A router on a port that the system chooses."""
    made = cli("xftp", "router", "init", folder, "--host", "127.0.0.1", *options)
    assert made.code == 0
    path = folder / "xftp.toml"
    config = path.read_text().replace("ports = [443]", "ports = [0]")
    path.write_text(f'listen = "127.0.0.1"\n{more}\n{config}')


def test_a_router_that_stands_by(cli: Cli, photo: Path, tmp_path: Path, postgres: str) -> None:
    """With its records in a database; the file that one took is had from the other."""
    folder = tmp_path / "router"
    a_router(cli, folder, more=f'records = "{new_place(postgres)}"')
    config = folder / "xftp.toml"
    config.write_text(config.read_text().replace("ports = [0]", f"ports = [{a_free_port()}]"))
    arguments = ("xftp", "router", "start", folder)
    with Program(*arguments, folder=tmp_path) as first:
        address = first.next_line()
        with Program(*arguments, "--standby", folder=tmp_path) as second:
            assert "standing by: another process has the store" in second.next_log()["message"]
            sent = cli("xftp", "send", photo, address, "--to", tmp_path, "--json").json()
            assert first.stop(signal.SIGTERM).code == 0
            assert second.next_line() == address
            assert cli("xftp", "router", "status", folder, "--json").json()["now"]["packets"] == 2
            (description,) = sent["descriptions"]
            got = cli("xftp", "receive", description, "--to", tmp_path / "in", "--keep", "--json")
            assert Path(got.json()["path"]).read_bytes() == photo.read_bytes()
            assert second.stop(signal.SIGTERM).code == 0
    numbers = cli("xftp", "router", "stats", folder, "--json").json()
    assert numbers["running"] is False
    assert numbers["now"]["packets"] == numbers["counters"]["packets_uploaded"] == 2


def test_records_move_to_a_database(cli: Cli, tmp_path: Path, postgres: str) -> None:
    async def fill() -> None:
        async with open_storage(folder / "files", 10**6, token_bytes) as storage:
            await stored(storage)

    folder = tmp_path / "router"
    a_router(cli, folder)
    assert cli("xftp", "router", "move-records", folder).code == 2
    trio.run(fill)
    config = folder / "xftp.toml"
    config.write_text(f'records = "{new_place(postgres)}"\n{config.read_text()}')
    stays = cli("xftp", "router", "stats", folder)
    assert stays.code == 1
    assert "are not in the database" in stays.err
    moved = cli("xftp", "router", "move-records", folder, "--json").json()
    assert moved == {"counts": {"packets": 1, "recipients": 1}}
    numbers = cli("xftp", "router", "stats", folder, "--json").json()
    assert numbers["now"]["bytes_stored"] == len(BODY)
    again = cli("xftp", "router", "move-records", folder)
    assert again.code == 1
    assert "no records in a file" in again.err


def test_the_life_of_a_router(cli: Cli, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder, "--quota", "0.1", "--password")
    config = XFTPRouterConfig.load(folder / "xftp.toml")
    assert config.packets.quota == 2**30 // 10
    (folder / "ca.key").unlink()
    arguments = ("xftp", "router", "start", folder, "--show-password")
    with Program(*arguments, "--no-control", folder=tmp_path) as program:
        (tmp_path / "address").write_text(address := program.next_line())
        at = f"@{tmp_path / 'address'}"
        sent = cli("xftp", "send", photo, at, "--to", tmp_path, "--json").json()
        locked = cli("xftp", "router", "stats", folder)
        assert locked.code == 1
        assert "metrics_port = 5241 " in locked.err
        assert "# metrics_port = 5241  # for Prometheus" in (folder / "xftp.toml").read_text()
        stopped = program.stop(signal.SIGTERM)
    assert stopped.code == 0
    assert config.packets.password is not None
    assert config.packets.password not in stopped.err
    log = stopped.err.splitlines()
    assert "SIGTERM" in json.loads(log[-1])["message"]

    numbers = cli("xftp", "router", "stats", folder, "--json").json()
    assert numbers["running"] is False
    assert numbers["now"]["packets"] == 2
    assert numbers["counters"]["packets_uploaded"] == 2

    with Program(*arguments, "--json", folder=tmp_path) as program:
        again = json.loads(program.next_line())["address"]
        assert again.partition("@")[0] == address.partition("@")[0]
        assert cli("xftp", "info", sent["private"]).code == 0
        assert (folder / "files" / "control.sock").is_socket()
        status = cli("xftp", "router", "status", folder, "--json").json()
        assert (status["router"], status["now"]["packets"]) == ("xftp", 2)
        assert cli("xftp", "router", "stats", folder, "--json").json()["running"] is True
        assert cli("xftp", "router", "reload", folder).out == "Nothing has changed.\n"
        for command in (("packet",), ("block", "--reason", "spam"), ("delete",)):
            unknown = cli("xftp", "router", *command, "AAAA", folder)
            assert unknown.code == 4
            assert "no packet with this id" in unknown.err
        assert program.stop().code == 0


def test_a_router_for_trying(cli: Cli, photo: Path, tmp_path: Path) -> None:
    with Program("xftp", "router", "try", folder=tmp_path) as program:
        assert cli("xftp", "send", photo, program.next_line(), "--to", tmp_path / "a").code == 0
        assert program.stop(signal.SIGINT).code == 0


def test_a_router_for_trying_leaves_nothing_when_its_terminal_is_closed(tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    with Program("xftp", "router", "try", folder=tmp_path, TMPDIR=str(place)) as program:
        program.next_line()
        assert [*place.iterdir()]
        assert program.stop(signal.SIGHUP).code == 0
    assert not [*place.iterdir()]


def test_metrics_of_a_router(cli: Cli, photo: Path, tmp_path: Path) -> None:
    folder, port = tmp_path / "router", a_free_port()
    a_router(cli, folder, more=f"metrics_port = {port}")
    for count in (2, 4):
        with Program("xftp", "router", "start", folder, folder=tmp_path) as program:
            address = program.next_line()
            assert cli("xftp", "send", photo, address, "--to", tmp_path / str(count)).code == 0
            numbers = cli("xftp", "router", "stats", folder, "--json").json()
            assert program.stop().code == 0
        assert numbers["running"] is True
        assert numbers["now"]["packets"] == count
        assert numbers["now"]["sockets_leaked"] == 0
        assert numbers["counters"]["packets_uploaded"] == count


def test_a_former_name_in_the_configuration(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "xftp.toml").write_text("[packets]\nexpiry_hours = 1\n")
    wrong = cli("xftp", "router", "start", tmp_path)
    assert wrong.code == 2
    assert "packets.packet_ttl" in wrong.err


def test_routers_that_cannot_be(cli: Cli, tmp_path: Path) -> None:
    init = ("xftp", "router", "init", tmp_path / "router")
    for arguments in (
        ("--host", "two words"),
        ("--host", ""),
        ("--port", "70000"),
        ("--port", "0"),
        ("--quota", "nan"),
        ("--quota", "-1"),
        ("--pages", str(tmp_path / "missing")),
    ):
        assert cli(*init, *arguments).code == 2
    assert not (tmp_path / "router").exists()
    missing = cli("xftp", "router", "start", tmp_path / "router")
    assert missing.code == 2
    assert "xftp router init" in missing.err
    a_router(cli, tmp_path / "router")
    assert cli("xftp", "router", "stats", tmp_path / "router").code == 2
    assert not (tmp_path / "router" / "files").exists()


def test_a_router_with_pages(cli: Cli, tmp_path: Path) -> None:
    folder, pages = tmp_path / "router", tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_bytes(b"<!doctype html>")
    a_router(cli, folder, "--pages", str(pages))
    assert "web.crt" in cli("xftp", "router", "start", folder).err
    web = web_credentials()
    (folder / "web.crt").write_bytes(
        b"".join(to_pem("CERTIFICATE", each) for each in web.certificates)
    )
    (folder / "web.key").write_bytes(to_pem("PRIVATE KEY", web.private_key))
    with Program("xftp", "router", "start", folder, "--json", folder=tmp_path) as program:
        (port,) = json.loads(program.next_line())["ports"]
        assert trio.run(first_page, port) == b"<!doctype html>"
        assert program.stop().code == 0
    (folder / "web.key").unlink()
    assert "web.key" in cli("xftp", "router", "start", folder).err


async def first_page(port: int) -> bytes:
    async with browser_on(port) as browser:
        _, page = await browser.fetch(method="GET")
    return page


# --- progress -----------------------------------------------------------------------------------

RETRYING = Retrying(3, DialFailed("no host answers"), 2.0)


async def test_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, highlight=False)
    monkeypatch.setattr(xftp_bars, "ERR", console)
    with showing_progress() as tell:
        for done in range(0, 101, 10):
            tell(Progress(Phase.UPLOADING, done * 2**20, 100 * 2**20))
        tell(RETRYING)
        tell(Progress(Phase.DECRYPTING, 100, 100))
    shown = screen.getvalue()
    assert "uploading" in shown
    assert "decrypting" in shown
    assert "104.9/104.9 MB" in shown
    assert "packet 3: no host answers; again in 2 s" in shown


def test_bars_outlast_the_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are drawn a last time when Trio has ended."""
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, highlight=False)
    monkeypatch.setattr(xftp_bars, "ERR", console)

    async def transfer() -> None:
        tell(Progress(Phase.UPLOADING, 0, 100))
        await trio.lowlevel.checkpoint()
        tell(Progress(Phase.UPLOADING, 50, 100))

    with showing_progress() as tell:
        trio.run(transfer)
    assert "50/100 bytes" in screen.getvalue()


@pytest.mark.parametrize("width", [12, 36, 59, 60, 80])
async def test_bars_take_one_line_each(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, highlight=False)
    monkeypatch.setattr(xftp_bars, "ERR", console)
    with showing_progress() as tell:
        for done in range(0, 1001, 10):
            tell(Progress(Phase.DOWNLOADING, done * 2**20, 1000 * 2**20))
    assert screen.getvalue().count("\n") == 1
    await trio.lowlevel.checkpoint()


async def test_no_bars_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with showing_progress() as tell:
        tell(Progress(Phase.UPLOADING, 1, 2))
        tell(RETRYING)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "packet 3: no host answers; again in 2 s\n"
    await trio.lowlevel.checkpoint()
