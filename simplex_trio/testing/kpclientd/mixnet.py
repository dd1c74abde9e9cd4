"""`SimulatedMixnet`: the mixnet behind the daemon; it outlives daemons.

It stores boxes, answers echo requests and executes copy commands.  It can be taken offline, slowed
down, and made to fail.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Protocol

import trio
from attrs import field
from attrs.validators import ge

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.codes import ReplicaCode
from simplex_trio.katzenpost.messages.capabilities import hash256
from simplex_trio.testing.kpclientd import boxes as simulated
from simplex_trio.testing.kpclientd.boxes import Boxes
from simplex_trio.testing.kpclientd.consensus import (
    MAX_MESSAGE,
    Endpoint,
    document,
    endpoints,
    signed_document,
)
from simplex_trio.testing.kpclientd.copy_streams import MAX_ENVELOPES, StreamReader

__all__ = ["AT_ONCE", "LIFELIKE", "CopyVerdict", "Pace", "SimulatedMixnet", "Watcher"]

_VERDICT_SECONDS = 30 * 60
_KEPT_EPOCHS = 5


@frozen
class Pace:
    """The delays of the mixnet, in seconds."""

    sending: float = field(default=0.0, validator=ge(0))
    """Between two packets of one client."""
    round_trip: float = field(default=0.0, validator=ge(0))
    """From the daemon to a service or courier, and back."""
    copy_poll: float = field(default=0.0, validator=ge(0))
    """Between polls of a courier about the progress of a copy command."""


AT_ONCE = Pace()
"""No delays, for tests."""

LIFELIKE = Pace(sending=0.2, round_trip=1.0, copy_poll=5.0)
"""Delays like those of a small mixnet."""


@frozen
class CopyVerdict:
    """The outcome of a copy command."""

    replica_code: int | None = None
    """The error, or `None` for success."""
    failed_envelope: int = 0


class Watcher(Protocol):
    """A daemon, as the mixnet's observer."""

    def status_changed(self) -> None:
        """The mixnet went online or offline."""
        ...

    def document_changed(self) -> None:
        """There is a new document."""
        ...


