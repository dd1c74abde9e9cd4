"""A new ratchet in place of one that the two sides do not have in common any more.

Either side sends a *key*, which only the queue's own encryption protects, and the other one answers
with its own.  From both keys each side makes the new ratchet; the one with the lower hash is its
initiator, and the other, who can send first, says EREADY through it.  The initiator answers that
with its own EREADY, and then both have proof that it works.

The peer's agent may be the reference's.  That one takes no key while it is *agreed*: it drops it
and waits for its user.  So a key may have been dropped, and a side that forces a new beginning may
not know whether the peer has used its last key already.  Therefore:

* Forcing it while it is under way says the same again, which changes nothing where it has arrived;
  only keys that have been out for long are replaced.
* The ratchet is always made from the last key of each side.  Keys overtake nothing, so at last both
  sides have this one.
* If a key comes while this side has another of the peer's, its sender has not used this side's key
  yet, or would have said EREADY, if that was its turn; then this side's key is right for that one
  as well.  If it was this side's turn, the peer may have used it, and waits for another.  Then
  another key is sent, and *two* ratchets are kept: with the last key and with the one before.
  EREADY goes through both.  The same is done when keys were replaced and the answer may be to the
  earlier ones.  Between two of ours this could go on for ever, so it is done `MAX_ANSWERS` times.
* A message that the ratchet of the earlier key decrypts says that the peer has that one, and this
  side goes on with it.  The reference's agent keeps it.  One of ours gets the last key later and
  changes to the last ratchet, so that one is kept too until it decrypts something; only then the
  keys are forgotten.
* What the peer has sent before it changed is decrypted by the ratchet before.  If that is EREADY,
  the peer has gone on with its key before the last one.

Messages that were queued before, and that no router can have, are held back, and are encrypted by
the new ratchet, with new numbers, once it works.  Of those that a router has, EREADY says by its
number which the peer has decrypted; the program is told of the others.
"""

from __future__ import annotations

from typing import final

from attrs import evolve

from simplex_trio.crypto.keys import X448PrivateKey
from simplex_trio.duplex.errors import CannotResynchronise
from simplex_trio.duplex.events import (
    DeliveryFailed,
    Problem,
    RatchetBroken,
    ResynchronisationFailed,
    ResynchronisationRequested,
    Resynchronised,
    SecurityCodeChanged,
)
from simplex_trio.duplex.machine.connection import (
    ConnectionKind,
    Deletion,
    SendingQueue,
    SendingStatus,
    Synchrony,
)
from simplex_trio.duplex.machine.creating import new_x3dh_keys
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind, SentMessage
from simplex_trio.duplex.machine.opening import Unusable
from simplex_trio.duplex.machine.rotating import say_again
from simplex_trio.duplex.machine.sending import (
    drop_deliveries,
    enqueue_eready,
    hold_back,
    next_numbers,
    release,
)
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import CryptoError
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.errors import (
    MalformedMessage,
    RatchetError,
    TooManySkipped,
    UnknownHeader,
)
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys, keys_hash, security_code
from simplex_trio.wire.duplex.envelopes import RatchetKeyEnvelope
from simplex_trio.wire.duplex.messages import RatchetInfo
from simplex_trio.wire.duplex.versions import AgentVersion
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion, X3DHKeys

__all__ = [
    "KEYS_REPLACED_AFTER",
    "Decryption",
    "earlier_key_used",
    "eready_delivered",
    "is_known",
    "message_decrypted",
    "message_not_decrypted",
    "negotiation_failed",
    "ratchet_key_received",
    "restored",
    "resynchronise",
]

KEYS_REPLACED_AFTER = 3600
"""Seconds after which forcing a new beginning replaces keys that were sent, instead of sending them
again: a router or a restored peer may have lost the answer."""

MAX_ANSWERS = 2
"""So often keys are replaced because the peer may have used them, until a ratchet of the last keys
works, or the program begins anew."""

_NONCE_SIZE = 24

_PROBE = X448PrivateKey(b"\1" * X448PrivateKey.SIZE)
"""A key for trying whether another one is degenerate, which all keys show."""

