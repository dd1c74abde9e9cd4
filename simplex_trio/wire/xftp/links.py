"""Descriptions as links: to scan, to click, or to open in a browser.

There are two forms.  An application's link has the text of the description, escaped, and room for
data of the application's own; its server, if it names one, only shows how to get the application.
A web link has the text compressed, in the part of the address that a browser does not send.
"""

from __future__ import annotations

import re
import zlib
from urllib.parse import quote, unquote_to_bytes

from attrs import field, frozen

from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import Host, parse_host
from simplex_trio.wire.text import decimal, from_base64url, to_base64url
from simplex_trio.wire.xftp.description import FileDescription, FileParty
from simplex_trio.wire.xftp.description_text import (
    MAX_DESCRIPTION_SIZE,
    decode_description,
    encode_description,
)

__all__ = ["FileLink", "decode_web_fragment", "parse_file_link", "web_link"]

MAX_LINK_SIZE = 3 * MAX_DESCRIPTION_SIZE + 1024 * 1024
"""Characters: every byte of a description may be escaped, and there may be data."""

_APPLICATION = re.compile(r"(?:simplex:|https://([^/#]+))/file/?#/\?(.*)", re.DOTALL)
_WEB = re.compile(r"https?://[^/#]+(?:/[^#]*)?#(.+)", re.DOTALL)
_ESCAPED = re.compile(r"[!-~]*")
_MAX_PORT = 0xFFFF
_HTTPS_PORT = 443
_MAX_PARAMETERS = 16


@frozen(repr=False)
class FileLink(Redacted):
    """A link for applications; ``str(link)`` is its text."""

    description: FileDescription = field(validator=instance_of(FileDescription))
    client_data: str | None = None
    """What the application adds; its own business."""
    app_server: str | None = None
    """Host and port of the page about the application, for links with https."""

    def __attrs_post_init__(self) -> None:
        if self.description.party is not FileParty.RECIPIENT:
            raise DecodeError("only descriptions for recipients are made into links")
        if self.app_server is not None:
            _check_app_server(self.app_server)

    def __str__(self) -> str:
        scheme = "simplex:" if self.app_server is None else f"https://{self.app_server}"
        link = f"{scheme}/file#/?desc={quote(encode_description(self.description), safe='')}"
        if self.client_data is None:
            return link
        return f"{link}&data={quote(self.client_data, safe='')}"


def parse_file_link(text: str) -> FileLink:
    """The link of either form; anything else raises `DecodeError`."""
    text = text.strip()
    if len(text) > MAX_LINK_SIZE:
        raise DecodeError("a link that is too long")
    if found := _APPLICATION.fullmatch(text):
        app_server, query = found.groups()
        parameters = _parameters(query)
        if "desc" not in parameters:
            raise DecodeError("a link without a description")
        description = decode_description(parameters["desc"])
        return FileLink(description, parameters.get("data"), app_server)
    if found := _WEB.fullmatch(text):
        return FileLink(decode_web_fragment(found[1]))
    raise DecodeError("not a link to a file")


def web_link(description: FileDescription, host: Host | None = None) -> str:
    """The link for browsers, to the web client at ``host``, or on the file's first router."""
    if description.party is not FileParty.RECIPIENT:
        raise ValueError("only descriptions for recipients are made into links")
    page = _page_on(description.servers[0]) if host is None else str(host)
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(encode_description(description).encode()) + packer.flush()
    return f"https://{page}/#{to_base64url(packed)}"


def _page_on(server: ServerAddress) -> str:
    host, port = server.hosts[0], server.port
    return str(host) if port in (None, _HTTPS_PORT) else f"{host}:{port}"


def decode_web_fragment(fragment: str) -> FileDescription:
    """The description in the last part of a web link; `DecodeError` if there is none."""
    unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        text = unpacker.decompress(from_base64url(fragment), MAX_DESCRIPTION_SIZE + 1)
    except zlib.error as exc:
        raise DecodeError("a compressed description that is damaged") from exc
    if not unpacker.eof:
        raise DecodeError("a compressed description that is too long, or has no end")
    return decode_description(text)


def _check_app_server(text: str) -> None:
    host, separator, port = text.rpartition(":")
    if separator and not text.endswith("]"):
        decimal(port, _MAX_PORT)
        parse_host(host)
    else:
        parse_host(text)


def _parameters(query: str) -> dict[str, str]:
    if not _ESCAPED.fullmatch(query):
        raise DecodeError("a link with characters that are escaped in links")
    parts = query.split("&", _MAX_PARAMETERS)
    if len(parts) > _MAX_PARAMETERS:
        raise DecodeError("a link with too many parameters")
    parameters: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        try:
            decoded = unquote_to_bytes(value.replace("+", " ")).decode()
        except UnicodeDecodeError as exc:
            raise DecodeError("a link that is not UTF-8") from exc
        parameters.setdefault(name, decoded)
    return parameters
