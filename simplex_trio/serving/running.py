"""`RunningRouter`: the handle of a router that is listening, the same for all protocols."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import trio
from cryptography import x509

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import SimplexError, StoreError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.config import ServingConfig
from simplex_trio.serving.control import serve_control
from simplex_trio.serving.control_messages import ControlError, ControlRequest, Controls
from simplex_trio.serving.credentials import CredentialSource, ShownCredentials
from simplex_trio.serving.metrics import Aliases, gauges, serve_metrics
from simplex_trio.serving.pace import Pace
from simplex_trio.serving.reloading import Reloaded, plan_reload
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.serving.toml import ConfigError
from simplex_trio.transport.listen import (
    ServerHandshake,
    SocketStatistics,
    open_listeners,
    serve_tls,
)
from simplex_trio.transport.places import Places
from simplex_trio.transport.tls import (
    ServerContext,
    TlsCredentials,
    TlsStream,
    server_handshake,
)
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host

__all__ = [
    "CONNECTION_LOST",
    "RunningRouter",
    "ServingNames",
    "store_counters",
    "store_counters_regularly",
]

_log = logging.getLogger(__name__)

CONNECTION_LOST: Final = "the connection to the database is lost"
"""One of `RunningRouter.problems`."""


@frozen
class ServingNames:
    """The names that depend on the protocol."""

    protocol: ServerProtocol
    alpn: tuple[str, ...]
    """The names of the protocol in TLS."""
    metrics_prefix: str
    """What the names of metrics begin with."""
    aliases: Aliases
    """What the reference calls those of them that mean the same there."""


class RunningRouter(ABC):
    """The handle that ``serve_…`` reports and ``open_…`` yields when a router is listening.

    Subclasses serve the connections of their protocol.
    """

    def __init__(
        self,
        names: ServingNames,
        config: ServingConfig,
        source: CredentialSource,
        shown: ShownCredentials,
        places: Places,
        pace: Pace,
    ) -> None:
        self.ports: tuple[int, ...] = ()
        """The ports that it listens on, in the order of the configuration."""
        self.metrics_port: int | None = None
        """The port of 127.0.0.1 where Prometheus finds metrics, if there are any."""
        self.sockets: SocketStatistics = SocketStatistics()
        """How many connections were accepted, closed and turned away."""
        self.config_loader: Callable[[], ServingConfig] | None = None
        """Reads the configuration for `reload_again`, in a thread; the program may set it."""
        self._names = names
        self._hosts = tuple(map(parse_host, config.hosts))
        self._serving = config
        self._source = source
        self._shown = shown
        self._until = _Until.of(shown)
        self._contexts = self._new_contexts(shown, config)
        self._reloading = trio.Lock()
        self._listening_since = 0.0
        self._places = places
        self._pace = pace

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.clients} clients>"

    @property
    def address(self) -> ServerAddress:
        """The address that clients connect to."""
        protocol, port = self._names.protocol, self.ports[0]
        shown_port = None if port == protocol.default_port else port
        fingerprint = self._shown.router.identity_fingerprint
        return ServerAddress(protocol, self._hosts, shown_port, fingerprint)

    @property
    @abstractmethod
    def clients(self) -> int:
        """How many clients are connected."""

    @abstractmethod
    def statistics(self) -> ServingStatistics:
        """The router in numbers, now."""

    def problems(self) -> tuple[str, ...]:
        """Why the router cannot do all that it is for at the moment; empty if it can.

        The health page on the metrics port, the control socket and the supervisor tell this.
        """
        return ()

    @abstractmethod
    async def _serve(self, tls: TlsStream) -> None:
        """Serve a connection on a port that is not for browsers."""

    @abstractmethod
    async def _serve_web(self, tls: TlsStream) -> None:
        """Serve a connection on a port that is for browsers, too."""

    def _credentials_in(self, tls: TlsStream) -> RouterCredentials:
        """The credentials that a client has seen in TLS."""
        context = tls.context
        return context.router if isinstance(context, _Context) else self._shown.router

    # --- another configuration ----------------------------------------------------------------

    async def reload(self, config: ServingConfig) -> Reloaded:
        """Go on with another configuration, and with the certificates and keys of the moment.

        No connection ends.  Options that a running router cannot change, which are ``FIXED`` in the
        class of the configuration, wait for the next start; the log names them.  Limits of a single
        connection apply to new ones.  The files in the folder of the credentials are read again,
        and new connections get what is in them.

        If this raises, everything is as before: `ConfigError` for what does not go together, or if
        the credentials have another identity, and else `OSError`, `DecodeError` or
        `CertificateError` for these files.
        """
        if type(config) is not type(self._serving):
            raise TypeError(f"a {type(self._serving).__name__}, not a {type(config).__name__}")
        async with self._reloading:
            try:
                plan = plan_reload(self._serving, config)
                shown = await self._source.load()
                contexts = self._new_contexts(shown, plan.config)
            except SimplexError:
                raise
            except ValueError as exc:
                raise ConfigError(str(exc)) from exc
            before = self._shown
            if shown.router.identity_fingerprint != before.router.identity_fingerprint:
                raise ConfigError(
                    "the credentials are those of another router, with another address"
                )
            self._serving, self._shown, self._contexts = plan.config, shown, contexts
            self._until = _Until.of(shown)
            self._places.change(plan.config.limits.of_listeners())
            self._reconfigure(plan.config, shown.router)
            self._pace.change()
        done = Reloaded(
            plan.changed,
            plan.waiting,
            credentials=shown.router.certificate != before.router.certificate,
            web_credentials=shown.web != before.web,
        )
        _log_reload(done)
        return done

    async def reload_again(self) -> Reloaded:
        """Go on with the configuration that `config_loader` reads, and log what that changes.

        Raises `ConfigError` if there is none, and what the loader and `reload` raise, after logging
        it.
        """
        if self.config_loader is None:
            raise ConfigError("this router has no file with its configuration")
        try:
            return await self.reload(await trio.to_thread.run_sync(self.config_loader))
        except (SimplexError, OSError) as exc:
            _log.error("the configuration stays as it was: %s", exc)
            raise

    @abstractmethod
    def _reconfigure(self, config: Any, credentials: RouterCredentials) -> None:
        """Apply what is the protocol's own in a configuration of the router's own class."""

    def _asks_clients(self, _config: Any) -> bool:
        """Whether clients are asked for certificates, with this configuration."""
        return False

    def _new_contexts(self, shown: ShownCredentials, config: ServingConfig) -> dict[bool, _Context]:
        """What TLS needs, on ports without browsers and with them."""
        make = partial(_Context, shown.router, self._names.alpn, asks=self._asks_clients(config))
        contexts = {False: make(None)}
        if shown.web is not None:
            contexts[True] = make(shown.web)
        return contexts

    # --- from beginning to end ----------------------------------------------------------------

    async def run(
        self,
        tasks: Iterable[Callable[[], Awaitable[object]]],
        finish: Callable[[], Awaitable[object]],
        ready: Callable[[], object],
    ) -> None:
        """Serve clients until cancelled, with ``tasks`` beside that; the ``serve_…`` calls this.

        ``ready`` is called when all ports are open.  At the end, the counters are stored and
        ``finish`` is called, for no longer than ``config.intervals.close``, in which nothing is
        cancelled.  Raises what `listen` raises.
        """
        try:
            async with open_inner_nursery() as nursery:
                for task in tasks:
                    nursery.start_soon(task)
                nursery.start_soon(
                    store_counters_regularly,
                    self._store_counters,
                    self._pace,
                    lambda: self._serving.intervals.statistics,
                )
                await self.listen(nursery)
                ready()
        finally:
            with trio.move_on_after(self._serving.intervals.close, shield=True) as closing:
                await store_counters(self._store_counters)
                await finish()
            if closing.cancelled_caught:
                _log.error("the store did not take in time what was left to be stored")

    @abstractmethod
    async def _store_counters(self) -> None:
        """Store the counters; raises `StoreError`."""

    # --- connections --------------------------------------------------------------------------

    async def listen(self, nursery: trio.Nursery) -> None:
        """Serve clients, metrics and the control socket, in tasks of ``nursery``.

        The function that runs the router calls this once.  Returns when all ports are open; raises
        `OSError` if one cannot be opened, and `MetricsSupportMissing`.
        """
        config = self._serving
        opened = await _open_ports(config)
        try:
            self.ports = tuple(each[0].socket.getsockname()[1] for _, each in opened)
            for is_web in (False, True):
                listeners = [
                    listener
                    for port, found in opened
                    if (port in config.web_ports) == is_web
                    for listener in found
                ]
                if listeners:
                    serve = partial(
                        serve_tls,
                        places=self._places,
                        statistics=self.sockets,
                        handshake=self._handshake(is_web=is_web),
                    )
                    handler = self._serve_web if is_web else self._serve
                    await nursery.start(serve, handler, listeners, self._contexts[is_web])
        except BaseException:
            _close_all(opened)
            raise
        self._listening_since = trio.current_time()
        if config.control is not None:
            await nursery.start(serve_control, config.control, self._controls())
        if config.metrics_port is not None:
            self.metrics_port = await nursery.start(
                partial(serve_metrics, aliases=self._names.aliases, problems=self.problems),
                self.statistics,
                config.metrics_port,
                self._names.metrics_prefix,
            )

    @property
    def _web_certificate_until(self) -> int | None:
        """The end of the life of the certificate for browsers, for statistics."""
        web = self._until.web
        return None if web is None else int(web.timestamp())

    # --- the control socket -------------------------------------------------------------------

    def _controls(self) -> Controls:
        """The commands of the control socket; subclasses add their own."""
        return {"status": self._control_status, "reload": self._control_reload}

    async def _control_status(self, _request: ControlRequest) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        taken, until = self.statistics(), self._until
        return {
            "router": self._names.protocol.value,
            "version": _package_version(),
            "problems": list(self.problems()),
            "running_seconds": round(trio.current_time() - self._listening_since),
            "address": str(self.address),
            "ports": list(self.ports),
            "certificate_until": until.router.isoformat(),
            "web_certificate_until": until.web and until.web.isoformat(),
            "now": gauges(taken),
            "counters": dict(taken.counters),
        }

    async def _control_reload(self, _request: ControlRequest) -> dict[str, Any]:
        try:
            done = await self.reload_again()
        except (SimplexError, OSError) as exc:
            message = f"the configuration stays as it was: {exc}"
            raise ControlError(ControlError.FAILED, message) from exc
        return {
            "changed": list(done.changed),
            "waiting": list(done.waiting),
            "credentials": done.credentials,
            "web_credentials": done.web_credentials,
        }

    def _handshake(self, *, is_web: bool) -> ServerHandshake:
        """TLS as it is configured when a connection comes, and not when the port was opened."""

        async def shake_hands(
            stream: trio.abc.Stream, context: ServerContext, *, clock: Callable[[], datetime]
        ) -> TlsStream:
            return await server_handshake(stream, self._contexts[is_web], clock=clock)

        return shake_hands


def _package_version() -> str:
    try:
        return version("simplex-trio")
    except PackageNotFoundError:
        return "unknown"


@frozen
class _Until:
    """The ends of the lives of certificates."""

    router: datetime
    web: datetime | None

    @classmethod
    def of(cls, shown: ShownCredentials) -> _Until:
        web = shown.web
        return cls(
            _end(shown.router.certificate), None if web is None else _end(web.certificates[0])
        )


def _end(certificate: bytes) -> datetime:
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc


class _Context(ServerContext):
    """What a listener needs for TLS, and the credentials for what comes after that."""

    def __init__(
        self,
        router: RouterCredentials,
        alpn: Sequence[str],
        web: TlsCredentials | None,
        *,
        asks: bool,
    ) -> None:
        shown = TlsCredentials.of(router.chain, router.key)
        super().__init__(shown, alpn=alpn, web=web, asks_clients=asks)
        self.router = router


def _log_reload(done: Reloaded) -> None:
    if done.changed:
        _log.info("other values from now on: %s", ", ".join(done.changed))
    if done.credentials:
        _log.info("new connections get the router's new certificate")
    if done.web_credentials:
        _log.info("browsers get the new certificate")
    if not done.is_anything:
        _log.info("reloading has changed nothing")
    if done.waiting:
        _log.warning("these need a new start of the router: %s", ", ".join(done.waiting))


_Opened = list[tuple[int, list[trio.SocketListener]]]
"""The configured ports, each with its listeners."""


async def _open_ports(config: ServingConfig) -> _Opened:
    opened: _Opened = []
    try:
        for port in config.ports:
            opened.append((port, await open_listeners(port, host=config.listen)))
    except BaseException:
        _close_all(opened)
        raise
    return opened


def _close_all(opened: _Opened) -> None:
    for _, listeners in opened:
        for listener in listeners:
            listener.socket.close()


async def store_counters_regularly(
    store: Callable[[], Awaitable[None]], pace: Pace, seconds: Callable[[], float]
) -> None:
    """Call `store_counters` every ``seconds``, until cancelled."""
    while True:
        await pace.wait(seconds)
        await store_counters(store)


async def store_counters(store: Callable[[], Awaitable[None]]) -> None:
    """Call ``store``, which stores the counters.

    A `StoreError` is only logged: the next attempt stores the same and more.
    """
    try:
        await store()
    except StoreError as exc:
        _log.warning("the counters could not be stored: %s", exc)
