"""Checking a router: what an agent needs of it is done once, step by step."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from enum import Enum
from hashlib import sha256
from typing import TypeVar, final

import trio
from attrs import field

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.config import Server
from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.client_config import XFTPClientConfig

__all__ = ["ServerCheck", "ServerStep", "StepOutcome", "check_server"]

T = TypeVar("T")


class ServerStep(Enum):
    """What is done with a router, in this order; the first four with one for messages."""

    CONNECT = "connect"
    CREATE_QUEUE = "create queue"
    SECURE_QUEUE = "secure queue"
    DELETE_QUEUE = "delete queue"
    CREATE_FILE = "create file"
    UPLOAD_FILE = "upload file"
    DOWNLOAD_FILE = "download file"
    """It has to be the same as what was uploaded."""
    DELETE_FILE = "delete file"


@final
@frozen
class StepOutcome:
    """How one step went."""

    step: ServerStep
    seconds: float
    error: Exception | None = None
    """Why it failed: an error of connecting, or of the router, such as a missing password."""


@final
@frozen(repr=False)
class ServerCheck(Redacted):
    """What came of checking a router."""

    server: ServerAddress
    outcomes: tuple[StepOutcome, ...]
    """Of each step up to the one that failed."""

    @property
    def ok(self) -> bool:
        """Whether all steps have worked."""
        return self.failed is None

    @property
    def failed(self) -> StepOutcome | None:
        """The step that failed."""
        last = self.outcomes[-1]
        return None if last.error is None else last


class _Failed(Exception):
    """A step has failed, and its outcome is noted."""


@frozen
class _Steps:
    outcomes: list[StepOutcome] = field(factory=list)

    async def do(self, step: ServerStep, call: Callable[[], Awaitable[T]]) -> T:
        began = trio.current_time()
        try:
            outcome = await call()
        except (SimplexError, OSError) as exc:
            if isinstance(exc, ImportError):
                raise
            self.outcomes.append(StepOutcome(step, trio.current_time() - began, exc))
            raise _Failed from exc
        self.outcomes.append(StepOutcome(step, trio.current_time() - began))
        return outcome

    async def clean_up(self, step: ServerStep, call: Callable[[], Awaitable[object]]) -> None:
        """Take the last step, which leaves nothing behind; untold if one before it has failed."""
        if self.outcomes[-1].error is None:
            await self.do(step, call)
        else:
            with suppress(SimplexError, OSError):
                await call()


async def check_server(
    server: Server | ServerAddress | str,
    agent: SMPClientAgent,
    *,
    xftp: XFTPClientConfig | None = None,
    label: str = "",
) -> ServerCheck:
    """See `DuplexAgent.test_server`; ``label`` separates the connection from all others."""
    given = Server.of(server)
    steps = _Steps()
    with suppress(_Failed):
        match given.address.protocol:
            case ServerProtocol.SMP:
                await _check_smp(given, agent, label, steps)
            case ServerProtocol.XFTP:
                await _check_xftp(given, xftp or XFTPClientConfig(), label, steps)
            case _:
                raise ValueError("only routers for messages and for files can be checked")
    return ServerCheck(given.address, tuple(steps.outcomes))


async def _check_smp(server: Server, agent: SMPClientAgent, label: str, steps: _Steps) -> None:
    address = server.address
    try:
        client = await steps.do(ServerStep.CONNECT, lambda: agent.client(address, label=label))
        made = await steps.do(
            ServerStep.CREATE_QUEUE,
            lambda: client.create_queue(basic_auth=server.basic_auth, subscribe=False),
        )
        access = QueueAccess(made.recipient_id, made.key, made.delivery_key)
        sender = Ed25519PrivateKey.generate().public
        with suppress(_Failed):
            await steps.do(ServerStep.SECURE_QUEUE, lambda: client.secure(access, sender))
        await steps.clean_up(ServerStep.DELETE_QUEUE, lambda: client.delete(access))
    finally:
        with suppress(trio.ClosedResourceError):
            agent.remove(address, label=label)


async def _check_xftp(server: Server, config: XFTPClientConfig, label: str, steps: _Steps) -> None:
    opening = open_xftp_client(server.address, config, isolation=label.encode() or None)
    async with AsyncExitStack() as stack:
        client = await steps.do(ServerStep.CONNECT, lambda: stack.enter_async_context(opening))
        with suppress(_Failed):
            await _exchange_file(client, server.basic_auth, steps)


async def _exchange_file(client: XFTPClient, basic_auth: bytes | None, steps: _Steps) -> None:
    size = PACKET_SIZES[0]
    body = os.urandom(size)
    digest = sha256(body).digest()
    sender, recipient = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    made = await steps.do(
        ServerStep.CREATE_FILE,
        lambda: client.register(
            sender,
            size=size,
            digest=digest,
            recipient_keys=[recipient.public],
            basic_auth=basic_auth,
        ),
    )
    (recipient_id,) = made.recipient_ids

    async def pieces() -> AsyncIterator[bytes]:
        await trio.lowlevel.checkpoint()
        yield body

    async def download() -> None:
        async with client.download(recipient, recipient_id, size=size, digest=digest) as found:
            async for _ in found:
                pass

    with suppress(_Failed):
        await steps.do(
            ServerStep.UPLOAD_FILE,
            lambda: client.upload(sender, made.sender_id, size, pieces()),
        )
        await steps.do(ServerStep.DOWNLOAD_FILE, download)
    await steps.clean_up(ServerStep.DELETE_FILE, lambda: client.delete(sender, made.sender_id))
