"""Errors that are kept, and those that several callers get."""

from __future__ import annotations

import pytest

from simplex_trio.errors import DialFailed, TLSFailed, copy_of, without_traceback
from simplex_trio.router.proxying import RelayRefused
from simplex_trio.wire.errors.values import Code


def caught() -> DialFailed:
    try:
        try:
            raise ExceptionGroup("several", [OSError(1, "one"), ValueError("two")])
        except ExceptionGroup as exc:
            raise DialFailed("no way") from exc
    except DialFailed as exc:
        return exc


def test_an_error_to_keep_has_no_traceback_anywhere() -> None:
    error = caught()
    assert error.__traceback__ is not None
    assert without_traceback(error) is error
    cause = error.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert {each.__traceback__ for each in (error, cause, *cause.exceptions)} == {None}


def test_errors_that_are_each_others_cause() -> None:
    error, other = caught(), TLSFailed()
    error.__cause__, other.__cause__ = other, error
    assert without_traceback(error).__traceback__ is None


def test_a_copy_goes_its_own_way() -> None:
    error = caught()
    error.add_note("a note")
    copied = copy_of(error)
    assert copied is not error
    assert (type(copied), copied.args) == (DialFailed, ("no way",))
    assert copied.__cause__ is error.__cause__
    assert copied.__notes__ == ["a note"]
    before = error.__traceback__
    with pytest.raises(DialFailed):
        raise copied
    assert error.__traceback__ is before


def test_copies_of_errors_that_carry_more_than_a_message() -> None:
    refused = copy_of(RelayRefused(Code.AUTH))
    assert refused.error is Code.AUTH
    system = copy_of(FileNotFoundError(2, "no such file"))
    assert (type(system), system.errno, system.strerror) == (FileNotFoundError, 2, "no such file")