_UNDER_WAY = (Synchrony.STARTED, Synchrony.AGREED, Synchrony.ANSWERING)


# --- what the program asks for ------------------------------------------------------------------


def resynchronise(step: Step, c: OpenConnection, *, force: bool) -> None:
    """Begin to make a new ratchet, or answer the peer, who has begun.

    What is under way is not begun again; with ``force`` it is.  Raises `CannotResynchronise`.
    """
    row = c.row
    if row.kind is ConnectionKind.ADDRESS or not row.ready:
        raise CannotResynchronise("the connection is not far enough")
    if not _can_renegotiate(step, c):
        raise CannotResynchronise("the peer's version knows no new ratchets")
    if row.asked_keys is not None:
        c.change(asked_keys=None)
        _take_key(step, c, row.asked_keys)
    elif row.synchrony in _UNDER_WAY:
        if force:
            _begin_again(step, c)
    elif row.synchrony is Synchrony.OK and not force:
        raise CannotResynchronise("both sides have the same ratchet, as far as is known")
    else:
        _start(step, c)


def _can_renegotiate(step: Step, c: OpenConnection) -> bool:
    versions = c.row.agent_version, step.moment.spoken.agent.highest
    return min(versions) >= AgentVersion.RATCHET_SYNC and c.row.ratchet is not None


def _start(step: Step, c: OpenConnection) -> None:
    assert c.row.ratchet is not None
    version, earlier = c.row.ratchet.version, c.row.own_keys
    _use_new_keys(step, c, version)
    c.change(synchrony=Synchrony.STARTED, earlier_keys=earlier, answers=0)
    _send_key(step, c, version)


def _begin_again(step: Step, c: OpenConnection) -> None:
    row = c.row
    assert row.ratchet is not None
    if row.own_keys is None or row.synchrony is Synchrony.ANSWERING:
        return  # the new ratchet works; the peer is being told
    if step.moment.seconds - row.own_keys_at >= KEYS_REPLACED_AFTER:
        _start(step, c)
        return
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    if any(each.kind is DeliveryKind.RATCHET_KEY and not each.is_taken for each in queued):
        return
    _send_key(step, c, row.ratchet.version)
    if row.synchrony is Synchrony.AGREED:
        enqueue_eready(step, c, row.last_received, through_both=True)


# --- keys ---------------------------------------------------------------------------------------


def _use_new_keys(step: Step, c: OpenConnection, version: int) -> X3DHPrivateKeys:
    with_kem = (
        c.row.pq
        and c.row.agent_version >= AgentVersion.PQ_RATCHET
        and version >= RatchetVersion.KEM
        and step.moment.kem is not None
    )
    keys = new_x3dh_keys(step.moment, with_kem=with_kem)
    c.change(
        own_keys=keys,
        own_keys_at=step.moment.seconds,
        key_number=c.row.last_sent,
        earlier_keys=None,
        asked_keys=None,
    )
    return keys


def _send_key(step: Step, c: OpenConnection, version: int) -> None:
    """Queue this side's key on every queue that can be sent to."""
    keys, moment = c.row.own_keys, step.moment
    assert keys is not None
    hold_back(step, c)
    info = RatchetInfo().encode()
    envelope = RatchetKeyEnvelope(moment.spoken.agent.highest, keys.public(version), info)
    message_id = next_numbers(c, info)
    for queue in _usable(c):
        step.rows.insert(
            Delivery(
                connection_id=c.connection_id,
                queue=queue.number,
                message_id=message_id,
                kind=DeliveryKind.RATCHET_KEY,
                notify=True,
                created_at=moment.seconds,
                nonce=moment.random(_NONCE_SIZE),
                plaintext=envelope.encode(),
                body=None,
                sending_key=None,
                padded_length=0,
            )
        )


def _usable(c: OpenConnection) -> list[SendingQueue]:
    """The queue to send to, others that are secured, and those that are to take over.

    The peer may delete the first one before what is queued for it has arrived.
    """
    usable, main = (SendingStatus.SECURED, SendingStatus.ACTIVE), c.main_sending
    return [
        each
        for each in c.sending.values()
        if each is main or each.replaces or each.status in usable
    ]


