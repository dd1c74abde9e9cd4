"""A router that says yes to every command, in the form that its version has."""

from __future__ import annotations

from simplex_trio.crypto.keys import AuthPublicKey, X25519PrivateKey
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import (
    IDS,
    INFO,
    LNK,
    NID,
    OK,
    PONG,
    RNAME,
    SOK,
    SOKS,
    Message,
)
from simplex_trio.wire.smp.names import NameRecord
from simplex_trio.wire.smp.new_queue import MessagingRequest, NotifierIds, QueueMode
from simplex_trio.wire.smp.queue_info import QueueInfo
from simplex_trio.wire.smp.reading import service_refusal
from tests.client.support import Peer, Received

RECIPIENT_ID = b"the owner's id, 24 bytes"
SENDER_ID = b"the sender's id 24 bytes"
NOTIFIER_ID = b"the notifier's, 24 bytes"
LINK_ID = b"the link's id, 24 bytes!"
SERVICE_ID = b"the service's id 24 byte"

LINK_DATA = QueueLinkData(b"fixed part", b"the user's part")
INFORMATION = QueueInfo(secured=True, has_notifier=False, size=3)
RECORD = NameRecord(
    name="alice.simplex",
    nickname="",
    website="",
    location="",
    simplex_contacts=("a link",),
    simplex_channels=(),
    eth=None,
    btc=None,
    xmr=None,
    dot=None,
    owner="",
    resolver="",
)


class QueuesOfARouter:
    """Answers what a router might, and remembers what it was asked."""

    def __init__(self) -> None:
        self.dh_key = X25519PrivateKey.generate()
        self.asked: list[Received] = []

    @property
    def answered(self) -> int:
        """How many commands have been answered."""
        return len(self.asked)

    def respond(self, received: Received) -> Message:
        """The answer to a command."""
        self.asked.append(received)
        match received.command:
            case smp.NEW() as new:
                return self._created(new)
            case smp.SUB() | smp.NSUB():
                return SOK()
            case smp.SUBS(count, ids_hash) | smp.NSUBS(count, ids_hash):
                return SOKS(count, ids_hash)
            case smp.NKEY():
                return NID(NotifierIds(NOTIFIER_ID, self.dh_key.public))
            case smp.QUE():
                return INFO(INFORMATION)
            case smp.LGET() | smp.LKEY():
                return LNK(SENDER_ID, LINK_DATA)
            case smp.RSLV():
                return RNAME(RECORD)
            case smp.PING():
                return PONG()
            case _:
                return OK()

    def _created(self, new: smp.NEW) -> IDS:
        request = new.queue_request
        link = None if request is None else request.link
        mode = None
        if request is not None:
            messaging = isinstance(request, MessagingRequest)
            mode = QueueMode.MESSAGING if messaging else QueueMode.CONTACT
        notifier = None
        if new.notifier is not None:
            notifier = NotifierIds(NOTIFIER_ID, self.dh_key.public)
        return IDS(
            recipient_id=RECIPIENT_ID,
            sender_id=SENDER_ID if link is None else link.sender_id,
            dh_key=self.dh_key.public,
            queue_mode=mode,
            link_id=None if link is None else LINK_ID,
            service_id=None,
            notifier=notifier,
        )


def is_authorized(peer: Peer, received: Received, keys: list[AuthPublicKey]) -> bool:
    """Whether one of these keys authorized a command, and the service signed as it has to."""
    verifier = Verifier(peer.agreement.session_key, peer.agreement.service)
    refused = service_refusal(received, verifier, peer.agreement.service)
    return refused is None and verifier.accepts(received.transmission, keys)
