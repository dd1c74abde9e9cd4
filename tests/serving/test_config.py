"""What the configurations of all routers have in common, and how mistakes in them are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from simplex_trio.router.config import ClientLimits, Intervals, RouterConfig
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.serving.config import ConnectionLimits, ServingConfig, ServingIntervals
from simplex_trio.serving.policy import AcceptPolicy
from simplex_trio.serving.toml import ConfigError
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.xftp.router.config import PacketPolicy, XFTPClientLimits, XFTPRouterConfig

XFTP = """
hosts = ["xftp.example.com", "[2606:4700::1111]"]
listen = "::"
ports = [5443, 443]
web_ports = [443]
credentials = "keys"
store = "/var/lib/xftp"
records = "postgresql://files:secret@db.example.com/xftp?schema=files"
pages = "pages"
metrics_port = 9100

[packets]
sizes = [65536, 1048576]
quota = 1000000000
accept_new = false
password = "secret"
packet_ttl = 3600

[limits]
connections = 100
open_files = 50
body_seconds = 1.5
idle_seconds = 60

[intervals]
expiry = 600
"""


def load(cls: type[ServingConfig], tmp_path: Path, text: str) -> ServingConfig:
    path = tmp_path / "router.toml"
    path.write_text(text)
    return cls.load(path)


def test_a_router_for_files(tmp_path: Path) -> None:
    assert load(XFTPRouterConfig, tmp_path, XFTP) == XFTPRouterConfig(
        hosts=("xftp.example.com", "[2606:4700::1111]"),
        listen="::",
        ports=(5443, 443),
        web_ports=(443,),
        credentials=tmp_path / "keys",
        store=Path("/var/lib/xftp"),
        records=DatabaseURL("postgresql://files:secret@db.example.com/xftp", "files"),
        pages=tmp_path / "pages",
        metrics_port=9100,
        packets=PacketPolicy(
            sizes=(65536, 1048576),
            quota=1_000_000_000,
            accept_new=False,
            password="secret",
            packet_ttl=3600,
        ),
        limits=XFTPClientLimits(connections=100, open_files=50, body_seconds=1.5, idle_seconds=60),
        intervals=ServingIntervals(expiry=600),
    )
    assert "secret" not in repr(load(XFTPRouterConfig, tmp_path, XFTP))
    assert load(XFTPRouterConfig, tmp_path, "") == XFTPRouterConfig()


@pytest.mark.parametrize(
    ("cls", "text", "told"),
    [
        (RouterConfig, "[queues]\nallow_new_queues = false", r"name now: queues\.accept_new$"),
        (RouterConfig, "[queues]\naccept_nwe = false", r"did you mean queues\.accept_new\?"),
        (RouterConfig, "accept_new = false", r"did you mean queues\.accept_new\?"),
        (RouterConfig, "[packets]\naccept_new = false", r"there is no packets"),
        (RouterConfig, "web_port = 443", r"did you mean web_ports\?"),
        (RouterConfig, "ports = 5223", "ports .* a list, with each item a whole number, not"),
        (RouterConfig, 'ports = ["5223"]', "ports .* a whole number, not a text in quotes"),
        (RouterConfig, "hosts = 7", "hosts .* a list, with each item a text in quotes, not"),
        (RouterConfig, "store = 7", "store .* or a path in quotes, not a whole number"),
        (RouterConfig, 'store = "postgresql:///x?schema=Secret"', "store .* the schema in"),
        (XFTPRouterConfig, 'store = "postgresql:///secret"', "store .* must be a path in quotes"),
        (RouterConfig, "queues = 7", "queues .* a table, not a whole number"),
        (RouterConfig, "[queues]\naccept_new = 1", "queues.accept_new .* true or false, not a"),
        (RouterConfig, "[queues]\npassword = 2026-01-01", "password .* text in quotes, not a date"),
        (RouterConfig, "[limits]\ntls_seconds = 'x'", "tls_seconds .* a number, not a text"),
        (RouterConfig, "xyzzy = 1", r"there is no xyzzy in the configuration of this router$"),
        (XFTPRouterConfig, "[packets]\nallow_new_queues = true", r"name now: packets\.accept_new$"),
        (XFTPRouterConfig, "[packets]\nexpiry_hours = 2", r"packets\.packet_ttl, in seconds"),
        (XFTPRouterConfig, 'folder = "/srv"', r"name now: store"),
        (XFTPRouterConfig, "expiry_check = 60", r"intervals\.expiry"),
        (XFTPRouterConfig, "quota = 1", r"did you mean packets\.quota\?"),
        (XFTPRouterConfig, "[queues]\nquota = 1", r"there is no queues"),
        (XFTPRouterConfig, "[intervals]\nidle_check = 1", r"there is no intervals\.idle_check"),
        (XFTPRouterConfig, 'password = "secret"', r"did you mean packets\.password\?"),
        (XFTPRouterConfig, 'pages = "pages"', "for browsers"),
        (XFTPRouterConfig, 'records = "postgresql:///x"', "need a folder for packets"),
        (XFTPRouterConfig, 'records = "postgresql:///x?schema=Secret"', "records .* the schema in"),
        (XFTPRouterConfig, 'records = "/secret.sqlite"', "records .* a URL that begins with"),
        (XFTPRouterConfig, "[records]", "records .* a URL .*, not a table"),
        (XFTPRouterConfig, "web_ports = [443]", "need a folder with credentials"),
        (XFTPRouterConfig, "web_ports = [444]\ncredentials = '.'", "not among ports"),
        (XFTPRouterConfig, "[packets]\nsizes = []", "the table packets: "),
        (RouterConfig, "\nports = secret", r"is not TOML \(at line 2, column 9\)"),
        (RouterConfig, 'store = "secret', r"is not TOML \(at end of document\)"),
        (RouterConfig, "[limits]\nconnections = 1000001", "must be <= 1000000"),
        (RouterConfig, "ports = " + "[" * 3000, "is not TOML$"),
        (RouterConfig, "ports = [" + "9" * 5000 + "]", "is not TOML$"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(
    cls: type[ServingConfig], tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        load(cls, tmp_path, text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("common", "smp", "xftp"),
    [
        (ServingConfig, RouterConfig, XFTPRouterConfig),
        (ConnectionLimits, ClientLimits, XFTPClientLimits),
        (ServingIntervals, Intervals, ServingIntervals),
        (AcceptPolicy, QueuePolicy, PacketPolicy),
    ],
)
def test_what_both_routers_have_is_one_option(common: Any, smp: Any, xftp: Any) -> None:
    ours, theirs = attrs.fields_dict(smp), attrs.fields_dict(xftp)
    shared = ours.keys() & theirs.keys()
    of_their_own = {"limits", "intervals", "quota"}  # tables, and what is measured differently
    assert shared - of_their_own == attrs.fields_dict(common).keys() - of_their_own
    for name in shared - of_their_own - {"ports"}:  # which have other defaults
        assert ours[name].default == theirs[name].default, name


@pytest.mark.parametrize(("seconds", "hours"), [(1, 1), (3600, 1), (3601, 2), (48 * 3600, 48)])
def test_packets_are_kept_for_whole_hours(seconds: int, hours: int) -> None:
    assert PacketPolicy(packet_ttl=seconds).kept_hours == hours
