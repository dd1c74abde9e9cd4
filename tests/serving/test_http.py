"""The little HTTP that a router speaks."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair

from simplex_trio.serving.http import (
    MAX_REQUEST,
    BadRequest,
    HttpRequest,
    HttpResponse,
    answer_one,
    encode_response,
    parse_request,
)


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (b"GET / HTTP/1.1", HttpRequest("/", wants_body=True)),
        (b"HEAD / HTTP/1.1\r\nHost: x", HttpRequest("/", wants_body=False)),
        (
            b"GET /a/b?c=d#e HTTP/1.0\r\nAccept: */*\r\nCookie:",
            HttpRequest("/a/b", wants_body=True),
        ),
        (b"GET /%00 HTTP/1.1", HttpRequest("/%00", wants_body=True)),
    ],
)
def test_requests(head: bytes, request_: HttpRequest) -> None:
    assert parse_request(head) == request_


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", HTTPStatus.BAD_REQUEST),
        (b"GET /", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/2.0", HTTPStatus.BAD_REQUEST),
        (b"GET http://x/ HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"GET  / HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"get / HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"GET /\xff HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nno colon", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nspace : x", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nX: a\nb", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\n folded", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nContent-Length: 5", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked", HTTPStatus.BAD_REQUEST),
        (b"POST / HTTP/1.1\r\nContent-Length: 5", HTTPStatus.METHOD_NOT_ALLOWED),
    ],
)
def test_what_is_refused(head: bytes, status: HTTPStatus) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(head)
    assert caught.value.status is status


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_not(head: bytes) -> None:
    with suppress(BadRequest):
        parse_request(head)


def test_response() -> None:
    response = HttpResponse(b"body", "text/css", HTTPStatus.NOT_FOUND, (("X", "y"),))
    head, _, body = encode_response(response).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 404 Not Found"
    assert {b"Content-Length: 4", b"Content-Type: text/css", b"X: y", b"Connection: close"} <= {
        *lines
    }
    assert body == b"body"
    assert encode_response(response, with_body=False) == head + b"\r\n\r\n"


async def exchange(*requests: bytes, close: bool = False) -> bytes:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await answer_one(theirs, lambda request: HttpResponse(request.path.encode()))
            await theirs.aclose()

        nursery.start_soon(serve)
        for part in requests:
            await ours.send_all(part)
        if close:
            await ours.send_eof()
        received = b""
        while data := await ours.receive_some():
            received += data
    return received


async def test_one_request() -> None:
    answer = await exchange(b"GET /path HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n/path")


async def test_request_in_pieces_and_another_one_that_is_not_read() -> None:
    answer = await exchange(b"GET /a HT", b"TP/1.1\r\n\r", b"\n", b"GET /b HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"/a")


async def test_head_only() -> None:
    assert (await exchange(b"HEAD /a HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "close", "status"),
    [
        (b"nonsense\r\n\r\n", False, b"400"),
        (b"GET / HTTP/1.1\r\n", True, b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST, False, b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST + b"\r\n\r\n", False, b"431"),
        (b"PUT / HTTP/1.1\r\n\r\n", False, b"405"),
    ],
)
async def test_bad_requests_are_answered(sent: bytes, close: bool, status: bytes) -> None:
    assert (await exchange(sent, close=close)).startswith(b"HTTP/1.1 " + status)


async def test_slow_request_is_not_waited_for(autojump_clock: MockClock) -> None:
    assert await exchange(b"GET / HT") == b""
    assert trio.current_time() < 60
