"""Floods of HTTP/2 frames, uploads that do not come, and whatever else goes to an XFTP router."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.adversary.beside import HonestXftp
from tests.adversary.figures import note, sized
from tests.adversary.links import TlsLink, end_writing, reset
from tests.adversary.smp import BLOCK, pad, short, spki, word
from tests.adversary.victim import MIB, Victim
from tests.adversary.xftp import POST, PREFACE, Http2, Xftp, stalled_upload

KIB = 1024


def _frame(kind: int, flags: int, stream: int, body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def _header_bomb(xftp: Xftp, count: int) -> bytes:
    """One header of 3,900 bytes, put into the table and then named as often as fits a frame."""
    name = b"x" * 100
    literal = b"\x40" + bytes([len(name)]) + name + b"\x7f\xbd\x1d" + bytes(3900)
    frames = []
    for number in range(max(count // 100, 2)):
        block = (literal if number == 0 else b"") + b"\xbe" * 16000
        frame = HeadersFrame(xftp.http.new_stream(), block[:16384], flags=["END_HEADERS"])
        frames.append(frame.serialize())
    return b"".join(frames)


def floods(count: int) -> dict[str, Callable[[Xftp], bytes]]:
    """Frames that are sent at once after the handshake."""

    def many(one: Callable[[Xftp], bytes]) -> Callable[[Xftp], bytes]:
        return lambda xftp: b"".join(one(xftp) for _ in range(count))

    def taken_back(xftp: Xftp) -> bytes:
        stream = xftp.http.new_stream()
        return xftp.http.headers(stream) + RstStreamFrame(stream, error_code=8).serialize()

    def same_stream(frames: Callable[[int, Xftp], bytes]) -> Callable[[Xftp], bytes]:
        def said(xftp: Xftp) -> bytes:
            stream = xftp.http.new_stream()
            return frames(stream, xftp)

        return said

    return {
        "requests taken back": many(taken_back),
        "requests without an end": many(lambda xftp: xftp.http.headers(xftp.http.new_stream())),
        "CONTINUATION without an end": same_stream(
            lambda stream, _: (
                HeadersFrame(stream, b"\x82").serialize()
                + ContinuationFrame(stream, b"\x84" * 100).serialize() * count
            )
        ),
        "empty CONTINUATION": same_stream(
            lambda stream, _: (
                HeadersFrame(stream, b"\x82").serialize()
                + ContinuationFrame(stream, b"").serialize() * count
            )
        ),
        "SETTINGS": lambda _: SettingsFrame(settings={4: 65535}).serialize() * count,
        "settings that are unknown": lambda _: b"".join(
            SettingsFrame(settings={256 + i * 100 + j: 1 for j in range(100)}).serialize()
            for i in range(count // 10)
        ),
        "PING": lambda _: PingFrame(opaque_data=bytes(8)).serialize() * count,
        "PRIORITY": many(
            lambda xftp: PriorityFrame(xftp.http.new_stream(), stream_weight=1).serialize()
        ),
        "empty DATA": same_stream(
            lambda stream, xftp: (
                xftp.http.headers(stream) + DataFrame(stream, b"").serialize() * count
            )
        ),
        "padded DATA": same_stream(
            lambda stream, xftp: (
                xftp.http.headers(stream)
                + DataFrame(stream, b"", pad_length=255, flags=["PADDED"]).serialize() * count
            )
        ),
        "windows by one byte": lambda _: (
            WindowUpdateFrame(0, window_increment=1).serialize() * count
        ),
        "a window that overflows": lambda _: (
            WindowUpdateFrame(0, window_increment=2**31 - 1).serialize() * 3
        ),
        "a window by nothing": lambda _: _frame(8, 0, 0, bytes(4)),
        "headers that unfold": lambda xftp: _header_bomb(xftp, count),
        "table sizes": many(
            lambda xftp: HeadersFrame(
                xftp.http.new_stream(), b"\x3f\xe1\x1f\x20" * 10, flags=["END_HEADERS"]
            ).serialize()
        ),
        "a table of 4 GiB": same_stream(
            lambda stream, _: HeadersFrame(
                stream, b"\x3f\xff\xff\xff\xff\x0f", flags=["END_HEADERS"]
            ).serialize()
        ),
        "a number without an end": same_stream(
            lambda stream, _: HeadersFrame(
                stream, b"\x7f" + b"\xff" * 16000, flags=["END_HEADERS"]
            ).serialize()
        ),
        "a frame of 16 MiB": lambda _: _frame(0, 0, 1, bytes(MIB), length=0xFFFFFF),
        "frames of an unknown kind": lambda _: (
            ExtensionFrame(type=200, flag_byte=255, stream_id=0, body=bytes(100)).serialize()
            * count
        ),
        "DATA of no request": lambda _: _frame(0, 0, 0, b"x"),
        "DATA of a later request": lambda _: DataFrame(2**31 - 1, b"x").serialize(),
        "RST_STREAM of what never was": lambda _: RstStreamFrame(99, error_code=8).serialize(),
        "PUSH_PROMISE": same_stream(
            lambda stream, _: PushPromiseFrame(stream, promised_stream_id=2).serialize()
        ),
        "GOAWAY": lambda _: GoAwayFrame(0, last_stream_id=0).serialize() * count,
        "an even request": lambda xftp: xftp.http.headers(2),
        "the last request": lambda xftp: xftp.http.headers(2**31 - 1) + xftp.http.headers(1),
        "another preface": lambda _: PREFACE,
        "a request without a method": same_stream(
            lambda stream, xftp: xftp.http.headers(stream, [("a", "b")], end=True)
        ),
        "headers with line ends": same_stream(
            lambda stream, xftp: xftp.http.headers(stream, [*POST, ("a", "b\r\nc: d")], end=True)
        ),
        "a length that is wrong": same_stream(
            lambda stream, xftp: (
                xftp.http.headers(stream, [*POST, ("content-length", "7")])
                + xftp.http.data(stream, b"x" * 100, end=True)
            )
        ),
    }


def test_floods_of_frames(victim: Victim) -> None:
    """Each ends in bounded time, with nothing left, and with honest clients beside it."""
    place = victim["xftp"]
    with victim.attacked():
        for attack, make in floods(sized(2500, 20_000)).items():
            with HonestXftp(place) as beside, Xftp(place) as xftp:
                said = make(xftp)
                reader = threading.Thread(target=xftp.http.read_until_end)
                reader.start()
                with suppress(OSError):
                    for start in range(0, len(said), 65536):
                        xftp.http.link.send(said[start : start + 65536])
                with suppress(OSError):
                    end_writing(xftp.http.link.sock)
                reader.join(60)
                assert not reader.is_alive()
            goodbye = xftp.http.goodbye
            end = "ended" if goodbye is None else f"GOAWAY {goodbye.error_code}"
            figure = f"{end}, {beside.figure}"
            note("XFTP router", f"{len(said):,} bytes: {attack}", "ended", figure)


def test_answers_that_are_not_taken(victim: Victim) -> None:
    """Windows that are never opened keep a few packets' pieces in memory, and end."""
    place = victim["xftp"]
    with victim.attacked(slack=sized(24, 100) * MIB) as before:
        with Xftp(place) as uploader:
            packet = uploader.register(256 * KIB)
            assert uploader.ask(b"FPUT", packet.sender_id, packet.key, packet.body) == b"OK"
        get = b"FGET " + short(spki(X25519PrivateKey.generate()))
        with ExitStack() as stack:
            for _ in range(sized(3, 30)):
                xftp = stack.enter_context(Xftp(place))
                closed = SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
                xftp.http.link.send(closed.serialize())
                for _ in range(50):
                    xftp.http.begin(xftp.block(get, packet.recipient_id, packet.recipient_key))
                xftp.http.link.send(PingFrame(opaque_data=b"finished").serialize())
                for frame in xftp.http.frames():
                    if isinstance(frame, PingFrame) and "ACK" in frame.flags:
                        break
            held = victim.look()
        assert held.resident - before.resident < sized(64, 400) * MIB
        with Xftp(place) as uploader:
            assert uploader.ask(b"FDEL", packet.sender_id, packet.key) == b"OK"
    files = held.files - before.files
    note("XFTP router", "downloads with a closed window", "bounded files", f"{files} files open")


