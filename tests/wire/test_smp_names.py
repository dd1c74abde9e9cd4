"""Domains and what is registered for them, and what a router tells of a queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.smp.names import Domain, NameRecord, TopLevel
from simplex_trio.wire.smp.queue_info import MessageInfo, MessageKind, QueueInfo
from tests.wire import strategies


@given(strategies.domains)
def test_a_domain_is_what_its_name_says(domain: Domain) -> None:
    assert Domain.parse(domain.full_name) == domain
    assert Domain.parse(domain.full_name.upper()) == domain
    assert Domain.decode(Reader(domain.encode() + b" what follows")) == domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("alice.simplex", Domain(TopLevel.SIMPLEX, "alice")),
        ("a.b.alice.testing", Domain(TopLevel.TESTING, "alice", ("b", "a"))),
        ("www.example.com", Domain(TopLevel.WEB, "www.example.com")),
        ("simplex.com", Domain(TopLevel.WEB, "simplex.com")),
    ],
)
def test_parts_of_names(name: str, domain: Domain) -> None:
    assert Domain.parse(name) == domain
    assert domain.full_name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "alice",
        "simplex",
        "alice.",
        ".simplex",
        "alice..simplex",
        "a_b.simplex",
        "a--b.simplex",
        "-a.simplex",
        "a-.simplex",
        "kelvin\u212a.simplex",  # in lower case it is the letter k
        "ali\u0441e.simplex",
        "\u0661.simplex",
        "a" * 64 + ".simplex",
        ".".join(["a" * 50] * 6),
    ],
)
def test_names_that_are_not_allowed(name: str) -> None:
    with pytest.raises(DecodeError):
        Domain.parse(name)
    with pytest.raises(DecodeError):
        Domain.decode(Reader(name.encode()))


def test_white_space_ends_a_name_only_on_the_wire() -> None:
    with pytest.raises(DecodeError):
        Domain.parse("alice.simplex\n")
    assert Domain.decode(Reader(b"alice.simplex\n")) == Domain.parse("alice.simplex")


@pytest.mark.parametrize(
    "parts",
    [
        (TopLevel.SIMPLEX, "a.b"),
        (TopLevel.SIMPLEX, "a", ("b.c",)),
        (TopLevel.SIMPLEX, ""),
        (TopLevel.WEB, "alice"),
        (TopLevel.WEB, "alice.simplex"),
        (TopLevel.WEB, "example.com", ("www",)),
        (TopLevel.TESTING, "\u212a"),
    ],
)
def test_unreadable_parts_are_not_made(parts: tuple[TopLevel, str]) -> None:
    with pytest.raises(ValueError, match=r"name|domain"):
        Domain(*parts)


@given(st.text(max_size=40))
def test_any_text_is_a_domain_or_a_decode_error(text: str) -> None:
    try:
        domain = Domain.parse(text)
    except DecodeError:
        return
    assert domain.full_name == text.lower()


@given(strategies.name_records)
def test_a_name_record_is_what_its_bytes_say(record: NameRecord) -> None:
    assert NameRecord.decode(record.encode()) == record


@given(strategies.queue_infos)
def test_queue_info_is_what_its_bytes_say(info: QueueInfo) -> None:
    assert QueueInfo.decode(info.encode()) == info


def message_info(time: str) -> bytes:
    message = {"msgId": "", "msgTs": time, "msgType": "message"}
    return json.dumps({"qiSnd": True, "qiNtf": True, "qiSize": 1, "qiMsg": message}).encode()


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-20T01:02:03Z",
        "2026-11-20 01:02:03Z",
        "2026-11-20T03:02:03+0200",
        "2026-11-20T03:02:03.000000789123+02:00",
    ],
)
def test_times(time: str) -> None:
    message = QueueInfo.decode(message_info(time)).first_message
    assert message is not None
    assert message.time == time
    assert message.received_at == datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2026-11-20",
        "2026-11-20T01:02:03",
        "2026-13-20T01:02:03Z",
        "2026-11-20T25:02:03Z",
        "2026-11-20T01:02:03ZZ",
        "20261120T010203Z",
        "2026-W47-5T01:02:03Z",
        "\u0662026-11-20T01:02:03Z",
    ],
)
def test_not_times(time: str) -> None:
    with pytest.raises(DecodeError):
        QueueInfo.decode(message_info(time))
    with pytest.raises(ValueError, match="time"):
        MessageInfo("", time, MessageKind.QUOTA)


@pytest.mark.parametrize(
    "data",
    [
        b'{"qiSnd":1,"qiNtf":false,"qiSize":0}',
        b'{"qiSnd":true,"qiNtf":false,"qiSize":"0"}',
        b'{"qiSnd":true,"qiNtf":false,"qiSize":0,"qiSub":[]}',
        b'{"qiSnd":true,"qiNtf":false,"qiSize":0,"qiSub":{}}',
        b'{"qiSnd":true,"qiNtf":false,"qiSize":0,"qiSub":{"qSubThread":"other"}}',
        b'{"qiSnd":true,"qiNtf":false,"qiSize":0,"qiMsg":{"msgId":"","msgType":"quota"}}',
    ],
)
def test_not_queue_info(data: bytes) -> None:
    with pytest.raises(DecodeError):
        QueueInfo.decode(data)
