"""Routers of both kinds that go on with another configuration and other credentials."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    dump_chain_pem,
    dump_key_pem,
    renew_router_credentials,
)
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.router import server as smp
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.serving.running import RunningRouter
from simplex_trio.serving.toml import ConfigError
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.tls import TlsStream
from simplex_trio.xftp.client import open_xftp_client
from simplex_trio.xftp.errors import XFTPRouterError
from simplex_trio.xftp.router import server as xftp
from simplex_trio.xftp.router.config import PacketPolicy
from tests.serving.credential_files import write_router, write_web

KINDS = ["smp", "xftp"]


def configured(kind: str, folder: Path, **changes: Any) -> Any:
    store = folder / ("router.sqlite" if kind == "smp" else "files")
    embedded = smp.EMBEDDED if kind == "smp" else xftp.EMBEDDED
    return evolve(embedded, credentials=folder, store=store, **changes)


def opened(config: Any) -> AbstractAsyncContextManager[RunningRouter]:
    if isinstance(config, type(smp.EMBEDDED)):
        return smp.open_router(config)
    return xftp.open_xftp_router(config)


@asynccontextmanager
async def a_client(router: RunningRouter) -> AsyncIterator[Any]:
    if isinstance(router, smp.Router):
        async with open_smp_client(router.address) as smp_client:
            yield smp_client
    else:
        async with open_xftp_client(router.address) as xftp_client:
            yield xftp_client


async def certificate(router: RunningRouter) -> bytes:
    """The leaf that the router shows to a new connection."""
    async with await open_transport(router.address, alpn=["smp/1", "xftp/1"]) as tls:
        assert tls.session.peer_chain is not None
        return tls.session.peer_chain.certificates[0]


def renew(folder: Path, credentials: RouterCredentials) -> RouterCredentials:
    renewed = renew_router_credentials(credentials, now=datetime.now(UTC))
    (folder / "server.crt").write_bytes(dump_chain_pem(CertificateChain((renewed.certificate,))))
    (folder / "server.key").write_bytes(dump_key_pem(renewed.key))
    return renewed


@pytest.mark.parametrize("kind", KINDS)
async def test_a_renewed_certificate(kind: str, tmp_path: Path) -> None:
    credentials = write_router(tmp_path)
    config = configured(kind, tmp_path)
    async with opened(config) as router, a_client(router) as before:
        address = router.address
        assert await certificate(router) == credentials.certificate
        renewed = renew(tmp_path, credentials)
        done = await router.reload(config)
        assert (done.changed, done.waiting, done.credentials) == ((), (), True)
        assert await certificate(router) == renewed.certificate
        async with a_client(router) as after:
            await after.ping()
        await before.ping()  # its connection has lasted
        assert router.address == address
        assert not (await router.reload(config)).is_anything


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handshake_that_began_before(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS and what follows it show the same certificate, though another one came in between."""
    credentials = write_router(tmp_path)
    config = configured(kind, tmp_path)
    cls = smp.Router if kind == "smp" else xftp.XFTPRouter
    serve = cls._serve
    async with opened(config) as router:

        async def reload_first(self: Any, tls: TlsStream) -> None:
            monkeypatch.undo()
            renew(tmp_path, credentials)
            assert (await router.reload(config)).credentials
            await serve(self, tls)

        monkeypatch.setattr(cls, "_serve", reload_first)
        async with a_client(router) as client:
            await client.ping()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_new_certificate_for_browsers(kind: str, tmp_path: Path) -> None:
    write_router(tmp_path)
    write_web(tmp_path)
    config = configured(kind, tmp_path, web_ports=(0,))
    async with opened(config) as router:
        first = await shown_to_browsers(router)
        write_web(tmp_path)
        done = await router.reload(config)
        assert (done.credentials, done.web_credentials) == (False, True)
        ends_at = router.statistics().web_certificate_until
        assert ends_at is not None
        assert 0 < ends_at - datetime.now(UTC).timestamp() <= 24 * 3600
        assert await shown_to_browsers(router) != first
        async with a_client(router) as client:
            await client.ping()


async def shown_to_browsers(router: RunningRouter) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    stream = await trio.open_tcp_stream("127.0.0.1", router.ports[0])
    async with trio.SSLStream(stream, context, server_hostname="localhost") as tls:
        await tls.do_handshake()
        shown: bytes = tls.getpeercert(binary_form=True)
        return shown