def test_stalled_uploads_do_not_take_the_quota(victim: Victim) -> None:
    """Four packets of 4 MiB, of which a byte each comes, are not sixteen that are stored."""
    place = victim["xftp-stalled"]
    with victim.attacked():
        with ExitStack() as stack:
            for _ in range(4):
                stalled_upload(place, 4 * MIB, stack)
            with Xftp(place) as honest:
                packet = honest.register(64 * KIB)
                answer = honest.ask(b"FPUT", packet.sender_id, packet.key, packet.body)
                honest.ask(b"FDEL", packet.sender_id, packet.key)
        note(
            "XFTP router",
            "4 stalled uploads of 4 MiB, quota 16 MiB",
            "others upload",
            answer.decode(),
        )
        assert answer == b"OK"


def test_many_uploads_on_one_connection(victim: Victim) -> None:
    """One connection has a limited number of files open."""
    place = victim["xftp"]
    with victim.attacked() as before, Xftp(place) as xftp:
        packet = xftp.register(64 * KIB)
        block = xftp.block(b"FPUT", packet.sender_id, packet.key)
        with suppress(OSError, EOFError):
            for _ in range(90):
                xftp.http.begin(block + packet.body[:1], end=False)
            xftp.http.link.send(PingFrame(opaque_data=b"finished").serialize())
            for frame in xftp.http.frames():
                if isinstance(frame, PingFrame) and "ACK" in frame.flags:
                    break
        files = victim.look().files - before.files
    note("XFTP router", "90 uploads begun on one connection", "100 files", f"{files} files open")
    assert files <= 100