def ratchet_key_received(step: Step, c: OpenConnection, envelope: RatchetKeyEnvelope) -> None:
    """The peer's key for a new ratchet."""
    row, spoken, peer = c.row, step.moment.spoken, envelope.x3dh_keys
    is_established = row.ratchet is not None and row.x3dh is None and row.info is None
    if spoken.agent.highest < AgentVersion.RATCHET_SYNC or not (is_established and c.sending):
        raise Unusable(Problem.UNEXPECTED)
    if peer.version not in spoken.ratchet:
        raise Unusable(Problem.VERSION)
    hashed = keys_hash(peer)
    is_said_again = hashed == row.peer_key_hash and _waits_for_key(c)
    if step.rows.has_seen(c.connection_id, hashed) and not is_said_again:
        return
    _check_usable(peer)
    if step.moment.answers_ratchet_keys or row.synchrony is Synchrony.STARTED:
        _take_key(step, c, peer)
    else:
        if row.asked_keys is None:
            step.tell(ResynchronisationRequested(c.connection_id))
        c.change(asked_keys=peer)
    step.rows.add_seen(c.connection_id, hashed, step.moment.seconds)


def is_known(step: Step, c: OpenConnection, envelope: RatchetKeyEnvelope) -> bool:
    """Whether this key of the peer has come before."""
    return step.rows.has_seen(c.connection_id, keys_hash(envelope.x3dh_keys))


def _waits_for_key(c: OpenConnection) -> bool:
    """Whether there is no ratchet of this side's key yet."""
    own, ratchets = c.row.own_keys, (c.row.ratchet, c.row.other_ratchet)
    return own is not None and not any(_is_made_from(own, each) for each in ratchets)


def _is_made_from(own: X3DHPrivateKeys, ratchet: Ratchet | None) -> bool:
    return ratchet is not None and own.first.public.raw in ratchet.associated_data


def _check_usable(peer: X3DHKeys) -> None:
    """Raise `Unusable` for keys with which every agreement is the same."""
    try:
        for key in (peer.first, peer.second):
            _PROBE.exchange(key)
    except CryptoError as exc:
        raise Unusable(Problem.MALFORMED) from exc


def _take_key(step: Step, c: OpenConnection, peer: X3DHKeys) -> None:
    """Make a new ratchet from the peer's key, which was checked."""
    row, version = c.row, peer.version
    own, earlier = row.own_keys, row.earlier_keys
    if own is None:
        own = _use_new_keys(step, c, version)
        _send_key(step, c, version)
    elif row.synchrony is not Synchrony.STARTED and keys_hash(peer) != row.peer_key_hash:
        is_used = row.synchrony is not Synchrony.AGREED or _has_said_eready(c)
        # After both have had a ratchet in common, this is another beginning.
        answers = 0 if row.synchrony is Synchrony.OK else row.answers
        if is_used and answers < MAX_ANSWERS:
            own, earlier = _use_new_keys(step, c, version), own
            c.change(answers=answers + 1)
        # Otherwise it is sent again, as the peer may have lost it, with an older store.
        _send_key(step, c, version)
    ratchet = _ratchet_of(step, c, own, peer)
    other = None if earlier is None else _ratchet_of(step, c, earlier, peer)
    c.change(
        ratchet=ratchet,
        other_ratchet=other,
        old_ratchet=row.ratchet,
        earlier_keys=earlier,
        peer_key_hash=keys_hash(peer),
        asked_keys=None,
        synchrony=Synchrony.AGREED,
    )
    c.skipped = SkippedKeys()
    enqueue_eready(step, c, row.last_received, through_both=True)
    _tell_code(step, c)


def _tell_code(step: Step, c: OpenConnection) -> None:
    assert c.row.ratchet is not None
    code = security_code(c.row.ratchet.security_hash)
    step.tell_latest(SecurityCodeChanged(c.connection_id, code))


def _has_said_eready(c: OpenConnection) -> bool:
    ratchets = c.row.ratchet, c.row.other_ratchet
    return any(each is not None and each.sending is not None for each in ratchets)


