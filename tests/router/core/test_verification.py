"""A refusal takes the same work whatever it is for; an ordinary command takes one check."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.router.core.model import MAX_OWNERS
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.smp.commands import ACK, DEL, GET, NSUB, RKEY, SEND, SKEY, SUB, Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import OK, SOK
from simplex_trio.wire.smp.new_queue import ContactRequest, MessagingRequest
from tests.router.core.bench import Bench, BenchClient, OwnedQueue, error

KINDS: dict[str, Callable[[int], AuthPrivateKey]] = {
    "X25519": lambda number: X25519PrivateKey(bytes([number]) * 32),
    "Ed25519": lambda number: Ed25519PrivateKey(bytes([number]) * 32),
    "Ed448": lambda number: Ed448PrivateKey(bytes([number]) * 57),
}
OWNER = KINDS["Ed25519"](40)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Callable[[int], AuthPrivateKey]:
    return KINDS[request.param]


def with_owners(client: BenchClient, *owners: AuthPrivateKey) -> OwnedQueue:
    queue = client.create(ContactRequest(), key=OWNER)
    command = RKEY(tuple(owner.public for owner in owners))
    assert client.ask(command, queue.recipient_id, OWNER) == OK()
    return queue


def cost(bench: Bench, command: Command, entity_id: bytes, key: AuthPrivateKey) -> int:
    """What a new connection makes the router do with a command that it refuses."""
    client = bench.client()
    assert error(client.ask(command, entity_id, key)) is Code.AUTH
    return client.client.verifier.spent


@pytest.mark.parametrize("command", [SUB(), GET(), ACK(b"m" * 24), DEL()], ids=lambda c: c.TAG)
def test_refusing_recipients_costs_the_same(
    make: Callable[[int], AuthPrivateKey], command: Command
) -> None:
    bench = Bench()
    client = bench.client()
    stranger = make(99)
    costs = {cost(bench, command, b"no such queue" + bytes(11), stranger)}
    for kind in KINDS.values():
        for number in (1, 2, MAX_OWNERS):
            queue = with_owners(client, *map(kind, range(1, number + 1)))
            costs.add(cost(bench, command, queue.recipient_id, stranger))
    mixed = [kind(number) for number in (1, 2) for kind in KINDS.values()]
    costs.add(cost(bench, command, with_owners(client, *mixed).recipient_id, stranger))
    assert len(costs) == 1


def test_refusing_senders_and_notifiers_costs_the_same(
    make: Callable[[int], AuthPrivateKey],
) -> None:
    bench = Bench()
    client = bench.client()
    stranger, nowhere = make(99), b"no such queue" + bytes(11)
    send, secure = SEND(MessageFlags(), b"x"), SKEY(stranger.public)
    for command in (send, secure, NSUB()):
        costs = {cost(bench, command, nowhere, stranger)}
        for kind in KINDS.values():
            queue = client.create(MessagingRequest())
            notifier_id = client.add_notifier(queue, kind(5))
            entity_id = notifier_id if isinstance(command, NSUB) else queue.sender_id
            if command is not send:
                costs.add(cost(bench, NSUB(), notifier_id, stranger))
            client.ask(SKEY(kind(6).public), queue.sender_id, kind(6))
            costs.add(cost(bench, command, entity_id, stranger))
        assert len(costs) == 1


def test_ordinary_command_costs_one_check(make: Callable[[int], AuthPrivateKey]) -> None:
    bench = Bench()
    key = make(1)
    queue = bench.client().create(key=key)
    refused = cost(bench, SUB(), queue.recipient_id, make(2))
    client = bench.client()
    assert client.ask(SUB(), queue.recipient_id, key) == SOK()
    assert client.client.verifier.spent * MAX_OWNERS == refused


# --- how many owners ----------------------------------------------------------------------------


def test_queue_has_so_many_owners(make: Callable[[int], AuthPrivateKey]) -> None:
    bench = Bench()
    client = bench.client()
    owners = [make(number) for number in range(1, MAX_OWNERS + 2)]
    queue = with_owners(client, *owners[:MAX_OWNERS])
    for owner in owners[:MAX_OWNERS]:
        assert bench.client().ask(SUB(), queue.recipient_id, owner) == SOK()
    too_many = RKEY(tuple(owner.public for owner in owners))
    answer = client.ask(too_many, queue.recipient_id, owners[0])
    assert error(answer) == Cmd(CommandErrorKind.PROHIBITED)
    record = bench.kept.queues[queue.recipient_id]
    assert record.recipient_keys == too_many.recipient_keys[:MAX_OWNERS]


def test_of_more_owners_in_the_store_the_first_count(make: Callable[[int], AuthPrivateKey]) -> None:
    bench = Bench()
    queue = bench.client().create(ContactRequest())
    owners = [make(number) for number in range(1, 100)]
    record = bench.kept.queues[queue.recipient_id]
    keys = tuple(owner.public for owner in owners)
    bench.kept.queues[queue.recipient_id] = evolve(record, recipient_keys=keys)
    bench.restart()
    refused = cost(bench, SUB(), queue.recipient_id, owners[MAX_OWNERS])
    assert refused == cost(bench, SUB(), b"no such queue" + bytes(11), owners[0])
    last = owners[MAX_OWNERS - 1]
    assert bench.client().ask(SUB(), queue.recipient_id, last) == SOK()
    assert bench.kept.queues[queue.recipient_id].recipient_keys == keys
    fewer = RKEY((owners[-1].public,))
    assert bench.client().ask(fewer, queue.recipient_id, last) == OK()
    assert bench.client().ask(SUB(), queue.recipient_id, owners[-1]) == SOK()
