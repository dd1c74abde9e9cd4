"""`Record`: a class of values whose fields are the members of a JSON object.

The class is the schema.  A field is named as the member, in Python's spelling (``msg_id`` is
``msgId``), and its type says how the member is read and written::

    @frozen(repr=False)
    class TimedMessages(Record):
        allow: Allow
        ttl: int | None = None

A member of a field without default has to be there, and one that is absent or ``null`` leaves the
default; a field that has its default is not written.  `Required` and `Lax` say otherwise.  Members
that no field is for are in ``unknown``, and are written again as they came.

| type of the field | JSON |
|---|---|
| `str`, `bool` | the same |
| `int` | a number without a fraction, of at most 64 bits |
| `bytes` | text: URL-safe base64, with padding |
| a class with ``from_json`` and ``to_json``, such as a record | what these say |
| an enumeration of text | one of its words |
| such an enumeration, or `str` | any word: those that are not known stay text |
| some classes of `Tagged` | an object whose ``type`` says which |
| ``tuple[X, ...]``, ``Mapping[str, X]`` | an array, an object |
| `AnyObject` | any object, as it is |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Protocol,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

import attrs
from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.text import from_base64url, to_base64url

__all__ = ["AnyObject", "Lax", "Record", "Required", "Tagged", "json_object"]

T = TypeVar("T")

_LAX, _REQUIRED, _ANY = object(), object(), object()

Lax = Annotated[T, _LAX]
"""A member that is as good as absent if it makes no sense; it stays in ``unknown`` then."""

Required = Annotated[T, _REQUIRED]
"""A member that has to be there and is always written, although its field has a default."""

AnyObject = Annotated[Mapping[str, Any], _ANY]
"""A JSON object that is kept as it is."""

_INT64 = range(-(2**63), 2**63)


@runtime_checkable
class _InJSON(Protocol):
    """A value that says itself what it is in JSON."""

    @classmethod
    def from_json(cls, value: object) -> Self: ...

    def to_json(self) -> object: ...


@frozen
class _Codec:
    """How values of one type are read from JSON, and written."""

    read: Callable[[object], Any]
    write: Callable[[Any], object]


@frozen
class _Member:
    """A member of an object, and the field for it."""

    name: str
    attribute: str
    codec: _Codec
    default: Any
    is_required: bool
    is_always_written: bool
    is_lax: bool


def json_object(value: object) -> Mapping[str, Any]:
    """``value``, if it is a JSON object."""
    if not isinstance(value, dict):
        raise DecodeError("not an object")
    return value


@frozen(repr=False)
class Record(Redacted):
    """Base of values that are JSON objects."""

    unknown: Mapping[str, Any] = field(factory=dict, kw_only=True, repr=False, hash=False)
    """Members that no field is for, or that made no sense; they are written as they came."""

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        members, schema = json_object(value), _schema(cls)
        values: dict[str, Any] = {}
        unknown = {name: each for name, each in members.items() if name not in schema.names}
        for member in schema.members:
            found = members.get(member.name)
            if found is None:
                if member.is_required:
                    raise DecodeError(f"{member.name}: missing")
                continue
            try:
                values[member.attribute] = member.codec.read(found)
            except DecodeError as exc:
                if not member.is_lax:
                    raise DecodeError(f"{member.name}: {exc}") from exc
                unknown[member.name] = found
        return cls(**values, unknown=unknown)

    def to_json(self) -> dict[str, Any]:
        """The JSON value of this value."""
        members: dict[str, Any] = {}
        for member in _schema(type(self)).members:
            value = getattr(self, member.attribute)
            if member.is_always_written or value != member.default:
                members[member.name] = member.codec.write(value)
        for name, value in self.unknown.items():
            members.setdefault(name, value)
        return members


@frozen(repr=False)
class Tagged(Record):
    """Base of records that are told apart by their member ``type``, among the classes of a union.

    A class of the union without a `TYPE` takes the objects whose type no other has.
    """

    TYPE: ClassVar[str | None] = None
    TAKES_MALFORMED: ClassVar[bool] = False
    """Whether the class without a type also takes objects that the class for them refuses."""

    def to_json(self) -> dict[str, Any]:
        """The JSON value of this value."""
        tag = {} if self.TYPE is None else {"type": self.TYPE}
        return tag | super().to_json()


@frozen
class _Schema:
    """The members of the objects of a class, and the names that have a meaning in them."""

    members: tuple[_Member, ...]
    names: frozenset[str]


_SCHEMAS: dict[type, _Schema] = {}


def _schema(cls: type[Record]) -> _Schema:
    """The schema of a class; made when it is needed, as its types may be defined after it."""
    found = _SCHEMAS.get(cls)
    if found is None:
        hints = get_type_hints(cls, include_extras=True)
        fields = [each for each in attrs.fields(cls) if each.name != "unknown"]
        members = tuple(_member(each, hints[each.name]) for each in fields)
        tag = {"type"} if issubclass(cls, Tagged) else set()
        found = _SCHEMAS[cls] = _Schema(members, frozenset({m.name for m in members} | tag))
    return found


def _member(attribute: attrs.Attribute[Any], hint: Any) -> _Member:
    alternatives = [each for each in _alternatives(hint) if each is not NoneType]
    marks = {mark for each in alternatives for mark in getattr(each, "__metadata__", ())}
    default: Any = attribute.default
    has_default = default is not attrs.NOTHING
    if hasattr(default, "factory"):
        default = default.factory()
    first, *others = attribute.name.split("_")
    return _Member(
        name=first + "".join(map(str.capitalize, others)),
        attribute=attribute.name,
        codec=_codec(alternatives),
        default=default,
        is_required=not has_default or _REQUIRED in marks,
        is_always_written=not has_default or _REQUIRED in marks,
        is_lax=_LAX in marks,
    )


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _codec(alternatives: list[Any]) -> _Codec:
    match alternatives:
        case [hint] if get_origin(hint) is Annotated:
            if _ANY in hint.__metadata__:
                return _Codec(json_object, dict)
            return _codec(list(_alternatives(hint.__origin__)))
        case [hint] if get_origin(hint) is tuple:
            return _array(_codec(list(_alternatives(get_args(hint)[0]))))
        case [hint] if get_origin(hint) is Mapping:
            return _mapping(_codec(list(_alternatives(get_args(hint)[1]))))
        case [type() as cls] if cls in _SIMPLE:
            return _SIMPLE[cls]
        case [type() as cls] if issubclass(cls, StrEnum):
            return _closed(cls)
        case _ if all(isinstance(each, type) and issubclass(each, Tagged) for each in alternatives):
            return _tagged(alternatives)
        case [type() as cls] if issubclass(cls, _InJSON):
            return _Codec(cls.from_json, lambda value: value.to_json())
        case [type() as cls, other] if issubclass(cls, StrEnum) and other is str:
            return _open(cls)
        case _:
            raise TypeError(f"no JSON for {alternatives}")


# --- reading ------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DecodeError("not text")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise DecodeError("neither true nor false")
    return value


def _integer(value: object) -> int:
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(number, int) or isinstance(number, bool) or number not in _INT64:
        raise DecodeError("not an integer of 64 bits")
    return number


_SIMPLE: Mapping[type, _Codec] = {
    str: _Codec(_text, str),
    bool: _Codec(_boolean, bool),
    int: _Codec(_integer, int),
    bytes: _Codec(lambda value: from_base64url(_text(value)), to_base64url),
}


# Not by calling the enumeration: its error has the word in it, which is the peer's.


def _closed(words: type[StrEnum]) -> _Codec:
    known = {word.value: word for word in words}

    def read(value: object) -> StrEnum:
        word = known.get(_text(value))
        if word is None:
            raise DecodeError("not one of the known words")
        return word

    return _Codec(read, str)


def _open(words: type[StrEnum]) -> _Codec:
    known = {word.value: word for word in words}

    def read(value: object) -> str:
        word = _text(value)
        return known.get(word, word)

    return _Codec(read, str)


def _array(item: _Codec) -> _Codec:
    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise DecodeError("not an array")
        return tuple(map(item.read, value))

    return _Codec(read, lambda values: list(map(item.write, values)))


def _mapping(item: _Codec) -> _Codec:
    def read(value: object) -> dict[str, Any]:
        return {name: item.read(member) for name, member in json_object(value).items()}

    return _Codec(read, lambda values: {name: item.write(value) for name, value in values.items()})


def _tagged(classes: list[type[Tagged]]) -> _Codec:
    known = {cls.TYPE: cls for cls in classes}
    other = known.pop(None, None)

    def read(value: object) -> Tagged:
        cls = known.get(_text(json_object(value).get("type")), other)
        if cls is None:
            raise DecodeError("type: not one of the known words")
        try:
            return cls.from_json(value)
        except DecodeError:
            if other is None or not other.TAKES_MALFORMED:
                raise
            return other.from_json(value)

    return _Codec(read, lambda value: value.to_json())
