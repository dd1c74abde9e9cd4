"""Names that a router resolves: the domain in RSLV, and the record in RNAME.

A domain has two or more labels, as in ``alice.simplex`` or ``team.example.com``: ASCII letters and
digits with single hyphens between them.  Other scripts are rejected on purpose, because of
look-alikes.
"""

from __future__ import annotations

import re
from enum import Enum

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.json_object import JSONObject, encode_json

__all__ = ["Domain", "NameRecord", "TopLevel"]

_MAX_LABEL = 63
_MAX_NAME = 253

_LABEL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_UNTIL_SPACE = re.compile(rb"[^ \t\n\v\f\r]*")


class TopLevel(Enum):
    """The registry of a domain, by its last label."""

    SIMPLEX = "simplex"
    TESTING = "testing"
    WEB = None
    """Any other last label, which then is part of the domain."""


def _parts(name: str) -> tuple[TopLevel, str, tuple[str, ...]]:
    """Split a full name into its parts, in lower case; raise `DecodeError` if it is invalid."""
    # Some letters of other scripts have ASCII lower case; they must not pass the check.
    lowered = name.lower() if name.isascii() else name
    labels = lowered.split(".")
    if len(name) > _MAX_NAME or len(labels) < 2:
        raise DecodeError("a name is too long, or has only one label")
    if not all(len(label) <= _MAX_LABEL and _LABEL.fullmatch(label) for label in labels):
        raise DecodeError("a name has an invalid label")
    match labels:
        case [*others, domain, "simplex" | "testing" as last]:
            return TopLevel(last), domain, tuple(reversed(others))
        case _:
            return TopLevel.WEB, lowered, ()


@frozen(repr=False)
class Domain(Redacted):
    """A domain; ``sub_domains`` run from the parent to the child.

    Resolution uses lower case, which is what `parse` returns.  A value with capitals is encoded as
    it is, and the other side decodes it in lower case.
    """

    top_level: TopLevel
    domain: str
    sub_domains: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        lowered = self.domain.lower(), tuple(label.lower() for label in self.sub_domains)
        if _parts(self.full_name) != (self.top_level, *lowered):
            raise ValueError("not the parts of a domain")

    @property
    def full_name(self) -> str:
        """The labels from the child to the parent, joined by dots."""
        top_level = () if self.top_level is TopLevel.WEB else (self.top_level.value,)
        return ".".join((*reversed(self.sub_domains), self.domain, *top_level))

    @classmethod
    def parse(cls, text: str) -> Domain:
        """Parse a full name in either case; raise `DecodeError` for other text."""
        return cls(*_parts(text))

    def encode(self) -> bytes:
        return self.full_name.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Domain:
        """Read a full name up to white space or the end, and skip the rest."""
        found = _UNTIL_SPACE.match(reader.tail())
        assert found is not None
        try:
            return cls.parse(found.group().decode("ascii"))
        except UnicodeDecodeError as exc:
            raise DecodeError("a name has an invalid label") from exc


@frozen(repr=False)
class NameRecord(Redacted):
    """The record of a name; an empty text stands for an absent value.

    The router passes on the answer of its resolver, and nothing on the way checks forms or lengths.
    ``owner`` and ``resolver`` should be Ethereum addresses, and contacts and channels should be
    links with the preferred one first, but any text may occur.
    """

    name: str
    nickname: str
    website: str
    location: str
    simplex_contacts: tuple[str, ...]
    simplex_channels: tuple[str, ...]
    eth: str | None
    btc: str | None
    xmr: str | None
    dot: str | None
    owner: str
    resolver: str

    def encode(self) -> bytes:
        return encode_json(
            {
                "name": self.name,
                "nickname": self.nickname,
                "website": self.website,
                "location": self.location,
                "simplexContact": self.simplex_contacts,
                "simplexChannel": self.simplex_channels,
                "eth": self.eth,
                "btc": self.btc,
                "xmr": self.xmr,
                "dot": self.dot,
                "owner": self.owner,
                "resolver": self.resolver,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> NameRecord:
        record = JSONObject.decode(data)
        return cls(
            name=record.text("name"),
            nickname=record.text("nickname"),
            website=record.text("website"),
            location=record.text("location"),
            simplex_contacts=record.texts("simplexContact"),
            simplex_channels=record.texts("simplexChannel"),
            eth=record.optional_text("eth"),
            btc=record.optional_text("btc"),
            xmr=record.optional_text("xmr"),
            dot=record.optional_text("dot"),
            owner=record.text("owner"),
            resolver=record.text("resolver"),
        )
