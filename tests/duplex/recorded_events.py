"""What programs were told: the reference's events and ours, in a form in which they are equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionReady,
    DeliveryFailed,
    DeliveryWarning,
    Integrity,
    InvitationReady,
    JoinSent,
    KeptEvent,
    LinkUpdated,
    MessageSent,
    PeerInfo,
    PeerMessage,
    Problem,
    RatchetBroken,
    ReceiptReceived,
    ReceivingProblem,
    RequestReceived,
    Resynchronised,
    RotationPhase,
    RotationProgress,
    RotationSide,
    SecurityCodeChanged,
    SendingResumed,
)
from tests.duplex.recorded import Fields, raw

__all__ = ["our_event", "recorded_event"]

Told = tuple[Any, ...]


def _servers(event: Fields) -> tuple[str, ...]:
    return tuple(event["servers"])


def recorded_event(event: Fields) -> Iterator[Told]:
    match event["event"]:
        case "CONF":
            yield "CONF", raw(event["info"]), event["pq"], _servers(event)
        case "REQ":
            yield "REQ", raw(event["info"]), event["pq"], _servers(event)
        case "INFO":
            yield "INFO", raw(event["info"]), event["pq"]
        case "CON":
            yield "CON", event["pq"]
        case "MSG":
            integrity, skipped = Integrity.OK, 0
            if event["integrity"]["type"] != "msgOk":
                info = event["integrity"]["errorInfo"]
                assert info["type"] == "msgSkipped"
                integrity = Integrity.SKIPPED
                skipped = info["toMsgId"] - info["fromMsgId"] + 1
            body = raw(event["body"])
            yield "MSG", event["msgId"], body, integrity, skipped, event["pq"], event["sndMsgId"]
        case "RCVD":
            for receipt in event["receipts"]:
                yield "RCVD", receipt["msgId"], receipt["status"] == "ok"
        case "SENT":
            yield "SENT", event["msgId"]
        case "MERR" | "MWARN" as kind:
            yield kind, event["msgId"]
        case "QCONT":
            yield ("QCONT",)
        case "RSYNC":
            yield "RSYNC", event["state"]
        case "SWITCH":
            yield "SWITCH", event["direction"], event["phase"]
        case "ERR":
            return  # a message of the agents' own was not taken: nothing that a program can do
        case other:
            raise AssertionError(other)


def our_event(event: KeptEvent) -> Iterator[Told]:
    match event:
        case ConfirmationReceived():
            servers = tuple(map(str, event.servers))
            yield "CONF", event.info, event.pq, servers
        case RequestReceived():
            yield "REQ", event.info, event.pq, tuple(map(str, event.servers))
        case PeerInfo():
            yield "INFO", event.info, event.pq
        case ConnectionReady():
            yield "CON", event.pq
        case PeerMessage():
            yield (
                "MSG",
                event.message_id,
                event.body,
                event.integrity,
                event.skipped,
                event.pq,
                event.sender_message_id,
            )
        case ReceiptReceived():
            yield "RCVD", event.message_id, event.intact
        case MessageSent():
            yield "SENT", event.message_id
        case RatchetBroken():
            yield "RSYNC", "required" if event.must_resynchronise else "allowed"
        case SecurityCodeChanged():
            yield "RSYNC", "agreed"
        case Resynchronised():
            yield "RSYNC", "ok"
        case ReceivingProblem(problem=Problem.DECRYPTION):
            return  # the reference has RSYNC alone
        case DeliveryFailed(problem=Problem.DECRYPTION):
            return  # the reference does not look at what EREADY says
        case DeliveryFailed():
            yield from (("MERR", message_id) for message_id in event.message_ids)
        case DeliveryWarning():
            yield "MWARN", event.message_id
        case SendingResumed():
            yield ("QCONT",)
        case RotationProgress(side=RotationSide.RECEIVING, phase=RotationPhase.STARTED):
            return  # the reference has an answer to the call for this
        case RotationProgress(side=side, phase=phase):
            yield "SWITCH", "rcv" if side is RotationSide.RECEIVING else "snd", phase.value
        case InvitationReady() | JoinSent() | LinkUpdated() | ConnectionDeleted():
            return  # the reference has answers to calls for this, or nothing
        case other:
            raise AssertionError(type(other))