@pytest.mark.parametrize("kind", KINDS)
async def test_rules_change_for_clients_that_are_connected(kind: str, tmp_path: Path) -> None:
    write_router(tmp_path)
    config = configured(kind, tmp_path)
    async with opened(config) as router, a_client(router) as client:
        await make_something(client)
        closed = (
            {"queues": QueuePolicy(accept_new=False)}
            if kind == "smp"
            else {"packets": PacketPolicy(accept_new=False)}
        )
        part = "queues" if kind == "smp" else "packets"
        done = await router.reload(evolve(config, ports=(1,), **closed))
        assert done.changed == (f"{part}.accept_new",)
        assert done.waiting == ("ports",)
        with pytest.raises((RouterError, XFTPRouterError)):
            await make_something(client)
        # What waits is still told the next time, and what has changed can be taken back.
        done = await router.reload(config)
        assert (done.changed, done.waiting) == ((f"{part}.accept_new",), ())
        await make_something(client)


async def make_something(client: Any) -> None:
    if hasattr(client, "create_queue"):
        await client.create_queue()
    else:
        key = Ed25519PrivateKey.generate()
        keys = [key.public]
        await client.register(key, size=65536, digest=bytes(32), recipient_keys=keys)


@pytest.mark.parametrize("kind", KINDS)
async def test_limits_change_at_once(kind: str, tmp_path: Path) -> None:
    write_router(tmp_path)
    config = configured(kind, tmp_path)
    async with opened(config) as router, a_client(router) as client:
        limits = evolve(config.limits, connections=1, max_connections_per_address=1)
        await router.reload(evolve(config, limits=limits))
        places = router._places
        assert repr(places) == "<Places: 0 of 1 are free>"
        await client.ping()
        intervals = evolve(config.intervals, statistics=1)
        done = await router.reload(evolve(config, intervals=intervals))
        assert "intervals.statistics" in done.changed
        assert "limits.connections" in done.changed


@pytest.mark.parametrize("kind", KINDS)
async def test_mistakes_leave_everything_as_it_was(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = write_router(tmp_path)
    config = configured(kind, tmp_path)
    path = tmp_path / "router.toml"
    async with opened(config) as router, a_client(router) as client:
        with pytest.raises(ConfigError, match="no file"):
            await router.reload_again()
        router.config_loader = partial(type(config).load, path)
        with pytest.raises(FileNotFoundError):
            await router.reload_again()
        path.write_text("[limits]\nconnections = 0\n")
        with pytest.raises(ConfigError, match="connections"):
            await router.reload_again()
        path.write_text("[limits]\nconnections = 5\n")
        (tmp_path / "server.key").write_text("no key")
        with pytest.raises(DecodeError):
            await router.reload_again()
        (tmp_path / "server.key").write_bytes(b"")
        write_router(tmp_path)
        with pytest.raises(ConfigError, match="another router"):
            await router.reload_again()
        assert repr(router._places).endswith("of 10000 are free>")
        assert await certificate(router) == credentials.certificate
        await client.ping()
        other = xftp.EMBEDDED if kind == "smp" else smp.EMBEDDED
        with pytest.raises(TypeError, match="Config, not a"):
            await router.reload(other)
    said = [each.message for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(said) == 4
    assert all(each.startswith("the configuration stays as it was: ") for each in said)


async def test_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write_router(tmp_path)
    async with opened(configured("smp", tmp_path)) as router:
        path = tmp_path / "router.toml"
        router.config_loader = partial(type(smp.EMBEDDED).load, path)
        path.write_text('hosts = ["a.example"]\n[queues]\nquota = 5\n')
        done = await router.reload_again()
    assert done.changed[:1] == ("queues.quota",)
    assert "hosts" in done.waiting
    assert "other values from now on: queues.quota, proxy.allow_private" in caplog.text
    assert (
        "these need a new start of the router: hosts, listen, credentials, store, ports"
        in caplog.text
    )


async def test_a_proxy_is_switched_off_and_on() -> None:
    off = evolve(smp.EMBEDDED, proxy=evolve(smp.EMBEDDED.proxy, enabled=False))
    async with (
        smp.open_router() as relay,
        smp.open_router(off) as router,
        open_smp_client(router.address) as client,
        open_smp_client(relay.address) as owner,
    ):
        queue = await owner.create_queue()
        through = client.relay(relay.address)
        for _ in range(2):
            with pytest.raises(ProxyFailed):
                await through.send(queue.sender_id, b"off")
            done = await router.reload(smp.EMBEDDED)
            assert done.changed == ("proxy.enabled",)
            await through.send(queue.sender_id, b"on")
            await router.reload(off)


async def test_temporary_credentials_last() -> None:
    async with smp.open_router() as router:
        address, shown = router.address, await certificate(router)
        await router.reload(smp.EMBEDDED)
        assert (router.address, await certificate(router)) == (address, shown)
