"""The commands of SMP, named as on the wire, for versions 6 to 20.

A command is a value.  The id of its queue and its authorization are part of the transmission around
it (`simplex_trio.wire.transmissions`).  `decode_command` finds the class by the tag.
"""

from __future__ import annotations

from simplex_trio.wire.smp.base import (
    Command,
    CommandDecodeError,
    RecipientCommand,
    SenderCommand,
)
from simplex_trio.wire.smp.new_queue import NEW
from simplex_trio.wire.smp.queue_commands import (
    ACK,
    DEL,
    GET,
    KEY,
    LDEL,
    LGET,
    LKEY,
    LSET,
    NDEL,
    NKEY,
    NSUB,
    OFF,
    QUE,
    RKEY,
    SEND,
    SKEY,
    SUB,
)
from simplex_trio.wire.smp.router_commands import NSUBS, PFWD, PING, PRXY, RFWD, RSLV, SUBS
from simplex_trio.wire.tagged import decode_tagged
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = [
    "ACK",
    "COMMANDS",
    "DEL",
    "GET",
    "KEY",
    "LDEL",
    "LGET",
    "LKEY",
    "LSET",
    "NDEL",
    "NEW",
    "NKEY",
    "NSUB",
    "NSUBS",
    "OFF",
    "PFWD",
    "PING",
    "PRXY",
    "QUE",
    "RFWD",
    "RKEY",
    "RSLV",
    "SEND",
    "SKEY",
    "SUB",
    "SUBS",
    "Command",
    "CommandDecodeError",
    "RecipientCommand",
    "SenderCommand",
    "decode_command",
]


COMMANDS: tuple[type[Command], ...] = (
    *(NEW, SUB, SUBS, KEY, RKEY, LSET, LDEL, NKEY, NDEL, GET, ACK, OFF, DEL, QUE),
    *(SKEY, SEND, LKEY, LGET, NSUB, NSUBS, PRXY, PFWD, RFWD, RSLV, PING),
)
"""All commands."""

_BY_TAG = {command.TAG: command for command in COMMANDS}


def decode_command(data: bytes, version: int, newest: int = SMP_VERSIONS.highest) -> Command:
    """Decode a command at ``version``.

    ``newest`` is the highest version that this side speaks; it does not know commands of later
    ones. Any invalid bytes raise `CommandDecodeError`, and nothing else.
    """
    return decode_tagged(_BY_TAG, CommandDecodeError, data, version, newest)
