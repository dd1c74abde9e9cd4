"""`AcceptPolicy`: which clients may create queues, or register packets.  Pure."""

from __future__ import annotations

import hmac

from attrs import field
from attrs.validators import optional

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.basic_auth import is_basic_auth

__all__ = ["AcceptPolicy"]


def _is_password(_instance: object, _attribute: object, value: str) -> None:
    if not value or not is_basic_auth(value.encode()):
        raise ValueError("a password is printable, and without spaces, '@', ':' and '/'")


@frozen(repr=False, kw_only=True)
class AcceptPolicy(Redacted):
    """Whether clients may create queues, or register packets, and with which password."""

    accept_new: bool = True
    """Whether they may at all; without this, a router serves only the queues or packets it has."""
    password: str | None = field(default=None, validator=optional([instance_of(str), _is_password]))
    """The password for that, and for using an SMP router as a proxy.  Receiving and sending
    messages, and downloading packets, never need it."""

    def accepts(self, password: bytes | None) -> bool:
        """Whether this password, or none, is sufficient; takes constant time."""
        if self.password is None:
            return True
        return hmac.compare_digest(self.password.encode(), password or b"")
