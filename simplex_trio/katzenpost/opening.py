"""Becoming a client of the daemon: `open_thin_client`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simplex_trio.katzenpost.client import ThinClient
from simplex_trio.katzenpost.config import ClientConfig, DialConfig, TcpDial, UnixDial, load_dial
from simplex_trio.katzenpost.messages.requests import ID_SIZE, check_token
from simplex_trio.katzenpost.session.dial import Dialler, dialler
from simplex_trio.katzenpost.session.session import DaemonSession
from simplex_trio.katzenpost.wire.cbor import require_cbor
from simplex_trio.nursery import open_inner_nursery

__all__ = ["new_client_token", "open_thin_client"]


def new_client_token() -> bytes:
    """A token for `open_thin_client`, by which the daemon knows this client again.

    Keep it to go on in another process with what the daemon does for this one.
    """
    return secrets.token_bytes(ID_SIZE)


@asynccontextmanager
async def open_thin_client(
    daemon: str | Path | DialConfig | Dialler,
    config: ClientConfig | None = None,
    *,
    token: bytes | None = None,
) -> AsyncIterator[ThinClient]:
    """Be a client of the daemon for as long as the block lasts.

    ``daemon`` is the path of its ``thinclient.toml``, what such a file says, or something that
    opens a stream to it.  ``token`` is that of an earlier client to take over from.

    A lost connection does not cancel the block: another one is sought, for as long as it takes.
    Leaving the block is `ThinClient.aclose`, unless `ThinClient.detach` came before.

    Raises `ConfigError`, `EncodeError` for a token that does not have 16 bytes, or a `ConnectError`
    if there is no first connection, which is not tried twice; cancelled meanwhile, it leaves
    nothing open.
    """
    token = new_client_token() if token is None else token
    check_token(token)
    require_cbor()
    if isinstance(daemon, str | Path):
        daemon = load_dial(daemon)
    dial = dialler(daemon) if isinstance(daemon, TcpDial | UnixDial) else daemon
    config = config or ClientConfig()
    session = DaemonSession(dial, config, token)
    await session.connect()
    async with open_inner_nursery() as nursery:
        nursery.start_soon(session.run)
        client = ThinClient(session, config, token)
        try:
            yield client
        finally:
            await client.aclose()
