"""`AcceptPolicy`: who may create something on a router.  Pure."""

from __future__ import annotations

import hmac

from attrs import field, frozen
from attrs.validators import optional

from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.basic_auth import is_basic_auth

__all__ = ["AcceptPolicy"]


def _is_password(_instance: object, _attribute: object, value: str) -> None:
    if not value or not is_basic_auth(value.encode()):
        raise ValueError("a password is printable, and without spaces, '@', ':' and '/'")


@frozen(repr=False, kw_only=True)
class AcceptPolicy(Redacted):
    """Whether clients may create queues, or register packets, and what they must know for that."""

    accept_new: bool = True
    """Whether it is possible at all; a router that is going to be closed serves what it has."""
    password: str | None = field(default=None, validator=optional([instance_of(str), _is_password]))
    """What clients must know for it, and to use an SMP router as a proxy.  Receiving and sending
    messages, and downloading packets, never need it."""

    def accepts(self, password: bytes | None) -> bool:
        """Whether this password, or none, is enough for what the password is for."""
        if self.password is None:
            return True
        return hmac.compare_digest(self.password.encode(), password or b"")