def _ratchet_of(step: Step, c: OpenConnection, own: X3DHPrivateKeys, peer: X3DHKeys) -> Ratchet:
    moment = step.moment
    highest = moment.spoken.ratchet.highest
    if keys_hash(own.public(peer.version)) > keys_hash(peer):
        return joiner_ratchet(own, peer, moment.dh_pair(), max_version=highest)
    return initiator_ratchet(
        own, peer, moment.kem, kem_supported=_supports_kem(c, peer), max_version=highest
    )


def _supports_kem(c: OpenConnection, peer: X3DHKeys) -> bool:
    is_spoken = c.row.agent_version >= AgentVersion.PQ_RATCHET
    return c.row.pq and is_spoken and peer.version >= RatchetVersion.KEM


# --- messages -----------------------------------------------------------------------------------


@final
@frozen
class Decryption:
    """What it says about the ratchet that a message was decrypted."""

    could_send: bool
    """Whether the ratchet that did it could send before."""
    is_other: bool
    """Whether it was the second of two ratchets."""
    received: int
    """The number of the last message before it."""
    peer_received: int | None
    """The number in it, if it is EREADY."""


def message_decrypted(step: Step, c: OpenConnection, shown: Decryption) -> None:
    """A message was decrypted although the two sides might have lost each other."""
    match c.row.synchrony:
        case Synchrony.AGREED:
            _proven(step, c, shown)
        case Synchrony.STARTED | Synchrony.REQUIRED if not shown.could_send:
            # The peer has used keys that were replaced or given up since.
            _proven(step, c, shown)
        case _ if shown.is_other:
            _proven(step, c, shown)
        case Synchrony.ALLOWED | Synchrony.REQUIRED:
            _synchronised(step, c)
        case Synchrony.STARTED if _is_made_from_earlier(c):
            # The peer had used the earlier keys before the later ones could reach it.
            c.change(earlier_keys=None)
        case _:
            pass


def _is_made_from_earlier(c: OpenConnection) -> bool:
    earlier = c.row.earlier_keys
    return earlier is not None and _is_made_from(earlier, c.row.ratchet)


def _proven(step: Step, c: OpenConnection, shown: Decryption) -> None:
    """The peer has the ratchet that has decrypted a message."""
    own, other = c.row.own_keys, c.row.other_ratchet
    dropped: list[Delivery] = []
    is_last = own is None or _is_made_from(own, c.row.ratchet)
    if is_last:
        _forget_keys(c)
        # What was queued to get here has arrived, whatever a router has answered.
        kinds = (DeliveryKind.RATCHET_KEY, DeliveryKind.EREADY)
        queued = step.rows.find(Delivery, connection_id=c.connection_id)
        dropped = [delivery for delivery in queued if delivery.kind in kinds]
        drop_deliveries(step, c, dropped)
    else:
        # The peer may get the last keys yet, and use them.
        assert own is not None
        c.change(earlier_keys=None, other_ratchet=other if _is_made_from(own, other) else None)
    if shown.peer_received is not None:
        _tell_missed(step, c, shown.peer_received)
    if shown.is_other:
        _tell_code(step, c)
    is_said = all(delivery.is_taken for delivery in dropped)
    if shown.could_send and not shown.is_other and is_said:
        _synchronised(step, c)
        return
    # The peer waits for it; or the last EREADY went through the other ratchet, or was dropped, and
    # the peer must not miss the numbers.
    c.change(synchrony=Synchrony.ANSWERING)
    enqueue_eready(step, c, shown.received)


def earlier_key_used(step: Step, c: OpenConnection, shown: Decryption) -> None:
    """EREADY has come through the ratchet of the peer's key before the last one.

    The reference's agent may send a key while it takes one, and go on with its key before.  An
    agent of ours says EREADY through the ratchet of the last key as well, which is kept for that.
    """
    row = c.row
    if (
        row.synchrony is not Synchrony.AGREED
        or row.own_keys is None
        or not _is_made_from(row.own_keys, row.old_ratchet)
    ):
        return
    c.change(
        ratchet=row.old_ratchet,
        other_ratchet=row.ratchet,
        old_ratchet=None,
        earlier_keys=None,
        synchrony=Synchrony.ANSWERING,
    )
    c.skipped = SkippedKeys()
    if shown.peer_received is not None:
        _tell_missed(step, c, shown.peer_received)
    _tell_code(step, c)
    enqueue_eready(step, c, shown.received)


