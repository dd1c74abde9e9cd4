"""How a `DuplexAgent` sends and receives files."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from attrs import evolve, field
from attrs.validators import deep_iterable, ge, gt

from simplex_trio.engine.backoff import Backoff
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.transport.config import ConnectConfig
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.xftp.description_text import MESSAGE_PART_SIZE
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.client_config import XFTPClientConfig, servers_with_auth
from simplex_trio.xftp.files.config import MAX_FILE_SIZE, Connect, TransferConfig

__all__ = ["FileConfig"]

_DAY = 24 * 3600
_GIB = 1024**3

_PARALLEL = 4
"""Packets of one transfer at a time; each that is sent is in memory."""

RouterPolicy = Callable[[ServerAddress], bool] | Collection[ServerAddress]


@frozen(repr=False)
class FileConfig(Redacted):
    """The configuration of files; the first field is what most programs set."""

    servers: tuple[ServerAddressWithAuth, ...] = field(
        default=(),
        converter=servers_with_auth,
        validator=deep_iterable(instance_of(ServerAddressWithAuth), instance_of(tuple)),
    )
    """The XFTP routers to put files on, as addresses or text, which may have a password in it."""
    may_use: RouterPolicy | None = None
    """Which routers files are received from without asking the program, beside ``servers``.  A
    router sees the address of each program that connects to it, and the sender of a file chooses
    them.  By default these are all if a SOCKS proxy or an onion host hides the program, and none
    otherwise.  A function is called in the Trio thread, and must not block."""
    folder: Path | None = None
    """Where packets are until a file is complete; beside the store by default, and in a temporary
    folder if that is in memory.  Nothing else may be in it."""
    max_size: int = field(default=MAX_FILE_SIZE, validator=ge(1))
    """Bytes of an encrypted file; larger ones are neither sent nor received."""
    max_space: int = field(default=20 * _GIB, validator=ge(1))
    """Bytes of all files together that are being received; others wait until there is room."""
    parallel: int = field(default=8, validator=ge(1))
    """Packets that are transferred at a time, in all."""
    parallel_per_router: int = field(default=4, validator=ge(1))
    """The same for each router."""
    transfers: int = field(default=4, validator=ge(1))
    """Files that are sent at a time, and as many that are received; further ones wait for their
    turn.  One that is sent holds up to four packets in memory: 16 MiB."""
    longest_description: int = field(default=MESSAGE_PART_SIZE, validator=ge(1))
    """Characters of a description, above which recipients get one that leads to it, unless the
    program says otherwise: what a message of the reference's chat holds at once."""
    send_within: int = field(default=_DAY, validator=ge(1))
    """Seconds after which a file is given up that is not sent."""
    receive_within: int = field(default=2 * _DAY, validator=ge(1))
    """The same for files to receive: as long as routers keep them."""
    keep_sent: int = field(default=2 * _DAY, validator=ge(1))
    """Seconds for which a file can be deleted by its id."""
    delete_within: int = field(default=2 * _DAY, validator=ge(1))
    """Seconds after which routers are left to expire what could not be deleted."""
    client: XFTPClientConfig = field(factory=XFTPClientConfig)
    """Time-outs and limits; how routers are connected to is configured with `AgentConfig.client`,
    for those of queues and those of files."""
    attempts: int = field(default=3, validator=ge(1))
    """Attempts of a packet on each of its routers before other files have their turn."""
    backoff: Backoff = field(
        factory=lambda: Backoff(initial=1, increase_after=0, factor=2, maximum=30)
    )
    """The waits between these.  Those between the turns of a file are
    `DuplexConfig.command_backoff`."""
    keep_open: float = field(default=30, validator=gt(0))
    """Seconds for which unused connections are kept for the next file."""
    connect: Connect | None = None
    """Opens connections, for programs and tests with connections of their own."""

    def transfer(
        self,
        connect: ConnectConfig,
        label: str,
        *,
        by_server: bool,
        random: Callable[[int], bytes],
    ) -> TransferConfig:
        """How transfers behave whose connections are made as ``connect`` says.

        Those with another ``label`` share no circuit with these, and if ``by_server`` those to
        another router do not either.
        """

        def opened(
            server: ServerAddress, config: XFTPClientConfig
        ) -> AbstractAsyncContextManager[XFTPClient]:
            isolation = f"{label}|{server}" if by_server else label
            return open_xftp_client(server, config, isolation=isolation.encode())

        return TransferConfig(
            client=evolve(self.client, connect=connect),
            parallel=min(_PARALLEL, self.parallel),
            attempts=self.attempts,
            backoff=self.backoff,
            max_size=self.max_size,
            random=random,
            connect=opened if self.connect is None else self.connect,
        )
