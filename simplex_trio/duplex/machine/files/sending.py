"""Sending files: from the plan to the descriptions of what is on routers."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from simplex_trio.duplex.file_events import FileFailed, FileProblem, FileSent
from simplex_trio.duplex.file_plans import FileToSend
from simplex_trio.duplex.machine.files.deleting import add_deletion, forget_outgoing
from simplex_trio.duplex.machine.files.rows import (
    OutgoingFile,
    OutgoingStatus,
    RedirectUse,
    UploadedPacket,
)
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.duplex.machine.step import Step
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.files.layout import Plan
from simplex_trio.xftp.files.uploads import (
    Encrypted,
    Lost,
    Registered,
    Uploaded,
    UploadStep,
)

__all__ = [
    "Described",
    "keep_upload",
    "kept_uploads",
    "packets_sent",
    "sending_failed",
    "start_sending",
]


@frozen(repr=False)
class Described(Redacted):
    """What a file that is on its routers is described by."""

    own: FileDescription
    recipients: tuple[FileDescription, ...]
    texts: tuple[str, ...]
    """Of the recipients'; empty if these are described by further descriptions."""
    redirects: tuple[Plan, ...] = ()
    """How to send the recipients' descriptions, if these are not given to them."""


def start_sending(step: Step, planned: FileToSend) -> str:
    """Send a file; returns its id."""
    file_id = step.moment.new_id()
    step.rows.insert(
        OutgoingFile(
            file_id,
            planned.user,
            step.moment.seconds,
            planned.path,
            planned.plan,
            planned.redirect,
        )
    )
    step.files.add(file_id)
    return file_id


# --- on the way ---------------------------------------------------------------------------------


def kept_uploads(rows: Rows, file: OutgoingFile) -> list[UploadStep]:
    """The steps that are done, in an order in which they may have been."""
    found: list[UploadStep] = []
    for packet in rows.find(UploadedPacket, file_id=file.file_id):
        found.append(Registered(packet.number, packet.stored))
        if packet.is_uploaded:
            found.append(Uploaded(packet.number, packet.sender_id))
    if file.digest is not None:
        found.append(Encrypted(file.digest))
    return found


def keep_upload(step: Step, file_id: str, user: str, upload: UploadStep) -> None:
    """Keep a step; a packet of a file that was deleted meanwhile is deleted as well."""
    rows = step.rows
    is_known = rows.count(OutgoingFile, file_id=file_id) > 0
    match upload:
        case Registered(number, stored) if is_known:
            rows.insert(UploadedPacket(file_id, number, stored.sender_id, stored))
        case Registered(_, stored):
            add_deletion(step, file_id, user, [stored])
        case Uploaded(number, sender_id):
            packet = rows.get(UploadedPacket, file_id, number, sender_id)
            if packet is not None:
                rows.update(packet, evolve(packet, is_uploaded=True))
        case Lost(number, sender_id):
            packet = rows.get(UploadedPacket, file_id, number, sender_id)
            if packet is not None:
                rows.delete(packet)
                # The router may have refused it for another reason than that it is gone.
                add_deletion(step, file_id, user, [packet.stored])
        case Encrypted(digest):
            file = rows.get(OutgoingFile, file_id)
            if file is not None:
                rows.update(file, evolve(file, digest=digest))


# --- the end ------------------------------------------------------------------------------------


def packets_sent(step: Step, file_id: str, described: Described) -> None:
    """All packets of a file are on their routers."""
    file = step.rows.get(OutgoingFile, file_id)
    if file is None or file.status is not OutgoingStatus.SENDING:
        return
    step.files.add(file_id)
    _delete_spare(step, file, described.own)
    if file.parent_id is not None:
        _description_sent(step, file, file.parent_id, described)
        return
    if not described.redirects:
        step.rows.update(file, evolve(file, status=OutgoingStatus.SENT))
        step.tell(FileSent(file_id, described.texts, (encode_description(described.own),)))
        return
    step.rows.update(
        file,
        evolve(file, status=OutgoingStatus.REDIRECTING, own_description=described.own),
    )
    for position, plan in enumerate(described.redirects):
        child = OutgoingFile(
            file_id=step.moment.new_id(),
            user=file.user,
            created_at=file.created_at,
            path=b"",
            plan=plan,
            redirect=RedirectUse.NEVER,
            parent_id=file_id,
            position=position,
        )
        step.rows.insert(child)
        step.files.add(child.file_id)


def _description_sent(
    step: Step, child: OutgoingFile, parent_id: str, described: Described
) -> None:
    """A redirecting description leads to the file now; once all of them do, it is sent."""
    (leading,) = described.recipients
    after = evolve(
        child,
        status=OutgoingStatus.SENT,
        description=leading,
        own_description=described.own,
    )
    step.rows.update(child, after)
    siblings = step.rows.find(OutgoingFile, parent_id=parent_id)
    if any(each.status is not OutgoingStatus.SENT for each in siblings):
        return
    parent = step.rows.get(OutgoingFile, parent_id)
    assert parent is not None
    step.rows.update(parent, evolve(parent, status=OutgoingStatus.SENT))
    in_order = sorted(siblings, key=lambda each: each.position)
    step.tell(
        FileSent(
            parent_id,
            _texts([each.description for each in in_order]),
            _texts([parent.own_description, *(each.own_description for each in in_order)]),
        )
    )


def _texts(descriptions: Sequence[FileDescription | None]) -> tuple[str, ...]:
    return tuple(encode_description(each) for each in descriptions if each is not None)


def _delete_spare(step: Step, file: OutgoingFile, own: FileDescription) -> None:
    """Delete packets from routers that failed before others took them."""
    used = {replica.id for packet in own.packets for replica in packet.replicas}
    packets = step.rows.find(UploadedPacket, file_id=file.file_id)
    spare = [packet for packet in packets if packet.sender_id not in used]
    for packet in spare:
        step.rows.delete(packet)
    add_deletion(step, file.file_id, file.user, [packet.stored for packet in spare])


def sending_failed(step: Step, file_id: str, problem: FileProblem) -> None:
    """A file cannot be sent: what is on routers is deleted, and the file is forgotten."""
    file = step.rows.get(OutgoingFile, file_id)
    if file is None:
        return
    whole = file_id if file.parent_id is None else file.parent_id
    forget_outgoing(step, whole, is_told=False)
    step.tell(FileFailed(whole, problem))
