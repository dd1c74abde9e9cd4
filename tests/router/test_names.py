"""Names: answered by a resolver in its own time, or not at all."""

from __future__ import annotations

import trio

from simplex_trio.router.core.counters import Count
from simplex_trio.router.names import NameNotFound, ResolverFailed
from simplex_trio.wire.errors.values import Name, NameErrorKind, Resolver
from simplex_trio.wire.smp.commands import PING, RSLV
from simplex_trio.wire.smp.messages import ERR, PONG, RNAME
from simplex_trio.wire.smp.names import Domain, NameRecord
from tests.router.house import open_house

ALICE = Domain.parse("alice.simplex")
RECORD = NameRecord(
    *("alice.simplex", "Alice", "", "", ("contact",), (), None, None, None, None, "0x1", "0x2")
)


async def resolver(domain: Domain) -> NameRecord:
    await trio.lowlevel.checkpoint()
    match domain.domain:
        case "alice":
            return RECORD
        case "broken":
            raise ResolverFailed("HTTP 500")
        case _:
            raise NameNotFound


async def test_answers_of_a_resolver() -> None:
    async with open_house(resolver=resolver) as house:
        client = await house.connect()
        assert await client.ask(RSLV(ALICE)) == RNAME(RECORD)
        not_found = ERR(Name(NameErrorKind.NOT_FOUND))
        assert await client.ask(RSLV(Domain.parse("bob.simplex"))) == not_found
        failed = ERR(Name(Resolver("HTTP 500")))
        assert await client.ask(RSLV(Domain.parse("broken.simplex"))) == failed
        assert house.hub.state.counters[Count.NAMES_REQUESTED] == 3
        assert house.hub.state.counters[Count.NAMES_RESOLVED] == 1


async def test_slow_resolver_holds_up_nothing_else() -> None:
    go = trio.Event()

    async def slow(domain: Domain) -> NameRecord:
        await go.wait()
        return RECORD

    async with open_house(resolver=slow) as house:
        client = await house.connect()
        await client.send(client.transmission(RSLV(ALICE)), client.transmission(PING()))
        assert (await client.read()).message == PONG()
        go.set()
        assert (await client.read()).message == RNAME(RECORD)


async def test_without_a_resolver() -> None:
    async with open_house() as house:
        client = await house.connect()
        assert await client.ask(RSLV(ALICE)) == ERR(Name(NameErrorKind.NO_RESOLVER))