def _tell_missed(step: Step, c: OpenConnection, peer_received: int) -> None:
    """The messages that routers have taken, and that the peer could not decrypt."""
    missed = [
        sent
        for sent in step.rows.find(SentMessage, connection_id=c.connection_id)
        if peer_received < sent.sender_message_id <= c.row.key_number
    ]
    if not missed:
        return
    ids = {sent.message_id for sent in missed}
    for sent in missed:
        step.rows.delete(sent)
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    drop_deliveries(
        step, c, [each for each in queued if each.message_id in ids and not each.is_held]
    )
    step.tell(DeliveryFailed(c.connection_id, tuple(sorted(ids)), Problem.DECRYPTION))


def eready_delivered(step: Step, c: OpenConnection) -> None:
    """The peer's router has taken EREADY; what follows comes behind it."""
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    is_left = any(each.kind is DeliveryKind.EREADY and not each.is_taken for each in queued)
    if c.row.synchrony is Synchrony.ANSWERING and not is_left:
        _synchronised(step, c)


def _synchronised(step: Step, c: OpenConnection) -> None:
    c.change(synchrony=Synchrony.OK)
    release(step, c)
    say_again(step, c)
    assert c.row.ratchet is not None
    step.tell(Resynchronised(c.connection_id, c.row.ratchet.kem_sending))


def message_not_decrypted(step: Step, c: OpenConnection, error: RatchetError) -> None:
    """A message that has not come before could not be decrypted."""
    if isinstance(error, MalformedMessage) or c.row.synchrony in (
        Synchrony.STARTED,
        Synchrony.AGREED,
    ):
        return
    if not _can_renegotiate(step, c) or not c.row.ready:
        return
    is_lost = isinstance(error, UnknownHeader | TooManySkipped)
    synchrony = Synchrony.REQUIRED if is_lost else Synchrony.ALLOWED
    known = c.row.synchrony
    if known is Synchrony.REQUIRED or known is synchrony:
        return
    if known is Synchrony.ANSWERING and not is_lost:
        return
    c.change(synchrony=synchrony)
    step.tell(RatchetBroken(c.connection_id, must_resynchronise=is_lost))


def restored(step: Step, c: OpenConnection) -> None:
    """The connection goes on from an older state than its peer knows.

    Going on with the ratchet would encrypt other messages with keys that were used.  What is queued
    was sent, perhaps, and is sent again with the same bytes.
    """
    row = c.row
    if not row.ready or row.deletion is Deletion.NOW or not _can_renegotiate(step, c):
        return
    for delivery in step.rows.find(Delivery, connection_id=c.connection_id):
        if delivery.first_failure is None and not delivery.is_held:
            step.rows.update(delivery, evolve(delivery, first_failure=step.moment.now))
    _forget_keys(c)
    if row.synchrony is not Synchrony.REQUIRED:
        c.change(synchrony=Synchrony.REQUIRED)
        step.tell(RatchetBroken(c.connection_id, must_resynchronise=True))


def _forget_keys(c: OpenConnection) -> None:
    c.change(own_keys=None, earlier_keys=None, other_ratchet=None, answers=0)


def negotiation_failed(step: Step, c: OpenConnection, problem: Problem) -> None:
    """A key or EREADY was given up: the peer has not got it."""
    if c.row.synchrony not in _UNDER_WAY:
        return
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    own = (DeliveryKind.RATCHET_KEY, DeliveryKind.EREADY)
    drop_deliveries(step, c, [delivery for delivery in queued if delivery.kind in own])
    _forget_keys(c)
    c.change(synchrony=Synchrony.REQUIRED)
    step.tell(ResynchronisationFailed(c.connection_id, problem))
