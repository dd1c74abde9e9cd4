"""All targets there are."""

from __future__ import annotations

from tests.fuzz import chat, control, duplex, moving, ratchet, saved, trust, wire, xftp
from tests.fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *wire.TARGETS,
        *duplex.TARGETS,
        *trust.TARGETS,
        *ratchet.TARGETS,
        *xftp.TARGETS,
        *chat.TARGETS,
        *moving.TARGETS,
        *control.TARGETS,
        *saved.TARGETS,
    )
}
