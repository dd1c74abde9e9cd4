"""Checks that answers are of the kind that the command expects, singly or in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from simplex_trio.errors import SimplexError, UnexpectedResponseError, without_traceback
from simplex_trio.wire.tagged import Tagged

__all__ = ["expect", "only", "read_each", "unexpected"]

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


def only(results: list[ResultT | SimplexError]) -> ResultT:
    """Take the result out of a list of one, or raise it if it is an error."""
    result = results.pop()
    if isinstance(result, SimplexError):
        try:
            raise result
        finally:
            del result  # this frame is in its traceback, and would keep it alive
    return result


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
            results.append(without_traceback(exc))  # which has this frame, and so the list
    return results
