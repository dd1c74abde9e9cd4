"""Short links: where a router keeps the data of a link, and the key to it.

The text is ``simplex:/<type>#...?h=<hosts>&p=<port>&c=<fingerprint>``, or ``https://<host>/<type>#...``
with the first host in front, so that the router can show a page about the apps.  The type is ``i``
for a one-time invitation, whose link has the id of the data and the key; any other letter is a kind
of contact address, whose link has the key alone, because the id follows from it.  Browsers do not
send what stands after ``#``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Self, TypeAlias, final

import attrs
from attrs import field
from attrs.validators import and_, max_len, min_len

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.hosts import Host, parse_host, parse_hosts
from simplex_trio.wire.presets import PRESET_SERVERS, restore_server, shorten_server
from simplex_trio.wire.queries import Query, query_text
from simplex_trio.wire.text import decimal, from_base64url, to_base64url

__all__ = [
    "MAX_SHORT_LINK_TEXT",
    "ContactKind",
    "ShortContactLink",
    "ShortInvitationLink",
    "ShortLink",
    "UnknownLinkKind",
    "decode_short_link",
    "parse_short_link",
]

MAX_SHORT_LINK_TEXT = 8 * 1024
"""Characters of a short link: room for a few dozen hosts.  Longer texts are `DecodeError`."""

_MAX_SHORT = 0xFF
_MAX_PORT = 0xFFFF

_B64 = r"[0-9A-Za-z_-]+=*"
_SHORT_LINK = re.compile(
    r"(?:simplex:|https://(?P<host>[^/?#]+))/(?P<type>[A-Za-z])/?"
    rf"#(?:(?P<link_id>{_B64})/)?(?P<link_key>{_B64})(?:\?(?P<query>[^ \n]*))?"
)


class UnknownLinkKind(DecodeError):
    """A short link of a kind that came with a later version."""


class ContactKind(Enum):
    """What a contact address leads to; the value is its letter in text."""

    CONTACT = "a"
    CHANNEL = "c"
    GROUP = "g"
    RELAY = "r"
    SERVICE = "s"

    @classmethod
    def from_letter(cls, letter: str) -> ContactKind:
        """The kind with this letter, small or capital; else `UnknownLinkKind`."""
        kind = _KINDS.get(letter.lower())
        if kind is None:
            raise UnknownLinkKind("a short link of an unknown kind")
        return kind


_KINDS = {kind.value: kind for kind in ContactKind}
_INVITATION = "i"


@frozen(repr=False)
class _ShortLink(Redacted):
    """What both kinds have; ``str(link)`` is the text that apps open directly."""

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    """May be no more than the host of a preset: see `restored`."""

    def __attrs_post_init__(self) -> None:
        if self.server.protocol is not ServerProtocol.SMP:
            raise ValueError("the data of links is on SMP servers")

    def shortened(self, presets: Iterable[ServerAddress] = PRESET_SERVERS) -> Self:
        """The link without what every reader knows about its server, if that is a preset."""
        return attrs.evolve(self, server=shorten_server(self.server, presets))

    def restored(self, presets: Iterable[ServerAddress] = PRESET_SERVERS) -> Self:
        """The link with all hosts and the fingerprint of its server, if that is a preset."""
        return attrs.evolve(self, server=restore_server(self.server, presets))

    def __str__(self) -> str:
        return self._text("simplex:", self.server.hosts)

    @property
    def web_text(self) -> str:
        """The text that browsers open too, with a page about the apps on the link's own server."""
        first, *others = self.server.hosts
        return self._text(f"https://{first}", tuple(others))

    def _text(self, authority: str, hosts: tuple[Host, ...]) -> str:
        server = self.server
        parameters: list[tuple[str, str]] = []
        if hosts:
            parameters.append(("h", ",".join(map(str, hosts))))
        if server.port is not None:
            parameters.append(("p", f"{server.port}"))
        if server.key_hash:
            parameters.append(("c", _unpadded(server.key_hash)))
        query = f"?{query_text(parameters)}" if parameters else ""
        return f"{authority}/{self._letter()}#{self._fragment()}{query}"

    def _letter(self) -> str:
        raise NotImplementedError

    def _fragment(self) -> str:
        raise NotImplementedError


