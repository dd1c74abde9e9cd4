"""One entry for any text that a person pastes: `parse_link`.

A link may have come through a chat, a mail or a scanner, which put spaces around it or escape a
part of it.  What it is decides what happens next, so the outcome is a value of its own type, or one
error that says what the text was instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.requests import (
    MAX_REQUEST_TEXT,
    ConnectionRequest,
    InvitationURI,
    parse_request,
)
from simplex_trio.wire.duplex.short_links import ShortLink, UnknownLinkKind, parse_short_link
from simplex_trio.wire.duplex.versions import (
    AGENT_VERSIONS,
    RATCHET_VERSIONS,
    SMP_CLIENT_VERSIONS,
)
from simplex_trio.wire.presets import PRESET_SERVERS
from simplex_trio.wire.queries import Query, parse_version_range
from simplex_trio.wire.versions import VersionRange

__all__ = ["MAX_PASTED_TEXT", "Link", "LinkProblem", "NotALink", "parse_link"]

MAX_PASTED_TEXT = 4 * MAX_REQUEST_TEXT
"""Characters that are looked at: the longest request, escaped once more, with spaces around it."""

Link: TypeAlias = ConnectionRequest | ShortLink
"""What can be connected to."""


class LinkProblem(Enum):
    """What a text is, if it is not a link to connect to."""

    NOT_A_LINK = auto()
    """Nothing that is known here."""
    TOO_LONG = auto()
    """Longer than any link."""
    DAMAGED = auto()
    """The beginning of a link to connect to, and then something that makes no sense."""
    FUTURE_VERSION = auto()
    """A link to connect to that needs a newer agent: update this program."""
    FUTURE_KIND = auto()
    """A short link of a kind that came with a later version, which needs a newer agent."""
    FILE = auto()
    """A link to a file."""
    NAME = auto()
    """A name that a router has to look up."""
    QUEUE = auto()
    """The address of a queue, which is only a part of a link."""
    SERVER = auto()
    """The address of a server."""


class NotALink(DecodeError):
    """A text is not a link to connect to; ``problem`` says what it is instead."""

    def __init__(self, problem: LinkProblem) -> None:
        needs_newer = problem in (LinkProblem.FUTURE_VERSION, LinkProblem.FUTURE_KIND)
        text = "this link needs a newer agent" if needs_newer else "not a link to connect to"
        super().__init__(f"{text}: {problem.name}")
        self.problem = problem


_LONG = re.compile(
    r"(?:simplex:|https://[^/?#\s]+)/(?:invitation|contact)/?#/\?(?P<query>.*)", re.DOTALL
)
_SHORT = re.compile(r"(?:simplex:|https://[^/?#\s]+)/[A-Za-z]/?#.*", re.DOTALL)
_ESCAPED_WHOLE = re.compile(r"(?:simplex|https)%3A", re.IGNORECASE)
_ESCAPED_HASH = re.compile(
    r"((?:simplex:|https://[^/?#\s]+)/(?:invitation|contact|[A-Za-z])/?)%23(.*)", re.DOTALL
)

# A page of a router for files, with a description that browsers do not send, begins like this.
_OTHERS = (
    (re.compile(r"(?:simplex:|https://[^/?#\s]+)/file/?#"), LinkProblem.FILE),
    (re.compile(r"https?://[^/?#\s]+/#[0-9A-Za-z_-]{32}"), LinkProblem.FILE),
    (re.compile(r"simplex:/name"), LinkProblem.NAME),
    (re.compile(r"smp://[^/\s]+/[^#\s]+#"), LinkProblem.QUEUE),
    (re.compile(r"(?:smp|ntf|xftp)://"), LinkProblem.SERVER),
)


def parse_link(text: str, presets: Iterable[ServerAddress] = PRESET_SERVERS) -> Link:
    """The link that ``text`` is: a long or a short one, for an invitation or a contact address.

    Spaces around it do not matter, and it may be escaped as if it were a part of another address.
    A short link on one of the ``presets`` comes with all of its server's hosts and the fingerprint.
    One on another server is read without a fingerprint too, but cannot be followed, as nothing
    tells that server from an impostor.

    Anything else raises `NotALink`.
    """
    text = text.strip()
    if len(text) > MAX_PASTED_TEXT:
        raise NotALink(LinkProblem.TOO_LONG)
    text = _unescaped(text)
    if found := _LONG.fullmatch(text):
        return _long(text, found["query"])
    if _SHORT.fullmatch(text):
        return _short(text, presets)
    for pattern, problem in _OTHERS:
        if pattern.match(text):
            raise NotALink(problem)
    raise NotALink(LinkProblem.NOT_A_LINK)


def _unescaped(text: str) -> str:
    if _ESCAPED_WHOLE.match(text):
        return _unquoted(text)
    if found := _ESCAPED_HASH.fullmatch(text):
        start, rest = found.groups()
        # With its own separators in place only the first one was escaped; else everything was.
        in_place = any(separator in rest for separator in "?&=")
        return f"{start}#{rest if in_place else _unquoted(rest)}"
    return text


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode(errors="replace")


def _short(text: str, presets: Iterable[ServerAddress]) -> ShortLink:
    try:
        return parse_short_link(text).restored(presets)
    except UnknownLinkKind as exc:
        raise NotALink(LinkProblem.FUTURE_KIND) from exc
    except DecodeError as exc:
        raise NotALink(LinkProblem.DAMAGED) from exc


def _long(text: str, query: str) -> ConnectionRequest:
    if len(text) > MAX_REQUEST_TEXT:
        raise NotALink(LinkProblem.TOO_LONG)
    try:
        versions = parse_version_range(Query(query).required("v"))
    except DecodeError as exc:
        raise NotALink(LinkProblem.DAMAGED) from exc
    if versions.lowest > AGENT_VERSIONS.highest:
        raise NotALink(LinkProblem.FUTURE_VERSION)
    try:
        request = parse_request(text)
    except DecodeError as exc:
        raise NotALink(LinkProblem.DAMAGED) from exc
    if _is_of_the_future(request):
        raise NotALink(LinkProblem.FUTURE_VERSION)
    return request


def _is_of_the_future(request: ConnectionRequest) -> bool:
    parts: list[tuple[VersionRange, VersionRange]] = [
        (request.queues[0].client_versions, SMP_CLIENT_VERSIONS)
    ]
    if isinstance(request, InvitationURI):
        parts.append((request.x3dh_offer.versions, RATCHET_VERSIONS))
    return any(offered.lowest > spoken.highest for offered, spoken in parts)
