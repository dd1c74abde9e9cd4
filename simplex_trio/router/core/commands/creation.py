"""Creating queues with NEW, together with links and notifiers; and notifiers with NKEY. Pure."""

from __future__ import annotations

import hmac

from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey
from simplex_trio.errors import CryptoError
from simplex_trio.frozen import frozen
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import (
    Decision,
    Effect,
    EndNotifierSubscription,
    EndShortage,
    Increment,
    Outcome,
    SubscribeCreator,
)
from simplex_trio.router.core.model import Queue
from simplex_trio.router.core.requests import Context
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.store.records import LinkRecord, NotifierRecord, QueueRecord
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import NEW, NKEY, Command
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
"""How often ids are chosen when one is taken, which does not happen by chance."""


class _DegenerateKey(Exception):
    """The client's half of an agreement agrees a secret that is known to all."""


@frozen(repr=False)
class _Agreed:
    """What boxes for the other side are sealed with, and our half of the agreement."""

    secret: bytes
    dh_key: X25519PublicKey


@frozen(repr=False)
class _Choice:
    """What the client has chosen for its queue, and what it leaves to the router."""

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


def create_queue(
    state: RouterState, context: Context, received: ReceivedCommand[Command]
) -> Outcome:
    """NEW: the queue, its link and its notifier are created together or not at all."""
    command, client = received.command, context.client
    assert isinstance(command, NEW)
    if not (state.policy.accept_new and state.policy.accepts(command.basic_auth)):
        return ERR(Code.AUTH)
    if client.service is not None and not command.subscribe:
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    choice = _choice(command)
    if state.shortage.refuses(context.instant):
        return STORE_REFUSED
    if choice.sender_id is not None and not hmac.compare_digest(
        choice.sender_id, sender_id(received.transmission.correlation_id)
    ):
        # Otherwise anyone could find out which ids are in use.
        return ERR(Cmd(CommandErrorKind.PROHIBITED))
    try:
        agreed = _agree(state, command.dh_key)
        for_notifier = None if command.notifier is None else _agree(state, command.notifier.dh_key)
    except _DegenerateKey:
        return ERR(Cmd(CommandErrorKind.SYNTAX))
    for _ in range(_TRIES):
        record = _record(state, context, command, choice, agreed.secret)
        if command.notifier is not None and for_notifier is not None:
            notifier = _notifier(state, command.notifier, for_notifier)
            record = evolve(record, notifier=notifier)
        if not state.queues.has_id_of(record):
            break
        if choice.sender_id is not None:
            return ERR(Code.AUTH)
    else:
        return ERR(Code.INTERNAL)
    transaction = context.transaction
    if not state.keep_service(transaction, client.service, context.day, context.instant):
        return ERR(Code.SERVICE)
    queue = state.queues.create(transaction, record, choice.link_data)
    effects: tuple[Effect, ...] = (EndShortage(), Increment(Count.QUEUES_CREATED))
    if command.subscribe:
        effects = (SubscribeCreator(client.recipient, queue), *effects)
    return Decision(_ids(record, agreed, for_notifier), effects, needs_store=True)


def _record(
    state: RouterState, context: Context, command: NEW, choice: _Choice, dh_secret: bytes
) -> QueueRecord:
    link = None
    if choice.link_data is not None:
        link_id = state.new_id() if choice.link_id is None else choice.link_id
        link = LinkRecord.of(link_id, choice.link_data)
    return QueueRecord(
        recipient_id=state.new_id(),
        sender_id=state.new_id() if choice.sender_id is None else choice.sender_id,
        recipient_keys=(command.auth_key,),
        dh_secret=dh_secret,
        created_day=context.day,
        updated_day=context.day,
        mode=choice.mode,
        link=link,
        service_id=context.client.service_id,
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


def add_notifier(
    state: RouterState, context: Context, received: ReceivedCommand[Command], queue: Queue
) -> Outcome:
    """NKEY: the queue's notifier, in place of the one that it may have."""
    command = received.command
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
    state.delete_notifier(context.transaction, queue)
    state.queues.replace(context.transaction, queue, evolve(queue.record, notifier=notifier))
    effects: tuple[Effect, ...] = (Increment(Count.NOTIFIERS_CREATED),)
    if before is not None:
        effects = (EndNotifierSubscription(before), *effects)
    answer = NID(NotifierIds(notifier.notifier_id, agreed.dh_key))
    return Decision(answer, effects, needs_store=True)


def _notifier(state: RouterState, keys: NotifierKeys, agreed: _Agreed) -> NotifierRecord:
    return NotifierRecord(state.new_id(), keys.auth_key, agreed.secret)


def _agree(state: RouterState, theirs: X25519PublicKey) -> _Agreed:
    ours = X25519PrivateKey(state.random(X25519PrivateKey.SIZE))
    try:
        return _Agreed(BoxKey.agree(ours, theirs).subkey, ours.public)
    except CryptoError as exc:
        raise _DegenerateKey from exc
