"""Options that the commands of both kinds of routers have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import ExistingDirectory

from simplex_trio.cli.logs import LogFormat
from simplex_trio.cli.options import Flag, at_least, not_empty
from simplex_trio.wire.errors.codes import BlockingReason

__all__ = [
    "AcceptLoss",
    "CaKey",
    "EntityId",
    "Log",
    "NewPort",
    "NoControl",
    "Notice",
    "NoticeSeconds",
    "Password",
    "Qr",
    "Reason",
    "ShowPassword",
    "TakeOver",
    "Verbose",
    "Zeros",
]

NewPort = Annotated[int | None, Parameter(name="--port", validator=at_least(1, 0xFFFF))]

TakeOver = Annotated[ExistingDirectory | None, Parameter(name="--take-over")]

Password = Annotated[Flag, Parameter(name="--password")]

ShowPassword = Annotated[
    Flag,
    Parameter(name="--show-password", help="Print the address with the router's password in it."),
]

Log = Annotated[
    LogFormat | None,
    Parameter(
        name="--log",
        help="How log lines are written; `text` on a terminal and `json` elsewhere unless given.",
    ),
]

Verbose = Annotated[Flag, Parameter(name="--verbose", help="Log more.")]

Qr = Annotated[Flag, Parameter(name="--qr", help="Show the address as a QR code, too.")]

AcceptLoss = Annotated[
    Flag,
    Parameter(
        name="--accept-loss",
        help="Start even if the store lacks its last commits, which are given up; the log says how "
        "many.",
    ),
]

Standby = Annotated[
    Flag,
    Parameter(
        name="--standby",
        help="Wait while another process has the store open, or its database cannot be reached; "
        "then load it and listen.",
    ),
]

NoControl = Annotated[
    Flag,
    Parameter(
        name="--no-control",
        help="Have no control socket, on which the router is asked and told things, unless the "
        "configuration has one.",
    ),
]

EntityId = Annotated[str, Parameter(validator=not_empty, allow_leading_hyphen=True)]

Reason = Annotated[
    BlockingReason,
    Parameter(name="--reason", help="Why, which those who are refused are told."),
]

Notice = Annotated[
    Flag, Parameter(name="--notice", help="Have apps show their users a notice about it.")
]

NoticeSeconds = Annotated[
    int | None,
    Parameter(
        name="--notice-seconds",
        validator=at_least(1),
        help="For how long they show it; for good unless given.",
    ),
]

Zeros = Annotated[Flag, Parameter(name="--zeros", help="Show the counters that are 0, too.")]

CaKey = Annotated[
    Path | None,
    Parameter(
        name="--ca-key",
        help="The key of the router's identity; the file `ca.key` in the folder unless given.",
    ),
]
