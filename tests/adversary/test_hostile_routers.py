"""Clients, agents and the command line against routers and proxies that mean harm."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import CannotConnect
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.backoff import Backoff
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.errors import ConnectError, SimplexError
from tests.adversary.figures import note, sized
from tests.adversary.hostile import Conversation, Script, hostile_router
from tests.adversary.smp import BLOCK, Answer, block_of, pad, short, word
from tests.cli.support import call

SECONDS = 30
"""For a test as a whole; the client's own deadlines are far shorter."""

CONFIG = SMPClientConfig(
    engine=EngineConfig(
        connect_timeouts=Timeouts(background=1, interactive=1),
        request_timeouts=Timeouts(background=1, interactive=1),
    )
)


def never_shakes_hands() -> dict[str, Script]:
    """What a router may do before it is one."""
    chosen = random.Random("routers")

    def in_the_clear(data: bytes) -> Script:
        return lambda router: router.send(data)

    def first_block(make: Callable[[Conversation], bytes]) -> Script:
        def script(router: Conversation) -> None:
            router.start_tls()
            router.send(make(router))
            router.read_block()

        return script

    def leaves_in_tls(router: Conversation) -> None:
        router.start_tls()

    def says_nothing(router: Conversation) -> None:
        router.start_tls()
        router.sock.recv(1)

    def says_nothing_in_tcp(router: Conversation) -> None:
        while router.sock.recv(BLOCK):
            pass

    def leaves_in_a_hello(router: Conversation) -> None:
        router.start_tls()
        router.send(bytes(BLOCK // 2))

    large = word(0xFFFF)
    scripts: dict[str, Script] = {
        "leaves at once": lambda _: None,
        "says nothing in TCP": says_nothing_in_tcp,
        "is no TLS": in_the_clear(b"HTTP/1.1 200 OK\r\n\r\n"),
        "sends zeros": in_the_clear(bytes(100_000)),
        "sends a record of the greatest size": in_the_clear(
            b"\x16\x03\x03\xff\xff" + bytes(70_000)
        ),
        "leaves in TLS": leaves_in_tls,
        "says nothing in TLS": says_nothing,
        "leaves in its hello": leaves_in_a_hello,
        "has an empty hello": first_block(lambda _: pad(b"")),
        "has a hello of zeros": first_block(lambda _: bytes(BLOCK)),
        "has a hello longer than a block": first_block(lambda _: b"\xff" * BLOCK),
        "has unknown versions": first_block(lambda r: pad(r.hello(versions=(900, 901)))),
        "has versions in the wrong order": first_block(lambda r: pad(r.hello(versions=(18, 6)))),
        "names another session": first_block(lambda r: pad(r.hello(session_id=bytes(32)))),
        "names no session": first_block(lambda r: pad(r.hello(session_id=b""))),
        "shows no chain": first_block(lambda r: pad(r.hello(chain=b"\0"))),
        "counts 255 certificates": first_block(lambda r: pad(r.hello(chain=b"\xff" + large * 8))),
        "shows 255 certificates": first_block(
            lambda r: pad(r.hello(chain=b"\xff" + (word(1) + b"x") * 255))
        ),
        "shows garbage as a chain": first_block(
            lambda r: pad(r.hello(chain=b"\x02" + (word(200) + bytes(200)) * 2))
        ),
        "shows no key": first_block(lambda r: pad(r.hello(key=b""))),
        "shows garbage as a key": first_block(lambda r: pad(r.hello(key=word(100) + bytes(100)))),
        "shows a key of endless length": first_block(
            lambda r: pad(r.hello(key=word(6) + b"\x30\x84\xff\xff\xff\xff"))
        ),
    }
    for number in range(sized(5, 50)):
        data = chosen.randbytes(BLOCK)
        scripts[f"garbage {number}"] = first_block(lambda _, data=data: data)  # type: ignore[misc]
    return scripts


Use = Callable[[SMPClient], Awaitable[object]]


async def told(scripts: dict[str, Script], use: Use, kind: type[SimplexError]) -> str:
    """How a client does with each of many routers at the same time: always with an error."""
    kinds: Counter[str] = Counter()

    async def meet(name: str, address: str) -> None:
        try:
            async with open_smp_client(address, CONFIG) as client:
                await use(client)
        except kind as exc:
            kinds[type(exc).__name__] += 1
            shown = repr(exc)
        else:
            raise AssertionError(f"a router that {name} has been believed")
        assert "\x1b" not in shown

    with ExitStack() as stack, trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for name, script in scripts.items():
                nursery.start_soon(meet, name, stack.enter_context(hostile_router(script)))
    assert kinds.total() == len(scripts)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


async def test_no_router_at_all() -> None:
    """Each is a typed error within the deadline for connecting."""
    figure = await told(never_shakes_hands(), SMPClient.ping, ConnectError)
    note("client", "routers that never shake hands", "one typed error each", figure)


def answers(make: Callable[[Conversation, Answer], bytes]) -> Script:
    """A router that sends a block for each command."""

    def script(router: Conversation) -> None:
        router.shake_hands()
        for command in router.commands():
            router.send(make(router, command))

    return script


def misbehaves() -> dict[str, Script]:
    """What a router may do once it has shaken hands, and is asked for a queue."""
    chosen = random.Random("answers")

    def flood(block: Callable[[Conversation], bytes]) -> Script:
        def script(router: Conversation) -> None:
            router.shake_hands()
            sent = block(router)
            while True:
                router.send(sent)

        return script

    def leaves(router: Conversation) -> None:
        router.shake_hands()

    def leaves_in_a_block(router: Conversation) -> None:
        router.shake_hands()
        next(router.commands())
        router.send(bytes(5000))

    def stops_in_a_block(router: Conversation) -> None:
        router.shake_hands()
        next(router.commands())
        router.send(bytes(5000))
        router.sock.recv(BLOCK)
        router.sock.recv(BLOCK)

    def never_answers(router: Conversation) -> None:
        router.shake_hands()
        for _ in router.commands():
            pass

    def of(message: bytes) -> Script:
        return answers(lambda router, to: block_of([router.answer(to, message)]))

    event = b"\0\0" + short(os.urandom(24))
    key = b"\x2c" + bytes(44)
    scripts: dict[str, Script] = {
        "leaves": leaves,
        "leaves in a block": leaves_in_a_block,
        "stops in a block": stops_in_a_block,
        "never answers": never_answers,
        "answers with zeros": answers(lambda *_: bytes(BLOCK)),
        "answers with a block of no length": answers(lambda *_: b"\xff" * BLOCK),
        "counts to 255": answers(lambda *_: pad(b"\xff" + word(0xFFFF))),
        "counts empty transmissions": answers(lambda *_: pad(b"\xff" + word(0) * 255)),
        "answers another request": answers(
            lambda *_: block_of([b"\0" + short(os.urandom(24)) + b"\0OK"] * 100)
        ),
        "answers for another queue": answers(
            lambda _, to: block_of([b"\0" + short(to.correlation_id) + short(bytes(24)) + b"OK"])
        ),
        "answers a hundred times": answers(
            lambda router, to: block_of([router.answer(to, b"ERR AUTH")] * 100)
        ),
        "answers OK": of(b"OK"),
        "answers with a message of an unknown queue": of(b"MSG " + short(bytes(24)) + bytes(100)),
        "answers with ids of no length": of(b"IDS \0\0" + key + b"T"),
        "answers with ids of endless length": of(b"IDS \xff\xff"),
        "answers with a key that is none": of(b"IDS " + short(bytes(24)) * 2 + key + b"T"),
        "answers with errors in errors": of(b"ERR " + b"PROXY PROTOCOL " * 1000 + b"AUTH"),
        "answers with an error of no kind": of(b"ERR " + b"\x1b[2J" * 100),
        "answers with a long error": of(b"ERR STORE " + b"\x1b[2J" * 3000),
        "answers with deep JSON": of(b"ERR BLOCKED reason=spam,notice=" + b'{"a":' * 3000),
        "answers with long numbers": of(b'ERR BLOCKED reason=spam,notice={"ttl":' + b"9" * 9000),
        "floods with ends": flood(lambda _: block_of([event + b"END"] * 200)),
        "floods with messages": flood(
            lambda _: block_of([event + b"MSG " + short(bytes(24)) + bytes(16000)])
        ),
        "floods with what is nothing": flood(lambda _: pad(b"\x01" + word(4) + b"\0\0\0x")),
        "floods with answers": flood(
            lambda _: block_of([b"\0" + short(os.urandom(24)) + b"\0OK"] * 200)
        ),
    }
    for number in range(sized(10, 50)):
        said = chosen.randbytes(chosen.randrange(100))
        scripts[f"garbage {number}"] = of(said)
    return scripts


async def test_bad_routers() -> None:
    """Whatever a router does, its client raises a typed error, and ends."""
    figure = await told(misbehaves(), SMPClient.create_queue, SimplexError)
    note("client", "routers that misbehave", "one typed error each", figure)


async def test_events_that_are_not_read_are_bounded() -> None:
    """A program that reads no events loses its connection, and not its memory."""

    def script(router: Conversation) -> None:
        router.shake_hands()
        event = b"\0\0" + short(bytes(24)) + b"MSG " + short(bytes(24)) + bytes(16000)
        block = block_of([event])
        for _ in range(sized(1000, 20_000)):
            router.send(block)

    config = SMPClientConfig(
        engine=EngineConfig(
            connect_timeouts=CONFIG.engine.connect_timeouts,
            request_timeouts=CONFIG.engine.request_timeouts,
            event_limit=1024 * 1024,
        )
    )
    over = trio.Event()
    with hostile_router(script) as address, trio.fail_after(SECONDS):
        async with open_smp_client(address, config, disconnected=lambda _: over.set()):
            await over.wait()


async def test_an_agent_among_bad_routers() -> None:
    """It goes on trying at its own pace, tells why it cannot, and ends when it is told to."""
    chosen = never_shakes_hands()
    scripts = [chosen[name] for name in ("leaves at once", "is no TLS", "has an empty hello")]
    connections: list[float] = []

    def counted(script: Script) -> Script:
        def counting(router: Conversation) -> None:
            connections.append(time.monotonic())
            script(router)

        return counting

    backoff = Backoff(initial=0.05, maximum=0.1)
    config = AgentConfig(client=CONFIG, backoff=backoff)
    for script in scripts:
        connections.clear()
        with hostile_router(counted(script)) as address, trio.fail_after(SECONDS):
            async with open_smp_agent(config) as agent:
                queue = QueueAccess(bytes(24), Ed25519PrivateKey.generate())
                agent.subscribe(address, [queue])
                async for event in agent.events:
                    if isinstance(event, CannotConnect):
                        break
        assert len(connections) < 100


def proxies() -> dict[str, Script]:
    """What a proxy may say to PRXY."""

    def of(message: bytes) -> Script:
        return answers(lambda router, to: block_of([router.answer(to, message)]))

    chain = b"\x02" + (word(100) + bytes(100)) * 2
    return {
        "knows no relay": of(b"ERR PROXY BROKER NETWORK"),
        "answers OK": of(b"OK"),
        "shows a key that is not proven": of(
            b"PKEY " + short(bytes(32)) + word(8) + word(18) + chain
        ),
        "shows a chain without end": of(b"PKEY " + short(bytes(32)) + word(8) + word(18) + b"\xff"),
        "has an answer for itself": of(b"PRES " + bytes(16000)),
        "has errors in errors": of(
            b"ERR PROXY PROTOCOL PROXY BROKER RESPONSE \xff" + b"\x1b" * 255
        ),
        "writes on the terminal": of(
            b"ERR PROXY BROKER UNEXPECTED " + short(b"\x1b[2J\x07\r" * 20)
        ),
    }


async def test_hostile_proxies() -> None:
    """What a proxy makes up is a typed error, and nothing that it says is the relay's."""
    relay = "smp://" + "A" * 43 + "=@relay.example"

    async def send(client: SMPClient) -> None:
        await client.relay(relay).send(bytes(24), b"hello")

    figure = await told(proxies(), send, SimplexError)
    note("client", "proxies that lie", "one typed error each", figure)


ESCAPES = [
    b"ERR STORE \x1b[2J\x1b]0;owned\x07\r\n\x9b2J",
    "ERR STORE \u202e\u200b\u0085".encode(),
    b"ERR PROXY BROKER UNEXPECTED " + short(b"\x1b[2J\x9b1m\x08\x08"),
    b"ERR PROXY BROKER RESPONSE " + short(b"\x1b]52;c;b3duZWQ=\x07"),
    b"ERR NAME RESOLVER \x1b[2J",
]


def test_nothing_from_the_network_moves_the_cursor(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The command line shows what a router says without what terminals obey."""
    state = tmp_path / "state.json"
    for message in ESCAPES:

        def script(router: Conversation, message: bytes = message) -> None:
            router.shake_hands()
            for command in router.commands():
                router.say(router.answer(command, message))

        with hostile_router(script) as address:
            found = call(capsys, "queue", "create", "mine", address, "--state", state)
        assert found.code in (3, 4), found
        shown = found.out + found.err
        assert shown.strip()
        odd = {each for each in shown if not each.isprintable() and each != "\n"}
        assert not odd, f"{message!r} is shown as {shown!r}"
    note("command line", "terminal escapes in errors", "none is printed", "none")
