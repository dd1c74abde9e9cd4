"""``simplex-trio router``: made, started, asked, and stopped."""

from __future__ import annotations

import inspect
import json
import re
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

from simplex_trio.cli.routers import file_controls, files, message_controls, messages
from simplex_trio.cli.routers.numbers import numbers_in_metrics
from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import CertificateInvalid
from simplex_trio.router.config import RouterConfig
from simplex_trio.serving.credentials import load_credentials
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.text import to_base64url
from tests.cli.support import Program, Result, a_free_port
from tests.postgres import new_place

Cli = Callable[..., Result]


# --- init ---------------------------------------------------------------------------------------


def test_init(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "router"
    made = cli("router", "init", folder, "--host", "smp.example.com", "--host", "192.0.2.1")
    assert made.code == 0
    assert f"Take {folder / 'ca.key'} off this machine" in made.out

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    assert modes == {
        "ca.key": 0o600,
        "ca.crt": 0o644,
        "server.key": 0o600,
        "server.crt": 0o644,
        "router.toml": 0o600,
    }
    config = RouterConfig.load(folder / "router.toml")
    assert config.hosts == ("smp.example.com", "192.0.2.1")
    assert config.queues.password is None

    address = ServerAddress.parse(made.out.splitlines()[1])
    assert [str(host) for host in address.hosts] == ["smp.example.com", "192.0.2.1"]
    assert address.port is None
    assert address.key_hash == credentials_in(folder).identity_fingerprint


def credentials_in(folder: Path) -> RouterCredentials:
    async def load() -> RouterCredentials:
        return await load_credentials(folder, at=utc_now())

    return trio.run(load)


def test_the_key_of_the_authority_is_not_needed(cli: Cli, tmp_path: Path) -> None:
    cli("router", "init", tmp_path / "router")
    (tmp_path / "router" / "ca.key").unlink()
    assert credentials_in(tmp_path / "router").ca_key is None


def test_passwords_are_shown_when_asked_for(cli: Cli, tmp_path: Path) -> None:
    def password(folder: str) -> str:
        found = RouterConfig.load(tmp_path / folder / "router.toml").queues.password
        assert found is not None
        return found

    hidden = cli("router", "init", tmp_path / "one", "--password")
    assert password("one") not in hidden.out
    assert "--show-password" in hidden.out
    arguments = ("--password", "--show-password", "--json")
    shown = cli("router", "init", tmp_path / "two", *arguments).json()
    server = ServerAddressWithAuth.parse(shown["address"])
    assert server.basic_auth == password("two").encode()
    assert password("one") != password("two")


@pytest.mark.parametrize("taken", ["ca.key", "server.crt", "router.toml"])
def test_nothing_is_overwritten(cli: Cli, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    before = set(tmp_path.iterdir())
    refused = cli("router", "init", tmp_path)
    assert refused.code == 2
    assert f"{taken} is there already" in refused.err
    assert (tmp_path / taken).read_text() == "precious"
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [("--host", "two words"), ("--host", ""), ("--port", "70000"), ("--port", "0")],
)
def test_init_checks_before_it_writes(cli: Cli, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert cli("router", "init", tmp_path / "router", *arguments).code == 2
    assert not (tmp_path / "router").exists()


@pytest.mark.parametrize("program", [("router",), ("xftp", "router")], ids=" ".join)
def test_an_empty_host_is_told_in_words(cli: Cli, tmp_path: Path, program: tuple[str, ...]) -> None:
    refused = cli(*program, "init", tmp_path / "router", "--host", "one.example", "--host", "")
    assert refused.code == 2
    assert "--host" in refused.err
    assert "Must not be empty." in refused.err
    assert "[" not in refused.err


@pytest.mark.parametrize("program", [("router",), ("xftp", "router")])
@pytest.mark.parametrize("command", ["start", "status", "reload", "renew", "stats"])
def test_the_url_of_a_database_is_no_router(
    cli: Cli, program: tuple[str, ...], command: str
) -> None:
    result = cli(*program, command, "postgresql://x:secret@127.0.0.1:1/x")
    assert result.code == 2
    assert "secret" not in result.err
    assert "in the configuration" in result.err


def test_long_names(cli: Cli, tmp_path: Path) -> None:
    name = ".".join(["a" * 60] * 4)
    assert cli("router", "init", tmp_path / "router", "--host", name).code == 0
    assert RouterConfig.load(tmp_path / "router" / "router.toml").hosts == (name,)


def test_hosts_are_quoted(cli: Cli, tmp_path: Path) -> None:
    cli("router", "init", tmp_path / "router", "--host", 'a"b\\c')
    assert RouterConfig.load(tmp_path / "router" / "router.toml").hosts == ('a"b\\c',)


# --- start, stats -------------------------------------------------------------------------------


def a_router(cli: Cli, folder: Path, more: str = "") -> None:
    """A router on a port that the system chooses."""
    assert cli("router", "init", folder, "--host", "127.0.0.1", "--password").code == 0
    path = folder / "router.toml"
    config = path.read_text().replace("ports = [5223]", "ports = [0]")
    path.write_text(f'listen = "127.0.0.1"\n{more}\n{config}')


def test_the_life_of_a_router(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    password = RouterConfig.load(folder / "router.toml").queues.password
    with Program(
        "router", "start", folder, "--show-password", "--no-control", folder=tmp_path
    ) as program:
        (tmp_path / "address").write_text(program.next_line())
        at = f"@{tmp_path / 'address'}"
        assert cli("ping", at, "-n", "1").code == 0
        assert cli("queue", "create", "inbox", at).code == 0
        assert cli("queue", "send", "inbox", "hello").code == 0
        locked = cli("router", "stats", folder)
        assert locked.code == 1
        assert "metrics_port = 5240 " in locked.err
        assert "start it again" in locked.err
        config = folder / "router.toml"
        before = config.read_text()
        config.write_text(f"metrics_port = {a_free_port()}\n{before}")
        late = cli("router", "stats", folder)
        assert late.code == 1
        assert "put metrics_port" not in late.err
        assert "start it again" in late.err
        config.write_text(before)
        stopped = program.stop(signal.SIGTERM)
    assert stopped.code == 0
    assert stopped.out == ""
    log = [json.loads(line) for line in stopped.err.splitlines()]
    assert {"time", "level", "logger", "message"} == set(log[0])
    assert "SIGTERM" in log[-1]["message"]
    assert password is not None
    assert password not in stopped.err

    numbers = cli("router", "stats", folder, "--json").json()
    assert numbers["now"] == {
        "queues": 1,
        "messages": 1,
        "notifiers": 0,
        "notifications": 0,
        "services": 0,
    }
    assert numbers["counters"]["messages_sent"] == 1
    assert numbers["running"] is False
    words = cli("router", "stats", folder)
    assert "messages sent" in words.out
    assert "stopped" in words.out
    assert "names resolved" not in words.out
    assert "names resolved" in cli("router", "stats", folder, "--zeros").out


def test_a_running_router_is_asked(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    port = a_free_port()
    a_router(cli, folder, f"metrics_port = {port}")
    with Program(
        "router", "start", folder / "router.toml", "--json", "--no-control", folder=tmp_path
    ) as program:
        started = json.loads(program.next_line())
        assert cli("ping", started["address"], "-n", "1").code == 0
        numbers = cli("router", "stats", folder, "--json").json()
        assert numbers["now"]["sockets_leaked"] == 0
        assert numbers["running"] is True
        assert "is running" in cli("router", "stats", folder).out
        assert numbers["counters"]["messages_sent"] == 0
        assert program.stop(signal.SIGINT).code == 0
    assert cli("router", "stats", folder, "--json").json()["now"]["queues"] == 0


def a_sender_id(state_file: Path) -> str:
    """The id by which senders know the only queue in the state."""
    (found,) = re.findall(r'"sender_id": "([0-9a-f]+)"', state_file.read_text())
    return to_base64url(bytes.fromhex(found))


def test_a_running_router_is_told_things(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder, 'control = "here"')
    with Program("router", "start", folder, "--show-password", folder=tmp_path) as program:
        (tmp_path / "address").write_text(program.next_line())
        assert cli("queue", "create", "inbox", f"@{tmp_path / 'address'}").code == 0
        assert cli("router", "stats", folder, "--json").json()["running"] is True
        assert (folder / "here").is_socket()
        status = cli("router", "status", folder)
        assert status.code == 0
        words = dict(re.split(r"  +", line, maxsplit=1) for line in status.out.splitlines())
        assert words["queues"] == "1"
        assert words["problems"] == "-"
        assert words["ports"].isdigit()
        assert cli("router", "status", folder, "--json").json()["router"] == "smp"
        assert "waiting" in cli("router", "clients", folder, "--addresses").out
        assert cli("router", "clients", folder, "--json").json()["more"] == 0
        assert cli("router", "reload", folder).out == "Nothing has changed.\n"
        config = folder / "router.toml"
        config.write_text("listen = 5")
        wrong = cli("router", "reload", folder)
        assert wrong.code == 2  # it is already wrong for the one who asks
        assert program.stop(signal.SIGTERM).code == 0


def test_queues_of_a_running_router(cli: Cli, tmp_path: Path, state_file: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    with Program("router", "start", folder, "--show-password", folder=tmp_path) as program:
        (tmp_path / "address").write_text(program.next_line())
        assert cli("queue", "create", "inbox", f"@{tmp_path / 'address'}").code == 0
        assert (folder / "router.sock").is_socket()
        of_sender = a_sender_id(state_file)
        shown = cli("router", "queue", of_sender, folder)
        assert shown.code == 0
        words = dict(re.split(r"  +", line, maxsplit=1) for line in shown.out.splitlines())
        assert words["state"] == "active"
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", words["created day"])
        assert words["suspended at"] == "-"
        blocked = cli("router", "block", of_sender, folder, "--reason", "spam", "--notice")
        assert blocked.code == 0
        assert "reason spam, notice yes" in blocked.out
        sent = cli("queue", "send", "inbox", "hello")
        assert sent.code == 4
        for command, state in (("resume", "active"), ("suspend", "suspended")):
            answer = cli("router", command, of_sender, folder, "--json").json()
            assert answer["state"] == state
        assert cli("router", "delete", of_sender, folder, "--json").json() == {
            "deleted_messages": 0
        }
        gone = cli("router", "queue", of_sender, folder, "--json")
        assert gone.code == 4
        assert gone.json()["error"] == "There is no queue with this id."
        assert cli("router", "queue", "-not base64", folder).code == 2
        assert cli("router", "block", of_sender, folder, "--reason", "dislike").code == 2
        assert program.stop(signal.SIGTERM).code == 0
    stopped = cli("router", "status", folder)
    assert stopped.code == 3
    assert "it is stopped" in stopped.err


def test_a_router_without_a_control_socket(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "router.toml"
    config.write_text('hosts = ["localhost"]')
    nothing = cli("router", "status", config)
    assert nothing.code == 2
    assert "put control into its configuration" in nothing.err


def test_a_folder_that_can_only_be_read_has_no_control_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "router.toml"
    config.write_text('store = "postgresql:///smp"')
    assert messages.PROGRAM.load_with_control(config).control == tmp_path / "router.sock"
    # As in a container, and for tests of the superuser, who may write wherever that is possible.
    monkeypatch.setattr("os.access", lambda place, _mode: place != tmp_path)
    assert messages.PROGRAM.load_with_control(config).control is None
    config.write_text('store = "new/files"')  # in a folder that the router will make
    assert files.PROGRAM.load_with_control(config).control == tmp_path / "new/files/control.sock"
    config.write_text('store = "postgresql:///smp"\ncontrol = "here"')
    assert messages.PROGRAM.load_with_control(config).control == tmp_path / "here"


@pytest.mark.parametrize("program", [("router",), ("xftp", "router")], ids=" ".join)
def test_a_hang_up_reloads(cli: Cli, tmp_path: Path, program: tuple[str, ...]) -> None:
    folder = tmp_path / "router"
    port = a_free_port()
    made = cli(*program, "init", folder, "--host", "127.0.0.1", "--port", port)
    assert made.code == 0
    config = next(folder.glob("*.toml"))
    right = config.read_text()
    with Program(*program, "start", folder, folder=tmp_path) as running:
        running.next_line()
        config.write_text("nonsense")
        running.process.send_signal(signal.SIGHUP)
        refused = f"stays as it was: {config}: the configuration is not TOML"
        assert refused in running.next_log()["message"]
        config.write_text(f"metrics_port = 1\n{right}\n[intervals]\nexpiry = 5\n")
        running.process.send_signal(signal.SIGHUP)
        assert running.next_log()["message"] == "other values from now on: intervals.expiry"
        assert "start of the router: metrics_port" in running.next_log()["message"]
        assert running.stop(signal.SIGTERM).code == 0


def test_a_hang_up_while_standing_by_does_not_become_the_end(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    start = ("router", "start", folder)
    address = str(tmp_path / "notify")
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told,
        Program(*start, folder=tmp_path) as first,
    ):
        told.bind(address)
        told.settimeout(60)
        first.next_line()
        with Program(*start, "--standby", folder=tmp_path, NOTIFY_SOCKET=address) as second:
            assert told.recv(4096) == b"READY=1\nSTATUS=standing by for another router\n"
            assert told.recv(4096) == b"STATUS=standing by for another router\n"
            second.process.send_signal(signal.SIGHUP)
            stopped = second.stop(signal.SIGTERM)
            assert (stopped.code, "stopped after SIGTERM" in stopped.err) == (0, True)


def test_a_supervisor_is_told(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    address = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
        told.bind(address)
        told.settimeout(60)
        with Program("router", "start", folder, folder=tmp_path, NOTIFY_SOCKET=address) as program:
            first = told.recv(4096)
            assert first == b"STATUS=not serving yet\nEXTEND_TIMEOUT_USEC=120000000\n"
            assert told.recv(4096) == b"READY=1\nSTATUS=0 clients\n"
            program.process.send_signal(signal.SIGHUP)
            assert told.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert told.recv(4096) == b"READY=1\nSTATUS=0 clients\n"
            assert program.stop(signal.SIGTERM).code == 0
            assert told.recv(4096) == b"STOPPING=1\n"


def test_metrics() -> None:
    text = (
        "# HELP simplex_router_queues Now: queues\n"
        "# TYPE simplex_router_queues gauge\n"
        "simplex_router_queues 3.0\n"
        "simplex_router_messages_sent_total 1.2e+06\n"
        "python_info 1.0\n"
        "nonsense\n"
    )
    assert numbers_in_metrics(text, "simplex_router_") == (
        {"queues": 3},
        {"messages_sent": 1_200_000},
    )


def test_a_router_that_never_ran(cli: Cli, tmp_path: Path) -> None:
    a_router(cli, tmp_path / "router")
    nothing = cli("router", "stats", tmp_path / "router")
    assert nothing.code == 2
    assert not (tmp_path / "router" / "router.sqlite").exists()


def test_a_router_for_trying(cli: Cli, tmp_path: Path) -> None:
    with Program("router", "try", "--json", folder=tmp_path) as program:
        address = json.loads(program.next_line())["address"]
        assert cli("ping", address, "-n", "1").code == 0
        assert program.stop(signal.SIGINT).code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_in_use(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        a_router(cli, folder)
        config = folder / "router.toml"
        config.write_text(config.read_text().replace("ports = [0]", f"ports = [{port}]"))
        refused = cli("router", "start", folder)
    assert refused.code == 1
    assert f"port {port} is in use" in refused.err.lower()


def test_the_options_of_both_kinds_are_the_same() -> None:
    for name in ("start", "try_", "stats", "renew"):
        ours, theirs = (inspect.signature(getattr(each, name)) for each in (messages, files))
        options = [
            {
                each.name: each.annotation
                for each in signature.parameters.values()
                if each.kind is each.KEYWORD_ONLY
            }
            for signature in (ours, theirs)
        ]
        assert options[0] == options[1], name
    assert set(inspect.signature(messages.init).parameters) <= set(
        inspect.signature(files.init).parameters
    )
    for name in file_controls.__all__:
        if name != "packet":
            ours, theirs = (
                inspect.signature(getattr(each, name)) for each in (message_controls, file_controls)
            )
            assert [each.kind for each in ours.parameters.values()] == [
                each.kind for each in theirs.parameters.values()
            ]


# --- renew --------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [("router",), ("xftp", "router")], ids=" ".join)
def test_renewed_credentials(cli: Cli, tmp_path: Path, program: tuple[str, ...]) -> None:
    folder = tmp_path / "router"
    cli(*program, "init", folder)
    old = credentials_in(folder)
    kept = (folder / "ca.key").rename(tmp_path / "ca.key")
    missing = cli(*program, "renew", folder)
    assert missing.code == 2
    assert "--ca-key" in missing.err
    assert credentials_in(folder) == old

    assert cli(*program, "renew", folder, "--ca-key", kept).code == 0
    new = credentials_in(folder)
    assert new.identity_fingerprint == old.identity_fingerprint
    assert new.certificate != old.certificate
    assert new.key != old.key
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "server.crt").stat().st_mode) == 0o644


def test_renewing_is_done_again_after_a_crash(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    cli("router", "init", folder)
    certificate = (folder / "server.crt").read_bytes()
    cli("router", "renew", folder)
    (folder / "server.crt").write_bytes(certificate)  # as if it had not come so far
    with pytest.raises(CertificateInvalid):
        credentials_in(folder)
    assert cli("router", "renew", folder).code == 0
    assert credentials_in(folder).ca_key is None


def test_the_key_of_another_router_does_not_renew(cli: Cli, tmp_path: Path) -> None:
    for name in ("one", "two"):
        cli("router", "init", tmp_path / name)
    before = credentials_in(tmp_path / "one")
    refused = cli("router", "renew", tmp_path / "one", "--ca-key", tmp_path / "two" / "ca.key")
    assert refused.code == 2
    assert credentials_in(tmp_path / "one") == before


# --- trouble ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["start", "stats"])
def test_no_configuration(cli: Cli, tmp_path: Path, command: str) -> None:
    missing = cli("router", command, tmp_path / "nowhere")
    assert missing.code == 2
    assert "router init" in missing.err
    (tmp_path / "router.toml").write_text("hosts = 7")
    wrong = cli("router", command, tmp_path)
    assert wrong.code == 2
    assert f"cannot be used: {tmp_path / 'router.toml'}: hosts" in wrong.err


def test_a_router_of_the_other_kind(cli: Cli, tmp_path: Path) -> None:
    for program, other in ((("router",), ("xftp", "router")), (("xftp", "router"), ("router",))):
        folder = tmp_path / program[0]
        assert cli(*program, "init", folder).code == 0
        mistaken = cli(*other, "stats", folder)
        assert mistaken.code == 2
        assert f"begin with: simplex-trio {' '.join(program)}\n" in mistaken.err


def test_a_store_that_is_damaged(cli: Cli, tmp_path: Path) -> None:
    a_router(cli, tmp_path / "router")
    (tmp_path / "router" / "router.sqlite").write_bytes(b"nothing of the kind" * 1000)
    broken = cli("router", "stats", tmp_path / "router")
    assert broken.code == 1
    assert broken.err.startswith("simplex-trio: The store cannot be used")


def test_a_store_that_lacks_its_last_commits(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    store = folder / "router.sqlite"
    with Program("router", "start", folder, folder=tmp_path) as program:
        program.next_line()
        program.stop(signal.SIGTERM)
    early = store.read_bytes()
    with Program("router", "start", folder, "--show-password", folder=tmp_path) as program:
        (tmp_path / "address").write_text(program.next_line())
        assert cli("queue", "create", "inbox", f"@{tmp_path / 'address'}").code == 0
        program.stop(signal.SIGTERM)
    store.write_bytes(early)

    refused = cli("router", "start", folder)
    assert refused.code == 1
    assert "commits or more are lost" in refused.err
    assert "--accept-loss" in refused.err
    assert cli("router", "stats", folder).code == 1
    assert store.read_bytes() == early

    with Program("router", "start", folder, "--accept-loss", folder=tmp_path) as program:
        program.next_line()
        stopped = program.stop(signal.SIGTERM)
    log = [json.loads(line) for line in stopped.err.splitlines()]
    accepted = [line for line in log if "the loss is accepted" in line["message"]]
    assert [line["level"] for line in accepted] == ["warning"]
    assert cli("router", "stats", folder, "--json").json()["now"]["queues"] == 0


def test_a_router_stands_by(cli: Cli, tmp_path: Path, postgres: str) -> None:
    folder, place = tmp_path / "router", new_place(postgres)
    a_router(cli, folder)
    config = folder / "router.toml"
    text = config.read_text().replace('"router.sqlite"', f'"{place}"')
    config.write_text(text.replace("ports = [0]", f"ports = [{a_free_port()}]"))
    with Program("router", "start", folder, folder=tmp_path) as first:
        address = first.next_line()
        with Program("router", "start", folder, "--standby", folder=tmp_path) as second:
            waits = second.next_log()["message"]
            assert waits.startswith("standing by: another process has the store open")
            assert f"process {first.process.pid}, since" in waits
            refused = cli("router", "start", folder)
            assert refused.code == 1
            assert f"process {first.process.pid}, since" in refused.err
            first.process.kill()
            assert second.next_line() == address
            assert second.stop(signal.SIGTERM).code == 0
    assert cli("router", "stats", folder, "--json").json()["running"] is False
