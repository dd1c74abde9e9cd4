"""Targets: requests, answers, hellos and descriptions of XFTP."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from simplex_trio.crypto.padding import pad
from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.versions import XFTP_VERSIONS
from simplex_trio.wire.xftp.blocks import XFTP_BLOCK_SIZE, read_request, xftp_session
from simplex_trio.wire.xftp.commands import decode_command
from simplex_trio.wire.xftp.description_text import decode_description
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.wire.xftp.handshake import decode_client_hello
from simplex_trio.wire.xftp.links import decode_web_fragment, parse_file_link
from simplex_trio.wire.xftp.messages import decode_message
from tests.fuzz.target import Target, hexes, texts, versioned, versioned_hexes

__all__ = ["TARGETS"]

XFTP = ("xftp.json",)
RANGE = (XFTP_VERSIONS.lowest, XFTP_VERSIONS.highest)


def read(content: bytes, version: int) -> None:
    """The block of a request with any content: it is read or refused, and never an error."""
    if len(content) + 2 <= XFTP_BLOCK_SIZE:
        assert read_request(pad(content, XFTP_BLOCK_SIZE), xftp_session(version, b"session"))


def contents() -> Iterator[bytes]:
    for content in hexes(XFTP, "content", "transmission"):
        yield b"\x02" + content


def link(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        parse_file_link(text)
    except DecodeError:
        decode_web_fragment(text)


def file_header(data: bytes) -> None:
    FileHeader.decode(Reader(data))


TARGETS = (
    Target("xftp-request", versioned(read, *RANGE), contents, ()),
    Target(
        "xftp-command",
        versioned(decode_command, *RANGE),
        partial(versioned_hexes, RANGE[0], XFTP, "command", "bad_command"),
    ),
    Target(
        "xftp-message",
        versioned(decode_message, *RANGE),
        partial(versioned_hexes, RANGE[0], XFTP, "response"),
    ),
    Target(
        "xftp-client-hello",
        decode_client_hello,
        partial(hexes, XFTP, "content", "client_hello", "client_hello_decode"),
    ),
    Target("file-header", file_header, partial(hexes, XFTP, "header", "file_encryption")),
    Target(
        "file-description", decode_description, partial(texts, XFTP, "yaml", "file_description")
    ),
    Target("file-link", link, partial(texts, XFTP, "uri", "file_description")),
)
