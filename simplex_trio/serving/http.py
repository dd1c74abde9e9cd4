"""As much of HTTP/1.1 as a static page needs: one request and one answer for each connection.

`parse_request` and `encode_response` are plain code; `answer_one` is the connection around them.
Requests of any other kind are refused, and nothing of a request is kept or logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import trio

from simplex_trio.frozen import frozen

__all__ = [
    "MAX_REQUEST",
    "BadRequest",
    "HttpRequest",
    "HttpResponse",
    "answer_one",
    "encode_response",
    "parse_request",
]

MAX_REQUEST: Final = 8192
"""Bytes of a request with its headers, as much as browsers send for a page without cookies."""

_SECONDS = 20
"""For receiving the request and sending the answer."""

_END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")


class BadRequest(Exception):
    """A request that is refused; ``status`` is the answer to it."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status: HTTPStatus = status


@frozen
class HttpRequest:
    """A request; all that matters of it."""

    path: str
    wants_body: bool


@frozen
class HttpResponse:
    """An answer; ``headers`` are in addition to those that every answer has."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


def parse_request(head: bytes) -> HttpRequest:
    """The request in the bytes before the empty line; raises `BadRequest`."""
    line, *headers = head.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    names = set()
    for header in headers:
        field = _HEADER.fullmatch(header)
        if field is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        names.add(field[1].lower())
    method, path = found[1], found[2]
    if method not in (b"GET", b"HEAD"):
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED)
    if b"transfer-encoding" in names or b"content-length" in names:
        raise BadRequest(HTTPStatus.BAD_REQUEST)  # a body, where there is nothing to send
    return HttpRequest(path.partition(b"?")[0].decode("ascii"), method == b"GET")


def encode_response(response: HttpResponse, *, with_body: bool = True) -> bytes:
    """The answer as bytes, after which the connection ends."""
    status = response.status
    headers = (
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
        *response.headers,
    )
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{k}: {v}" for k, v in headers)]
    head = "\r\n".join(lines).encode("ascii") + _END
    return head + response.body if with_body else head


async def answer_one(
    stream: trio.abc.Stream, answer: Callable[[HttpRequest], HttpResponse]
) -> None:
    """Read one request from ``stream`` and answer it.

    The stream stays open, and belongs to the caller.  This returns in bounded time, whatever the
    other side sends; it raises `trio.BrokenResourceError` if the connection breaks.
    """
    with trio.move_on_after(_SECONDS):
        with_body = True
        try:
            request = parse_request(await _read_head(stream))
        except BadRequest as exc:
            text = f"{exc.status.value} {exc.status.phrase}\n"
            response = HttpResponse(text.encode(), status=exc.status)
        else:
            response = answer(request)
            with_body = request.wants_body
        await stream.send_all(encode_response(response, with_body=with_body))


async def _read_head(stream: trio.abc.Stream) -> bytes:
    received = bytearray()
    while (end := received.find(_END)) < 0:
        if len(received) >= MAX_REQUEST:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        data = await stream.receive_some(MAX_REQUEST)
        if not data:
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        received += data
    if end > MAX_REQUEST:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return bytes(received[:end])
