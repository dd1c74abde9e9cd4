"""File descriptions as links, to scan, click, or open in a browser.

There are two forms.  A link for applications has the escaped text of the description, and space for
the application's own data; its server, if there is one, only shows how to get the application.  A
web link has the compressed text in the fragment, which browsers do not send.
"""

from __future__ import annotations

import re
import zlib
from urllib.parse import quote, unquote_to_bytes

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
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
"""In characters: every byte of a description may be escaped, and there may be data as well."""

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
    """The application's own data; not interpreted."""
    app_server: str | None = None
    """Host and port of the page about the application, in links with https."""

    def __attrs_post_init__(self) -> None:
        if self.description.party is not FileParty.RECIPIENT:
            raise DecodeError("only a recipient's description can become a link")
        if self.app_server is not None:
            _check_app_server(self.app_server)

    def __str__(self) -> str:
        scheme = "simplex:" if self.app_server is None else f"https://{self.app_server}"
        link = f"{scheme}/file#/?desc={quote(encode_description(self.description), safe='')}"
        if self.client_data is None:
            return link
        return f"{link}&data={quote(self.client_data, safe='')}"


def parse_file_link(text: str) -> FileLink:
    """Parse a link of either form; raise `DecodeError` for other text."""
    text = text.strip()
    if len(text) > MAX_LINK_SIZE:
        raise DecodeError("the link is too long")
    if found := _APPLICATION.fullmatch(text):
        app_server, query = found.groups()
        parameters = _parameters(query)
        if "desc" not in parameters:
            raise DecodeError("the link has no description")
        description = decode_description(parameters["desc"])
        return FileLink(description, parameters.get("data"), app_server)
    if found := _WEB.fullmatch(text):
        return FileLink(decode_web_fragment(found[1]))
    raise DecodeError("not a file link")


def web_link(description: FileDescription, host: Host | None = None) -> str:
    """Return a link for browsers, to the web client at ``host``, or on the file's first router."""
    if description.party is not FileParty.RECIPIENT:
        raise ValueError("only a recipient's description can become a link")
    page = _page_on(description.servers[0]) if host is None else str(host)
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(encode_description(description).encode()) + packer.flush()
    return f"https://{page}/#{to_base64url(packed)}"


def _page_on(server: ServerAddress) -> str:
    host, port = server.hosts[0], server.port
    return str(host) if port in (None, _HTTPS_PORT) else f"{host}:{port}"


def decode_web_fragment(fragment: str) -> FileDescription:
    """Decode the fragment of a web link; raise `DecodeError` if it is not a description."""
    unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        text = unpacker.decompress(from_base64url(fragment), MAX_DESCRIPTION_SIZE + 1)
    except zlib.error as exc:
        raise DecodeError("the compressed description is damaged") from exc
    if not unpacker.eof:
        raise DecodeError("the compressed description is too long or truncated")
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
        raise DecodeError("the link has characters that must be escaped")
    parts = query.split("&", _MAX_PARAMETERS)
    if len(parts) > _MAX_PARAMETERS:
        raise DecodeError("the link has too many parameters")
    parameters: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        try:
            decoded = unquote_to_bytes(value.replace("+", " ")).decode()
        except UnicodeDecodeError as exc:
            raise DecodeError("the link is not UTF-8") from exc
        parameters.setdefault(name, decoded)
    return parameters
