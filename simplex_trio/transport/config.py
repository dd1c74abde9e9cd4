"""The user's configuration of connections: `ConnectConfig` and its parts.  Pure values.

Names and defaults follow the reference client, so that a configuration can be carried over.
"""

from __future__ import annotations

from enum import Enum

from attrs import field
from attrs.validators import and_, deep_iterable, ge, le, optional

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["ConnectConfig", "HostMode", "KeepAlive", "SocksMode", "SocksProxy", "WebPort"]


class HostMode(Enum):
    """Which kind of host is preferred, or required."""

    ONION_VIA_SOCKS = "onion via socks"
    """Onion hosts if there is a SOCKS proxy, public ones otherwise."""
    ONION = "onion"
    PUBLIC = "public"


class SocksMode(Enum):
    """For which hosts the SOCKS proxy is used, if there is one."""

    ALWAYS = "always"
    ONION_ONLY = "onion only"


class WebPort(Enum):
    """For which SMP routers port 443 stands in for 5223 where the address names no port."""

    OFF = "off"
    PRESET = "preset"
    """Routers under one of the preset domains."""
    ALL = "all"


@frozen
class KeepAlive:
    """When the system probes a silent connection, in seconds, and how often before giving it up."""

    idle: int = field(default=30, validator=ge(1))
    interval: int = field(default=15, validator=ge(1))
    count: int = field(default=4, validator=ge(1))


@frozen(repr=False)
class SocksProxy(Redacted):
    """A SOCKS5 proxy; names are passed to it unresolved.

    With ``isolate``, each connection presents credentials made from what it is for, so that Tor
    keeps unrelated connections on separate circuits.  ``username`` and ``password`` are for a proxy
    that wants a login of its own, and exclude ``isolate``.
    """

    host: str = field(default="127.0.0.1", validator=instance_of(str))
    port: int = field(default=9050, validator=and_(ge(1), le(0xFFFF)))
    isolate: bool = True
    username: str | None = field(default=None, validator=optional(instance_of(str)))
    password: str | None = field(default=None, validator=optional(instance_of(str)))

    def __attrs_post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            raise ValueError("a login is a user name and a password")
        if self.username is not None and self.isolate:
            raise ValueError("a proxy with a login of its own cannot isolate by credentials")
        for part in (self.username, self.password):
            if part is not None and not (part.isascii() and 1 <= len(part) <= 0xFF):
                raise ValueError("the parts of a login have 1 to 255 ASCII characters each")


@frozen(repr=False)
class ConnectConfig(Redacted):
    """How servers are reached."""

    host_mode: HostMode = HostMode.ONION_VIA_SOCKS
    host_required: bool = False
    """Whether to refuse hosts of the other kind where the preferred kind is missing."""
    socks: SocksProxy | None = None
    socks_mode: SocksMode = SocksMode.ALWAYS
    web_port: WebPort = WebPort.PRESET
    preset_domains: tuple[str, ...] = field(
        default=(), validator=deep_iterable(instance_of(str), instance_of(tuple))
    )
    keep_alive: KeepAlive | None = KeepAlive()
