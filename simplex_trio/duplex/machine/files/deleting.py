"""Deleting files: the packets on routers, and what the agent knows of them."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from simplex_trio.duplex.file_events import FileDeleted
from simplex_trio.duplex.machine.files.rows import (
    DeletedFile,
    DeletedPacket,
    IncomingFile,
    OutgoingFile,
    UploadedPacket,
)
from simplex_trio.duplex.machine.step import Step
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.xftp.files.layout import StoredPacket

__all__ = [
    "add_deletion",
    "delete_described",
    "delete_file",
    "files_deleted",
    "forget_outgoing",
    "packet_gone",
]


def delete_file(step: Step, file_id: str) -> bool:
    """Cancel a transfer, or delete a file that was sent; returns whether there is such a file."""
    incoming = step.rows.get(IncomingFile, file_id)
    if incoming is not None:
        step.rows.delete(incoming)
        step.files.add(file_id)
        return True
    outgoing = step.rows.get(OutgoingFile, file_id)
    if outgoing is None or outgoing.parent_id is not None:
        return False
    forget_outgoing(step, file_id, is_told=True)
    return True


def forget_outgoing(step: Step, file_id: str, *, is_told: bool) -> None:
    """Forget a file, and those that lead to it, and delete what is of them on routers."""
    file = step.rows.get(OutgoingFile, file_id)
    assert file is not None
    children = step.rows.find(OutgoingFile, parent_id=file_id)
    packets = [
        packet
        for each in (file, *children)
        for packet in step.rows.find(UploadedPacket, file_id=each.file_id)
    ]
    for packet in packets:
        step.rows.delete(packet)
    for each in (*children, file):
        step.rows.delete(each)
        step.files.add(each.file_id)
    add_deletion(step, file_id, file.user, [packet.stored for packet in packets], is_told=is_told)


def add_deletion(
    step: Step, file_id: str, user: str, packets: Iterable[StoredPacket], *, is_told: bool = False
) -> None:
    """Delete packets from routers, beside those of the file that are being deleted already."""
    found = [
        DeletedPacket(file_id, packet.server, packet.sender_id, packet.sender_key)
        for packet in packets
    ]
    _add(step, file_id, user, found, is_told=is_told)


def delete_described(step: Step, description: FileDescription, user: str) -> str:
    """Delete a file with its sender's description; returns an id for that."""
    file_id = step.moment.new_id()
    found = [
        DeletedPacket(file_id, replica.server, replica.id, replica.key)
        for packet in description.packets
        for replica in packet.replicas
    ]
    _add(step, file_id, user, found, is_told=True)
    return file_id


def _add(
    step: Step, file_id: str, user: str, packets: list[DeletedPacket], *, is_told: bool
) -> None:
    if not (packets or is_told):
        return
    rows = step.rows
    known = rows.get(DeletedFile, file_id)
    if known is None:
        rows.insert(DeletedFile(file_id, user, step.moment.seconds, is_told))
    elif is_told and not known.is_told:
        rows.update(known, evolve(known, is_told=True))
    for packet in packets:
        if rows.get(DeletedPacket, file_id, packet.server, packet.sender_id) is None:
            rows.insert(packet)
    step.files.add(file_id)


def packet_gone(step: Step, file_id: str, packet: DeletedPacket) -> None:
    """A router does not have a packet any more."""
    found = step.rows.get(DeletedPacket, file_id, packet.server, packet.sender_id)
    if found is not None:
        step.rows.delete(found)


def files_deleted(step: Step, file_id: str, *, given_up: bool = False) -> None:
    """All packets were tried to be deleted, and those that are left if ``given_up`` stay there.

    Without it, further ones may have come meanwhile, and there is work left.
    """
    file = step.rows.get(DeletedFile, file_id)
    if file is None:
        return
    step.files.add(file_id)
    left = step.rows.find(DeletedPacket, file_id=file_id)
    if left and not given_up:
        return
    for packet in left:
        step.rows.delete(packet)
    step.rows.delete(file)
    if file.is_told:
        step.tell(FileDeleted(file_id, len(left)))
