"""Files of senders and routers that mean no good, received end to end.

Whatever a description says, and whatever its routers answer: one error of the kinds that
`receive_file` names, soon, and nothing left on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X448PrivateKey, X25519PrivateKey
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.errors import DecodeError, DecryptionFailed, SimplexError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import int64
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.description import (
    MAX_REPLICAS,
    FileDescription,
    FileParty,
    Packet,
    Redirect,
    Replica,
)
from simplex_trio.wire.xftp.description_text import decode_description, encode_description
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.wire.xftp.messages import ERR, FILE, OK, PONG, SIDS
from simplex_trio.xftp.box_stream import TAG_SIZE, BoxStream
from simplex_trio.xftp.errors import (
    DigestMismatch,
    FileTooLarge,
    NoSuchReplica,
    RedirectRefused,
    StreamReset,
)
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_description
from simplex_trio.xftp.router.commands import Answer, Commands, SealedBody
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import IMPATIENT, SMALLEST, NewPacket, client_at, names_in
from tests.xftp.files import open_in, sent_to

HURRIED = evolve(
    IMPATIENT,
    attempts=2,
    client=evolve(
        IMPATIENT.client,
        request_seconds=0.3,
        seconds_per_kib=0.001,
        connect_timeouts=Timeouts(background=2.0, interactive=2.0),
    ),
)
NEVER_CONNECTED = evolve(
    HURRIED,
    client=evolve(HURRIED.client, connect_timeouts=Timeouts(background=0.1, interactive=0.1)),
)
SECONDS = 30.0
"""That nothing here comes near to."""


async def failure_of(
    description: FileDescription, folder: Path, config: TransferConfig = IMPATIENT
) -> SimplexError:
    """What receiving a file comes to; with a state file and without one."""
    state = folder.parent / "state"
    errors = []
    for path in (None, state):
        with trio.fail_after(SECONDS), pytest.raises(SimplexError) as caught:
            await receive_file(description, folder, state=path, config=config)
        errors.append(caught.value)
        assert names_in(folder) == []
        assert open_in(folder) == open_in(folder.parent) == []
    if not isinstance(errors[0], NoSuchReplica):  # after which a later call may go on
        assert not state.exists()
    state.unlink(missing_ok=True)
    assert type(errors[0]) is type(errors[1])
    return errors[0]


# --- what a description says ----------------------------------------------------------------------

Change = Callable[[str], str]


def line(text: str, number: int) -> str:
    """The line about a packet."""
    found = re.search(rf"^  - {number}:.*$", text, re.MULTILINE)
    assert found is not None
    return found[0]


def part(position: int, value: str, number: int = 1) -> Change:
    """Change a part of the line about a packet."""

    def change(text: str) -> str:
        before = line(text, number)
        parts = before.removeprefix("  - ").split(":")
        parts[position:] = [value, *parts[position + 1 :]]
        return text.replace(before, "  - " + ":".join(parts))

    return change


def field(name: str, value: str) -> Change:
    return lambda text: re.sub(rf"(?m)^{name}: .*$", f"{name}: {value}", text)


def both(*changes: Change) -> Change:
    def change(text: str) -> str:
        for each in changes:
            text = each(text)
        return text

    return change


def exchanged(text: str) -> str:
    """The first two packets in each other's place."""
    one, two = line(text, 1), line(text, 2)
    return text.replace(one, "?").replace(two, "  - 1:" + two[6:]).replace("?", "  - 2:" + one[6:])


def repeated(count: int, number: int = 1) -> Change:
    def change(text: str) -> str:
        each = line(text, number)
        return text.replace(each, "\n".join([each] * (count + 1)))

    return change


def server(address: str) -> Change:
    return lambda text: re.sub(r"xftp://\S+", address, text)


KEY = to_base64url(bytes(32))
DIGEST = to_base64url(bytes(64))
ID = to_base64url(bytes(24))

NOT_READ = ()
"""The text is refused at once."""
NOT_IT = (DecodeError, DecryptionFailed, DigestMismatch)
"""All packets come, and are not the file that was described."""

