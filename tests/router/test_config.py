"""Configuration files."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from simplex_trio.router.config import (
    ClientLimits,
    Intervals,
    RouterConfig,
)
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.serving.reloading import plan_reload
from simplex_trio.serving.toml import ConfigError
from simplex_trio.storage.postgres.url import DatabaseURL

FULL = """
hosts = ["smp.example.com", "8.8.8.8", "[2606:4700::1111]"]
listen = "::"
ports = [5223, 443]
web_ports = [443]
credentials = "keys"
store = "/var/lib/router.sqlite"
metrics_port = 9100
lowest_version = 8
highest_version = 18

[queues]
quota = 256
accept_new = false
password = "secret"
message_ttl = 1000

[proxy]
enabled = false
allow = ["example.com"]
deny = ["10.0.0.0/8"]
allow_private = true
socks = "127.0.0.1:9050"

[limits]
connections = 100
idle_seconds = 60
write_seconds = 1.5

[intervals]
end_events = 15
"""


def load(tmp_path: Path, text: str) -> RouterConfig:
    path = tmp_path / "router.toml"
    path.write_text(text)
    return RouterConfig.load(path)


def test_everything(tmp_path: Path) -> None:
    assert load(tmp_path, FULL) == RouterConfig(
        hosts=("smp.example.com", "8.8.8.8", "[2606:4700::1111]"),
        listen="::",
        ports=(5223, 443),
        web_ports=(443,),
        credentials=tmp_path / "keys",
        store=Path("/var/lib/router.sqlite"),
        metrics_port=9100,
        lowest_version=8,
        highest_version=18,
        queues=QueuePolicy(quota=256, accept_new=False, password="secret", message_ttl=1000),
        proxy=ProxyPolicy(
            enabled=False,
            allow=("example.com",),
            deny=("10.0.0.0/8",),
            allow_private=True,
            socks="127.0.0.1:9050",
        ),
        limits=ClientLimits(connections=100, idle_seconds=60, write_seconds=1.5),
        intervals=Intervals(end_events=15),
    )


def test_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "") == RouterConfig()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("unknown = 1", "unknown"),
        ("[queues]\nqouta = 5", r"queues\.qouta"),
        ("[unknown]\n", "unknown"),
        ("ports = 5223", "ports"),
        ('ports = ["5223"]', "ports"),
        ("ports = [true]", "ports"),
        ("ports = [70000]", "top"),
        ("ports = []", "top"),
        ("hosts = []", "top"),
        ('hosts = ["a b"]', "host"),
        ("queues = 1", "queues"),
        ("[queues]\nquota = 0", "queues"),
        ("[queues]\nquota = 1.5", r"queues\.quota"),
        ('[queues]\npassword = "a b"', "queues"),
        ('[queues]\npassword = ""', "queues"),
        ("[queues]\nmessage_ttl = 0", "queues"),
        ("[limits]\nidle_seconds = 0", "limits"),
        ("[limits]\nidle_seconds = true", r"limits\.idle_seconds"),
        ('[proxy]\nallow = "example.com"', r"proxy\.allow"),
        ("web_ports = [443]", "web_ports"),
        ("ports = [443]\nweb_ports = [443]", "credentials"),
        ("lowest_version = 5", "lowest"),
        ("lowest_version = 12\nhighest_version = 11", "lowest"),
        ("highest_version = 21", "highest"),
        ("hosts = ", "TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, text)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="TOML"):
        RouterConfig.load(path)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RouterConfig.load(tmp_path / "router.toml")


def test_the_password_is_not_shown(tmp_path: Path) -> None:
    assert "secret" not in repr(load(tmp_path, FULL))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[queues]\npassword = "se cret"')
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("part", [QueuePolicy, ProxyPolicy, ClientLimits, Intervals, RouterConfig])
def test_every_field_has_a_default(part: type) -> None:
    assert all(field.default is not attrs.NOTHING for field in attrs.fields(part))


def test_a_database_as_store(tmp_path: Path) -> None:
    text = 'store = "postgresql://router:secret@db.example.com/smp?schema=one"\nstandby = true'
    config = load(tmp_path, text)
    url = DatabaseURL("postgresql://router:secret@db.example.com/smp", "one")
    assert config == RouterConfig(store=url, standby=True)
    assert "secret" not in repr(config)
    reload = plan_reload(config, RouterConfig())
    assert reload.waiting == ("store", "standby")
    assert reload.config == config
