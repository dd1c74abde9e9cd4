"""`TransferConfig`: limits, time-outs and retries of a transfer."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import TypeAlias

from attrs import field
from attrs.validators import and_, ge, le

from simplex_trio.engine.backoff import Backoff
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.client_config import XFTPClientConfig

__all__ = ["MAX_FILE_SIZE", "Connect", "TransferConfig"]

MAX_FILE_SIZE = 5 * 1024**3
"""The limit of the reference; its command line program sends no more than 1 GiB."""

Connect: TypeAlias = Callable[
    [ServerAddress, XFTPClientConfig], AbstractAsyncContextManager[XFTPClient]
]
"""Opens a connection for the duration of a block; raises what `open_xftp_client` raises."""


@frozen(repr=False)
class TransferConfig(Redacted):
    """Limits and retries of one transfer."""

    client: XFTPClientConfig = field(factory=XFTPClientConfig)
    parallel: int = field(default=4, validator=and_(ge(1), le(32)))
    """Packets at a time.  A sender holds each of them in memory: 16 MiB."""
    attempts: int = field(default=5, validator=ge(1))
    """How many attempts a packet gets on each of its routers."""
    backoff: Backoff = field(
        factory=lambda: Backoff(initial=1, increase_after=0, factor=2, maximum=30)
    )
    """How long to wait between attempts."""
    max_size: int = field(default=MAX_FILE_SIZE, validator=ge(1))
    """Larger files are neither sent nor received; bytes of the encrypted file."""
    random: Callable[[int], bytes] = secrets.token_bytes
    chance: Random = field(factory=secrets.SystemRandom)
    """Chooses routers."""
    connect: Connect = open_xftp_client
    """Replaces `open_xftp_client`, for programs and tests with connections of their own."""
