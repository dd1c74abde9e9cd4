"""A class is its own schema."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import pytest
from attrs import field, frozen

from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.records import AnyObject, Lax, Record, Required, Tagged
from simplex_trio.errors import DecodeError


class Word(StrEnum):
    ONE = "one"


@frozen(repr=False)
class Inner(Tagged):
    TYPE: ClassVar[str] = "inner"

    number: int


@frozen(repr=False)
class Fallback(Tagged):
    TAKES_MALFORMED: ClassVar[bool] = True

    type: str


@frozen(repr=False)
class Everything(Record):
    some_text: str
    closed: Word
    open: Word | str
    some_bytes: bytes
    one_of: Inner | Fallback
    many: tuple[bool, ...]
    names: Mapping[str, Inner]
    anything: AnyObject
    required: Required[str] = ""
    lax: Lax[int] | None = None
    rest: tuple[str, ...] = field(default=())


WHOLE: dict[str, Any] = {
    "someText": "t",
    "closed": "one",
    "open": "one",
    "someBytes": "_w==",
    "oneOf": {"type": "inner", "number": 1},
    "many": [True, False],
    "names": {"a": {"type": "inner", "number": 2, "more": None}},
    "anything": {"b": [1]},
    "required": "",
}


def test_every_type_of_a_field() -> None:
    value = Everything.from_json(WHOLE)
    assert value == Everything(
        "t",
        Word.ONE,
        Word.ONE,
        b"\xff",
        Inner(1),
        (True, False),
        {"a": Inner(2, unknown={"more": None})},
        {"b": [1]},
    )
    assert value.to_json() == WHOLE


@pytest.mark.parametrize(
    ("changes", "unknown"),
    [
        ({"open": "two"}, {}),
        ({"oneOf": {"type": "inner"}}, {}),
        ({"oneOf": {"type": "outer", "x": 1}}, {}),
        ({"rest": ["a"]}, {}),
        ({"someBytes": "_w"}, {}),
        ({"lax": 5}, {}),
        ({"lax": "five"}, {"lax": "five"}),
        ({"another": [None]}, {"another": [None]}),
    ],
)
def test_what_else_is_read(changes: dict[str, Any], unknown: dict[str, Any]) -> None:
    value = Everything.from_json(WHOLE | changes)
    assert value.unknown == unknown
    changed = {"someBytes": "_w=="} if "someBytes" in changes else changes
    assert value.to_json() == WHOLE | changed


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"someText": 1}, "someText: not text"),
        ({"someText": None}, "someText: missing"),
        ({"required": None}, "required: missing"),
        ({"closed": "two"}, "closed: not one of the known words"),
        ({"closed": 1}, "closed: not text"),
        ({"open": 1}, "open: not text"),
        ({"someBytes": "?"}, "someBytes: not URL-safe base64"),
        ({"oneOf": {"number": 1}}, "oneOf: not text"),
        ({"many": {}}, "many: not an array"),
        ({"many": [1]}, "many: neither true nor false"),
        ({"names": {"a": 1}}, "names: not an object"),
        ({"names": {"a": {"type": "inner", "number": 1.5}}}, "names: number: not an integer"),
        ({"anything": []}, "anything: not an object"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(DecodeError, match=error):
        Everything.from_json(WHOLE | changes)


def test_a_field_wins_over_a_member_that_made_no_sense() -> None:
    value = Everything.from_json(WHOLE | {"lax": "five"})
    again = Everything.from_json(value.to_json() | {"lax": 6})
    assert (value.lax, again.lax, again.unknown) == (None, 6, {})


def test_types_that_json_does_not_have() -> None:
    @frozen(repr=False)
    class Wrong(Record):
        value: complex

    with pytest.raises(TypeError, match="no JSON"):
        Wrong.from_json({})


def test_an_event_has_a_name() -> None:
    @frozen(repr=False)
    class XNew(Event):
        EVENT: ClassVar[str] = "x.new"

    assert XNew().event == "x.new"
    assert not XNew().NOTIFIES
