"""Events as a line for people, and as JSON for programs.  Pure."""

from __future__ import annotations

from typing import Any, assert_never

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.connect.file_wording import file_fields, file_sentence
from simplex_trio.cli.connect.memory import name_of
from simplex_trio.cli.connect.store import short
from simplex_trio.cli.output import at_time, date_of, one_line, text_or_base64
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionFailed,
    ConnectionReady,
    ConnectionSuspended,
    ConnectionWarning,
    DeliveryFailed,
    DeliveryWarning,
    DuplexEvent,
    Integrity,
    InvitationReady,
    JoinSent,
    LinkUpdated,
    MessageSent,
    NotificationTokenChanged,
    PeerInfo,
    PeerMessage,
    Problem,
    QueueLost,
    RatchetBroken,
    ReceiptReceived,
    ReceivingProblem,
    RequestReceived,
    ResynchronisationFailed,
    ResynchronisationRequested,
    Resynchronised,
    RotationPhase,
    RotationProgress,
    RotationSide,
    RouterDown,
    RouterUp,
    SecurityCodeChanged,
    SendingResumed,
    UserDeleted,
)
from simplex_trio.duplex.file_events import AnyFileEvent
from simplex_trio.duplex.status import ConnectionState

__all__ = ["STATES", "fields", "problem_words", "sentence"]

_PROBLEMS = {
    Problem.NETWORK: "routers cannot be reached",
    Problem.QUOTA: "the peer's queue is full, because the peer does not read it",
    Problem.QUEUE_GONE: "the peer's queue is gone: the connection or its link was deleted, or the "
    "link was used by another program",
    Problem.REFUSED: "a router refused",
    Problem.LINK: "the link's data cannot be used",
    Problem.VERSION: "the peer's program is of another version",
    Problem.NEWER_AGENT: "it needs a newer agent, so update simplex-trio",
    Problem.DECRYPTION: "a message cannot be decrypted",
    Problem.MALFORMED: "a message makes no sense",
    Problem.UNEXPECTED: "a message that does not belong there",
    Problem.TOO_LARGE: "what was given with --info is too long",
    Problem.UNKNOWN_KIND: "a message of a kind that came with a later version",
}

_GAPS = {
    Integrity.OK: "",
    Integrity.SKIPPED: "messages before it are missing",
    Integrity.BAD_ID: "its number is lower than one before it",
    Integrity.BAD_HASH: "the message before it was another",
    Integrity.DUPLICATE: "it has the number of the one before it",
}

STATES = {
    ConnectionState.CREATING: "being created; its router has not made the queue yet",
    ConnectionState.OFFERED: "invitation, open",
    ConnectionState.ADDRESS: "contact address",
    ConnectionState.CONFIRMED: "a peer has joined; accept it",
    ConnectionState.JOINING: "joining; the peer's router does not know yet",
    ConnectionState.WAITING: "waiting for the peer to accept",
    ConnectionState.READY: "connected",
    ConnectionState.FAILED: "failed; delete it, and ask for a new link",
    ConnectionState.DELETING: "being deleted",
}


def problem_words(problem: Problem) -> str:
    """What went wrong, as a part of a sentence."""
    return _PROBLEMS[problem]


# --- for people ---------------------------------------------------------------------------------


def sentence(event: DuplexEvent, name: str = "") -> str:
    """An event as a line; ``name`` is what the peer calls itself."""
    if isinstance(event, RouterUp):
        return f"receiving from {place_of(event.server)}"
    if isinstance(event, RouterDown):
        return f"the connection to {place_of(event.server)} is lost; connecting again"
    if isinstance(event, UserDeleted):
        return f"the user '{one_line(event.user)}' is deleted"
    if isinstance(event, NotificationTokenChanged):
        return f"the device that notifications go to is {event.state.name.lower()}"
    if isinstance(event, AnyFileEvent):
        return file_sentence(event)
    who = short(event.connection_id) + (f" '{name}'" if name else "")
    if isinstance(event, PeerMessage):
        return f"{at_time(date_of(event.broker_timestamp))}  {who}  {_text(event)}"
    return f"{who}: {_news(event)}"


