"""Members who are named in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.chat.messages.events import Mention
from simplex_trio.chat.messages.mentions import (
    MAX_RECEIVED_MENTIONS,
    mentioned_members,
    mentioned_names,
    unique_name,
    write_mention,
)
from simplex_trio.errors import EncodeError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hi @bob, and @'Bob Smith'!", ("bob", "Bob Smith")),
        ("@a @b @a", ("a", "b")),
        ("*@a* `@b` mail@example.com", ()),
        ("/ask @bob", ()),
        ("first\n@bob", ("bob",)),
        ("@team.example.com", ()),
        ("@'team.example.com'", ("team.example.com",)),
    ],
)
def test_names_are_found_as_the_apps_find_them(text: str, names: tuple[str, ...]) -> None:
    assert mentioned_names(text) == names


def test_a_member_is_mentioned_once_by_the_first_name() -> None:
    members = {"bob": b"1", "robert": b"1", "ann": b"2", "eve": b"3"}
    found = mentioned_members("@robert, @bob, @ann, @nobody", members)
    assert found == {"robert": Mention(b"1"), "ann": Mention(b"2")}


def test_what_comes_after_the_limit_is_plain_text() -> None:
    members = {f"m{number}": bytes([number]) for number in range(9)}
    text = " ".join(f"@{name}" for name in members)
    assert list(mentioned_members(text, members)) == ["m0", "m1", "m2"]
    assert len(mentioned_members(text, members, MAX_RECEIVED_MENTIONS)) == MAX_RECEIVED_MENTIONS


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("bob", "@bob"),
        ("Bob Smith", "@'Bob Smith'"),
        ("Bob jr.", "@'Bob jr.'"),
        ("bob_1", "@bob_1"),
        ("o'neill", "@o'neill"),
        ("wow!", "@'wow!'"),
        ("team.example.com", "@'team.example.com'"),
        ("*bold*", "@'*bold*'"),
        ("🚀", "@🚀"),
    ],
)
def test_names_are_quoted_where_that_is_needed(name: str, written: str) -> None:
    assert write_mention(name) == written
    assert mentioned_names(f"hello {written}") == (name,)


@pytest.mark.parametrize("name", ["", " ", "#a", "@a", "'a'", "o'neill jr", "a\nb", " a"])
def test_names_that_cannot_be_mentioned(name: str) -> None:
    with pytest.raises(EncodeError):
        write_mention(name)


@given(st.text(max_size=12))
def test_what_is_written_is_what_is_found(name: str) -> None:
    try:
        written = write_mention(name)
    except EncodeError:
        return
    for before in ("", "say ", "\n"):
        for after in ("", " now", "\n"):
            assert mentioned_names(before + written + after) == (name,)


def test_names_that_are_taken_are_numbered() -> None:
    assert unique_name("bob", ()) == "bob"
    assert unique_name("bob", {"bob", "bob_1"}) == "bob_2"
