"""Checking routers: which step fails, with which error, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Network, Server
from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.server_checks import ServerStep
from simplex_trio.errors import ConnectError, DecodeError, DialFailed, IdentityMismatch, NetworkLost
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import open_router
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.errors.values import Code
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import XFTPRouterError, XFTPSupportMissing
from tests.duplex.quiet import open_quiet

SMP_STEPS = [
    ServerStep.CONNECT,
    ServerStep.CREATE_QUEUE,
    ServerStep.SECURE_QUEUE,
    ServerStep.DELETE_QUEUE,
]
XFTP_STEPS = [
    ServerStep.CONNECT,
    ServerStep.CREATE_FILE,
    ServerStep.UPLOAD_FILE,
    ServerStep.DOWNLOAD_FILE,
    ServerStep.DELETE_FILE,
]
CONFIG = DuplexConfig(pq=False)


async def failing(agent: DuplexAgent, server: Any, step: ServerStep) -> Exception:
    """The error of the step that fails, which is the last one."""
    checked = await agent.test_server(server)
    assert not checked.ok
    assert checked.failed is checked.outcomes[-1]
    assert checked.failed.step is step
    assert all(each.error is None for each in checked.outcomes[:-1])
    steps = (
        SMP_STEPS if step in SMP_STEPS and checked.server.protocol.value == "smp" else XFTP_STEPS
    )
    assert [each.step for each in checked.outcomes] == steps[: steps.index(step) + 1]
    assert checked.failed.error is not None
    return checked.failed.error


async def test_a_router_for_messages(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        checked = await agent.test_server(quiet.routers[0].address)
        assert checked.ok
        assert checked.failed is None
        assert [each.step for each in checked.outcomes] == SMP_STEPS
        assert checked.server == quiet.routers[0].address
        await wait_all_tasks_blocked()
        assert agent._agent.statistics().connected == 0
        assert await agent.connections() == []
        # It is a connection of its own, and not the one of a user.
        await agent.create()
        await agent.test_server(str(quiet.routers[0].address))
        await wait_all_tasks_blocked()
        assert len({each.label for _, each in quiet.attempts}) == 3
        assert agent._agent.statistics().connected == 1


async def test_a_router_that_is_not_there(autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        quiet.stop()
        error = await failing(agent, quiet.routers[0].address, ServerStep.CONNECT)
        assert isinstance(error, DialFailed)
        agent.set_network(Network.LOST)
        error = await failing(agent, quiet.routers[0].address, ServerStep.CONNECT)
        assert isinstance(error, NetworkLost)


async def test_a_router_with_a_password(autojump_clock: MockClock) -> None:
    async with open_quiet(0) as quiet:
        router = await quiet.add_router(
            config=RouterConfig(queues=QueuePolicy(password="let-me-in"))
        )
        async with quiet.open_agent() as agent:
            for server in (router.address, Server(router.address, basic_auth=b"another")):
                error = await failing(agent, server, ServerStep.CREATE_QUEUE)
                assert isinstance(error, RouterError)
                assert error.error is Code.AUTH
            assert (await agent.test_server(Server(router.address, b"let-me-in"))).ok


@pytest.mark.parametrize("step", [ServerStep.SECURE_QUEUE, ServerStep.DELETE_QUEUE])
async def test_what_was_made_is_deleted_if_a_step_fails(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, step: ServerStep
) -> None:
    deleted: list[object] = []
    delete = SMPClient.delete

    async def noted(self: SMPClient, queue: Any, **options: Any) -> None:
        deleted.append(queue)
        await delete(self, queue, **options)
        if step is ServerStep.DELETE_QUEUE:
            raise RouterError(Code.INTERNAL)

    async def refused(*_: Any, **__: Any) -> None:
        raise RouterError(Code.INTERNAL)

    monkeypatch.setattr(SMPClient, "delete", noted)
    if step is ServerStep.SECURE_QUEUE:
        monkeypatch.setattr(SMPClient, "secure", refused)
    async with open_quiet() as quiet, quiet.open_agent() as agent:
        error = await failing(agent, quiet.routers[0].address, step)
        assert isinstance(error, RouterError)
    assert len(deleted) == 1


async def test_a_router_with_another_identity() -> None:
    async with open_router() as router, open_duplex_agent(None, config=CONFIG) as agent:
        assert (await agent.test_server(router.address)).ok
        other = evolve(router.address, key_hash=bytes(32))
        error = await failing(agent, other, ServerStep.CONNECT)
        assert isinstance(error, ConnectError | IdentityMismatch)


async def test_other_routers() -> None:
    async with open_duplex_agent(None, config=CONFIG) as agent:
        with pytest.raises(ValueError, match="only routers"):
            await agent.test_server(ServerAddress.parse(f"ntf://{'A' * 43}=@ntf.example"))
        with pytest.raises(DecodeError):
            await agent.test_server("no address")


# --- files --------------------------------------------------------------------------------------


async def test_a_router_for_files(tmp_path: Path) -> None:
    pytest.importorskip("h2")
    from simplex_trio.xftp.router.server import open_xftp_router
    from tests.xftp.routers import bodies, config

    async with (
        open_xftp_router(config(tmp_path / "router", password="let-me-in")) as router,
        open_duplex_agent(None, config=CONFIG) as agent,
    ):
        checked = await agent.test_server(Server(router.address, b"let-me-in"))
        assert checked.ok
        assert [each.step for each in checked.outcomes] == XFTP_STEPS
        error = await failing(agent, router.address, ServerStep.CREATE_FILE)
        assert isinstance(error, XFTPRouterError)
        other = evolve(router.address, key_hash=bytes(32))
        assert isinstance(await failing(agent, other, ServerStep.CONNECT), ConnectError)
        assert bodies(tmp_path / "router") == []


@pytest.mark.parametrize(
    ("method", "step"),
    [
        ("upload", ServerStep.UPLOAD_FILE),
        ("download", ServerStep.DOWNLOAD_FILE),
        ("delete", ServerStep.DELETE_FILE),
    ],
)
async def test_each_step_with_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, step: ServerStep
) -> None:
    pytest.importorskip("h2")
    from simplex_trio.xftp.router.server import open_xftp_router
    from tests.xftp.routers import bodies, config

    def refused(*_: Any, **__: Any) -> Any:
        raise ConnectionResetError

    original: Callable[..., Awaitable[None]] = XFTPClient.delete

    async def deleted_and_refused(self: XFTPClient, *arguments: Any) -> None:
        await original(self, *arguments)
        raise ConnectionResetError

    replacement = deleted_and_refused if method == "delete" else refused
    monkeypatch.setattr(XFTPClient, method, replacement)
    async with (
        open_xftp_router(config(tmp_path / "router")) as router,
        open_duplex_agent(None, config=CONFIG) as agent,
    ):
        assert isinstance(await failing(agent, router.address, step), ConnectionResetError)
        assert bodies(tmp_path / "router") == []


async def test_files_are_connected_to_as_the_agent_does() -> None:
    pytest.importorskip("h2")
    asked: list[ServerAddress] = []

    async def dial(address: ServerAddress, **_: Any) -> NoReturn:
        asked.append(address)
        await trio.lowlevel.checkpoint()
        raise DialFailed("not here")

    files = FileConfig(client=XFTPClientConfig(dial=dial))
    async with open_duplex_agent(None, config=evolve(CONFIG, files=files)) as agent:
        server = "xftp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:1"
        await failing(agent, server, ServerStep.CONNECT)
    assert len(asked) == 1


async def test_files_without_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    from simplex_trio.xftp import support

    monkeypatch.setattr(support, "_NEEDED", ("no_such_library",))
    address = ServerAddress.parse(f"xftp://{'A' * 43}=@xftp.example")
    async with open_duplex_agent(None, config=CONFIG) as agent:
        with pytest.raises(XFTPSupportMissing):
            await agent.test_server(address)