@final
@frozen(repr=False)
class ShortInvitationLink(_ShortLink):
    """The link of a one-time invitation."""

    link_id: bytes = field(validator=and_(instance_of(bytes), min_len(1), max_len(_MAX_SHORT)))
    link_key: bytes = field(validator=and_(instance_of(bytes), min_len(1), max_len(_MAX_SHORT)))

    def _letter(self) -> str:
        return _INVITATION

    def _fragment(self) -> str:
        return f"{_unpadded(self.link_id)}/{_unpadded(self.link_key)}"

    def encode(self) -> bytes:
        """The binary form, which has no room for whether the text was for browsers."""
        return b"I" + self.server.encode() + short(self.link_id) + short(self.link_key)


@final
@frozen(repr=False)
class ShortContactLink(_ShortLink):
    """The link of a contact address of any kind."""

    kind: ContactKind = field(validator=instance_of(ContactKind))
    link_key: bytes = field(validator=and_(instance_of(bytes), min_len(1), max_len(_MAX_SHORT)))

    def _letter(self) -> str:
        return self.kind.value

    def _fragment(self) -> str:
        return _unpadded(self.link_key)

    def encode(self) -> bytes:
        """The binary form, which has no room for whether the text was for browsers."""
        letter = self.kind.value.upper().encode()
        return b"C" + letter + self.server.encode() + short(self.link_key)


ShortLink: TypeAlias = ShortInvitationLink | ShortContactLink


def _unpadded(data: bytes) -> str:
    return to_base64url(data).rstrip("=")


def parse_short_link(text: str) -> ShortLink:
    """Read a short link of any kind, in either form.

    Raises `UnknownLinkKind` for one that is well formed but of a later kind, and `DecodeError` for
    anything else.
    """
    if len(text) > MAX_SHORT_LINK_TEXT:
        raise DecodeError("a short link that is too long")
    found = _SHORT_LINK.fullmatch(text)
    if found is None:
        raise DecodeError("not a short link")
    letter, link_id = found["type"], found["link_id"]
    kind = None if letter == _INVITATION else ContactKind.from_letter(letter)
    if (kind is None) != (link_id is not None):
        raise DecodeError("only a one-time invitation's link has an id")
    link_key = from_base64url(found["link_key"])
    try:
        server = _server(found["host"], found["query"])
        if kind is not None:
            return ShortContactLink(server, kind, link_key)
        return ShortInvitationLink(server, from_base64url(link_id), link_key)
    except DecodeError:
        raise
    except ValueError as exc:
        raise DecodeError("a short link with a part that cannot be right") from exc


def _server(host: str | None, query: str | None) -> ServerAddress:
    hosts: tuple[Host, ...] = () if host is None else (parse_host(host),)
    parameters = Query(query or "")
    if (more := parameters.get("h")) is not None:
        others, end = parse_hosts(more)
        if end != len(more):
            raise DecodeError("something follows the hosts")
        hosts += others
    if not hosts:
        raise DecodeError("a short link without a server")
    port = parameters.get("p")
    key_hash = parameters.get("c")
    return ServerAddress(
        ServerProtocol.SMP,
        hosts,
        None if port is None else decimal(port, _MAX_PORT),
        b"" if key_hash is None else from_base64url(key_hash),
    )


def decode_short_link(reader: Reader) -> ShortLink:
    """Read the binary form of a short link; raises as `parse_short_link` does.

    One of an unknown kind has been read to its end all the same.
    """
    try:
        match reader.take(1):
            case b"I":
                return ShortInvitationLink(
                    ServerAddress.decode(reader), reader.short(), reader.short()
                )
            case b"C":
                letter = reader.take(1)
                server, key = ServerAddress.decode(reader), reader.short()
                return ShortContactLink(server, _decode_kind(letter), key)
            case _:
                raise DecodeError("not a short link")
    except DecodeError:
        raise
    except ValueError as exc:
        raise DecodeError("a short link without an id or a key") from exc


def _decode_kind(letter: bytes) -> ContactKind:
    if not letter.isupper():
        raise UnknownLinkKind("a short link of an unknown kind")
    return ContactKind.from_letter(letter.decode("ascii"))
