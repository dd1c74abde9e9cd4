"""Finding the queue that a command is about, and checking its authorization. Pure.

An AUTH error does not reveal its reason, nor does its timing: no queue, no key, a wrong key, one of
the wrong kind, and any number of keys take the same time.  It is the time of checking the given
authorization once, or for recipients `MAX_OWNERS` times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simplex_trio.crypto.authenticator import AUTHENTICATOR_SIZE
from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.router.core.model import MAX_OWNERS, Queue, same_key
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.store.records import QueueRecord
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.errors.values import Code, RouterErrorValue
from simplex_trio.wire.handshake import PeerService
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.signature_checks import SignatureCheck
from simplex_trio.wire.smp.commands import (
    LGET,
    LKEY,
    NEW,
    NSUB,
    SEND,
    SKEY,
    Command,
    RecipientCommand,
    SenderCommand,
)
from simplex_trio.wire.smp.reading import service_refusal

__all__ = ["find_queue", "is_accepted_ahead", "refusal", "signature_checks"]


def find_queue(state: RouterState, command: Command, entity_id: bytes) -> Queue | None:
    """The queue that a command is about; `None` if it is not about one, or there is none."""
    match command:
        case RecipientCommand():
            return state.queues.for_recipient(entity_id)
        case SenderCommand():
            return state.queues.for_sender(entity_id)
        case LKEY() | LGET():
            return state.queues.for_link(entity_id)
        case NSUB():
            return state.queues.for_notifier(entity_id)
        case _:
            return None


def refusal(
    verifier: Verifier,
    service: PeerService | None,
    received: ReceivedCommand[Command],
    queue: Queue | None,
) -> RouterErrorValue | None:
    """The error that refuses a command in a session with, or without, this service; or `None`."""
    error = service_refusal(received, verifier, service)
    if error is not None:
        return error
    command, transmission = received.command, received.transmission
    match command:
        case SEND() if not transmission.authorization:
            allowed = queue is not None and queue.record.sender_key is None
        case LGET():
            allowed = queue is not None and queue.is_for_contact
        case _:
            keys = _keys(command, queue)
            if keys is None:
                return None  # commands that need no key, and those of a service about itself
            most_keys = MAX_OWNERS if isinstance(command, RecipientCommand) else 1
            allowed = verifier.accepts(transmission, keys, most_keys=most_keys)
    return None if allowed else Code.AUTH


def signature_checks(
    state: RouterState, verifier: Verifier, received: ReceivedCommand[Command]
) -> Iterator[SignatureCheck]:
    """The signatures that `refusal` will verify, as far as can be told before it is the turn.

    Commands before this one may change its queue; then `refusal` verifies others, or more.
    """
    transmission = received.transmission
    is_signed = len(transmission.authorization) not in (0, AUTHENTICATOR_SIZE)
    if not is_signed and transmission.service_signature is None:
        return iter(())
    keys = _keys(received.command, _queue_of(state, received))
    if keys is None:
        return iter(())
    return verifier.checks(transmission, keys[0] if keys else None)


def is_accepted_ahead(
    state: RouterState, verifier: Verifier, received: ReceivedCommand[Command]
) -> bool:
    """Whether `refusal` will not have to verify anything for a command that is decided now."""
    if not verifier.expects_any:
        return False
    keys = _keys(received.command, _queue_of(state, received)) or ()
    return len(keys) > 0 and verifier.has_accepted(received.transmission, keys[0])


def _queue_of(state: RouterState, received: ReceivedCommand[Command]) -> Queue | None:
    return find_queue(state, received.command, received.transmission.entity_id)


def _keys(command: Command, queue: Queue | None) -> Sequence[AuthPublicKey] | None:
    """The keys of which one has to have authorized a command; `None` if it needs no key."""
    match command:
        case SEND():
            key = None if queue is None else queue.record.sender_key
            return () if key is None else (key,)
        case RecipientCommand():
            return () if queue is None else queue.record.recipient_keys[:MAX_OWNERS]
        case SenderCommand() | LKEY() | NSUB():
            return () if queue is None else _other_keys(command, queue.record)
        case NEW(auth_key=key):
            return (key,)
        case _:
            return None


def _other_keys(command: Command, record: QueueRecord) -> tuple[AuthPublicKey, ...]:
    match command:
        case SKEY(sender_key=key) | LKEY(sender_key=key):
            return (key,) if _may_secure(record, key) else ()
        case NSUB():
            return () if record.notifier is None else (record.notifier.key,)
        case _:
            raise AssertionError("a command without keys of a queue")


def _may_secure(record: QueueRecord, key: AuthPublicKey) -> bool:
    if record.mode is not QueueMode.MESSAGING:
        return False
    return record.sender_key is None or same_key(record.sender_key, key)
