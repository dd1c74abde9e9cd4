"""`open_alerts`: the store of a command, opened to send alerts from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.chat.notifying.notifier import Notifier
from simplex_trio.chat.notifying.opening import DEFAULT_STORE, open_notifier
from simplex_trio.cli.addresses import read_address
from simplex_trio.cli.connect.store import nowhere, passphrase
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.duplex.config import DuplexConfig, Server
from simplex_trio.duplex.errors import NoServers
from simplex_trio.errors import StoreIncomplete, StoreKeyWrong, StoreLocked
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.folders import store_path
from simplex_trio.wire.addresses import ServerProtocol

__all__ = ["AlertStore", "Place", "alert_place", "open_alerts"]

AlertStore = Annotated[
    str | None,
    Parameter(
        name="--store",
        env_var="SIMPLEX_TRIO_ALERTS",
        help="The file with the contacts and their keys; a name, such as `home`, for one of that "
        "name in `~/.local/state/simplex-trio`; `alerts` unless given.",
    ),
]


@frozen(repr=False)
class Place(Redacted):
    """A store, and the passphrase if it is encrypted."""

    path: Path
    key: str | None = None


def alert_place(store: str | None, key_file: Path | None) -> Place:
    """Where the store is that ``--store`` names, and the passphrase for it."""
    path = store_path(store or DEFAULT_STORE)
    return Place(path, None if key_file is None else passphrase(key_file))


@asynccontextmanager
async def open_alerts(
    where: Place,
    *,
    wait: float,
    routers: Sequence[str] = (),
    file_routers: Sequence[str] = (),
    profile: str | None = None,
    makes_queues: bool = False,
    accept_loss: bool = False,
    reaches_out: bool = True,
) -> AsyncIterator[Notifier]:
    """Open the store, once other commands are done with it; routers are remembered.

    One that ``makes_queues`` needs a router, and makes the store if need be.  Unless it
    ``reaches_out`` no router is connected to.  Raises `CommandFailed` with what to do.
    """
    given = [read_address(each, ServerProtocol.SMP) for each in routers]
    for_files = [read_address(each, ServerProtocol.XFTP) for each in file_routers]
    if makes_queues and (given or where.path.exists()):
        where.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif makes_queues:
        raise NoServers
    elif not where.path.exists():
        raise CommandFailed(
            "There are no contacts in this store yet; invite a person with: "
            "simplex-trio notify --pair",
            ExitCode.NO_CONTACT,
        )
    opening = open_notifier(
        where.path,
        profile=profile,
        wait=wait,
        servers=[Server(each.address, each.basic_auth) for each in given],
        xftp_servers=for_files,
        config=DuplexConfig(),
        connector=None if reaches_out else nowhere,
        key=where.key,
        accept_loss=accept_loss,
    )
    async with AsyncExitStack() as stack:
        try:
            notifier = await stack.enter_async_context(opening)
        except StoreLocked as exc:
            raise CommandFailed(
                f"Another program has had the store open for {wait:g} seconds; nothing is stored. "
                "Stop it, or wait longer with --wait.",
                ExitCode.BUSY,
            ) from exc
        except StoreKeyWrong as exc:
            raise CommandFailed(
                "The store is encrypted with another passphrase, or not at all; or it is "
                "encrypted, and no --key-file is given.",
                ExitCode.USAGE,
            ) from exc
        except StoreIncomplete as exc:
            raise CommandFailed(
                f"The store cannot be used: {exc}. Nothing was changed. Look for a whole copy of "
                "its files first; without one, give --flush and --accept-loss once. Contacts that "
                "were written to since may not be able to read anything then."
            ) from exc
        yield notifier