def broken_blocks(xftp: Xftp) -> Iterator[bytes]:
    chosen = random.Random("blocks")
    key = b"\x2c" + bytes(44)
    yield b""
    yield bytes(BLOCK)
    yield b"\xff" * BLOCK
    yield pad(b"")
    yield pad(b"\xff" + word(0xFFFF))
    yield pad(b"\x02" + (word(5) + b"\0\0\0\0P") * 2)
    yield xftp.block(b"")
    yield xftp.block(b"FNEW ")
    yield xftp.block(b"FNEW " + key + b"\xff\xff\xff\xff\xff" + bytes(255) + b"\xff" + bytes(9000))
    yield xftp.block(b"FADD \0", bytes(24))
    yield xftp.block(b"FGET " + key, bytes(24))
    yield xftp.block(b"FACK", bytes(255))
    yield xftp.block(b"PING") + b"x" * 100
    yield xftp.block(b"PING")[:-1]
    for _ in range(sized(20, 300)):
        yield pad(b"\x01" + chosen.randbytes(300))
    for _ in range(sized(20, 300)):
        yield chosen.randbytes(chosen.randrange(BLOCK))


def test_garbage_in_blocks(victim: Victim) -> None:
    place = victim["xftp"]
    with victim.attacked(), Xftp(place) as xftp:
        blocks = list(broken_blocks(xftp))
        for block in blocks:
            response = xftp.http.response(xftp.http.begin(block))
            assert response.is_reset or b"ERR " in response.body[:400]
        xftp.ping()
    note("XFTP router", f"{len(blocks)} broken requests", "each is answered", "all answered")


def test_bodies_that_are_wrong(victim: Victim) -> None:
    place = victim["xftp"]
    with victim.attacked() as before, Xftp(place) as xftp:
        packet = xftp.register(64 * KIB)
        put = b"FPUT", packet.sender_id, packet.key
        assert xftp.ask(*put, body=packet.body[:-1]) == b"ERR SIZE"
        assert xftp.ask(*put, body=packet.body + b"x") == b"ERR SIZE"
        assert xftp.ask(*put, body=bytes(64 * KIB)) == b"ERR DIGEST"
        assert xftp.ask(*put) == b"ERR NO_FILE"
        assert xftp.ask(b"FPUT", bytes(24), packet.key, packet.body) == b"ERR AUTH"
        assert xftp.ask(b"FDEL", packet.recipient_id, packet.key) == b"ERR AUTH"
        assert xftp.ask(*put, body=packet.body) == b"OK"
        assert xftp.ask(*put, body=bytes(64 * KIB)) == b"OK"  # and changes nothing
        assert xftp.ask(b"FDEL", packet.sender_id, packet.key) == b"OK"
    stored = victim.look().routers["xftp"]["bytes_stored"]
    assert stored == before.routers["xftp"]["bytes_stored"]


def test_clients_that_vanish(victim: Victim) -> None:
    place = victim["xftp"]
    count = sized(10, 100)
    with victim.attacked() as before:
        for number in range(count):
            xftp = Xftp(place)
            packet = xftp.register(64 * KIB)
            block = xftp.block(b"FPUT", packet.sender_id, packet.key)
            xftp.http.begin(block + packet.body[: 1 + number * 5000 % 60_000], end=False)
            reset(xftp.http.link.sock)
    now = victim.look().routers["xftp"]
    assert now["bytes_stored"] == before.routers["xftp"]["bytes_stored"]
    assert now["bytes_reserved"] == 0
    note("XFTP router", f"{count} clients that vanish in uploads", "nothing left", "nothing left")


PATHS = [
    "/../ca.key",
    "/%2e%2e/ca.key",
    "/..%2fca.key",
    "/.%2e/ca.key",
    "//ca.key",
    "/.hidden",
    "/%2ehidden",
    "/pages/../../server.key",
    "/\\..\\server.key",
    "/index.html%00.txt",
    "/" + "a/" * 5000,
    "/" + "%" * 100,
    "*",
    "",
    "https://127.0.0.1/index.html/../../ca.key",
]


def test_pages_that_are_none(victim: Victim) -> None:
    """Nothing but what is in the folder of pages gets out."""
    place = victim["xftp"]
    with victim.attacked():
        for path in PATHS:
            link = TlsLink(place.port, alpn="h2", name="localhost")
            with Http2(link) as http:
                stream = http.new_stream()
                fields = [(":method", "GET"), *POST[1:3], (":path", path)]
                link.send(http.headers(stream, fields, end=True))
                with suppress(EOFError, OSError):
                    response = http.response(stream)
                    assert response.is_reset or response.status in (b"404", b"405"), path
                    assert b"PRIVATE" not in response.body
                    assert b"hidden" not in response.body
        with Http2(TlsLink(place.port, alpn="h2", name="localhost")) as http:
            stream = http.new_stream()
            fields = [(":method", "GET"), *POST[1:3], (":path", "/index.html")]
            http.link.send(http.headers(stream, fields, end=True))
            assert http.response(stream).body == b"a page"