CHANGES: dict[str, tuple[Change, type[Exception] | tuple[type[Exception], ...]]] = {
    "size of nothing": (field("size", "0kb"), NOT_READ),
    "size below the packets'": (field("size", "64kb"), NOT_READ),
    "size above the packets'": (field("size", "1gb"), NOT_READ),
    "size that is negative": (field("size", "'-1'"), NOT_READ),
    "size of 64 bits": (field("size", str(2**63 - 1)), NOT_READ),
    "size without end": (field("size", "9" * 5000), NOT_READ),
    "size of a line of nothing": (part(4, "0kb"), NOT_READ),
    "size of a line that is gigantic": (
        both(part(4, str(2**32 - 1)), field("size", f"'{2**32 - 1 + 2 * SMALLEST}'")),
        NoSuchReplica,
    ),
    "sizes that are gigantic": (
        both(*(part(4, str(2**32 - 1), n) for n in (1, 2, 3)), field("size", str(3 * 2**32 - 3))),
        FileTooLarge,
    ),
    "size of a line that is too small": (
        both(part(4, "32kb"), field("size", "160kb")),
        NoSuchReplica,
    ),
    "size of a line that is too large": (
        both(part(4, "128kb"), field("size", "256kb")),
        NoSuchReplica,
    ),
    "packets of nothing": (field("chunkSize", "0kb"), NOT_READ),
    "packets of 4 GiB": (field("chunkSize", "4gb"), NOT_READ),
    "digest of another file": (field("digest", DIGEST), NOT_IT),
    "digest that is short": (field("digest", KEY), NOT_READ),
    "digest that is long": (field("digest", DIGEST + "AAAA"), NOT_READ),
    "key of another file": (field("key", KEY), NOT_IT),
    "key that is short": (field("key", KEY[4:]), NOT_READ),
    "key that is long": (field("key", DIGEST), NOT_READ),
    "nonce of another file": (field("nonce", ID), NOT_IT),
    "nonce that is short": (field("nonce", ID[4:]), NOT_READ),
    "nobody's": (field("party", "mallory"), NOT_READ),
    "gap": (lambda text: text.replace(line(text, 2) + "\n", ""), NOT_READ),
    "end missing": (lambda text: text.replace(line(text, 3) + "\n", ""), NOT_READ),
    "end missing, and not told": (
        both(lambda text: text.replace(line(text, 3) + "\n", ""), field("size", "128kb")),
        NOT_IT,
    ),
    "no packets": (lambda text: re.sub(r"(?m)^  - \d.*\n", "", text), NOT_READ),
    "packet 0": (lambda text: text.replace("  - 1:", "  - 0:"), NOT_READ),
    "packet -1": (lambda text: text.replace("  - 1:", "  - -1:"), NOT_READ),
    "packet 10 ** 12": (lambda text: text.replace("  - 3:", f"  - {10**12}:"), NOT_READ),
    "packet 1000000": (lambda text: text.replace("  - 3:", "  - 1000000:"), NOT_READ),
    "a packet that overlaps another": (
        lambda text: text.replace(line(text, 2), "  - 1:" + line(text, 2)[6:]),
        NOT_READ,
    ),
    "a packet that is there twice": (
        lambda text: text.replace(line(text, 2), "  - 2:" + line(text, 1)[6:]),
        NOT_IT,
    ),
    "packets in another order": (exchanged, NOT_IT),
    "too many replicas": (repeated(MAX_REPLICAS), NOT_READ),
    "digest of another packet": (part(3, KEY), NoSuchReplica),
    "digest of a packet that is short": (part(3, ID), NOT_READ),
    "id of no packet": (part(1, ID), NoSuchReplica),
    "id that is empty": (part(1, ""), NOT_READ),
    "id that is long": (part(1, to_base64url(bytes(256))), NOT_READ),
    "key of nobody": (part(2, to_base64url(Ed25519PrivateKey(bytes(32)).der)), NoSuchReplica),
    "key of another kind": (part(2, to_base64url(X25519PrivateKey(bytes(32)).der)), NoSuchReplica),
    "key that authorizes nothing": (
        part(2, to_base64url(X448PrivateKey(bytes(56)).der)),
        NOT_READ,
    ),
    "key of a packet that is short": (
        part(2, to_base64url(Ed25519PrivateKey(bytes(32)).der[:-1])),
        NOT_READ,
    ),
    "key of a packet that is long": (
        part(2, to_base64url(Ed25519PrivateKey(bytes(32)).der + b"\0")),
        NOT_READ,
    ),
    "key of a packet that is none": (part(2, KEY), NOT_READ),
    "router of another protocol": (server("smp://AAAA@localhost"), NOT_READ),
    "router of another identity": (
        lambda text: re.sub(r"xftp://[^@]+@", f"xftp://{KEY}@", text),
        NoSuchReplica,
    ),
    "router that is not there": (server(f"xftp://{KEY}@127.0.0.1:1"), NoSuchReplica),
    "router that cannot be named": (server(f"xftp://{KEY}@a.invalid"), NoSuchReplica),
    "router behind a proxy that is not there": (
        server(f"xftp://{KEY}@{'a' * 56}.onion"),
        NoSuchReplica,
    ),
    "router that a terminal obeys": (server(f"xftp://{KEY}@a\x1b[2J.example"), NOT_READ),
    "router that is written backwards": (server(f"xftp://{KEY}@\u202eelpmaxe"), NOT_READ),
    "router with a path": (server(f"xftp://{KEY}@localhost/../../etc/passwd"), NOT_READ),
    "router that splits a head": (server(f"xftp://{KEY}@a\rx-y: z"), NOT_READ),
    "tags": (field("digest", "!!python/object/apply:os.system ['true']"), NOT_READ),
    "anchors": (field("digest", "&a [*a, *a]"), NOT_READ),
    "another document": (lambda text: text + "---\n" + text, NOT_READ),
    "keys that come twice": (lambda text: text + text, NOT_READ),
    "a line without end": (field("digest", "A" * 3_000_000), NOT_READ),
    "lines without end": (lambda text: text + "\n" * 100_000, NOT_READ),
}  # fmt: skip


