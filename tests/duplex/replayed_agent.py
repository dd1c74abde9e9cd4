"""One agent of a recorded conversation, with our machine in its place.

What the reference's program asked of its agent is asked of the machine, with the private keys
that the reference's agent made; what routers were asked must be what the machine has to do, byte
for byte; and what routers delivered is delivered to the machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, TypeVar

from attrs import evolve

from simplex_trio.duplex.errors import AlreadyJoined, NotSynchronised
from simplex_trio.duplex.events import (
    ConnectionEvent,
    RequestReceived,
)
from simplex_trio.duplex.machine.accepting import (
    accept_confirmation,
    accept_request,
    reject_request,
)
from simplex_trio.duplex.machine.acknowledging import acknowledge, acknowledged
from simplex_trio.duplex.machine.connection import Acknowledgement, Synchrony
from simplex_trio.duplex.machine.creating import (
    change_link,
    link_changed,
    plan_address,
    plan_invitation,
    queue_created,
)
from simplex_trio.duplex.machine.deleting import delete, go_on_deleting, queue_deleted
from simplex_trio.duplex.machine.delivering import (
    SendFailure,
    delivered,
    not_delivered,
    outgoing,
)
from simplex_trio.duplex.machine.handshake import receiver_secured, request_sent, sender_secured
from simplex_trio.duplex.machine.joining import link_read, start_joining
from simplex_trio.duplex.machine.messages import Delivery, ReceivedMessage
from simplex_trio.duplex.machine.opening import Arrival
from simplex_trio.duplex.machine.queues import CreatedQueue, link_update, plan_queue
from simplex_trio.duplex.machine.receiving import (
    old_queue_drained,
    quota_notice_received,
    receive,
)
from simplex_trio.duplex.machine.resynchronising import KEYS_REPLACED_AFTER, resynchronise
from simplex_trio.duplex.machine.rotating import rotate
from simplex_trio.duplex.machine.sending import enqueue_message
from simplex_trio.duplex.machine.step import OpenConnection, Spoken, Step
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    DrainQueue,
    ReadLink,
    SecureAsReceiver,
    SecureAsSender,
    SendRequest,
    UpdateLink,
    Work,
)
from simplex_trio.errors import TooLarge
from simplex_trio.ratchet.kem import KEM_SECRET_KEY_SIZE, KEMKeyPair
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex import (
    ContactURI,
    InvitationURI,
    ShortContactLink,
    ShortInvitationLink,
    parse_link,
    read_link,
)
from simplex_trio.wire.duplex.link_boxes import LinkKeys
from simplex_trio.wire.duplex.x3dh_keys import KEMProposal
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.smp.commands import (
    KEY,
    LSET,
    NEW,
    SKEY,
)
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.versions import VersionRange
from tests.duplex.machines import BOX_KEY, Machine
from tests.duplex.recorded import Fields, Recorded, raw
from tests.duplex.recorded_events import our_event, recorded_event
from tests.ratchet.support import REAL
from tests.ratchet.test_live_conversations import History

__all__ = ["ReplayedAgent"]

WorkT = TypeVar("WorkT", bound=Work)


class Script:
    """Randomness: keys as they were recorded, in the order in which they are asked for."""

    def __init__(self) -> None:
        self.keys: dict[int, deque[bytes]] = {32: deque(), 56: deque(), 24: deque()}
        self.kem_pair: KEMKeyPair | None = None
        self._count = 0

    def __call__(self, size: int) -> bytes:
        known = self.keys.get(size)
        if known:
            return known.popleft()
        # Ids, and nonces for which those of the recording are put in later.
        assert size in (12, 24), f"a key of {size} bytes is made that was not recorded"
        self._count += 1
        return self._count.to_bytes(size, "big")

    def take_kem_pair(self) -> KEMKeyPair | None:
        return self.kem_pair

    def give(self, *keys: bytes | str) -> None:
        for key in keys:
            data = raw(key) if isinstance(key, str) else key
            self.keys[len(data)].append(data)

    def check_used(self) -> None:
        assert not any(self.keys.values()), "recorded keys were not used"


class ReplayedAgent:
    """The machine in the place of one recorded agent."""

    def __init__(self, recorded: Recorded, name: str) -> None:
        self.recorded = recorded
        self.case = recorded.case
        self.name = name
        self.script = Script()
        self.ids: dict[str, str] = {}
        """Our ids of connections, by recorded name."""
        self.names: dict[str, str] = {}
        self.requests: dict[str, str] = {}
        """Our ids of requests, by recorded id."""
        self.numbers: dict[int, int] = {}
        """The numbers of queues to receive from, by recorded queue."""
        self.expected: list[Fields] = []
        self.keys_sent: dict[str, int] = {}
        """How many keys for new ratchets were made, by connection."""
        self.wants_new_ratchet: dict[str, bool] = {}
        """Connections for which one was asked for, and whether by force."""
        self.not_decrypted: dict[str, int] = {}
        self.answered: set[int] = set()
        """Keys for which the peer's has come, by the body that they were sent in."""
        self.saved: bytes | None = None
        versions = self.case["versions"][name]
        self.machine = Machine(
            name,
            spoken=Spoken(
                VersionRange(*versions["agent"]),
                VersionRange(*versions["smp_client"]),
                VersionRange(*versions["e2e"]),
            ),
            random=self.script,
            kem=REAL,
            kem_pair=self.script.take_kem_pair,
        )

    # --- what is known of a connection ----------------------------------------------------------

    def queue_of(self, connection: str) -> Fields:
        """The queue that a connection was made with."""
        return next(q for q in self.case["queues"] if q["recipient"] == connection)

    def sender_of(self, connection: str) -> Fields:
        """The keys with which a connection sends, to its first queue."""
        for queue in self.case["queues"]:
            for sender in queue["senders"]:
                if sender["sender"] == connection:
                    found: Fields = sender
                    return found
        raise AssertionError(connection)

    def give_queue(self, connection: str) -> None:
        self.give_keys(self.queue_of(connection))

    def give_keys(self, queue: Fields) -> None:
        self.script.give(
            queue["recipient_auth_key"]["private_raw"], queue["recipient_e2e_key"]["private_raw"]
        )

    def give_sender(self, connection: str, *, with_auth_key: bool = True) -> None:
        sender = self.sender_of(connection)
        self.script.give(sender["e2e_private"])
        if with_auth_key:
            self.script.give(sender["auth_key"]["private_raw"])

    def give_new_sender(self, body: Fields) -> None:
        """The keys with which a new queue is sent to."""
        sender_id = body["agent_message"]["queues"][0]["queue"]["sender_id"]
        queue = next(q for q in self.case["queues"] if q["sender_id"] == sender_id)
        [sender] = queue["senders"]
        self.script.give(sender["e2e_private"], sender["auth_key"]["private_raw"])

    def give_offer(self, connection: str) -> None:
        """The keys of an invitation."""
        keys = self.recorded.ratchets.initiator_keys(connection)
        self.script.give(keys.first.private.raw, keys.second.private.raw)
        self.script.kem_pair = keys.kem

    def give_joining(self, connection: str) -> None:
        """The keys with which an invitation is joined."""
        history, state = self.recorded.joined(self.name, connection)
        keys = history.joiner_keys(state)
        self.script.give(keys.first.private.raw, keys.second.private.raw)
        self.script.give(state["dh_self"]["private_raw"])
        self.script.kem_pair = keys.kem
        self.machine.kem = history.recording.kem(state, REAL)

    def ratchet(self, connection: str) -> Ratchet | None:
        return self.machine.connection(self.ids[connection]).row.ratchet

    def named(self, connection: str, connection_id: str) -> None:
        self.ids[connection] = connection_id
        self.names[connection_id] = connection

    def only(self, connection: str, kind: type[WorkT], number: int | None = None) -> WorkT:
        return self.machine.only(self.ids[connection], kind, number)

    # --- what the program asks for --------------------------------------------------------------

    def call(self, call: Fields) -> None:
        handler = getattr(self, f"call_{call['cmd']}", None)
        if handler is not None:
            handler(call, self.recorded.answer(call))
            self.script.check_used()

    def call_create(self, call: Fields, answer: Fields) -> None:
        connection = answer["result"]["conn"]
        pq, wants_link = call["pq"] != "off", bool(call.get("short"))
        data = raw(call.get("data", ""))
        if call["mode"] == "contact":
            self.give_queue(connection)
            made = self.machine.step(
                lambda step: (
                    plan_address(
                        step, user="", pq=pq, wants_link=wants_link, link_data=data
                    ).connection_id
                )
            )
        else:
            self.give_offer(connection)
            self.give_queue(connection)
            made = self.machine.step(
                lambda step: (
                    plan_invitation(
                        step,
                        user="",
                        info=b"",
                        pq=pq,
                        offers_kem=wants_link or call["pq"] == "use",
                        wants_link=wants_link,
                        link_data=data,
                    ).connection_id
                )
            )
        self.named(connection, made)

    def call_join(self, call: Fields, answer: Fields) -> None:
        connection, link = answer["result"]["conn"], parse_link(call["link"])
        match link:
            case InvitationURI():
                self.give_joining(connection)
                self.give_sender(connection)
                self.give_queue(connection)
            case ContactURI():
                self.give_offer(connection)
                self.give_queue(connection)
            case ShortInvitationLink():
                self.script.give(self.sender_of(connection)["auth_key"]["private_raw"])
            case ShortContactLink():
                pass

        def join(step: Step) -> str:
            return start_joining(
                step, link, user="", info=raw(call["info"]), pq=call["pq"], decides=True
            ).connection_id

        try:
            made = self.machine.step(join)
        except AlreadyJoined as exc:
            # The reference asks an address as often as its program does, and a program of ours
            # deletes the connection that was not answered.
            self.machine.on(
                exc.connection_id, lambda step, c: delete(step, c, after_delivery=False)
            )
            self.delete_queues(self.names[exc.connection_id])
            made = self.machine.step(join)
        self.named(connection, made)

    def call_accept(self, call: Fields, answer: Fields) -> None:
        connection = answer["result"]["conn"]
        self.give_joining(connection)
        self.give_sender(connection)
        self.give_queue(connection)
        made = self.machine.step(
            lambda step: (
                accept_request(
                    step, self.requests[call["invId"]], raw(call["info"]), pq=call["pq"]
                ).connection_id
            )
        )
        self.named(connection, made)

    def call_reject(self, call: Fields, answer: Fields) -> None:
        self.machine.step(lambda step: reject_request(step, self.requests[call["invId"]]))

    def call_allow(self, call: Fields, answer: Fields) -> None:
        connection = call["conn"]
        c = self.machine.connection(self.ids[connection])
        assert c.row.confirmation_id is not None
        confirmation_id = c.row.confirmation_id
        self.give_sender(connection)
        self.machine.on(
            self.ids[connection],
            lambda step, c: accept_confirmation(step, c, confirmation_id, raw(call["info"])),
        )

    def call_send(self, call: Fields, answer: Fields) -> None:
        connection, pq = call["conn"], call["pq"]
        body = self.recorded.ratchets.recording.bytes(call["body"])

        def decide(step: Step, c: OpenConnection) -> int:
            return enqueue_message(step, c, body, None, notify=True, pq=pq)

        try:
            message_id = self.machine.on(self.ids[connection], decide)
        except NotSynchronised:
            assert answer["errorJSON"]["cmdErr"]["type"] == "PROHIBITED"
            return
        except TooLarge:
            assert answer["errorJSON"]["cmdErr"]["type"] == "LARGE"
            self._waste_a_number(connection, pq=pq)
            return
        assert message_id == answer["result"]["msgId"]
        ratchet = self.ratchet(connection)
        assert ratchet is not None
        assert ratchet.kem_sending == answer["result"]["pq"]

    def _waste_a_number(self, connection: str, *, pq: bool) -> None:
        """The reference spends a number and a key on a message that is too long; we do not."""
        before = self.machine.connection(self.ids[connection])

        def decide(step: Step, c: OpenConnection) -> None:
            row = c.row
            assert row == before.row
            assert row.ratchet is not None
            prepared = advance_sending(
                row.ratchet, kem=pq, max_version=self.machine.spoken.ratchet.highest
            )
            c.change(
                last_message_id=row.last_message_id + 1,
                last_sent=row.last_sent + 1,
                ratchet=prepared.ratchet,
            )

        self.machine.on(self.ids[connection], decide)

    def call_switch(self, call: Fields, answer: Fields) -> None:
        connection = call["conn"]
        new = next(
            queue
            for queue in self.case["queues"]
            if queue["recipient"] == connection and queue["queue"] not in self.numbers
        )
        self.give_keys(new)
        self.machine.on(self.ids[connection], rotate)

    def call_ack(self, call: Fields, answer: Fields) -> None:
        connection_id, message_id = self.ids[call["conn"]], call["msgId"]
        receipt = raw(call["receipt"]) if "receipt" in call else None
        if self.machine.rows.get(ReceivedMessage, connection_id, message_id) is None:
            # Events about receipts need no acknowledgement here.
            assert ("RCVD", message_id) in {
                (e["event"], e.get("msgId")) for e in self.recorded.all_events(call["conn"])
            }
            return
        self.machine.on(connection_id, lambda step, c: acknowledge(step, c, message_id, receipt))

    def call_sync(self, call: Fields, answer: Fields) -> None:
        # The reference may do so much later.
        self.wants_new_ratchet[call["conn"]] = call["force"]

    def call_setlink(self, call: Fields, answer: Fields) -> None:
        data = raw(call["data"])
        self.machine.on(self.ids[call["conn"]], lambda step, c: change_link(step, c, data))

    def call_deletelink(self, call: Fields, answer: Fields) -> None:
        self.machine.on(self.ids[call["conn"]], lambda step, c: change_link(step, c, None))

    def call_delete(self, call: Fields, answer: Fields) -> None:
        self.machine.on(
            self.ids[call["conn"]], lambda step, c: delete(step, c, after_delivery=False)
        )

    def call_delete_wait(self, call: Fields, answer: Fields) -> None:
        self.machine.on(
            self.ids[call["conn"]], lambda step, c: delete(step, c, after_delivery=True)
        )

    def call_adhash(self, call: Fields, answer: Fields) -> None:
        ratchet = self.ratchet(call["conn"])
        assert ratchet is not None
        assert ratchet.security_hash.hex() == answer["result"]["hash"]

    # --- what routers are asked -----------------------------------------------------------------

    def new(self, queue: Fields, command: NEW, entry: Fields) -> None:
        connection = queue["recipient"]
        work = self.only(connection, CreateQueue)
        self.numbers[queue["queue"]] = work.number
        assert work.receiving.auth_key.public == command.auth_key
        link = self.case["links"][entry["link"]] if "link" in entry else None
        if link is not None:
            self.script.give(entry["correlation_id"], queue["link_root_key"]["private_raw"])
            self.script.give(link["fixed"]["nonce"], link["user"]["nonce"])
        server = ServerAddress.parse(self.case["servers"][queue["server"]]["address"])
        planned = plan_queue(work.connection, work.receiving, server, self.machine.moment())
        self.script.check_used()
        assert planned.request == command.queue_request
        assert planned.correlation_id in (None, raw(entry["correlation_id"]))
        created = CreatedQueue(
            raw(queue["recipient_id"]),
            raw(queue["sender_id"]),
            BOX_KEY,
            QueueMode(queue["mode"].encode()),
            None if queue["link_id"] is None else raw(queue["link_id"]),
        )
        if work.connection.row.address is not None:
            self._give_request(connection)
        ready = self.machine.on(
            self.ids[connection],
            lambda step, c: queue_created(step, c, work.number, planned, created, tell=True),
        )
        self.script.check_used()
        if ready is not None:
            result = self.recorded.created(connection)["result"]
            assert ready.link == result["link"]
            short = result.get("shortLink")
            assert (ready.short_link is None) == (short is None)
            if short is not None:
                assert ready.short_link is not None
                assert parse_link(ready.short_link) == parse_link(short)

    def _give_request(self, connection: str) -> None:
        """The key and the nonce of the request that goes to an address."""
        body = self.recorded.request_of(self.queue_of(connection))
        keys = {key["public_raw"]: key["private_raw"] for key in self.case["keys"]}
        self.script.give(keys[body["envelope"]["dh_key"]], body["envelope"]["nonce"])

    def skey(self, connection: str, command: SKEY) -> None:
        work = self.only(connection, SecureAsSender)
        assert work.sending.auth_key.public == command.sender_key
        self.machine.on(self.ids[connection], lambda step, c: sender_secured(step, c, work.number))

    def key(self, connection: str, queue: int, command: KEY) -> None:
        work = self.only(connection, SecureAsReceiver, self.numbers[queue])
        assert work.receiving.sender_key == command.sender_key
        self.machine.on(
            self.ids[connection], lambda step, c: receiver_secured(step, c, work.number)
        )

    def read_link(self, connection: str, sender_id: bytes, data: QueueLinkData) -> None:
        work = self.only(connection, ReadLink)
        assert work.connection.row.link is not None
        link = parse_link(work.connection.row.link)
        assert isinstance(link, ShortInvitationLink | ShortContactLink)
        content = read_link(link, sender_id, data)
        if isinstance(link, ShortInvitationLink):
            self.give_joining(connection)
            self.give_sender(connection, with_auth_key=False)
        else:
            self.give_offer(connection)
        self.give_queue(connection)
        self.machine.on(self.ids[connection], lambda step, c: link_read(step, c, content))
        self.script.check_used()

    def reads(self, link_id: bytes) -> str | None:
        """The connection that is to read a link."""
        for work in self.machine.all_work():
            if isinstance(work, ReadLink) and work.connection.row.link is not None:
                link = parse_link(work.connection.row.link)
                assert isinstance(link, ShortInvitationLink | ShortContactLink)
                known = (
                    link.link_id
                    if isinstance(link, ShortInvitationLink)
                    else LinkKeys.of(link).link_id
                )
                if known == link_id:
                    return self.names[work.connection.connection_id]
        return None

    def lset(self, connection: str, command: LSET, link: Fields) -> None:
        work = self.only(connection, UpdateLink)
        self.script.give(link["user"]["nonce"])
        made = link_update(work.connection, work.receiving, self.machine.moment())
        assert made == (command.link_id, command.data)
        self._link_changed(connection, work)

    def ldel(self, connection: str) -> None:
        work = self.only(connection, UpdateLink)
        assert not work.receiving.wants_link
        self._link_changed(connection, work)

    def _link_changed(self, connection: str, work: UpdateLink) -> None:
        queue = work.receiving
        self.machine.on(self.ids[connection], lambda step, c: link_changed(step, c, queue, None))

    def request(self, body: Fields) -> None:
        """SEND to a contact address."""
        [work] = (
            work
            for work in self.machine.all_work()
            if isinstance(work, SendRequest) and work.connection.row.request == raw(body["body"])
        )
        self.machine.on(work.connection.connection_id, request_sent)

    def send(self, body: Fields, answer: str) -> None:
        """SEND to the peer."""
        connection = body["from"]
        if body["agent_envelope"]["tag"] == "R":
            self.make_key(connection, body["n"])
        number = self._number_of_sending(connection, body)
        work = self.only(connection, Deliver, number)
        while work.delivery.is_taken:
            # A copy for a new queue of what the old one has; the reference makes fewer of them.
            self.outcome(connection, work, None)
            work = self.only(connection, Deliver, number)
        nonce = raw(body["envelope"]["nonce"])
        delivery = evolve(work.delivery, nonce=nonce)
        sent = outgoing(work.sending, delivery, work.body, self.machine.spoken)
        assert sent.body == raw(body["body"])
        assert sent.notify == body["notification"] or body["agent_message"].get("body_tag") == "M"
        self.outcome(connection, work, None if answer == "OK" else SendFailure.QUOTA)

    def _number_of_sending(self, connection: str, body: Fields) -> int:
        sender_id = raw(self.case["queues"][body["queue"]]["sender_id"])
        sending = self.machine.connection(self.ids[connection]).sending
        return next(queue.number for queue in sending.values() if queue.sender_id == sender_id)

    # --- new ratchets ---------------------------------------------------------------------------

    def save(self) -> None:
        """Copy the store."""
        self.saved = self.machine.database.connection.serialize()

    def restore(self) -> None:
        """Go on with the copy."""
        assert self.saved is not None
        self.machine.database.connection.deserialize(self.saved)
        self.machine.database.connection.execute("PRAGMA foreign_keys = ON")
        self.machine.restart()

    def start_resynchronising(self, connection: str) -> None:
        force = self.wants_new_ratchet.pop(connection, None)
        if force is None:
            return
        # The reference replaces keys at any time if it is forced.
        self.machine.now += KEYS_REPLACED_AFTER
        self.give_next_key(connection)
        self.machine.on(
            self.ids[connection], lambda step, c: resynchronise(step, c, force=bool(force))
        )
        self.script.check_used()

    def make_key(self, connection: str, number: int) -> None:
        """Make the key that is about to be sent, if the recording has that before its rows."""
        if number in self.recorded.started_with(connection):
            self.start_resynchronising(connection)
            return
        for history in self.recorded.histories.values():
            for transition in history.recorded["transitions"]:
                if transition["kind"] == "synchronized" and transition["own"] == number:
                    self.agree(connection, transition, history)

    def give_next_key(self, connection: str, kem_pair: KEMKeyPair | None = None) -> int:
        """The private halves of the next key that this connection has sent."""
        made = self.keys_sent.get(connection, 0)
        self.keys_sent[connection] = made + 1
        number = self.recorded.ratchet_keys(connection)[made]
        public = self.recorded.ratchets.public_keys(number)
        keys = self.recorded.ratchets.own_keys(public)
        self.script.give(keys.first.private.raw, keys.second.private.raw)
        if isinstance(public.kem, KEMProposal):
            # The secret half of a proposal that was not used is not recorded.
            unknown = public.kem.public_key.ljust(KEM_SECRET_KEY_SIZE, b"-")
            self.script.kem_pair = (
                kem_pair
                or self._stored_pair(public.kem.public_key)
                or (KEMKeyPair(public.kem.public_key, unknown))
            )
        return number

    def _stored_pair(self, public_key: bytes) -> KEMKeyPair | None:
        for history in self.recorded.histories.values():
            for state in history.states:
                if state["kem"]:
                    pair = history.recording.pair(state["kem"])
                    if pair.public_key == public_key:
                        return pair
        return None

    def agree(self, connection: str, transition: Fields, history: History) -> None:
        """The peer's key has come."""
        after = history.states[transition["to"]]
        if transition["own"] in self.answered:
            return  # when it was sent
        self.answered.add(transition["own"])
        if self.machine.status(self.ids[connection]).synchrony is not Synchrony.STARTED:
            assert self.give_next_key(connection) == transition["own"]
        if transition["as"] == "joiner":
            self.script.give(after["dh_self"]["private_raw"])
        self.receive(connection, self.case["bodies"][transition["peer"]])
        expected = transition["to"]
        following = self.recorded.following(history, transition)
        if transition["as"] == "joiner":
            assert following is not None
            expected = following["to"]
        assert self.ratchet(connection) == history.ratchet(expected)

    def outcome(self, connection: str, work: Deliver, failure: SendFailure | None) -> None:
        key = work.delivery

        def decide(step: Step, c: OpenConnection) -> None:
            known = step.rows.get(Delivery, key.connection_id, key.queue, key.message_id)
            assert known is not None
            if failure is None:
                delivered(step, c, known, proxied=False)
            else:
                not_delivered(step, c, known, failure)
            go_on_deleting(step, c)

        self.machine.on(self.ids[connection], decide)

    def ack(self, connection: str, queue: int) -> None:
        number = self.numbers[queue]
        status = self.machine.look(lambda step: step.connection(self.ids[connection]))
        if status.receiving[number].acknowledgement is Acknowledgement.HELD:
            return  # here the confirmation is acknowledged once the program has accepted it
        work = self.only(connection, AcknowledgeMessage, number)
        broker_id = work.receiving.broker_id
        self.machine.on(
            self.ids[connection],
            lambda step, c: acknowledged(step, c, work.number, broker_id),
        )

    def delete_queues(self, connection: str) -> None:
        """Do all of DEL that is due."""
        for work in self.machine.work(self.ids[connection]):
            if isinstance(work, DrainQueue):
                # The reference deletes it without a look.
                self._drained(connection, work.number)
        for work in self.machine.work(self.ids[connection]):
            if isinstance(work, DeleteQueue):
                self._queue_deleted(connection, work.number)

    def _drained(self, connection: str, number: int) -> None:
        self.machine.on(self.ids[connection], lambda step, c: old_queue_drained(step, c, number))

    def _queue_deleted(self, connection: str, number: int) -> None:
        self.machine.on(self.ids[connection], lambda step, c: queue_deleted(step, c, number))

    # --- what routers deliver -------------------------------------------------------------------

    def receive(self, connection: str, body: Fields) -> None:
        number = self.numbers[body["queue"]]
        arrival = Arrival(body["n"].to_bytes(24, "big"), 0, raw(body["body"]))
        self.machine.on(self.ids[connection], lambda step, c: receive(step, c, number, arrival))
        self.script.check_used()

    def decrypt(self, connection: str, body: Fields, transition: Fields, history: History) -> None:
        """A message for the ratchet, which must come to the recorded state."""
        before, after = transition["from"], history.states[transition["to"]]
        [reception] = (r for r in body["receptions"] if r["history"] == history.name)
        c = self.machine.connection(self.ids[connection])
        assert before is None or c.row.ratchet == history.ratchet(before)
        if reception["how"] == "step":
            self.script.give(after["dh_self"]["private_raw"])
            self.script.kem_pair = after["kem"] and history.recording.pair(after["kem"])
            self.machine.kem = history.recording.kem(after, REAL)
        tag = body["agent_message"].get("body_tag")
        answers = tag in ("H", "QA", "QU") or self._answers_eready(connection, body)
        if tag == "QA":
            self.give_new_sender(body)
        self.receive(connection, body)
        expected = transition["to"]
        following = self.recorded.following(history, transition)
        if answers and following is not None and following["kind"] == "send":
            expected = following["to"]  # it is answered in the same step
        assert self.ratchet(connection) == history.ratchet(expected)

    def _answers_eready(self, connection: str, body: Fields) -> bool:
        ratchet = self.ratchet(connection)
        is_eready = body["agent_message"].get("body_tag") == "E"
        return is_eready and ratchet is not None and ratchet.sending is None

    def quota_notice(self, connection: str) -> None:
        queue = self.queue_of(connection)
        broker_id = b"the queue is read to its"
        self.machine.on(
            self.ids[connection],
            lambda step, c: quota_notice_received(step, c, self.numbers[queue["queue"]], broker_id),
        )

    # --- what the program is told ---------------------------------------------------------------

    def event(self, event: Fields) -> None:
        if "body" in event:
            event = {**event, "body": self.recorded.ratchets.recording.bytes(event["body"]).hex()}
        self.expected.append(event)
        match event["event"]:
            case "REQ":
                # A request has no ratchet, so nothing else in the recording shows when it came.
                body = self.recorded.next_request(event["conn"])
                known = {e.request_id for e in self._requests_told()}
                self.receive(event["conn"], body)
                [made] = (e for e in self._requests_told() if e.request_id not in known)
                self.requests[event["invId"]] = made.request_id
            case "RSYNC" if event["state"] in ("required", "allowed"):
                connection = event["conn"]
                before = self.not_decrypted.get(connection, 0)
                self.not_decrypted[connection] = before + 1
                self.receive(connection, self.recorded.undecrypted(connection)[before])
            case "MERR" | "ERR":
                assert event["errorJSON"]["smpErr"]["type"] == "AUTH"
                connection = event["conn"]
                self.outcome(connection, self.only(connection, Deliver), SendFailure.GONE)
            case _:
                pass

    def _requests_told(self) -> list[RequestReceived]:
        return [event for event in self.machine.told if isinstance(event, RequestReceived)]

    def told(self, connection: str) -> Iterator[tuple[Any, ...]]:
        for event in self.machine.told:
            assert isinstance(event, ConnectionEvent)
            if event.connection_id == self.ids.get(connection):
                yield from our_event(event)

    def check_events(self) -> None:
        for connection in self.ids:
            ours = list(self.told(connection))
            theirs = [
                each
                for event in self.expected
                if event.get("conn") == connection
                for each in recorded_event(event)
            ]
            # What is sent and what is received are told in no order between them.
            for is_sent in (False, True):
                mine = [each for each in ours if (each[0] == "SENT") is is_sent]
                recorded = [each for each in theirs if (each[0] == "SENT") is is_sent]
                assert mine == recorded

    def check_numbers(self) -> None:
        """The last numbers and hashes are those in the reference's database."""
        for row in self.case["final"][self.name].get("connections", ()):
            connection = row["conn_id"]
            if not self.machine.is_known(self.ids[connection]):
                continue  # deleted, to ask the same address again
            mine = self.machine.connection(self.ids[connection]).row
            assert mine.last_message_id == row["last_internal_msg_id"]
            assert mine.last_sent == row["last_internal_snd_msg_id"]
            assert mine.last_received == row["last_external_snd_msg_id"]
            assert mine.sent_hash.hex() == row["last_snd_msg_hash"]
            assert mine.received_hash.hex() == row["last_rcv_msg_hash"]
            if mine.ratchet is not None:
                assert mine.agent_version == row["smp_agent_version"]
                assert mine.pq == bool(row["pq_support"])
