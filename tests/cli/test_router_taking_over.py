"""``simplex-trio router init --take-over``: a router at the address of another server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simplex_trio.router.config import RouterConfig
from simplex_trio.xftp.router.config import XFTPRouterConfig
from tests.cli.support import Result
from tests.cli.test_router import credentials_in

Cli = Callable[..., Result]

SMP_INI = """\
[STORE_LOG]
enable = on
expire_messages_days = 14
expire_ntfs_hours: 12

[AUTH]
new_queues = off
create_password = let%me-in

[TRANSPORT]
host = smp.example.com,{onion}.onion
port = 5223,443
websockets = off
"""

XFTP_INI = """\
[STORE_LOG]
expire_files_hours = 24

[AUTH]
new_files = on

[TRANSPORT]
host = <hostnames>
port: 8443

[FILES]
path = /srv/xftp
storage_quota = 20gb
"""

ONION = "a" * 56


def a_server(cli: Cli, tmp_path: Path, name: str, ini: str) -> Path:
    """The folder with a server's configuration."""
    folder = tmp_path / "server"
    assert cli("router", "init", folder).code == 0
    (folder / "router.toml").unlink()
    (folder / name).write_text(ini.format(onion=ONION))
    return folder


def test_a_router_for_messages(cli: Cli, tmp_path: Path) -> None:
    server, folder = a_server(cli, tmp_path, "smp-server.ini", SMP_INI), tmp_path / "router"
    made = cli("router", "init", folder, "--take-over", server)
    assert made.code == 0
    assert f"Take {folder / 'ca.key'} off this machine" in made.out
    for name in ("ca.key", "ca.crt", "server.key", "server.crt"):
        assert (folder / name).read_bytes() == (server / name).read_bytes()
        assert (folder / name).stat().st_mode & 0o777 == (0o644 if ".crt" in name else 0o600)
    config = RouterConfig.load(folder / "router.toml")
    assert config.hosts == ("smp.example.com", f"{ONION}.onion")
    assert config.ports == (5223, 443)
    assert config.queues.password == "let%me-in"
    assert not config.queues.accept_new
    assert config.queues.message_ttl == 14 * 86_400
    assert config.queues.notification_ttl == 12 * 3600
    fingerprint = credentials_in(server).identity_fingerprint
    assert credentials_in(folder).identity_fingerprint == fingerprint


def test_a_router_for_files(cli: Cli, tmp_path: Path) -> None:
    server = a_server(cli, tmp_path, "file-server.ini", XFTP_INI)
    (server / "ca.key").unlink()
    folder = tmp_path / "router"
    made = cli("xftp", "router", "init", folder, "--take-over", server, "--host", "192.0.2.7")
    assert made.code == 0
    assert "ca.key" not in made.out
    config = XFTPRouterConfig.load(folder / "xftp.toml")
    assert (config.hosts, config.ports) == (("192.0.2.7",), (8443,))
    assert config.packets.quota == 20 * 1024**3
    assert config.packets.packet_ttl == 86_400
    assert config.packets.password is None
    assert config.packets.accept_new


def test_options_come_before_what_is_taken_over(cli: Cli, tmp_path: Path) -> None:
    server, folder = a_server(cli, tmp_path, "smp-server.ini", SMP_INI), tmp_path / "router"
    options = ("--port", "5999", "--host", "one.example", "--password")
    assert cli("router", "init", folder, "--take-over", server, *options).code == 0
    config = RouterConfig.load(folder / "router.toml")
    assert (config.hosts, config.ports) == (("one.example",), (5999,))
    assert config.queues.password not in (None, "let%me-in")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("port = 5223,443", "port = many"),
        ("port = 5223,443", "port = 5223,65536"),
        ("create_password = let%me-in", "create_password = let me in"),
        ("new_queues = off", "new_queues = maybe"),
        ("expire_messages_days = 14", "expire_messages_days = long"),
        ("expire_messages_days = 14", "expire_messages_days = -1"),
        ("[STORE_LOG]", "no section"),
    ],
)
def test_settings_that_cannot_be_read(cli: Cli, tmp_path: Path, old: str, new: str) -> None:
    server = a_server(cli, tmp_path, "smp-server.ini", SMP_INI.replace(old, new))
    refused = cli("router", "init", tmp_path / "router", "--take-over", server)
    assert refused.code == 2
    assert "cannot be read" in refused.err
    assert "smp-server.ini" in refused.err
    assert not (tmp_path / "router").exists()


def test_a_folder_of_something_else(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = cli("router", "init", tmp_path / "router", "--take-over", tmp_path / "empty")
    assert refused.code == 2
    assert "server.crt" in refused.err
    server = a_server(cli, tmp_path, "other.ini", SMP_INI)
    refused = cli("router", "init", tmp_path / "router", "--take-over", server)
    assert refused.code == 2
    assert "smp-server.ini" in refused.err