def _text(message: PeerMessage) -> str:
    text = one_line(message.body.decode("utf-8", "backslashreplace"))
    gap = _GAPS[message.integrity]
    return f"{text}  ({gap})" if gap else text


def _news(event: DuplexEvent) -> str:
    assert not isinstance(event, AnyFileEvent)
    match event:
        case InvitationReady():
            return "its link is ready; see: simplex-trio connect status ID"
        case JoinSent():
            return "the peer's router knows; the peer answers when its program runs"
        case ConfirmationReceived():
            return f"{_called(event.info)} has joined; simplex-trio connect accept"
        case RequestReceived():
            return (
                f"{_called(event.info)} asks for a connection, as {short(event.request_id)}; "
                "simplex-trio connect accept"
            )
        case PeerInfo():
            return f"the peer says that it is {_called(event.info)}"
        case ConnectionReady():
            return "connected" + (", with post-quantum encryption" if event.pq else "")
        case ConnectionFailed():
            return f"no connection can be made: {_PROBLEMS[event.problem]}; delete it"
        case ConnectionWarning():
            return f"it has to wait, and is tried again: {_PROBLEMS[event.problem]}"
        case LinkUpdated():
            if event.problem is None:
                return "its link has changed"
            return f"its link has not changed: {_PROBLEMS[event.problem]}"
        case ConnectionSuspended():
            return "suspended; no further messages are taken for it"
        case ConnectionDeleted():
            return "deleted"
        case MessageSent():
            return f"message {event.message_id} is sent"
        case DeliveryWarning():
            return f"message {event.message_id} is not sent yet: {_PROBLEMS[event.problem]}"
        case DeliveryFailed():
            lost = ", ".join(map(str, event.message_ids))
            return f"not sent, and given up: {lost}; {_PROBLEMS[event.problem]}"
        case ReceiptReceived():
            changed = "" if event.intact else ", changed on its way"
            return f"message {event.message_id} was received{changed}"
        case SendingResumed():
            return "the peer reads again; what waits is sent now"
        case ReceivingProblem():
            return f"something could not be received: {_PROBLEMS[event.problem]}"
        case QueueLost():
            why = "its queue was deleted" if event.deleted else "another program receives from it"
            return f"nothing can be received any more: {why}"
        case RatchetBroken():
            if event.must_resynchronise:
                return "messages cannot be decrypted any more; simplex-trio connect resync ID"
            return "a message could not be decrypted; if there are more, connect resync ID helps"
        case ResynchronisationRequested():
            return "the peer asks for new keys; simplex-trio connect resync ID"
        case SecurityCodeChanged():
            return "there are new keys, and a new security code; see: connect status ID"
        case Resynchronised():
            return "both sides have the same keys" + (
                ", with post-quantum encryption" if event.pq else ""
            )
        case ResynchronisationFailed():
            return f"the peer cannot be asked for new keys: {_PROBLEMS[event.problem]}"
        case RotationProgress():
            return _move(event)
        case PeerMessage() | NotificationTokenChanged() | RouterUp() | RouterDown() | UserDeleted():
            raise AssertionError
        case _:
            assert_never(event)


_PHASES = {
    RotationPhase.STARTED: "moves",
    RotationPhase.CONFIRMED: "moves; both sides know",
    RotationPhase.SECURED: "moves; the new router takes messages",
    RotationPhase.COMPLETED: "has moved",
    RotationPhase.ABORTED: "stays; its move was given up",
    RotationPhase.FAILED: "stays",
}


def _move(event: RotationProgress) -> str:
    queue = {
        RotationSide.RECEIVING: "its queue to receive from",
        RotationSide.SENDING: "the peer's queue",
    }[event.side]
    place = event.from_server if event.phase in _STAYS else event.to_server
    where = "" if place is None else f" ({place_of(place)})"
    why = "" if event.problem is None else f": {_PROBLEMS[event.problem]}"
    return f"{queue} {_PHASES[event.phase]}{where}{why}"


_STAYS = (RotationPhase.ABORTED, RotationPhase.FAILED)