class SimulatedMixnet:
    """A mixnet in memory, for any number of daemons, in sequence or in parallel."""

    def __init__(
        self,
        *,
        pace: Pace = AT_ONCE,
        epoch: int | None = 1000,
        idle_service_node: bool = False,
        has_authorities: bool = True,
    ) -> None:
        self.pace = pace
        self.boxes: Boxes = Boxes()
        self.has_authorities = has_authorities
        self.replica_epoch = 1
        """Envelopes from before the previous replica epoch are too old."""
        self._idle_service_node = idle_service_node
        self._epoch = epoch
        self._documents: dict[int, bytes] = {}
        self._online = trio.Event()
        self._online.set()
        self._written = trio.lowlevel.ParkingLot()
        self._published = trio.lowlevel.ParkingLot()
        self._daemons: list[Watcher] = []
        self._failures: defaultdict[str, deque[int]] = defaultdict(deque)
        self._verdicts: dict[bytes, tuple[float, CopyVerdict]] = {}
        self.received: list[bytes] = []
        """Payloads of messages that services received, in order."""
        if epoch is not None:
            self._make_document(epoch)

    def __repr__(self) -> str:
        return f"<SimulatedMixnet: {len(self.boxes)} boxes>"

    def watch(self, daemon: Watcher) -> None:
        """Notify a daemon of changes from now on."""
        self._daemons.append(daemon)

    def unwatch(self, daemon: Watcher) -> None:
        """Stop notifying a daemon."""
        self._daemons.remove(daemon)

    # --- for tests ------------------------------------------------------------------------------

    @property
    def is_online(self) -> bool:
        """Whether packets get through."""
        return self._online.is_set()

    def set_online(self, online: bool) -> None:
        """Go online or offline; daemons notify their clients."""
        if online == self.is_online:
            return
        if online:
            self._online.set()
        else:
            self._online = trio.Event()
        for daemon in self._daemons:
            daemon.status_changed()

    def fail_next(self, operation: str, code: int) -> None:
        """Make the next ``"read"``, ``"write"`` or ``"copy"`` fail with this replica error."""
        self._failures[operation].append(code)

    def take_failure(self, operation: str) -> int | None:
        """Return and clear the error for the next operation of this kind, if any."""
        planned = self._failures[operation]
        return planned.popleft() if planned else None

    # --- documents ------------------------------------------------------------------------------

    @property
    def epoch(self) -> int | None:
        """The current epoch; `None` while there is no document."""
        return self._epoch

    @property
    def current_document(self) -> bytes | None:
        """The document of the current epoch."""
        return None if self._epoch is None else self._documents[self._epoch]

    def signed_document(self, epoch: int) -> bytes | None:
        """Return the certificate of one of the latest epochs."""
        content = self._documents.get(epoch)
        return None if content is None else signed_document(epoch, content)

    def start_epoch(self, epoch: int) -> None:
        """Publish the document of an epoch; daemons pass it on."""
        self._epoch = epoch
        self._make_document(epoch)
        self._published.unpark_all()
        for daemon in self._daemons:
            daemon.document_changed()

    async def wait_document(self, seconds: float) -> None:
        """Wait until there is a document, at most for ``seconds``."""
        with trio.move_on_after(seconds):
            while self._epoch is None:
                await self._published.park()

    def _make_document(self, epoch: int) -> None:
        self._documents[epoch] = document(epoch, idle_service_node=self._idle_service_node)
        while len(self._documents) > _KEPT_EPOCHS:
            del self._documents[min(self._documents)]

    # --- services -------------------------------------------------------------------------------

    async def packet_slot(self) -> None:
        """Wait until one client may send its next packet."""
        await self._online.wait()
        await trio.sleep(self.pace.sending)

    async def round_trip(self) -> None:
        """Wait as long as a packet and its reply take, once the mixnet is online."""
        await self._online.wait()
        await trio.sleep(self.pace.round_trip)

    def endpoint(self, node_hash: bytes, queue_id: bytes) -> Endpoint | None:
        """Return the service at this address."""
        for endpoint in endpoints():
            if (endpoint.node_hash, endpoint.queue_id) == (node_hash, queue_id):
                return endpoint
        return None

    def deliver(self, endpoint: Endpoint, payload: bytes) -> bytes | None:
        """Deliver a message to a service; return its reply, padded to full size, if any."""
        self.received.append(payload)
        if endpoint.service != "echo":
            return None
        return payload.ljust(MAX_MESSAGE, b"\0")

    # --- boxes ----------------------------------------------------------------------------------

    async def wait_written(self) -> None:
        """Wait until any box is written."""
        await self._written.park()

    def write(self, box: bytes, content: bytes) -> ReplicaCode | None:
        """Write a box on the replicas; return the error if they refuse."""
        code = self.boxes.write(box, content)
        self._written.unpark_all()
        return code

    def copy(self, write_cap: bytes) -> CopyVerdict:
        """Execute a copy command; if it is repeated, return the same verdict."""
        key = hash256(write_cap)
        now = trio.current_time()
        known = self._verdicts.get(key)
        if known is not None and now - known[0] < _VERDICT_SECONDS:
            return known[1]
        verdict = self._carry_out(write_cap)
        self._verdicts[key] = (now, verdict)
        return verdict

    def _carry_out(self, write_cap: bytes) -> CopyVerdict:
        planned = self.take_failure("copy")
        if planned is not None:
            return CopyVerdict(planned, 1)
        public, index = simulated.public_key(write_cap), simulated.start_index(write_cap)
        reader = StreamReader()
        done = 0
        while not reader.is_complete and done < MAX_ENVELOPES:
            content = self.boxes.read(simulated.box_id(public, index))
            if content is None:
                return CopyVerdict(ReplicaCode.BOX_NOT_FOUND, done + 1)
            element = simulated.open_box(public, index, content) or b""
            index = simulated.next_index(index)
            try:
                for envelope in reader.read(element):
                    code = self.write(envelope.box_id, envelope.content or b"")
                    if code is not None:
                        return CopyVerdict(code, done + 1)
                    done += 1
            except DecodeError:
                return CopyVerdict(ReplicaCode.INVALID_PAYLOAD, done + 1)
        return CopyVerdict()
