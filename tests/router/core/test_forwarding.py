"""Being the destination of a proxy: what may come through, and what is wrong with the layers."""

from __future__ import annotations

import pytest

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_trio.router.core.decisions import Decision, RemoteCommand
from simplex_trio.router.core.replies import DeferredForwarded
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.errors.values import (
    Broker,
    Cmd,
    Code,
    CommandErrorKind,
    Name,
    NameErrorKind,
    Proxy,
    TransportError,
    TransportErrorKind,
)
from simplex_trio.wire.reading import ReceivedMessage, read_messages
from simplex_trio.wire.smp.commands import (
    LGET,
    LKEY,
    LSET,
    PING,
    RFWD,
    RSLV,
    SEND,
    SKEY,
    SUB,
    Command,
)
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.smp.handshake import smp_session
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import ERR, LNK, OK, RRES, Message, decode_message
from simplex_trio.wire.smp.names import Domain
from simplex_trio.wire.smp.new_queue import MessagingRequest
from simplex_trio.wire.smp.proxied import (
    open_answer,
    open_forwarded_answer,
    seal_command,
    seal_forwarded,
)
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from tests.router.core.bench import KEY, OTHER_KEY, STORE_FAILED, Bench, BenchClient, error

OUTER_ID = b"\x0a" * 24
INNER_ID = b"\x0b" * 24
PROXY_KEY = BoxKey.from_secret(b"\x05" * 32)


class Sender:
    """A client behind a proxy, and the proxy."""

    def __init__(self, proxy: BenchClient, version: int = 20) -> None:
        self.proxy = proxy
        self.version = version
        self._once = X25519PrivateKey(b"\x0c" * 32)
        self._box = BoxKey.agree(self._once, proxy.session_key)
        self._session = smp_session(version, (1).to_bytes(32, "big"))

    def content(
        self, command: Command, entity_id: bytes = b"", key: AuthPrivateKey | None = None
    ) -> bytes:
        encoded = command.encode(self.version)
        unsent = prepare_transmission(self._session, INNER_ID, entity_id, encoded)
        batch = Batch(self._session)
        batch.add(Authorizer(self.proxy.session_key).finish(unsent, key, INNER_ID))
        return batch.content()

    def sealed(self, content: bytes, key: X25519PublicKey | None = None) -> RFWD:
        inner = seal_command(self._box, INNER_ID, content)
        forwarded = FwdTransmission(INNER_ID, self.version, key or self._once.public, inner)
        return RFWD(seal_forwarded(PROXY_KEY, OUTER_ID, forwarded))

    def open(self, answer: object) -> Message:
        assert isinstance(answer, RRES), answer
        response = open_forwarded_answer(PROXY_KEY, OUTER_ID, answer.sealed)
        assert response.correlation_id == INNER_ID
        content = open_answer(self._box, INNER_ID, response.sealed)
        (said,) = read_messages(content, self._session, decode_message)
        assert isinstance(said, ReceivedMessage)
        return said.message

    def ask(
        self, command: Command, entity_id: bytes = b"", key: AuthPrivateKey | None = None
    ) -> Message:
        sealed = self.sealed(self.content(command, entity_id, key))
        return self.open(self.proxy.ask(sealed, correlation_id=OUTER_ID))


def setup(version: int = 20) -> tuple[Bench, Sender]:
    bench = Bench()
    return bench, Sender(bench.client(), version)


@pytest.mark.parametrize("version", [8, 9, 14, 16, 20])
@pytest.mark.parametrize("key", [OTHER_KEY, X25519PrivateKey(b"\x0d" * 32)])
def test_sending(version: int, key: AuthPrivateKey) -> None:
    bench, sender = setup(version)
    owner = bench.client()
    queue = owner.create(MessagingRequest())
    assert sender.ask(SEND(MessageFlags(), b"unsecured"), queue.sender_id) == OK()
    assert sender.ask(SKEY(key.public), queue.sender_id, key) == OK()
    assert sender.ask(SEND(MessageFlags(), b"secured"), queue.sender_id, key) == OK()
    assert error(sender.ask(SEND(MessageFlags(), b"no"), queue.sender_id)) is Code.AUTH
    assert [body for _, _, body in bench.kept.messages.values()] == [b"unsecured", b"secured"]


def test_length_goes_by_the_inner_version() -> None:
    bench, sender = setup(8)
    queue = bench.client().create(MessagingRequest())
    assert sender.ask(SEND(MessageFlags(), bytes(16064)), queue.sender_id) == OK()
    sender.version = 11
    answer = sender.ask(SEND(MessageFlags(), bytes(16064)), queue.sender_id)
    assert error(answer) is Code.LARGE_MSG


