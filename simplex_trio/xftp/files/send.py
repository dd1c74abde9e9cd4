"""`send_file`: encrypts a file, splits it into packets, and uploads them to routers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from attrs import evolve

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.xftp.description import FileDescription, Redirect
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.client_config import AnyServer, servers_with_auth
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import StateMismatch
from simplex_trio.xftp.files.clients import open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.layout import Plan
from simplex_trio.xftp.files.planning import description_plan, file_plan, redirect_to
from simplex_trio.xftp.files.progress import Listener, ignore
from simplex_trio.xftp.files.send_state import SendState
from simplex_trio.xftp.files.sending import pieces_of, send_packets
from simplex_trio.xftp.files.uploading import CandidateServers

__all__ = ["SentFile", "send_description", "send_file"]


@frozen(repr=False)
class SentFile(Redacted):
    """The descriptions of a file that was uploaded."""

    sender: FileDescription
    """The description that can delete the file."""
    recipients: tuple[FileDescription, ...]
    """One for each recipient."""


async def send_file(
    path: str | Path,
    servers: Sequence[AnyServer],
    *,
    recipients: int = 1,
    replicas: int = 1,
    name: str | None = None,
    state: str | Path | None = None,
    config: TransferConfig | None = None,
    tell: Listener = ignore,
) -> SentFile:
    """Upload a file to ``servers``, for ``recipients`` recipients.

    Each packet goes to ``replicas`` randomly chosen routers; a router that fails is replaced by
    another as long as there is one.  Recipients see ``name`` instead of the file's own name.

    With a ``state`` file an interrupted transfer can be resumed.  The state stays, complete, until
    the caller has stored the descriptions and removes it: until then the same call returns the same
    descriptions.  Without a state file, a transfer that is interrupted or cancelled leaves packets
    on routers until they expire.

    Raises `ValueError` for too few servers or invalid addresses, `FileTooLarge`, `FileChanged` if
    the file changes during the transfer, `StateMismatch` for the state file of another transfer,
    `StoreError`, and the errors of `XFTPClient` when the last attempt has failed.
    """
    path = Path(path)
    config = config or TransferConfig()
    source = await in_thread(lambda: path.open("rb"))
    try:
        size = await in_thread(partial(source.seek, 0, os.SEEK_END))
        shown = path.name if name is None else name
        plan = file_plan(
            shown,
            size,
            recipients=recipients,
            replicas=replicas,
            max_size=config.max_size,
            random=config.random,
        )
        sending = _Sending(servers, config, tell, replicas)
        return await sending.send(plan, pieces_of(source), state)
    finally:
        source.close()


async def send_description(
    description: FileDescription,
    servers: Sequence[AnyServer],
    *,
    recipients: int = 1,
    replicas: int = 1,
    config: TransferConfig | None = None,
    tell: Listener = ignore,
) -> SentFile:
    """Upload a description itself, in a single packet, so that a short link can lead to it.

    Returns descriptions of that packet; recipients of these get the file.  Raises what `send_file`
    raises, and `FileTooLarge` if the description does not fit into a packet.
    """
    config = config or TransferConfig()
    text = (await in_thread(partial(encode_description, description))).encode()
    plan = description_plan(text, recipients=recipients, replicas=replicas, random=config.random)
    sending = _Sending(servers, config, tell, replicas, redirect_to(description))
    return await sending.send(plan, iter([text]), None)


class _Sending:
    """One call of `send_file`."""

    def __init__(
        self,
        servers: Sequence[AnyServer],
        config: TransferConfig,
        tell: Listener,
        replicas: int,
        redirect: Redirect | None = None,
    ) -> None:
        passwords = {each.address: each.basic_auth for each in servers_with_auth(servers)}
        if not 1 <= replicas <= len(passwords):
            raise ValueError("there must be as many servers as replicas, and at least one")
        self._servers = CandidateServers(passwords, config.chance)
        self._config = config
        self._tell = tell
        self._redirect = redirect

    async def send(
        self, plan: Plan, content: Iterator[bytes], state_path: str | Path | None
    ) -> SentFile:
        path = None if state_path is None else Path(state_path)
        state = await SendState.open(path, plan)
        config = self._config
        try:
            if evolve(state.plan, key=plan.key, nonce=plan.nonce) != plan:
                raise StateMismatch("the state file belongs to another transfer")
            if not state.is_complete:
                async with open_client_pool(config.client, config.connect) as clients:
                    await send_packets(state, content, clients, self._servers, config, self._tell)
            return SentFile(*await in_thread(partial(state.described, self._redirect)))
        finally:
            state.close()