def made_up() -> str:
    """A description of three packets that are nowhere."""
    server = ServerAddress.parse(f"xftp://{KEY}@router.example")
    packets = tuple(
        Packet(SMALLEST, bytes([n]) * 32, (Replica(server, bytes([n]) * 24, private),))
        for n, private in enumerate(map(Ed25519PrivateKey, (b"1" * 32, b"2" * 32, b"3" * 32)))
    )
    return encode_description(
        FileDescription(
            party=FileParty.RECIPIENT,
            size=3 * SMALLEST,
            digest=b"!" * 64,
            key=b"!" * 32,
            nonce=b"!" * 24,
            packet_size=SMALLEST,
            packets=packets,
        )
    )


@pytest.mark.parametrize("name", [each for each in CHANGES if CHANGES[each][1] is NOT_READ])
def test_descriptions_that_are_not_read(name: str) -> None:
    changed = CHANGES[name][0](made_up())
    assert changed != made_up()
    with pytest.raises(DecodeError):
        decode_description(changed)


@pytest.mark.parametrize("name", [each for each in CHANGES if CHANGES[each][1] is not NOT_READ])
async def test_descriptions(router: XFTPRouter, path: Path, folder: Path, name: str) -> None:
    change, expected = CHANGES[name]
    sent = await sent_to(router, path)
    text = encode_description(sent.recipients[0])
    assert change(text) != text
    config = HURRIED if name.startswith("router") else IMPATIENT
    error = await failure_of(decode_description(change(text)), folder, config)
    assert isinstance(error, expected)


