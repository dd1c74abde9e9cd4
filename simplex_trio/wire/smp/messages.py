"""The messages of a router, named as on the wire, for versions 6 to 20: answers and events.

A message is a value.  The id of its queue and, for an answer, the correlation id of the command are
part of the transmission around it (`simplex_trio.wire.transmissions`).  `decode_message` finds the
class by the tag.
"""

from __future__ import annotations

from simplex_trio.wire.smp.base import Message, MessageDecodeError
from simplex_trio.wire.smp.new_queue import IDS
from simplex_trio.wire.smp.queue_messages import DELD, END, INFO, LNK, MSG, NID, NMSG, SOK
from simplex_trio.wire.smp.router_messages import (
    ALLS,
    ENDS,
    ERR,
    OK,
    PKEY,
    PONG,
    PRES,
    RNAME,
    RRES,
    SOKS,
)
from simplex_trio.wire.tagged import decode_tagged
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = [
    "ALLS",
    "DELD",
    "END",
    "ENDS",
    "ERR",
    "IDS",
    "INFO",
    "LNK",
    "MESSAGES",
    "MSG",
    "NID",
    "NMSG",
    "OK",
    "PKEY",
    "PONG",
    "PRES",
    "RNAME",
    "RRES",
    "SOK",
    "SOKS",
    "Message",
    "MessageDecodeError",
    "decode_message",
]

MESSAGES: tuple[type[Message], ...] = (
    *(IDS, LNK, SOK, SOKS, MSG, ALLS, NID, NMSG, PKEY, RRES, PRES, END, ENDS, DELD, INFO, OK),
    *(ERR, PONG, RNAME),
)
"""All messages."""

_BY_TAG = {message.TAG: message for message in MESSAGES}


def decode_message(data: bytes, version: int, newest: int = SMP_VERSIONS.highest) -> Message:
    """Decode a message at ``version``.

    ``newest`` is the highest version that this side speaks; it does not know messages of later
    ones. Any invalid bytes raise `MessageDecodeError`, and nothing else.
    """
    return decode_tagged(_BY_TAG, MessageDecodeError, data, version, newest)
