"""Opening what a router delivers: its envelopes, and what the ratchet has encrypted.

Whatever cannot be opened is `Unusable`.
"""

from __future__ import annotations

from typing import final

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.events import Problem
from simplex_trio.duplex.machine.step import Moment, OpenConnection, Step
from simplex_trio.errors import DecodeError, DecryptionFailed
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.errors import RatchetError
from simplex_trio.ratchet.receiving import Decrypted, open_header
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.state import FreshKeys, Ratchet
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.envelopes import AgentEnvelope, decode_envelope
from simplex_trio.wire.duplex.messages import decode_message
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "Arrival",
    "Unusable",
    "decoded",
    "decrypt",
    "is_newer",
    "open_envelope",
    "raise_version",
    "version_problem",
]


@final
@frozen(repr=False)
class Arrival(Redacted):
    """A message as a router has delivered it."""

    broker_id: bytes
    timestamp: int
    body: bytes


_HIGHEST_PLAUSIBLE = 0xFF
"""Higher numbers are no versions, but garbage."""


def is_newer(version: int, spoken: VersionRange) -> bool:
    """Whether a version is one of a newer agent."""
    return spoken.highest < version <= _HIGHEST_PLAUSIBLE


def version_problem(version: int, spoken: VersionRange) -> Problem:
    """What is wrong with a version that is not spoken."""
    return Problem.NEWER_AGENT if is_newer(version, spoken) else Problem.VERSION


class Unusable(Exception):
    """What has come cannot be used; it is reported and acknowledged, and changes nothing else."""

    def __init__(
        self, problem: Problem, *, known: bool = False, lost: RatchetError | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.lost = lost
        """Why the ratchet could not decrypt it, if that is what is wrong."""
        self.known = known
        """Whether it was processed before, so that there is nothing to report."""


def open_envelope(secret: BoxKey, outer: ClientEnvelope) -> tuple[ClientMessage, AgentEnvelope]:
    """What is in the box of a message, and the envelope in it."""
    try:
        inner = ClientMessage.open(secret, outer.nonce, outer.sealed)
        return inner, decode_envelope(inner.body)
    except DecryptionFailed as exc:
        raise Unusable(Problem.DECRYPTION) from exc
    except DecodeError as exc:
        raise Unusable(Problem.MALFORMED) from exc


def decrypt(step: Step, c: OpenConnection, ciphertext: bytes) -> bytes:
    """Decrypt a message; the connection has the next state of the ratchet then."""
    ratchet = c.row.ratchet
    if ratchet is None:
        raise Unusable(Problem.UNEXPECTED)
    try:
        decrypted = _decrypted(step.moment, ratchet, c.skipped, ciphertext)
    except RatchetError as exc:
        # The next message tells which of two ratchets the peer has.
        for name, other in (
            ("other_ratchet", c.row.other_ratchet),
            ("old_ratchet", c.row.old_ratchet),
        ):
            if other is None:
                continue
            try:
                decrypted = _decrypted(step.moment, other, SkippedKeys(), ciphertext)
            except RatchetError:
                continue
            if name == "old_ratchet":
                c.change(old_ratchet=decrypted.ratchet)
                return decrypted.plaintext
            c.change(other_ratchet=ratchet)
            break
        else:
            raise Unusable(Problem.DECRYPTION, lost=exc) from exc
    if decrypted.skipped is not c.skipped:
        c.skipped = decrypted.skipped
    c.change(ratchet=decrypted.ratchet)
    return decrypted.plaintext


def _decrypted(
    moment: Moment, ratchet: Ratchet, skipped: SkippedKeys, ciphertext: bytes
) -> Decrypted:
    opened = open_header(ratchet, skipped, ciphertext, now=moment.seconds)
    fresh = None
    if opened.needs_dh_pair:
        pair = moment.fresh_kem_pair() if opened.needs_kem_pair else None
        fresh = FreshKeys(moment.dh_pair(), pair)
    return opened.decrypt(fresh, moment.kem)


def raise_version(step: Step, c: OpenConnection, version: int) -> None:
    """A message's version raises that of the connection, and never lowers it."""
    version = min(version, step.moment.spoken.agent.highest)
    if version > c.row.agent_version:
        c.change(agent_version=version)


def decoded(plaintext: bytes) -> object:
    """What the ratchet has decrypted."""
    try:
        return decode_message(plaintext)
    except DecodeError as exc:
        raise Unusable(Problem.MALFORMED) from exc
