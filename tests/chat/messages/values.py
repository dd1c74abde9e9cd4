"""Values of the chat layer for property tests, made from the types of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from simplex_trio.chat.messages import message
from simplex_trio.chat.messages.bodies import Chunk, Forwarded, Received, Signed
from simplex_trio.chat.messages.event import Event, UnknownEvent
from simplex_trio.chat.messages.events import REACTIONS, Emoji
from simplex_trio.chat.messages.files import FileInvitation
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.records import Record, Tagged
from simplex_trio.chat.messages.scalars import ChatVersions, Timestamp
from simplex_trio.redaction import Redacted

__all__ = [
    "EVENTS",
    "elements",
    "events",
    "json_objects",
    "json_values",
    "messages",
    "parts_of",
    "texts",
    "values_of",
]

EVENTS: Mapping[str, type[Event]] = message._EVENTS

# Texts and numbers that are told apart, and hard to write; drawing all there are takes too long.
SAMPLES = ["", "a", "A b.c", '"\\\n\x00', "é\u2028", "🚀", "x" * 200]

texts = st.sampled_from(SAMPLES)
ids = st.sampled_from([b"", b"\x00", b"\xff" * 12, bytes(range(24))])
numbers = st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)])

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)

UNKNOWN: list[dict[str, Any]] = [{}, {}, {"a-b": [1, {"c": None}, 1.5]}, {"É": "é"}]

moments = st.sampled_from([datetime(1, 1, 2, tzinfo=UTC), datetime(2026, 7, 3, 19, 32, 29, 5, UTC)])
versions = st.sampled_from([ChatVersions(1, 16), ChatVersions(1, 1), ChatVersions(0, 0xFFFF)])

_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: numbers,
    bool: st.booleans(),
    bytes: ids,
    NoneType: st.none(),
    Timestamp: moments.map(Timestamp.of),
    ChatVersions: versions,
    Picture: st.just(Picture())
    | st.just(Picture.of(b"GIF89a"))
    | texts.map("data:{}".format).map(Picture),
    Emoji: st.sampled_from(sorted(REACTIONS)).map(Emoji),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as the field of a record has it."""
    origin = get_origin(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin is Annotated:
        return values_of(hint.__origin__)
    if origin in (Union, UnionType):
        return st.one_of([values_of(each) for each in get_args(hint)])
    if origin is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=2).map(tuple)
    if origin is Mapping:
        inner = get_args(hint)[1]
        return (
            json_objects if inner is Any else st.dictionaries(texts, values_of(inner), max_size=2)
        )
    if issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    if issubclass(hint, ChatMessage):
        return st.deferred(lambda: messages)
    return st.deferred(lambda: _records(hint))


@cache
def _records(cls: type[Record]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls, include_extras=True)
    fields = {a.name: values_of(hints[a.name]) for a in attrs.fields(cls) if a.name != "unknown"}
    if issubclass(cls, FileInvitation):
        fields["file_size"] = st.sampled_from([1, 2**63 - 1])
    if issubclass(cls, Tagged) and cls.TYPE is None:
        fields["type"] = texts.map("new kind: {}".format)
    return st.builds(cls, **fields, unknown=st.sampled_from(UNKNOWN))


unknown_events = st.builds(UnknownEvent, texts.map("x.new.{}".format), json_objects)
events: st.SearchStrategy[Event] = st.one_of([*map(values_of, EVENTS.values()), unknown_events])
messages = st.builds(ChatMessage, events, st.none() | ids, versions)

forwarded = st.builds(Forwarded, numbers, ids, texts) | st.builds(Forwarded, numbers)
chunks = st.builds(Chunk, ids, st.integers(1, 255), st.binary(max_size=20)) | st.builds(
    Chunk, ids, st.just(0), st.none()
)


@st.composite
def _elements(draw: st.DrawFn) -> Received:
    by = draw(st.none() | forwarded)
    if draw(st.booleans()):
        return Received(draw(chunks), by)
    said = draw(messages)
    if draw(st.booleans()):
        return Received(said, by)
    signatures = draw(st.lists(st.binary(min_size=64, max_size=64), min_size=1, max_size=3))
    binding = draw(st.sampled_from([b"G", b"D", b"C"]))
    return Received(said, by, Signed(binding, tuple(signatures), said.encode()))


elements = _elements()


def parts_of(value: Any) -> Iterator[Any]:
    """A value, and all values in it."""
    yield value
    match value:
        case Redacted():
            names = [each.name for each in getattr(type(value), "__attrs_attrs__", ())]
            inside = [getattr(value, name) for name in names]
        case tuple() | list():
            inside = list(value)
        case dict():
            inside = list(value.values())
        case _:
            inside = []
    for each in inside:
        yield from parts_of(each)
