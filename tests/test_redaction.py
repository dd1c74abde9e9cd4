"""What values show of themselves, and what errors show of values."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from attrs import field, frozen
from attrs.validators import optional

from simplex_trio.redaction import Redacted, instance_of


class Kind(Enum):
    ONE = 1


@frozen(repr=False)
class Inner(Redacted):
    number: int


@frozen(repr=False)
class Value(Redacted):
    content: Any
    hidden: bytes = field(default=b"", repr=False)
    _key: bytes | None = field(default=None, validator=optional(instance_of(bytes)))
    port: int | str = field(default=0, validator=instance_of(int | str))


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, "None"),
        (True, "True"),
        (7, "7"),
        (0.5, "0.5"),
        (Kind.ONE, "<Kind.ONE: 1>"),
        (Inner(3), "Inner(number=3)"),
        (b"secret", "<6 bytes>"),
        (bytearray(b"secret"), "<6 bytes>"),
        (memoryview(b"secret"), "<6 bytes>"),
        ("secret", "<6 characters>"),
        (("secret",), "<1 items>"),
        ({"secret": "secret"}, "<1 items>"),
        (object(), "<object>"),
    ],
)
def test_shapes_without_secrets(content: object, shown: str) -> None:
    assert repr(Value(content)) == f"Value(content={shown}, _key=None, port=0)"


def test_the_right_kind() -> None:
    value = Value(None, key=b"secret", port="a")
    assert repr(value) == "Value(content=None, _key=<6 bytes>, port=<1 characters>)"


@pytest.mark.parametrize("key", [bytearray(b"secret"), "secret", ["secret"]])
def test_the_wrong_kind_is_not_shown(key: Any) -> None:
    with pytest.raises(TypeError) as caught:
        Value(None, key=key)
    assert "secret" not in repr(caught.value)
    assert str(caught.value).startswith("key must be bytes, not <")


def test_one_of_several_kinds() -> None:
    with pytest.raises(TypeError, match=r"port must be int \| str, not <6 bytes>"):
        Value(None, port=b"secret")  # type: ignore[arg-type]
