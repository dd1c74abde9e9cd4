"""XFTP, and HTTP/2 below it, as an attacker speaks them: frames one by one.

Written from RFC 9113 and `protocol/xftp.md`; hyperframe and hpack write frames and headers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.adversary.links import Link, TlsLink
from tests.adversary.smp import BLOCK, Reader, pad, short, spki, word
from tests.adversary.victim import Place

__all__ = ["POST", "PREFACE", "Http2", "Packet", "Response", "Xftp", "stalled_upload"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
VERSION = 3

POST = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]


class Response(NamedTuple):
    status: bytes
    body: bytes
    is_reset: bool


class Http2:
    """A connection on which nothing is checked before it is sent."""

    def __init__(self, link: Link, *, settings: dict[int, int] | None = None) -> None:
        self.link = link
        self.encoder = Encoder()
        self._decoder = Decoder()
        self._next_stream = 1
        self._buffer = b""
        self.goodbye: GoAwayFrame | None = None
        first = SettingsFrame(settings={SettingsFrame.ENABLE_PUSH: 0} | (settings or {}))
        wider = WindowUpdateFrame(0, window_increment=2**30)
        link.send(PREFACE + first.serialize() + wider.serialize())

    def __enter__(self) -> Http2:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def new_stream(self) -> int:
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        return stream

    def headers(
        self, stream: int, fields: list[tuple[str, str]] = POST, *, end: bool = False
    ) -> bytes:
        frame = HeadersFrame(stream, self.encoder.encode(fields), flags=["END_HEADERS"])
        if end:
            frame.flags.add("END_STREAM")
        return frame.serialize()

    @staticmethod
    def data(stream: int, body: bytes, *, end: bool = False) -> bytes:
        """A body in frames of 16 KiB; whether there is a window for it does not matter."""
        frames = [DataFrame(stream, body[i : i + 16384]) for i in range(0, len(body), 16384)]
        if end:
            frames = frames or [DataFrame(stream, b"")]
            frames[-1].flags.add("END_STREAM")
        return b"".join(each.serialize() for each in frames)

    def begin(self, body: bytes, *, end: bool = True) -> int:
        """Send a request, or the beginning of one."""
        stream = self.new_stream()
        self.link.send(self.headers(stream) + self.data(stream, body, end=end))
        return stream

    def frames(self) -> Iterator[Frame]:
        """What the router sends, until it ends the connection."""
        while True:
            head = self.link.read(9)
            frame, size = Frame.parse_frame_header(memoryview(head))
            frame.parse_body(memoryview(self.link.read(size)))
            match frame:
                case SettingsFrame() if "ACK" not in frame.flags:
                    self.link.send(SettingsFrame(flags=["ACK"]).serialize())
                case PingFrame() if "ACK" not in frame.flags:
                    answer = PingFrame(opaque_data=frame.opaque_data, flags=["ACK"])
                    self.link.send(answer.serialize())
                case GoAwayFrame():
                    self.goodbye = frame
                case _:
                    pass
            yield frame

    def response(self, stream: int) -> Response:
        """The whole answer to a request."""
        status, body = b"", b""
        for frame in self.frames():
            if isinstance(frame, HeadersFrame):
                fields = self._decoder.decode(frame.data, raw=True)
                if frame.stream_id == stream:
                    status = dict(fields)[b":status"]
            if frame.stream_id != stream:
                continue
            if isinstance(frame, RstStreamFrame):
                return Response(status, body, is_reset=True)
            if isinstance(frame, DataFrame):
                body += frame.data
                if frame.data:
                    opened = WindowUpdateFrame(stream, window_increment=len(frame.data))
                    self.link.send(opened.serialize())
            if "END_STREAM" in frame.flags:
                return Response(status, body, is_reset=False)
        raise EOFError

    def read_until_end(self) -> None:
        """Read until the router has ended the connection."""
        try:
            for _ in self.frames():
                pass
        except (EOFError, OSError):
            pass


class Packet(NamedTuple):
    key: Ed25519PrivateKey
    sender_id: bytes
    recipient_key: Ed25519PrivateKey
    recipient_id: bytes
    body: bytes


class Xftp:
    """A connection after the handshake."""

    def __init__(self, place: Place, *, settings: dict[int, int] | None = None) -> None:
        self.http = Http2(TlsLink(place.port, alpn="xftp/1"), settings=settings)
        try:
            hello = Reader(Reader(self.http.response(self.http.begin(b"")).body).large())
            hello.take(4)
            self.session_id = hello.short()
            mine = pad(word(VERSION) + short(place.identity))
            assert self.http.response(self.http.begin(mine)).body == b""
        except BaseException:
            self.http.link.close()
            raise

    def __enter__(self) -> Xftp:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.link.close()

    def block(
        self, command: bytes, entity_id: bytes = b"", key: Ed25519PrivateKey | None = None
    ) -> bytes:
        said = short(self.session_id) + short(os.urandom(24)) + short(entity_id) + command
        sent = short(b"" if key is None else key.sign(said)) + said
        return pad(b"\x01" + word(len(sent)) + sent)

    def ask(
        self,
        command: bytes,
        entity_id: bytes = b"",
        key: Ed25519PrivateKey | None = None,
        body: bytes = b"",
    ) -> bytes:
        stream = self.http.begin(self.block(command, entity_id, key) + body)
        return self.answer_in(self.http.response(stream))

    @staticmethod
    def answer_in(response: Response) -> bytes:
        assert len(response.body) >= BLOCK, response
        reader = Reader(Reader(response.body[:BLOCK]).large())
        assert reader.take(1) == b"\x01"
        inner = Reader(reader.large())
        for _ in range(4):  # authorization, session, correlation, entity
            inner.short()
        return inner.data

    def register(self, size: int) -> Packet:
        """A packet whose body is still to come."""
        key, recipient = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        body = os.urandom(size)
        info = short(spki(key)) + size.to_bytes(4, "big") + short(sha256(body).digest())
        answer = self.ask(b"FNEW " + info + b"\x01" + short(spki(recipient)) + b"0", key=key)
        reader = Reader(answer)
        assert reader.take(5) == b"SIDS ", answer[:40]
        sender_id = reader.short()
        assert reader.take(1) == b"\x01"
        return Packet(key, sender_id, recipient, reader.short(), body)

    def ping(self) -> None:
        assert self.ask(b"PING") == b"PONG"


def stalled_upload(place: Place, size: int, stack: ExitStack) -> None:
    """Begin an upload whose body stops after one byte."""
    xftp = stack.enter_context(Xftp(place))
    packet = xftp.register(size)
    block = xftp.block(b"FPUT", packet.sender_id, packet.key)
    xftp.http.begin(block + packet.body[:1], end=False)
