"""What a router for files does at commands on its control socket."""

from __future__ import annotations

from typing import Any, Protocol

from simplex_trio.errors import StoreError
from simplex_trio.frozen import frozen
from simplex_trio.serving.blocking import blocked_in, blocking_reason
from simplex_trio.serving.control_messages import ControlError, ControlRequest, Controls
from simplex_trio.wire.errors.values import Blocked

__all__ = ["PacketAdministration", "PacketStatus", "packet_controls"]


@frozen
class PacketStatus:
    """A packet as its router's operator sees it."""

    size: int
    """Bytes of its body, uploaded or not."""
    has_body: bool
    blocked: Blocked | None
    """Why, if it is."""


class PacketAdministration(Protocol):
    """What the operator of a router does with its packets; see `XFTPRouter`."""

    async def packet_status(self, packet_id: bytes) -> PacketStatus | None: ...

    async def block_packet(self, packet_id: bytes, reason: Blocked) -> bool: ...

    async def delete_packet(self, packet_id: bytes) -> bool: ...


def packet_controls(router: PacketAdministration) -> Controls:
    """The commands about packets."""

    async def packet(request: ControlRequest) -> dict[str, Any]:
        try:
            status = await router.packet_status(request.entity_id())
        except StoreError as exc:
            raise _failed(exc) from exc
        if status is None:
            raise _not_found()
        return {
            "size": status.size,
            "has_body": status.has_body,
            "blocked": blocked_in(status.blocked),
        }

    async def block(request: ControlRequest) -> dict[str, Any]:
        packet_id, reason = request.entity_id(), blocking_reason(request)
        try:
            if not await router.block_packet(packet_id, reason):
                raise _not_found()
        except StoreError as exc:
            raise _failed(exc) from exc
        return await packet(request)

    async def delete(request: ControlRequest) -> dict[str, Any]:
        try:
            if not await router.delete_packet(request.entity_id()):
                raise _not_found()
        except StoreError as exc:
            raise _failed(exc) from exc
        return {}

    return {"packet": packet, "block": block, "delete": delete}


def _not_found() -> ControlError:
    return ControlError(ControlError.NOT_FOUND, "there is no packet with this id")


def _failed(error: StoreError) -> ControlError:
    return ControlError(ControlError.FAILED, f"the store has refused it: {error}")
