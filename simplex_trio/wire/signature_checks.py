"""`SignatureChecks`: signatures that a `Verifier` is about to verify, shared with other threads.

The verifier takes them from the front, in the order in which it comes to them, and other threads
from the end.  libsodium and OpenSSL compute without the interpreter's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from attrs import define

from simplex_trio.crypto.keys import Ed448PublicKey, VerifyKey
from simplex_trio.errors import SignatureInvalid
from simplex_trio.redaction import Redacted

__all__ = ["SignatureCheck", "SignatureChecks", "is_signed", "signature_cost"]

_ED25519_COST: Final = 9
_ED448_COST: Final = 31

_COST_AT_ONCE: Final = 16 * _ED25519_COST
"""How much the verifier verifies at once.  Between two signatures it holds the interpreter's lock
only for a moment then, while deciding a command would keep other threads from theirs: every other
signature would wait for the lock, which costs a sixth of the time.  It is less than what a turn of
a connection may cost."""


def signature_cost(key: VerifyKey) -> int:
    """What verifying with a key costs; one unit is about ten microseconds."""
    return _ED448_COST if isinstance(key, Ed448PublicKey) else _ED25519_COST


def is_signed(key: VerifyKey, signature: bytes, message: bytes) -> bool:
    """Whether a signature is valid."""
    try:
        key.verify(signature, message)
    except SignatureInvalid:
        return False
    return True


@define(eq=False, repr=False)
class SignatureCheck(Redacted):
    """One signature, and the ``verdict`` once it is verified."""

    key: VerifyKey
    signature: bytes
    message: bytes
    verdict: bool | None = None

    def is_same(self, other: SignatureCheck) -> bool:
        """Whether the verdict on one is the verdict on the other."""
        return (self.key, self.signature, self.message) == (
            other.key,
            other.signature,
            other.message,
        )

    def run(self) -> None:
        """Verify it."""
        self.verdict = is_signed(self.key, self.signature, self.message)


class SignatureChecks:
    """The signatures in one block, in order."""

    def __init__(self, checks: Iterable[SignatureCheck] = ()) -> None:
        self._left = deque(checks)
        self._by_signature = {check.signature: check for check in self._left}

    @property
    def left(self) -> int:
        """How many were not begun."""
        return len(self._left)

    @property
    def are_any(self) -> bool:
        """Whether there are any that were not taken."""
        return bool(self._by_signature)

    def has_accepted(self, check: SignatureCheck) -> bool:
        """Whether there is a verdict on the same, not taken so far, that it is valid."""
        found = self._by_signature.get(check.signature)
        return found is not None and found.verdict is True and found.is_same(check)

    def take(self, signature: bytes) -> SignatureCheck | None:
        """The check of a signature, if there is one; each is given once."""
        return self._by_signature.pop(signature, None)

    def run_some(self) -> int:
        """Verify the next ones; returns what that has cost."""
        cost = 0
        while cost < _COST_AT_ONCE:
            try:
                check = self._left.popleft()
            except IndexError:
                break
            check.run()
            cost += signature_cost(check.key)
        return cost

    def run_from_the_end(self) -> None:
        """Verify until nothing is left; for other threads."""
        while True:
            try:
                check = self._left.pop()
            except IndexError:
                return
            check.run()

    def give_up(self) -> None:
        """Forget what is left; other threads stop after the signature that they are at."""
        self._left.clear()
