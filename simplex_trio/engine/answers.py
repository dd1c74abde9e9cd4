"""Checks that answers are of the kind that the command expects, singly or in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from simplex_trio.errors import SimplexError, UnexpectedResponseError
from simplex_trio.wire.tagged import Tagged

__all__ = ["expect", "read_each", "unexpected"]

KindT = TypeVar("KindT", bound=Tagged)
MessageT = TypeVar("MessageT", bound=Tagged)
ResultT = TypeVar("ResultT")


def expect(answer: Tagged, kind: type[KindT]) -> KindT:
    """Return the answer if it is of this kind; otherwise raise `UnexpectedResponseError`."""
    if not isinstance(answer, kind):
        raise unexpected(answer)
    return answer


def unexpected(answer: Tagged) -> UnexpectedResponseError:
    """The error for an answer of the wrong kind."""
    return UnexpectedResponseError(f"the router answered {answer.TAG.decode()}")


def read_each(
    answers: Iterable[MessageT | SimplexError], read: Callable[[MessageT], ResultT]
) -> list[ResultT | SimplexError]:
    """Read each answer of a batch; a wrong one becomes an error in its place."""
    results: list[ResultT | SimplexError] = []
    for answer in answers:
        if isinstance(answer, SimplexError):
            results.append(answer)
            continue
        try:
            results.append(read(answer))
        except SimplexError as exc:
            results.append(exc)
    return results
