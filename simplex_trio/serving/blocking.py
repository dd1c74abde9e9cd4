"""Why something is blocked, in requests on the control socket and in answers to them.  Pure."""

from __future__ import annotations

from typing import Any

from simplex_trio.serving.control_messages import ControlError, ControlRequest
from simplex_trio.wire.errors.codes import BlockingReason
from simplex_trio.wire.errors.values import Blocked, BlockingNotice

__all__ = ["blocked_in", "blocking_reason"]


def blocking_reason(request: ControlRequest) -> Blocked:
    """The reason in a request: ``reason``, and ``notice`` if clients are to show one.

    A notice may have ``notice_seconds``, for which it is shown.  Raises `ControlError`.
    """
    try:
        reason = BlockingReason(request.text("reason"))
    except ValueError:
        known = " or ".join(each.value for each in BlockingReason)
        raise ControlError(ControlError.BAD_REQUEST, f"the reason must be {known}") from None
    seconds = request.number("notice_seconds")
    if request.flag("notice"):
        return Blocked(reason, BlockingNotice(seconds))
    if seconds is not None:
        raise ControlError(ControlError.BAD_REQUEST, "notice_seconds are for a notice")
    return Blocked(reason)


def blocked_in(blocked: Blocked | None) -> dict[str, Any] | None:
    """The same in an answer."""
    if blocked is None:
        return None
    notice = blocked.notice
    return {
        "reason": blocked.reason.value,
        "notice": notice is not None,
        "notice_seconds": None if notice is None else notice.ttl,
    }