async def test_the_description_of_a_sender(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await sent_to(router, path)
    for state in (None, folder / "state"):
        with pytest.raises(ValueError, match="recipient"):
            await receive_file(sent.sender, folder, state=state, config=IMPATIENT)
    assert names_in(folder) == []


async def test_redirects_without_end(router: XFTPRouter, path: Path, folder: Path) -> None:
    """Descriptions that lead to each other, as far as digests let them, or down a long way."""
    sent = await sent_to(router, path)
    description = sent.recipients[0]
    for _ in range(3):
        sent = await send_description(description, [router.address], config=IMPATIENT)
        description = sent.recipients[0]
    assert isinstance(await failure_of(description, folder), RedirectRefused)
    to_itself = evolve(description, redirect=Redirect(description.size, description.digest))
    assert isinstance(await failure_of(to_itself, folder), RedirectRefused)


# --- what is in a file ----------------------------------------------------------------------------


async def described(router: XFTPRouter, plain: bytes, **changes: Any) -> FileDescription:
    """A file in one packet with anything inside of its encryption."""
    key, nonce = bytes(range(32)), bytes(24)
    box = BoxStream(BoxKey.from_secret(key), nonce)
    sealed = box.seal(plain.ljust(SMALLEST - TAG_SIZE, b"#")) + box.tag()
    packet = NewPacket(recipients=1)
    packet.body, packet.digest = sealed, sha256(sealed).digest()
    async with client_at(str(router.address)) as client:
        await packet.register(client)
        await packet.upload(client)
    replica = Replica(router.address, packet.ids.recipient_ids[0], packet.recipient_keys[0])
    description = FileDescription(
        party=FileParty.RECIPIENT,
        size=SMALLEST,
        digest=sha512(sealed).digest(),
        key=key,
        nonce=nonce,
        packet_size=SMALLEST,
        packets=(Packet(SMALLEST, packet.digest, (replica,)),),
    )
    return evolve(description, **changes)


HEADER = b"\4name0"

INSIDES = {
    "negative": int64(-1) + HEADER,
    "longest": int64(2**63 - 1) + HEADER,
    "longer than it is": int64(SMALLEST) + HEADER,
    "shorter than its header": int64(3) + HEADER,
    "no header": int64(0),
    "an extra that is longer than it is": int64(100) + b"\4name1\xff",
    "an extra of no kind": int64(100) + b"\4name?",
}


@pytest.mark.parametrize("plain", INSIDES.values(), ids=INSIDES)
async def test_files_that_are_none(router: XFTPRouter, folder: Path, plain: bytes) -> None:
    error = await failure_of(await described(router, plain), folder)
    assert isinstance(error, DecodeError)


async def test_a_file_of_another_key(router: XFTPRouter, folder: Path) -> None:
    plain = int64(len(HEADER) + 7) + HEADER + b"content"
    received = await receive_file(await described(router, plain), folder, config=IMPATIENT)
    assert received.path.read_bytes() == b"content"
    received.path.unlink()
    for changes in ({"key": bytes(32)}, {"nonce": b"!" * 24}):
        error = await failure_of(await described(router, plain, **changes), folder)
        assert isinstance(error, DecodeError | DecryptionFailed)


NAMES = [
    b"../../../etc/cron.d/x",
    b"/etc/passwd",
    b"..\\..\\boot.ini",
    b"C:\\autoexec.bat",
    b"..",
    b".",
    b"",
    b" ",
    b"\0",
    b"a\0b",
    b"\x1b[2Jname",
    b"name\r\n\tof lines",
    "photo\u202egpj.exe".encode(),
    b"\xff\xfe\x80",
    b"~/.bashrc",
    b"-rf",
    b".bash_profile",
    b"CON",
    b"x" * 255,
    "\U0001f600".encode() * 63,
    b"%2e%2e%2fx",
    b"${HOME}`id`",
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
async def test_names(router: XFTPRouter, folder: Path, name: bytes) -> None:
    header = bytes([len(name)]) + name + b"0"
    plain = int64(len(header)) + header
    received = await receive_file(await described(router, plain), folder, config=IMPATIENT)
    assert received.path.parent == folder
    assert names_in(folder) == [received.path.name]
    assert received.path.name.isprintable()
    assert received.path.name[0] not in ".-~ "
    assert not set(received.path.name) & set('/\\:<>"|?*\0')
    assert len(os.fsencode(received.path.name)) <= 255
    assert received.path.is_file()
    assert names_in(folder.parent) == ["received", "router"]


# --- what routers answer --------------------------------------------------------------------------

Pieces = Callable[[SealedBody], AsyncGenerator[bytes]]


def genuine(body: SealedBody) -> bytes:
    """All of it, which is one piece and the tag."""
    return bytes(body._next()) + body._box.tag()


async def nothing(_: SealedBody) -> AsyncGenerator[bytes]:
    await trio.lowlevel.checkpoint()
    yield b""


async def less(body: SealedBody) -> AsyncGenerator[bytes]:
    await trio.lowlevel.checkpoint()
    yield genuine(body)[:-1]


async def more(body: SealedBody) -> AsyncGenerator[bytes]:
    await trio.lowlevel.checkpoint()
    yield genuine(body) + b"!"


async def without_end(body: SealedBody) -> AsyncGenerator[bytes]:
    piece = genuine(body)
    while True:
        await trio.lowlevel.checkpoint()
        yield piece


async def other(body: SealedBody) -> AsyncGenerator[bytes]:
    await trio.lowlevel.checkpoint()
    yield body._box.seal(bytes(SMALLEST))
    yield body._box.tag()


async def turned(body: SealedBody) -> AsyncGenerator[bytes]:
    await trio.lowlevel.checkpoint()
    piece = genuine(body)
    yield bytes([piece[0] ^ 1]) + piece[1:]


async def never(body: SealedBody) -> AsyncGenerator[bytes]:
    yield genuine(body)[:1000]
    await trio.sleep_forever()


async def drops(body: SealedBody) -> AsyncGenerator[bytes]:
    for each in genuine(body):
        await trio.sleep(0.02)
        yield bytes([each])


async def a_failure(body: SealedBody) -> AsyncGenerator[bytes]:
    await trio.lowlevel.checkpoint()
    yield genuine(body)[:1000]
    raise StreamReset("for no reason")


@pytest.mark.parametrize(
    "pieces",
    [nothing, less, more, without_end, other, turned, never, drops, a_failure],
    ids=lambda pieces: pieces.__name__,
)
async def test_bodies(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    pieces: Pieces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = await sent_to(router, path)
    monkeypatch.setattr(SealedBody, "pieces", pieces)
    error = await failure_of(sent.recipients[0], folder, HURRIED)
    assert isinstance(error, NoSuchReplica)


def answering(answer: Callable[[Answer], Answer]) -> Callable[..., Awaitable[Answer]]:
    """A router that answers a download with something else."""
    download = Commands._download

    async def instead(*arguments: Any) -> Answer:
        with_body = await download(*arguments)
        changed = answer(with_body)
        if changed.body is None:
            with_body.close()
        return changed

    return instead


ANSWERS: dict[str, Callable[[Answer], Answer]] = {
    **{
        code.name: partial(lambda code, _: Answer(ERR(code)), code)
        for code in (XFTPCode.AUTH, XFTPCode.QUOTA, XFTPCode.TIMEOUT, XFTPCode.INTERNAL)
    },
    "OK": lambda _: Answer(OK()),
    "OK with a body": lambda answer: evolve(answer, message=OK()),
    "PONG": lambda _: Answer(PONG()),
    "SIDS": lambda _: Answer(SIDS(bytes(24), (bytes(24),))),
    "FILE without a body": lambda answer: Answer(answer.message),
    "FILE of another key": lambda answer: evolve(
        answer, message=FILE(X25519PrivateKey.generate().public, bytes(24))
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = await sent_to(router, path)
    monkeypatch.setattr(Commands, "_download", answering(ANSWERS[name]))
    assert isinstance(await failure_of(sent.recipients[0], folder), NoSuchReplica)


Handler = Callable[[trio.SocketStream], Awaitable[None]]


async def silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def closing(stream: trio.SocketStream) -> None:
    await stream.aclose()


async def babbling(stream: trio.SocketStream) -> None:
    while True:
        await stream.send_all(bytes(65536))


@pytest.mark.parametrize("handler", [silent, closing, babbling], ids=lambda each: each.__name__)
async def test_routers_that_are_none(
    router: XFTPRouter, path: Path, folder: Path, handler: Handler
) -> None:
    sent = await sent_to(router, path)
    async with trio.open_nursery() as nursery:

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                try:
                    await handler(stream)
                except trio.BrokenResourceError:
                    return

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        text = encode_description(sent.recipients[0])
        address = str(router.address)
        elsewhere = re.sub(r":\d+$", f":{port}", address)
        description = decode_description(text.replace(address, elsewhere))
        error = await failure_of(description, folder, NEVER_CONNECTED)
        assert isinstance(error, NoSuchReplica)
        nursery.cancel_scope.cancel()
