"""Connection requests: the long links, and the same inside envelopes and the data of short links.

An *invitation* is for one peer, who joins with the ratchet keys in it.  A *contact address* is for
any number of peers, and each of them sends an invitation of its own to it.  As text a request is
``simplex:/invitation#/?v=2-7&smp=...&e2e=...`` or ``simplex:/contact#/?v=2-7&smp=...``, or the same
behind ``https://`` and a host, which shows a page about the apps and never sees the part after
``#``.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self, TypeAlias, final

import attrs
from attrs import field
from attrs.validators import and_, deep_iterable, max_len, min_len, optional

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, large, listed, maybe
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS
from simplex_trio.wire.duplex.x3dh_keys import X3DHOffer
from simplex_trio.wire.queries import (
    Query,
    parse_version_range,
    query_text,
    version_range_text,
)
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueURI
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "MAX_CLIENT_DATA",
    "MAX_REQUEST_TEXT",
    "WEB_HOST",
    "ConnectionRequest",
    "ContactURI",
    "InvitationURI",
    "client_data_size",
    "decode_request",
    "parse_request",
]

WEB_HOST = "simplex.chat"
"""The host of the page to which the ``https://`` form of a long link leads."""

MAX_CLIENT_DATA = 0xFFFF
"""Bytes of client data: the binary form has two bytes for their number.  More is `ValueError`."""

MAX_REQUEST_TEXT = 256 * 1024
"""Characters of a request as text, which is room for the longest client data with every byte
escaped, and 64 KiB for the rest.  Longer texts are `DecodeError`; one that is to travel in an
envelope has at most 65,535."""

_MAX_QUEUES = 0xFF

_REQUEST = re.compile(
    r"(?:simplex:|https://[^:#,;/ \n]+(?::[0-9]+)?)/(?P<kind>invitation|contact)/?"
    r"#/\?(?P<query>[^ \n]*)"
)


def client_data_size(text: str) -> int:
    """How many bytes of client data a text is; `ValueError` if it cannot be any."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("client data with half of a character") from None


def _check_client_data(_instance: object, _attribute: Any, value: str | None) -> None:
    if value is None:
        return
    size = client_data_size(value)
    if size > MAX_CLIENT_DATA:
        raise ValueError(f"{size} bytes of client data, where at most {MAX_CLIENT_DATA} fit")


@frozen(repr=False)
class _Request(Redacted):
    """What both kinds of requests have; ``str(request)`` is the text to pass on."""

    TAG: ClassVar[bytes]
    PATH: ClassVar[str]

    agent_versions: VersionRange = field(validator=instance_of(VersionRange))
    queues: tuple[QueueURI, ...] = field(
        validator=deep_iterable(
            instance_of(QueueURI), and_(instance_of(tuple), min_len(1), max_len(_MAX_QUEUES))
        )
    )
    """Today's agents write one, and use the first."""
    client_data: str | None = field(
        default=None,
        validator=[optional(instance_of(str)), _check_client_data],
        kw_only=True,
    )
    """What the program adds; apps mark the links of groups so.  Its own business."""

    def __str__(self) -> str:
        return self._text("simplex:")

    def web_text(self, host: str = WEB_HOST) -> str:
        """The link for people who may not have an app yet, with a page about it on ``host``."""
        return self._text(f"https://{host}")

    def _text(self, authority: str) -> str:
        # Commas separate the hosts of a server, so queues have semicolons between them.
        parameters = [
            ("v", version_range_text(self.agent_versions)),
            ("smp", ";".join(map(str, self.queues))),
            *self._own_parameters(),
        ]
        if self.client_data is not None:
            parameters.append(("data", self.client_data))
        return f"{authority}/{self.PATH}#/?{query_text(parameters)}"

    def _own_parameters(self) -> list[tuple[str, str]]:
        return []

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a request of this kind in any of its forms; else `DecodeError`."""
        request = parse_request(text)
        if not isinstance(request, cls):
            raise DecodeError("a connection request of another kind")
        return request

    def encode(self) -> bytes:
        """The binary form, tag included."""
        queues = listed(queue.encode() for queue in self.queues)
        data = maybe(self.client_data, lambda text: large(text.encode()))
        return self.TAG + self.agent_versions.encode() + queues + data


@final
@frozen(repr=False)
class InvitationURI(_Request):
    """A request that one peer may use once."""

    TAG: ClassVar[bytes] = b"I"
    PATH: ClassVar[str] = "invitation"

    x3dh_offer: X3DHOffer = field(validator=instance_of(X3DHOffer))
    """The keys with which the peer makes the ratchet."""

    def _own_parameters(self) -> list[tuple[str, str]]:
        return [("e2e", str(self.x3dh_offer))]

    def encode(self) -> bytes:
        return super().encode() + self.x3dh_offer.encode()


@final
@frozen(repr=False)
class ContactURI(_Request):
    """A request that any number of peers may use."""

    TAG: ClassVar[bytes] = b"C"
    PATH: ClassVar[str] = "contact"


ConnectionRequest: TypeAlias = InvitationURI | ContactURI
"""What a long link holds."""


def parse_request(text: str) -> ConnectionRequest:
    """Read the text of a request of either kind in any of its forms; else `DecodeError`.

    Contact addresses from before the versions spoken here are still published in places; their
    versions are raised to the lowest that is spoken.
    """
    if len(text) > MAX_REQUEST_TEXT:
        raise DecodeError("a connection request that is too long")
    found = _REQUEST.fullmatch(text)
    if found is None:
        raise DecodeError("not a connection request")
    query = Query(found["query"])
    versions = parse_version_range(query.required("v"))
    parts = query.required("smp").split(";", _MAX_QUEUES)
    if len(parts) > _MAX_QUEUES:
        raise DecodeError(f"a connection request with more than {_MAX_QUEUES} queues")
    queues = tuple(map(QueueURI.parse, parts))
    data = query.utf8("data")
    offer = query.required("e2e") if found["kind"] == InvitationURI.PATH else None
    try:
        if offer is None:
            return ContactURI(_raised(versions), queues, client_data=data)
        return InvitationURI(versions, queues, X3DHOffer.parse(offer), client_data=data)
    except DecodeError:
        raise
    except ValueError as exc:
        raise DecodeError("a connection request with a part that cannot be right") from exc


def _raised(versions: VersionRange) -> VersionRange:
    lowest = max(versions.lowest, AGENT_VERSIONS.lowest)
    return VersionRange(lowest, max(versions.highest, lowest))


def decode_request(reader: Reader) -> ConnectionRequest:
    """Read the binary form of a request of either kind; else `DecodeError`."""
    tag = reader.take(1)
    if tag not in (InvitationURI.TAG, ContactURI.TAG):
        raise DecodeError("not a connection request")
    versions = VersionRange.decode(reader)
    queues = reader.listed(lambda: _with_mode(QueueURI.decode(reader)), at_least=1)
    raw = reader.maybe(reader.large)
    data = None if raw is None else raw.decode(errors="replace")
    try:
        if tag == ContactURI.TAG:
            return ContactURI(versions, queues, client_data=data)
        return InvitationURI(versions, queues, X3DHOffer.decode(reader), client_data=data)
    except DecodeError:
        raise
    except ValueError as exc:
        raise DecodeError("a connection request with a part that cannot be right") from exc


def _with_mode(uri: QueueURI) -> QueueURI:
    # The binary form leaves out that a queue is for contact unless all readers know of modes.
    if uri.queue.mode is not None:
        return uri
    return attrs.evolve(uri, queue=attrs.evolve(uri.queue, mode=QueueMode.CONTACT))
