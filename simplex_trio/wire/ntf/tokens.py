"""Device tokens: the identifiers that push providers give to devices."""

from __future__ import annotations

import re
from enum import Enum
from typing import final

from attrs import field
from attrs.validators import and_, max_len

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.ntf.words import one_of

__all__ = ["DeviceToken", "PushProvider"]

_MAX_SHORT = 0xFF

_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_NAME_OF_NULL_TOKEN = "test_ntf_token"  # noqa: S105 - a word of the protocol, not a secret


class PushProvider(Enum):
    """The service that delivers notifications; ``str(provider)`` is its name in text."""

    APNS_DEV = b"AD"
    """Apple's development service."""
    APNS_PROD = b"AP"
    """Apple's production service."""
    APNS_TEST = b"AT"
    """A stand-in for Apple's service, for tests of a notification router."""
    APNS_NULL = b"AN"
    """No delivery; clients use it to test that a notification router answers."""

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> PushProvider:
        for provider in cls:
            if str(provider) == text:
                return provider
        raise DecodeError("not a push provider")


@final
@frozen(repr=False)
class DeviceToken(Redacted):
    """A token as its provider wrote it, usually in hexadecimal; ``str(token)`` is the text form."""

    provider: PushProvider = field(validator=instance_of(PushProvider))
    token: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))

    def __str__(self) -> str:
        return f"{self.provider} {self.token.decode('ascii', 'backslashreplace')}"

    @classmethod
    def parse(cls, text: str) -> DeviceToken:
        """Parse a hexadecimal token; with `PushProvider.APNS_NULL`, the name for no device.

        Raises `DecodeError` for other text.
        """
        name, space, token = text.partition(" ")
        provider = PushProvider.parse(name)
        stands_for_none = provider is PushProvider.APNS_NULL and token == _NAME_OF_NULL_TOKEN
        spelled = space and (stands_for_none or _HEX.fullmatch(token))
        if not spelled or len(token) > _MAX_SHORT:
            raise DecodeError("not a device token")
        return cls(provider, token.encode())

    def encode(self) -> bytes:
        provider: bytes = self.provider.value
        return provider + short(self.token)

    @classmethod
    def decode(cls, reader: Reader) -> DeviceToken:
        return cls(one_of(PushProvider, reader.take(2)), reader.short())
