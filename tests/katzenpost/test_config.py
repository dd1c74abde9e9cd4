"""``thinclient.toml``, and the sockets that it leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simplex_trio.errors import DialFailed
from simplex_trio.katzenpost import (
    ClientConfig,
    ConfigError,
    TcpDial,
    UnixDial,
    load_dial,
    open_thin_client,
)
from simplex_trio.katzenpost.session.dial import dialler
from simplex_trio.testing.kpclientd import open_simulated_daemon
from simplex_trio.testing.kpclientd.serving import config_text


def load(tmp_path: Path, text: str) -> TcpDial | UnixDial:
    path = tmp_path / "thinclient.toml"
    path.write_text(text, "utf-8")
    return load_dial(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[Dial.Tcp]\nAddress = "localhost:64331"\n', TcpDial("localhost", 64331, "tcp")),
        ('[Dial.Tcp]\nAddress="127.0.0.1:1"\nNetwork="tcp4"', TcpDial("127.0.0.1", 1, "tcp4")),
        ('[Dial.Tcp]\nAddress="[::1]:64331"\nNetwork="tcp6"', TcpDial("::1", 64331, "tcp6")),
        ('[Dial.Unix]\nAddress="/run/kp.sock"', UnixDial("/run/kp.sock")),
        ('[Dial.Unix]\nAddress="@katzenpost"', UnixDial("@katzenpost")),
        ('[Dial]\n[Dial.Unix]\nAddress="x"', UnixDial("x")),
    ],
)
def test_configurations(tmp_path: Path, text: str, expected: TcpDial | UnixDial) -> None:
    assert load(tmp_path, text) == expected
    assert load(tmp_path, config_text(expected)) == expected


TCP = '[Dial.Tcp]\nAddress="localhost:64331"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not toml",
        "Dial = 7",
        "[Dial]",
        "[Dial]\nTcp = 7",
        "[Dial.Tcp]",
        "[Dial.Ws]\nAddress='ws://localhost'",
        "[Dial.Tcp]\nAddress=''",
        "[Dial.Tcp]\nAddress=7",
        "[Dial.Tcp]\nAddress='localhost'",
        "[Dial.Tcp]\nAddress=':1'",
        "[Dial.Tcp]\nAddress='localhost:'",
        "[Dial.Tcp]\nAddress='localhost:0'",
        "[Dial.Tcp]\nAddress='localhost:65536'",
        "[Dial.Tcp]\nAddress='localhost:x'",
        f"[Dial.Tcp]\nAddress='localhost:{'1' * 5000}'",
        "[Dial.Tcp]\nAddress='::1:64331'",
        "[Dial.Unix]\nAddress='x'\nNetwork='unix'",
        TCP + "Network='udp'",
        TCP + "Network=['tcp']",
        TCP + "Extra=1",
        TCP + "[Dial.Unix]\nAddress='x'",
        TCP + "[Other]\nx=1",
        TCP + "[SphinxGeometry]\nPacketLength=1",
        TCP + "[PigeonholeGeometry]\nMaxPlaintextPayloadLength=1",
    ],
)
def test_what_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, text)


def test_addresses_are_not_shown() -> None:
    shown = repr([TcpDial("host.example", 64331), UnixDial("/run/kp.sock")])
    assert "64331" in shown
    assert "host" not in shown.replace("host=", "")
    assert "kp.sock" not in shown


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_dial(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        load_dial(tmp_path / "latin.toml")


def test_the_connect_timeout_leaves_the_daemon_its_half_minute() -> None:
    with pytest.raises(ValueError, match="40"):
        ClientConfig(connect_timeout=35)


@pytest.mark.parametrize("kind", ["tcp", "tcp4", "tcp6", "name", "unix", "abstract"])
async def test_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short, that of the directory may not be
    places: dict[str, TcpDial | UnixDial] = {
        "tcp": TcpDial("127.0.0.1", 0),
        "tcp4": TcpDial("127.0.0.1", 0, "tcp4"),
        "tcp6": TcpDial("::1", 0, "tcp6"),
        "name": TcpDial("localhost", 0, "tcp4"),
        "unix": UnixDial("kpclientd.sock"),
        "abstract": UnixDial(f"@simplex-trio-{os.urandom(8).hex()}"),
    }
    async with open_simulated_daemon(places[kind]) as daemon:
        path = tmp_path / "thinclient.toml"
        daemon.write_config(path)
        async with open_thin_client(path) as client:
            assert client.is_connected
            reply = await client.ask(client.service("echo"), b"hello")
            assert reply.startswith(b"hello")
    assert not (tmp_path / "kpclientd.sock").exists()


@pytest.mark.parametrize(
    "dial",
    [
        TcpDial("127.0.0.1", 1),
        TcpDial("127.0.0.1", 1, "tcp4"),
        TcpDial("no such host.invalid", 1),
        TcpDial("127.0.0.1", 1, "tcp6"),
        UnixDial("/nowhere/at all"),
        UnixDial("@nobody listens here"),
        UnixDial("x" * 500),
        UnixDial("a\0b"),
    ],
)
async def test_no_daemon_there(dial: TcpDial | UnixDial) -> None:
    with pytest.raises(DialFailed) as caught:
        await dialler(dial)()
    assert caught.value.retryable
    shown = str(caught.value) + repr(caught.value.__cause__)
    assert "127.0.0.1" not in shown
    assert "nowhere" not in shown
