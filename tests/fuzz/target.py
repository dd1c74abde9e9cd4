"""`Target`: one way for bytes from outside into the package; and where seeds come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from attrs import frozen

from simplex_trio.errors import DecodeError
from tests.vectors import Case, load

__all__ = ["Target", "hexes", "recorded", "texts", "versioned", "versioned_hexes"]


@frozen
class Target:
    """Something that takes any bytes and returns, or raises one of the ``expected`` errors."""

    name: str
    take: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    expected: tuple[type[Exception], ...] = (DecodeError,)

    def __call__(self, data: bytes) -> None:
        """Run once; an error that is not expected is a finding."""
        with suppress(*self.expected):
            self.take(data)


def versioned(
    decode: Callable[[bytes, int], object], lowest: int, highest: int
) -> Callable[[bytes], object]:
    """A decoder that depends on the version, which the first byte of the input chooses."""

    def take(data: bytes) -> object:
        choice = data[0] if data else 0
        return decode(data[1:], lowest + choice % (highest - lowest + 1))

    return take


# --- seeds --------------------------------------------------------------------------------------


def recorded(files: Iterable[str], *kinds: str) -> Iterator[Case]:
    """The recorded cases of these kinds."""
    for file in files:
        for case in load(file):
            if case.get("kind") in kinds:
                yield case


def versioned_hexes(lowest: int, files: Iterable[str], *kinds: str) -> Iterator[bytes]:
    """Recorded commands or messages, right and wrong ones, each behind the byte of its version."""
    for case in recorded(files, *kinds):
        for encoding in case.get("encodings", [case]):
            version = max(encoding.get("versions", [encoding.get("version", lowest)]))
            yield bytes([version - lowest]) + bytes.fromhex(encoding["hex"])


def hexes(files: Iterable[str], field: str, *kinds: str) -> Iterator[bytes]:
    """One field of recorded cases, where it is there in full."""
    for case in recorded(files, *kinds):
        value: Any = case.get(field)
        if isinstance(value, str):
            with suppress(ValueError):  # some long ones are only described
                yield bytes.fromhex(value)


def texts(files: Iterable[str], field: str, *kinds: str) -> Iterator[bytes]:
    """One field of recorded cases, where it is there, as text."""
    for case in recorded(files, *kinds):
        if field in case:
            yield case[field].encode()
