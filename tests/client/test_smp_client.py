"""Every command of SMP as a method: what is sent, what comes back, and what a version lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import NotifierCredentials, QueueAccess, ReceivingQueue
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import ServiceSubs, sender_id
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.errors import (
    EncodeError,
    NotAService,
    SimplexError,
    TooLarge,
    UnexpectedResponseError,
    UnsupportedVersion,
)
from simplex_trio.testing.scripted import ScriptedSMPRouter
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import ERR, IDS, LNK, NID, OK, PONG, SOK, Message
from simplex_trio.wire.smp.names import Domain
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    NotifierIds,
    QueueMode,
)
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion, VersionRange
from tests.client.routing import (
    INFORMATION,
    LINK_DATA,
    LINK_ID,
    NOTIFIER_ID,
    RECIPIENT_ID,
    RECORD,
    SENDER_ID,
    QueuesOfARouter,
    is_authorized,
)
from tests.client.support import OTHER_QUEUE, QUEUE, ROUTER, Peer, Received, config, start

VERSIONS = range(SMP_VERSIONS.lowest, SMP_VERSIONS.highest + 1)
OLDEST = SMP_VERSIONS.lowest

KEYS: list[AuthPrivateKey] = [
    Ed25519PrivateKey.generate(),
    Ed448PrivateKey.generate(),
    X25519PrivateKey.generate(),
]
KEY = KEYS[0]
DELIVERY_KEY = BoxKey(bytes(32))
ACCESS = QueueAccess(QUEUE, KEY, DELIVERY_KEY)
OTHER_ACCESS = QueueAccess(OTHER_QUEUE, KEY)
DOMAIN = Domain.parse("alice.simplex")

Call = Callable[[SMPClient], Awaitable[object]]


@frozen
class Method:
    """A method, the version that has it, what it gives, and what it must have sent."""

    call: Call
    result: object
    sent: tuple[tuple[smp.Command, bytes], ...]
    since: int = OLDEST
    keys: tuple[AuthPrivateKey, ...] = (KEY,)


NO_KEY: tuple[AuthPrivateKey, ...] = ()

METHODS: dict[str, Method] = {
    "subscribe": Method(lambda client: client.subscribe(ACCESS), None, ((smp.SUB(), QUEUE),)),
    "subscribe_many": Method(
        lambda client: client.subscribe_many([ACCESS, OTHER_ACCESS]),
        [None, None],
        ((smp.SUB(), QUEUE), (smp.SUB(), OTHER_QUEUE)),
    ),
    "get": Method(lambda client: client.get(ACCESS), None, ((smp.GET(), QUEUE),)),
    "acknowledge": Method(
        lambda client: client.acknowledge(ACCESS, b"message id"),
        None,
        ((smp.ACK(b"message id"), QUEUE),),
    ),
    "secure": Method(
        lambda client: client.secure(ACCESS, KEYS[1].public),
        None,
        ((smp.KEY(KEYS[1].public), QUEUE),),
    ),
    "set_recipient_keys": Method(
        lambda client: client.set_recipient_keys(ACCESS, [key.public for key in KEYS]),
        None,
        ((smp.RKEY(tuple(key.public for key in KEYS)), QUEUE),),
        SMPVersion.SHORT_LINKS,
    ),
    "set_link": Method(
        lambda client: client.set_link(ACCESS, LINK_ID, LINK_DATA),
        None,
        ((smp.LSET(LINK_ID, LINK_DATA), QUEUE),),
        SMPVersion.SHORT_LINKS,
    ),
    "delete_link": Method(
        lambda client: client.delete_link(ACCESS),
        None,
        ((smp.LDEL(), QUEUE),),
        SMPVersion.SHORT_LINKS,
    ),
    "suspend": Method(lambda client: client.suspend(ACCESS), None, ((smp.OFF(), QUEUE),)),
    "delete": Method(lambda client: client.delete(ACCESS), None, ((smp.DEL(), QUEUE),)),
    "delete_many": Method(
        lambda client: client.delete_many([ACCESS, OTHER_ACCESS]),
        [None, None],
        ((smp.DEL(), QUEUE), (smp.DEL(), OTHER_QUEUE)),
    ),
    "queue_info": Method(
        lambda client: client.queue_info(ACCESS), INFORMATION, ((smp.QUE(), QUEUE),)
    ),
    "disable_notifications": Method(
        lambda client: client.disable_notifications(ACCESS), None, ((smp.NDEL(), QUEUE),)
    ),
    "disable_notifications_many": Method(
        lambda client: client.disable_notifications_many([ACCESS, OTHER_ACCESS]),
        [None, None],
        ((smp.NDEL(), QUEUE), (smp.NDEL(), OTHER_QUEUE)),
    ),
    "subscribe_notifications": Method(
        lambda client: client.subscribe_notifications(NOTIFIER_ID, KEY),
        None,
        ((smp.NSUB(), NOTIFIER_ID),),
    ),
    "subscribe_notifications_many": Method(
        lambda client: client.subscribe_notifications_many([(NOTIFIER_ID, KEY), (QUEUE, KEY)]),
        [None, None],
        ((smp.NSUB(), NOTIFIER_ID), (smp.NSUB(), QUEUE)),
    ),
    "send": Method(
        lambda client: client.send(SENDER_ID, b"hello"),
        None,
        ((smp.SEND(MessageFlags(), b"hello"), SENDER_ID),),
        keys=NO_KEY,
    ),
    "send with a key": Method(
        lambda client: client.send(SENDER_ID, b"hello", KEY, notify=True),
        None,
        ((smp.SEND(MessageFlags(notification=True), b"hello"), SENDER_ID),),
    ),
    "secure_as_sender": Method(
        lambda client: client.secure_as_sender(SENDER_ID, KEY),
        None,
        ((smp.SKEY(KEY.public), SENDER_ID),),
        SMPVersion.SENDER_SECURES,
    ),
    "read_link": Method(
        lambda client: client.read_link(LINK_ID),
        LNK(SENDER_ID, LINK_DATA),
        ((smp.LGET(), LINK_ID),),
        SMPVersion.SHORT_LINKS,
        NO_KEY,
    ),
    "secure_and_read_link": Method(
        lambda client: client.secure_and_read_link(LINK_ID, KEY),
        LNK(SENDER_ID, LINK_DATA),
        ((smp.LKEY(KEY.public), LINK_ID),),
        SMPVersion.SHORT_LINKS,
    ),
    "ping": Method(lambda client: client.ping(), None, ((smp.PING(), b""),), keys=NO_KEY),
    "resolve_name": Method(
        lambda client: client.resolve_name(DOMAIN),
        RECORD,
        ((smp.RSLV(DOMAIN), b""),),
        SMPVersion.NAMES,
        NO_KEY,
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_method_at_every_version(version: int) -> None:
    router = QueuesOfARouter()
    async with (
        ROUTER.open_client(config(version=version)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(peer.serve, router.respond)
        assert client.version == peer.agreement.session.version == version
        for name, method in METHODS.items():
            router.asked.clear()
            if version < method.since:
                with pytest.raises(UnsupportedVersion):
                    await method.call(client)
                assert router.asked == [], name
                continue
            assert await method.call(client) == method.result, name
            sent = [(each.command, each.transmission.entity_id) for each in router.asked]
            assert sent == [*method.sent], name
            for each in router.asked:
                check_authorization(peer, each, [key.public for key in method.keys])
        await client.aclose()


def check_authorization(peer: Peer, received: Received, keys: list[AuthPublicKey]) -> None:
    if keys:
        assert is_authorized(peer, received, keys)
    else:
        assert not received.transmission.authorization


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        (version, type(key))
        for version in (6, 7, 15, 16, 20)
        for key in KEYS
        if version >= SMPVersion.AUTHENTICATORS or not isinstance(key, X25519PrivateKey)
    ],
)
async def test_every_kind_of_key(version: int, kind: type[AuthPrivateKey]) -> None:
    router = QueuesOfARouter()
    key = kind.generate()
    async with (
        ROUTER.open_client(config(version=version)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(peer.serve, router.respond)
        await client.subscribe(QueueAccess(QUEUE, key))
        await client.send(SENDER_ID, b"hello", key)
        for each in router.asked:
            assert is_authorized(peer, each, [key.public])
            assert not is_authorized(peer, each, [kind.generate().public])
        await client.aclose()


# --- creating queues ------------------------------------------------------------------------------

NONCE = b"what the sender id is of"
CHOSEN = sender_id(NONCE)

CREATIONS: dict[str, tuple[int, Callable[[SMPClient], Awaitable[ReceivingQueue]]]] = {
    "plain": (OLDEST, lambda client: client.create_queue()),
    "without subscribing": (OLDEST, lambda client: client.create_queue(subscribe=False)),
    "with a password": (OLDEST, lambda client: client.create_queue(basic_auth=b"secret")),
    "for messages": (
        SMPVersion.SENDER_SECURES,
        lambda client: client.create_queue(MessagingRequest()),
    ),
    "for contact": (
        SMPVersion.SENDER_SECURES,
        lambda client: client.create_queue(ContactRequest()),
    ),
    "for messages, with a link": (
        SMPVersion.SHORT_LINKS,
        lambda client: client.create_queue(
            MessagingRequest(MessagingLink(CHOSEN, LINK_DATA)), correlation_id=NONCE
        ),
    ),
    "for contact, with a link": (
        SMPVersion.SHORT_LINKS,
        lambda client: client.create_queue(
            ContactRequest(ContactLink(LINK_ID, CHOSEN, LINK_DATA)), correlation_id=NONCE
        ),
    ),
    "with a notifier": (
        SMPVersion.NEW_WITH_NOTIFIER,
        lambda client: client.create_queue(notifier_key=KEY.public),
    ),
}


@pytest.mark.parametrize("name", CREATIONS)
@pytest.mark.parametrize("version", [6, 8, 9, 14, 15, 16, 17, 20])
async def test_creating_queues(version: int, name: str) -> None:
    since, create = CREATIONS[name]
    router = QueuesOfARouter()
    async with (
        ROUTER.open_client(config(version=version)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(peer.serve, router.respond)
        if version < since:
            with pytest.raises(UnsupportedVersion):
                await create(client)
            assert router.asked == []
        else:
            queue = await create(client)
            (asked,) = router.asked
            check_creation(peer, asked, queue, name)
            agreed = BoxKey.agree(router.dh_key, new_of(asked).dh_key)
            assert queue.delivery_key == agreed
            if queue.notifier is not None:
                notifier = new_of(asked).notifier
                assert notifier is not None
                assert queue.notifier == NotifierCredentials(
                    NOTIFIER_ID, BoxKey.agree(router.dh_key, notifier.dh_key)
                )
        await client.aclose()


def new_of(received: Received) -> smp.NEW:
    assert isinstance(received.command, smp.NEW)
    return received.command


def check_creation(peer: Peer, asked: Received, queue: ReceivingQueue, name: str) -> None:
    new = new_of(asked)
    version = peer.agreement.session.version
    assert is_authorized(peer, asked, [new.auth_key])
    assert queue.key.public == new.auth_key
    assert queue.recipient_id == RECIPIENT_ID
    assert new.subscribe == (name != "without subscribing")
    assert new.basic_auth == (b"secret" if name == "with a password" else None)
    contact = "contact" in name
    if version >= SMPVersion.SENDER_SECURES:
        assert isinstance(new.queue_request, ContactRequest if contact else MessagingRequest)
        assert queue.mode is (QueueMode.CONTACT if contact else QueueMode.MESSAGING)
    else:
        assert queue.mode is None
    if "link" in name:
        assert asked.transmission.correlation_id == NONCE
        assert queue.sender_id == CHOSEN
        assert queue.link_id == LINK_ID
    else:
        assert queue.sender_id == SENDER_ID
        assert queue.link_id is None
    assert (queue.notifier is None) == (name != "with a notifier")


async def test_keys_that_are_given_are_used() -> None:
    router = QueuesOfARouter()
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        key, dh_key = Ed448PrivateKey.generate(), X25519PrivateKey.generate()
        queue = await client.create_queue(key=key, dh_key=dh_key, correlation_id=NONCE)
        new = new_of(router.asked[0])
        assert (new.auth_key, new.dh_key) == (key.public, dh_key.public)
        assert router.asked[0].transmission.correlation_id == NONCE
        assert queue.key is key
        await client.aclose()


async def test_every_queue_has_keys_of_its_own() -> None:
    router = QueuesOfARouter()
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        for _ in range(2):
            await client.create_queue()
        first, second = (new_of(asked) for asked in router.asked)
        assert first.auth_key != second.auth_key
        assert first.dh_key != second.dh_key
        await client.aclose()


@pytest.mark.parametrize("correlation_id", [None, b"another one with 24 byte"])
async def test_a_link_needs_the_id_that_its_sender_id_follows_from(
    correlation_id: bytes | None,
) -> None:
    async with ROUTER.open_client() as (client, _peer):
        request = MessagingRequest(MessagingLink(CHOSEN, LINK_DATA))
        with pytest.raises(EncodeError):
            await client.create_queue(request, correlation_id=correlation_id)
        assert client.statistics().requests == 0


# --- notifiers ------------------------------------------------------------------------------------


async def test_enabling_notifications() -> None:
    router = QueuesOfARouter()
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        one = await client.enable_notifications(ACCESS, KEYS[1].public)
        two, three = await client.enable_notifications_many(
            [(ACCESS, KEYS[1].public), (OTHER_ACCESS, KEYS[2].public)]
        )
        asked = [each.command for each in router.asked]
        for credentials, command in zip((one, two, three), asked, strict=True):
            assert isinstance(command, smp.NKEY)
            key = BoxKey.agree(router.dh_key, command.keys.dh_key)
            assert credentials == NotifierCredentials(NOTIFIER_ID, key)
        assert len({each.keys.dh_key for each in asked if isinstance(each, smp.NKEY)}) == 3
        await client.aclose()


async def test_a_batch_of_notifiers_fails_one_by_one() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        caller = start(
            nursery, lambda: client.enable_notifications_many([(ACCESS, KEY.public)] * 4)
        )
        asked = [await peer.next_command() for _ in range(4)]
        dh_key = X25519PrivateKey.generate().public
        await peer.send(
            peer.answer(asked[0], NID(NotifierIds(NOTIFIER_ID, dh_key))),
            peer.answer(asked[1], ERR(Code.AUTH)),
            peer.answer(asked[2], SOK()),
            peer.answer(asked[3], NID(NotifierIds(NOTIFIER_ID, dh_key))),
        )
    kinds = [type(result) for result in caller.result]
    assert kinds == [
        NotifierCredentials,
        RouterError,
        UnexpectedResponseError,
        NotifierCredentials,
    ]


# --- answers --------------------------------------------------------------------------------------


async def test_batches_fail_one_by_one() -> None:
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        for call, good, result in (
            (client.subscribe_many, SOK(), None),
            (client.subscribe_many, SOK(b"a service"), b"a service"),
            (client.delete_many, OK(), None),
            (client.disable_notifications_many, OK(), None),
        ):
            caller = start(nursery, partial(call, [ACCESS, OTHER_ACCESS, ACCESS]))
            asked = [await peer.next_command() for _ in range(3)]
            answers: list[Message] = [good, ERR(Code.AUTH), LNK(SENDER_ID, LINK_DATA)]
            await peer.send(*map(peer.answer, asked, answers))
            while not caller.finished:
                await trio.lowlevel.checkpoint()
            assert caller.result[0] == result
            assert isinstance(caller.result[1], RouterError)
            assert isinstance(caller.result[2], UnexpectedResponseError)


async def test_a_router_before_sok_says_ok() -> None:
    async with (
        ROUTER.open_client(config(version=15)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        caller = start(nursery, lambda: client.subscribe(ACCESS))
        await peer.send(peer.answer(await peer.next_command(), OK()))
    assert caller.finished
    assert caller.error is None


@pytest.mark.parametrize("name", METHODS)
async def test_what_the_router_refuses(name: str) -> None:
    error = Cmd(CommandErrorKind.PROHIBITED)

    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, lambda _received: ERR(error))
        if name.endswith("_many"):
            results = await METHODS[name].call(client)
            assert isinstance(results, list)
        else:
            with pytest.raises(RouterError) as refused:
                await METHODS[name].call(client)
            results = [refused.value]
        for result in results:
            assert isinstance(result, RouterError)
            assert result.error == error
            assert not result.retryable
        assert client.statistics().pending == 0
        await client.aclose()


@pytest.mark.parametrize("name", METHODS)
async def test_an_answer_that_fits_no_command(name: str) -> None:
    answer = IDS(RECIPIENT_ID, SENDER_ID, X25519PrivateKey.generate().public)
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, lambda _received: answer)
        if name.endswith("_many"):
            results = await METHODS[name].call(client)
            assert isinstance(results, list)
        else:
            with pytest.raises(SimplexError) as refused:
                await METHODS[name].call(client)
            results = [refused.value]
        assert [type(each) for each in results] == [UnexpectedResponseError] * len(results)
        await client.aclose()


async def test_errors_that_may_pass() -> None:
    for code, retryable in ((Code.QUOTA, True), (Code.INTERNAL, True), (Code.AUTH, False)):
        assert RouterError(code).retryable == retryable
        assert str(RouterError(code)) == str(code)


# --- refused here ---------------------------------------------------------------------------------


async def test_services_are_for_services() -> None:
    async with ROUTER.open_client() as (client, _peer):
        for call in (client.subscribe_service, client.subscribe_service_notifications):
            with pytest.raises(NotAService):
                await call(ServiceSubs())
        assert client.service is None
        assert client.statistics().requests == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda client: client.send(b"", b"to no queue"), EncodeError),
        (lambda client: client.send(bytes(256), b"to no queue"), EncodeError),
        (lambda client: client.send(SENDER_ID, bytes(16_049)), TooLarge),
        (lambda client: client.acknowledge(ACCESS, bytes(256)), EncodeError),
        (lambda client: client.subscribe(QueueAccess(b"", KEY)), EncodeError),
        (lambda client: client.subscribe(QueueAccess(bytes(256), KEY)), EncodeError),
        (lambda client: client.set_recipient_keys(ACCESS, []), EncodeError),
        (lambda client: client.set_recipient_keys(ACCESS, [KEY.public] * 256), EncodeError),
        (lambda client: client.set_link(ACCESS, bytes(256), LINK_DATA), EncodeError),
        (lambda client: client.read_link(b""), EncodeError),
        (lambda client: client.create_queue(basic_auth=b"with space"), EncodeError),
        (lambda client: client.create_queue(correlation_id=b"short"), ValueError),
        (lambda client: client.send("text", b"body"), TypeError),
        (lambda client: client.send(SENDER_ID, "text"), TypeError),
    ],
)
async def test_what_is_refused_before_anything_is_sent(call: Call, error: type[Exception]) -> None:
    async with ROUTER.open_client() as (client, _peer):
        with pytest.raises(error):
            await call(client)
        assert client.statistics().requests == 0
        assert client.statistics().pending == 0


# --- what a client says of itself -----------------------------------------------------------------


async def test_what_a_client_knows_about_its_connection() -> None:
    async with ROUTER.open_client() as (client, peer):
        assert client.address == ROUTER.address
        assert client.session_id == peer.agreement.session.session_id == client.tls.session_id
        assert client.version == SMP_VERSIONS.highest
        assert client.agreement.shared_secret == peer.agreement.shared_secret
        assert repr(client) == "<SMPClient connected, 0 requests pending>"


async def test_a_router_without_alpn_offers_the_oldest_version(autojump_clock: MockClock) -> None:
    async with ScriptedSMPRouter(alpn=None).open_client() as (client, _peer):
        assert client.version == 6


@pytest.mark.parametrize("highest", VERSIONS)
async def test_the_highest_common_version_is_agreed(highest: int) -> None:
    router = ScriptedSMPRouter(VersionRange(OLDEST, highest))
    async with router.open_client() as (client, peer), trio.open_nursery() as nursery:
        assert client.version == highest
        nursery.start_soon(peer.serve, lambda _received: PONG())
        await client.ping()
        await client.aclose()
