"""`OperatingCalls`: the calls of a `DuplexAgent` about its routers, its network and its store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from os import PathLike
from pathlib import Path

import trio
from attrs import evolve

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.duplex.config import DuplexConfig, Network, Server
from simplex_trio.duplex.machine.notifying import NotificationWork
from simplex_trio.duplex.machine.work import Work
from simplex_trio.duplex.server_checks import ServerCheck, check_server
from simplex_trio.duplex.statistics import DuplexStatistics
from simplex_trio.duplex.store.store import DuplexStore
from simplex_trio.duplex.work.connectivity import Connectivity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.files.works import FileWorks
from simplex_trio.duplex.work.lanes import Lanes
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.serving.metrics import serve_metrics
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client_config import XFTPClientConfig

__all__ = ["OperatingCalls"]


class OperatingCalls:
    """What a program does with an agent as a whole."""

    _agent: SMPClientAgent
    _config: DuplexConfig
    _connectivity: Connectivity
    _core: Core
    _file_works: FileWorks
    _lanes: Lanes[Work | NotificationWork]
    _routers: Routers
    _store: DuplexStore

    def statistics(self) -> DuplexStatistics:
        """What is done with each router, in numbers, since the store was made.

        Counters are stored every five minutes and at the end, so a crash loses some of them.
        """
        return self._core.tally.read(self._agent.router_numbers())

    async def serve_metrics(
        self,
        port: int,
        *,
        prefix: str = "simplex_agent_",
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer Prometheus at ``/metrics`` on ``port`` of 127.0.0.1 until cancelled.

        There is a metric for each sum in `statistics`.  The status is the actual port.  Raises
        `MetricsSupportMissing` without the extra ``metrics``, or `OSError`.
        """
        await serve_metrics(self.statistics, port, prefix, task_status=task_status)

    async def drain(self, connection_ids: Collection[str] | None = None) -> None:
        """Wait until nothing is left to do on the network for these connections, or for all.

        For all includes files, apart from those that wait to be approved.

        Then routers have taken all messages, receipts and acknowledgements, and what remains is up
        to the peers.  For programs that are about to end; one that does not wait goes on with the
        rest when it is started again.  It waits for as long as a router cannot be reached.
        """
        await self._lanes.wait_until_idle(connection_ids)
        if connection_ids is None:
            await self._file_works.lanes.wait_until_idle()

    # --- servers --------------------------------------------------------------------------------

    def servers(self, *, user: str = "") -> tuple[Server, ...]:
        """The servers on which queues of a user are made."""
        return self._routers.servers_of(user)

    def set_servers(
        self,
        servers: Iterable[Server | ServerAddress | str] | None,
        *,
        user: str | None = None,
    ) -> None:
        """Replace the servers of one user, or of all users who have no list of their own.

        `None` takes a user's own list away.  They count for whatever is done next, what waits for
        another attempt included; queues that are there stay where they are.  They are not stored:
        an agent that is opened again has those of its configuration.
        """
        self._routers.change_servers(servers, user)
        self._lanes.try_now()

    async def test_server(
        self, server: Server | ServerAddress | str, *, xftp: XFTPClientConfig | None = None
    ) -> ServerCheck:
        """Do once what is needed of a router, over a connection of its own.

        With a router for messages it connects, and makes, secures and deletes a queue; with one for
        files it registers, uploads, downloads and deletes a small one.  A password in the address
        is used.  The steps until the first that fails are told, with its error; what was made is
        deleted then too, if that is possible.

        ``xftp`` is how routers for files are connected to, if not as for the agent's files.  Raises
        `ValueError` for the address of a router of another kind, and `XFTPSupportMissing` without
        the extra ``xftp``.
        """
        if xftp is None:
            config = self._config
            xftp = evolve(config.files.client, connect=config.agent.client.transport)
        label = f"test|{self._config.random_bytes(16).hex()}"
        return await check_server(server, self._agent, xftp=xftp, label=label)

    # --- the network, and pauses ----------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The network as it was described last; `Network.ORDINARY` at first."""
        return self._connectivity.network

    def set_network(self, network: Network, *, changed: bool = False) -> None:
        """Say what the network of this machine is, whenever the system reports that it changes.

        While it is `Network.LOST` nothing is tried, no timer runs, and work waits; connections stay
        in case they turn out to work.  `create`, `join` and other calls that wait for the network
        raise `NetworkLost` at once, as if the attempt had failed; without ``wait`` they are done
        later.  `drain` goes on waiting.  A loss that is reported less than two seconds after the
        network was there counts after these two seconds, unless it is back by then.

        When it is there again everything is tried at once.  If it is another one, either of another
        kind than before the loss or because ``changed`` says so, all connections are closed first,
        and made anew; their time-outs are longer on one that is `Network.SLOW`.
        """
        self._connectivity.set_network(network, changed=changed)

    def network_came_back(self) -> None:
        """Retry everything that waits for its next attempt at once.

        It ends `Network.LOST`: the network is what it was before that.
        """
        self._connectivity.came_back()

    @property
    def is_paused(self) -> bool:
        """Whether the agent is paused, or about to be."""
        return self._connectivity.is_paused

    async def pause(self, *, within: float = 10) -> bool:
        """Let the agent come to rest, for a program or a machine that is about to be suspended.

        At first nothing more is received; then the messages that are being sent end, then all other
        work on the network, and at last everything is in the store, which is not used any more.
        All connections are closed then, and until `resume` nothing is tried and no timer runs.
        Returns whether all of that came to its end by itself.  What is not at its end ``within`` so
        many seconds, or when the call is cancelled, is cut off: nothing is lost by that, as it is
        done again after `resume`, or after a restart.

        Calls and events go on: messages are stored and sent later.  Calls that wait for the network
        raise `NetworkLost`.
        """
        return await self._connectivity.pause(within)

    def resume(self) -> None:
        """End a pause: connect again, and go on with everything at once."""
        self._connectivity.resume()

    # --- the store ------------------------------------------------------------------------------

    async def back_up(self, path: str | PathLike[str]) -> None:
        """Copy the agent's file to ``path``, where nothing may be, while everything goes on.

        The copy has all that was stored before this call, and some of what is stored meanwhile.  It
        is encrypted if the file is, with the same key.

        **A backup is for the loss of the file, and only the latest one is of any use.**  The keys
        of a connection change with each message on both sides.  An agent that goes on from an older
        state would encrypt new messages with keys that it has used already, so that those who have
        both messages could read them; messages that came meanwhile do not come again.  So all
        connections need new ratchets then: `RatchetBroken` tells that of each.

        A backup that takes the place of the file is therefore refused with `StoreIncomplete`, by
        the mark that is beside the file, or because there is none; except for ``accept_loss``, with
        which it opens.  Never copy a mark with a backup: the agent could not notice.

        If cancelled, or if it raises, there is nothing at ``path``.  Raises `StoreUnavailable` if
        there is something already, or it cannot be written, and `ValueError` if the agent keeps
        everything in memory.
        """
        await self._store.back_up(Path(path))