def test_links_come_when_they_are_read() -> None:
    bench, sender = setup()
    owner = bench.client()
    queue = owner.create(MessagingRequest())
    command = sender.sealed(sender.content(LGET(), b"no such link"))
    assert error(sender.open(sender.proxy.ask(command, correlation_id=OUTER_ID))) is Code.AUTH
    data = QueueLinkData(b"fixed", b"user")
    owner.ask(LSET(b"link", data), queue.recipient_id, KEY)
    command = sender.sealed(sender.content(LKEY(OTHER_KEY.public), b"link", OTHER_KEY))
    deferred = sender.proxy.ask(command, correlation_id=OUTER_ID)
    assert isinstance(deferred, DeferredForwarded)
    link = LNK(queue.sender_id, data)
    assert sender.open(deferred.envelope.seal(link)) == link


def test_names() -> None:
    _, sender = setup()
    answer = sender.ask(RSLV(Domain.parse("alice.simplex")))
    assert error(answer) == Name(NameErrorKind.NO_RESOLVER)


def test_names_that_take_their_time() -> None:
    bench = Bench(resolves_names=True)
    sender = Sender(bench.client())
    command = sender.sealed(sender.content(RSLV(Domain.parse("alice.simplex"))))
    remote = sender.proxy.give(command, correlation_id=OUTER_ID)
    assert isinstance(remote, RemoteCommand)
    assert isinstance(remote.received.command, RSLV)
    not_found = ERR(Name(NameErrorKind.NOT_FOUND))
    assert remote.envelope is not None
    assert sender.open(remote.envelope.seal(not_found)) == not_found


@pytest.mark.parametrize(
    ("command", "entity_id", "key"),
    [(SUB(), b"q", KEY), (PING(), b"", None), (RFWD(b"x"), b"", None)],
)
def test_other_commands_are_not_for_proxies(
    command: Command, entity_id: bytes, key: AuthPrivateKey | None
) -> None:
    _, sender = setup()
    assert error(sender.ask(command, entity_id, key)) == Cmd(CommandErrorKind.PROHIBITED)


def test_nonsense_inside_is_answered_inside() -> None:
    _, sender = setup()
    for content, expected in (
        (b"", Code.BLOCK),
        (b"\x01\x00\x01x", Code.BLOCK),
        (sender.content(SEND(MessageFlags(), b"x")), Cmd(CommandErrorKind.NO_ENTITY)),
    ):
        answer = sender.proxy.ask(sender.sealed(content), correlation_id=OUTER_ID)
        assert error(sender.open(answer)) == expected


def test_one_command_at_a_time() -> None:
    _, sender = setup()
    one = sender.content(PING())[1:]
    answer = sender.proxy.ask(sender.sealed(b"\x02" + one + one), correlation_id=OUTER_ID)
    assert error(answer) is Code.BLOCK


def test_layers_that_do_not_open() -> None:
    _, sender = setup()
    ask = sender.proxy.ask
    assert error(ask(RFWD(b"abc"))) is Code.CRYPTO
    right = sender.sealed(sender.content(PING()))
    assert error(ask(right)) is Code.CRYPTO  # under another correlation id
    empty = RFWD(PROXY_KEY.seal(OUTER_ID, b"nonsense"))
    assert error(ask(empty, correlation_id=OUTER_ID)) == Cmd(CommandErrorKind.SYNTAX)
    for key in (X25519PublicKey(bytes(32)), X25519PrivateKey(b"\x0e" * 32).public):
        wrong = sender.sealed(sender.content(PING()), key)
        assert error(ask(wrong, correlation_id=OUTER_ID)) is Code.CRYPTO


def test_proxy_without_a_key() -> None:
    _, sender = setup()
    sender.proxy.client.shared_secret = None
    expected = Proxy(Broker(TransportError(TransportErrorKind.NO_AUTH)))
    assert error(sender.proxy.ask(RFWD(b"abc"))) == expected


def test_store_that_refuses_is_told_inside() -> None:
    bench, sender = setup()
    queue = bench.client().create(MessagingRequest())
    bench.hold = True
    command = sender.sealed(sender.content(SEND(MessageFlags(), b"x"), queue.sender_id))
    answered = sender.proxy.give(command, correlation_id=OUTER_ID)
    bench.refuse()
    assert sender.proxy.answers == [STORE_FAILED]
    assert isinstance(answered, Decision)
    assert answered.envelope is not None
    assert sender.open(answered.envelope.seal(OK())) == OK()
