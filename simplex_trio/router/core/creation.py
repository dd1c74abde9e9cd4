"""Creating queues: NEW, with all that can be asked for at once; and notifiers, with NKEY. Pure."""

from __future__ import annotations

import hmac

from attrs import evolve, frozen

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey
from simplex_trio.errors import CryptoError
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.deletion import delete_notifier, notifier_gone
from simplex_trio.router.core.queues import Queue
from simplex_trio.router.core.replies import Reply
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import Answered, Decision, Request, RouterState
from simplex_trio.router.store.records import LinkRecord, NotifierRecord, QueueRecord
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.smp.commands import NEW, NKEY
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import ERR, IDS, NID
from simplex_trio.wire.smp.new_queue import (
    ContactRequest,
    MessagingRequest,
    NotifierIds,
    NotifierKeys,
)

__all__ = ["add_notifier", "create_queue"]

_TRIES = 3
"""How often ids are chosen anew when one is taken, which does not happen by chance."""


class _DegenerateKey(Exception):
    """The client's half of an agreement makes a secret that everybody knows."""


@frozen(repr=False)
class _Agreed:
    """What boxes for the other side are sealed with, and our half of the agreement."""

    secret: bytes
    dh_key: X25519PublicKey


@frozen(repr=False)
class _Choice:
    """What the client has chosen for its queue, and what is left to the router."""

    mode: QueueMode | None
    sender_id: bytes | None = None
    link_id: bytes | None = None
    link_data: QueueLinkData | None = None


def _choice(command: NEW) -> _Choice:
    match command.queue_request:
        case None:
            return _Choice(None)
        case MessagingRequest(link):
            if link is None:
                return _Choice(QueueMode.MESSAGING)
            return _Choice(QueueMode.MESSAGING, link.sender_id, None, link.data)
        case ContactRequest(contact_link):
            if contact_link is None:
                return _Choice(QueueMode.CONTACT)
            return _Choice(
                QueueMode.CONTACT,
                contact_link.sender_id,
                contact_link.link_id,
                contact_link.data,
            )


def create_queue(state: RouterState, request: Request) -> Answered:
    """NEW: the queue, its link and its notifier come into being together or not at all."""
    command, client = request.command, request.client
    assert isinstance(command, NEW)
    if not (state.policy.accept_new and state.policy.accepts(command.basic_auth)):
        return ERR(Code.AUTH)
    if client.service is not None and not command.subscribe:
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    choice = _choice(command)
    if state.shortage.refuses(request.instant):
        return STORE_REFUSED
    if choice.sender_id is not None and not hmac.compare_digest(
        choice.sender_id, sender_id(request.transmission.correlation_id)
    ):
        # Otherwise anybody could find out which ids are in use.
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    try:
        agreed = _agree(state, command.dh_key)
        for_notifier = None if command.notifier is None else _agree(state, command.notifier.dh_key)
    except _DegenerateKey:
        return ERR(Cmd(CommandErrorKind.SYNTAX))
    for _ in range(_TRIES):
        record = _record(state, request, choice, agreed.secret)
        if command.notifier is not None and for_notifier is not None:
            notifier = _notifier(state, command.notifier, for_notifier)
            record = evolve(record, notifier=notifier)
        if not state.queues.has_id_of(record):
            break
        if choice.sender_id is not None:
            return ERR(Code.AUTH)
    else:
        return ERR(Code.INTERNAL)
    if not state.keep_service(request):
        return ERR(Code.SERVICE)
    queue = state.queues.create(request.transaction, record, choice.link_data)

    def finish() -> Reply:
        state.shortage.end()
        if command.subscribe and queue.exists:
            state.tell(state.recipients.subscribe_new(client.recipient, record.recipient_id))
        state.counters.add(Count.QUEUES_CREATED)
        return Reply(_ids(record, agreed, for_notifier))

    return Decision(finish, needs_store=True)


def _record(state: RouterState, request: Request, choice: _Choice, dh_secret: bytes) -> QueueRecord:
    command = request.command
    assert isinstance(command, NEW)
    link = None
    if choice.link_data is not None:
        link_id = state.new_id() if choice.link_id is None else choice.link_id
        link = LinkRecord.of(link_id, choice.link_data)
    return QueueRecord(
        recipient_id=state.new_id(),
        sender_id=state.new_id() if choice.sender_id is None else choice.sender_id,
        recipient_keys=(command.auth_key,),
        dh_secret=dh_secret,
        created_day=request.day,
        updated_day=request.day,
        mode=choice.mode,
        link=link,
        service_id=request.client.service_id,
    )


def _ids(record: QueueRecord, agreed: _Agreed, for_notifier: _Agreed | None) -> IDS:
    notifier = None
    if record.notifier is not None and for_notifier is not None:
        notifier = NotifierIds(record.notifier.notifier_id, for_notifier.dh_key)
    return IDS(
        record.recipient_id,
        record.sender_id,
        agreed.dh_key,
        record.mode,
        None if record.link is None else record.link.link_id,
        record.service_id,
        notifier,
    )


def add_notifier(state: RouterState, request: Request, queue: Queue) -> Answered:
    """NKEY: the queue's notifier, in place of the one that it may have."""
    command = request.command
    assert isinstance(command, NKEY)
    try:
        agreed = _agree(state, command.keys.dh_key)
    except _DegenerateKey:
        return ERR(Cmd(CommandErrorKind.SYNTAX))
    for _ in range(_TRIES):
        notifier = _notifier(state, command.keys, agreed)
        if state.queues.for_notifier(notifier.notifier_id) is None:
            break
    else:
        return ERR(Code.INTERNAL)
    before = queue.record.notifier
    delete_notifier(state, request.transaction, queue)
    state.queues.replace(request.transaction, queue, evolve(queue.record, notifier=notifier))

    def finish() -> Reply:
        if before is not None:
            notifier_gone(state, before)
        state.counters.add(Count.NOTIFIERS_CREATED)
        return Reply(NID(NotifierIds(notifier.notifier_id, agreed.dh_key)))

    return Decision(finish, needs_store=True)


def _notifier(state: RouterState, keys: NotifierKeys, agreed: _Agreed) -> NotifierRecord:
    return NotifierRecord(state.new_id(), keys.auth_key, agreed.secret)


def _agree(state: RouterState, theirs: X25519PublicKey) -> _Agreed:
    ours = X25519PrivateKey(state.random(X25519PrivateKey.SIZE))
    try:
        return _Agreed(BoxKey.agree(ours, theirs).subkey, ours.public)
    except CryptoError as exc:
        raise _DegenerateKey from exc
