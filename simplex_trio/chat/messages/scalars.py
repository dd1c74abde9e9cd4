"""Values that are text in JSON, and more than text: times, and ranges of versions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Self

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.text import decimal
from simplex_trio.wire.versions import VersionRange

__all__ = ["ChatVersions", "Timestamp"]

_MAX_TIME_TEXT = 64
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,40}))?(?:Z|([+-])([0-9]{2}):?([0-9]{2}))"
)


@frozen(repr=False)
class Timestamp(Redacted):
    """A moment, in UTC.

    The apps tell nanoseconds, which `datetime` does not have, and compare quoted times exactly.  So
    the text stays what it was.
    """

    text: str

    @property
    def moment(self) -> datetime:
        """The same moment, to the microsecond."""
        return _parsed(self.text)

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The same moment; ``moment`` has a time zone."""
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return cls(moment.astimezone(UTC).isoformat().replace("+00:00", "Z"))

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        if not isinstance(value, str) or len(value) > _MAX_TIME_TEXT:
            raise DecodeError("not a time")
        _parsed(value)
        return cls(value)

    def to_json(self) -> str:
        """The JSON value of this value."""
        return self.text


def _parsed(text: str) -> datetime:
    found = _TIME.fullmatch(text)
    if found is None:
        raise DecodeError("not a time")
    *parts, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, parts)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        # `datetime` has no leap seconds.
        local = datetime(year, month, day, hour, minute, min(second, 59), microsecond, UTC)
        return local + ahead if sign == "-" else local - ahead
    except (ValueError, OverflowError) as exc:
        raise DecodeError("not a time") from exc


@frozen
class ChatVersions(VersionRange):
    """The versions of the chat protocol that a program speaks: ``"1-16"``, or ``"1"`` alone."""

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        if not isinstance(value, str):
            raise DecodeError("not a range of versions")
        first, _, last = value.partition("-")
        lowest = decimal(first, 0xFFFF)
        highest = decimal(last, 0xFFFF) if "-" in value else lowest
        if lowest > highest:
            raise DecodeError("a range of versions ends before it starts")
        return cls(lowest, highest)

    def to_json(self) -> str:
        """The JSON value of this value."""
        lowest, highest = self.lowest, self.highest
        return str(lowest) if lowest == highest else f"{lowest}-{highest}"
