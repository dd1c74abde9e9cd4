"""Targets: the control socket of a router."""

from __future__ import annotations

from collections.abc import Iterator

from simplex_trio.serving.blocking import blocking_reason
from simplex_trio.serving.control_messages import (
    ControlError,
    encode_answer,
    encode_failure,
    encode_request,
    parse_answer,
    parse_request,
)
from tests.fuzz.target import Target

__all__ = ["TARGETS"]


def request(line: bytes) -> None:
    """Read a request in each way in which a command reads one."""
    read = parse_request(line)
    for part in (
        lambda: read.entity_id(),
        lambda: read.flag("addresses"),
        lambda: read.number("limit"),
        lambda: blocking_reason(read),
    ):
        try:
            part()
        except ControlError:
            continue


def requests() -> Iterator[bytes]:
    yield encode_request("clients", {"addresses": True, "limit": 50})
    yield encode_request("queue", {"id": "AAECAwQF"})
    yield encode_request("block", {"id": "AA==", "reason": "spam", "notice": True})


def answers() -> Iterator[bytes]:
    yield encode_answer({"state": "active", "messages": 5})
    yield encode_failure(ControlError("not_found", "there is no queue with this id"))


TARGETS = (
    Target("control-request", request, requests, (ControlError,)),
    Target("control-answer", parse_answer, answers, (ControlError,)),
)