def _called(info: bytes) -> str:
    name = name_of(info)
    return f"'{name}'" if name else "a peer without a name"


# --- for programs -------------------------------------------------------------------------------


def fields(event: DuplexEvent) -> dict[str, Any]:
    """An event as a JSON object, with its kind in ``event``."""
    if isinstance(event, RouterUp | RouterDown):
        kind = "router_up" if isinstance(event, RouterUp) else "router_down"
        connections = list(event.connection_ids)
        return {"event": kind, "router": place_of(event.server), "connections": connections}
    if isinstance(event, UserDeleted):
        return {"event": "user_deleted", "user": event.user}
    if isinstance(event, NotificationTokenChanged):
        return {"event": "notification_token", "state": event.state.name.lower()}
    if isinstance(event, AnyFileEvent):
        return file_fields(event)
    kind, more = _kind_and_fields(event)
    return {"event": kind, "connection": event.connection_id} | more


def _kind_and_fields(event: DuplexEvent) -> tuple[str, dict[str, Any]]:
    assert not isinstance(event, AnyFileEvent)
    match event:
        case InvitationReady():
            return "invitation_ready", {}
        case JoinSent():
            return "join_sent", {"can_send": event.can_send}
        case ConfirmationReceived():
            return "confirmation", {"id": event.connection_id, **_asking(event)}
        case RequestReceived():
            return "request", {"id": event.request_id, **_asking(event)}
        case PeerInfo():
            return "peer_info", {"info": text_or_base64(event.info), "pq": event.pq}
        case ConnectionReady():
            return "ready", {"pq": event.pq}
        case ConnectionFailed():
            return "failed", {"problem": event.problem.value}
        case ConnectionWarning():
            return "connection_warning", {"problem": event.problem.value}
        case LinkUpdated():
            problem = None if event.problem is None else event.problem.value
            return "link_updated", {"problem": problem}
        case ConnectionSuspended():
            return "suspended", {}
        case ConnectionDeleted():
            return "deleted", {}
        case MessageSent():
            return "sent", {"message": event.message_id, "proxied": event.proxied}
        case DeliveryWarning():
            return "warning", {"message": event.message_id, "problem": event.problem.value}
        case DeliveryFailed():
            messages = list(event.message_ids)
            return "delivery_failed", {"messages": messages, "problem": event.problem.value}
        case ReceiptReceived():
            info = text_or_base64(event.info)
            return "receipt", {"message": event.message_id, "intact": event.intact, "info": info}
        case SendingResumed():
            return "resumed", {}
        case PeerMessage():
            return "message", _message(event)
        case ReceivingProblem():
            return "receiving_problem", {"problem": event.problem.value}
        case QueueLost():
            return "queue_lost", {"deleted": event.deleted}
        case RatchetBroken():
            return "ratchet_broken", {"must_resync": event.must_resynchronise}
        case ResynchronisationRequested():
            return "resync_requested", {}
        case SecurityCodeChanged():
            return "security_code_changed", {"security_code": event.security_code}
        case Resynchronised():
            return "resynchronised", {"pq": event.pq}
        case ResynchronisationFailed():
            return "resync_failed", {"problem": event.problem.value}
        case RotationProgress():
            return "rotation", {
                "side": event.side.value,
                "phase": event.phase.value,
                "from": place_of(event.from_server),
                "to": None if event.to_server is None else place_of(event.to_server),
                "problem": None if event.problem is None else event.problem.value,
            }
        case NotificationTokenChanged() | RouterUp() | RouterDown() | UserDeleted():
            raise AssertionError
        case _:
            assert_never(event)


def _asking(event: ConfirmationReceived | RequestReceived) -> dict[str, Any]:
    return {
        "info": text_or_base64(event.info),
        "pq": event.pq,
        "routers": list(map(place_of, event.servers)),
    }


def _message(event: PeerMessage) -> dict[str, Any]:
    stated = date_of(event.broker_timestamp)
    return {
        "message": event.message_id,
        **text_or_base64(event.body),
        "time": None if stated is None else stated.isoformat(),
        "integrity": event.integrity.value,
        "skipped": event.skipped,
        "pq": event.pq,
    }
