"""Any text that a person may paste."""

from __future__ import annotations

from urllib.parse import quote

import attrs
import pytest

from simplex_trio.errors import DecodeError
from simplex_trio.wire.duplex import (
    ContactKind,
    InvitationURI,
    Link,
    LinkProblem,
    NotALink,
    ShortContactLink,
    ShortInvitationLink,
    parse_link,
)
from simplex_trio.wire.duplex.links import MAX_PASTED_TEXT
from simplex_trio.wire.duplex.requests import MAX_REQUEST_TEXT, parse_request
from simplex_trio.wire.presets import PRESET_SERVERS
from simplex_trio.wire.versions import VersionRange
from tests.vectors import Case, cases, load
from tests.wire.duplex.fields import request_of, short_link_of

FILE = "agent_links.json"

INVITATION, CONTACT = (
    parse_request(case["text"])
    for case in load(FILE)
    if case["name"] in ("connreq-inv-v2-nokem", "connreq-contact")
)
ON_PRESET = ShortContactLink(PRESET_SERVERS[3], ContactKind.GROUP, bytes(range(32)))
ONE_TIME = ShortInvitationLink(PRESET_SERVERS[0], bytes(range(24)), bytes(range(32)))

FORMS: list[tuple[str, Link]] = [
    *((str(link), link) for link in (INVITATION, CONTACT, ON_PRESET, ONE_TIME)),
    *((link.web_text(), link) for link in (INVITATION, CONTACT)),
    *((link.web_text, link) for link in (ON_PRESET, ONE_TIME)),
    *((link.shortened().web_text, link) for link in (ON_PRESET, ONE_TIME)),
    *((str(link.shortened()), link) for link in (ON_PRESET, ONE_TIME)),
]


@pytest.mark.parametrize("case", cases(FILE, "connection_request", "short_link"))
def test_recorded_links(case: Case) -> None:
    parsed = case["text_parsed"]
    expected: Link = request_of(parsed) if "queues" in parsed else short_link_of(parsed)
    assert parse_link(case["text"]) == expected
    assert parse_link(f"\n {case['text']}\t\r\n") == expected


@pytest.mark.parametrize(("text", "link"), FORMS)
def test_escaped_or_with_spaces_around(text: str, link: Link) -> None:
    assert parse_link(text) == link
    assert parse_link(f"\u3000{text}\n") == link
    # As a whole, with its scheme kept, and only where a part of an address would end.
    assert parse_link(quote(text, safe="")) == link
    assert parse_link(quote(text, safe="").replace("%3A", "%3a", 1)) == link
    before, after = text.split("#", 1)
    assert parse_link(f"{before}{quote('#' + after, safe='')}") == link
    assert parse_link(f"{before}%23{after}") == link


def test_presets_of_the_program() -> None:
    own = attrs.evolve(PRESET_SERVERS[0], hosts=PRESET_SERVERS[1].hosts)
    link = attrs.evolve(ONE_TIME, server=own)
    assert parse_link(link.shortened([own]).web_text, [own]) == link


def test_a_short_link_without_a_fingerprint_on_an_unknown_server() -> None:
    link = parse_link("https://a.example/a#YSBrZXk")
    assert isinstance(link, ShortContactLink)
    assert link.server.key_hash == b""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", LinkProblem.NOT_A_LINK),
        ("hello", LinkProblem.NOT_A_LINK),
        ("https://example.com/", LinkProblem.NOT_A_LINK),
        ("https://example.com/contact", LinkProblem.NOT_A_LINK),
        ("simplex:/other#/?v=2-7", LinkProblem.NOT_A_LINK),
        ("simplex:", LinkProblem.NOT_A_LINK),
        (str(CONTACT).replace("simplex:", "http://simplex.chat"), LinkProblem.NOT_A_LINK),
        (f"see {CONTACT}", LinkProblem.NOT_A_LINK),
        ("simplex:/contact#/?", LinkProblem.DAMAGED),
        (str(CONTACT)[:-30], LinkProblem.DAMAGED),
        (str(INVITATION)[:-30], LinkProblem.DAMAGED),
        (f"{CONTACT} x", LinkProblem.DAMAGED),
        (str(CONTACT).replace("smp%3A", "\nsmp%3A"), LinkProblem.DAMAGED),
        (str(CONTACT).replace("v=2-7", "v=2-9")[:-30], LinkProblem.DAMAGED),
        ("simplex:/a#YSBrZXk", LinkProblem.DAMAGED),
        ("https://a.example/i#YSBrZXk", LinkProblem.DAMAGED),
        ("https://a.example/g#YSBrZXk?h=\n", LinkProblem.DAMAGED),
        ("https://a.example/z#YSBrZXk", LinkProblem.FUTURE_KIND),
        (str(CONTACT).replace("v=2-7", "v=8-9"), LinkProblem.FUTURE_VERSION),
        ("simplex:/contact#/?v=8&offer=x", LinkProblem.FUTURE_VERSION),
        (str(INVITATION).replace("e2e=v%3D2-3", "e2e=v%3D4-5"), LinkProblem.FUTURE_VERSION),
        (str(CONTACT).replace("%3Fv%3D1-4", "%3Fv%3D5-6"), LinkProblem.FUTURE_VERSION),
        ("simplex:/file#/?desc=x", LinkProblem.FILE),
        ("https://simplex.chat/file#/?desc=x", LinkProblem.FILE),
        (f"https://xftp.example/#{'x' * 40}", LinkProblem.FILE),
        ("simplex:/name@someone.simplex", LinkProblem.NAME),
        (str(CONTACT.queues[0]), LinkProblem.QUEUE),
        (str(CONTACT.queues[0].queue.server), LinkProblem.SERVER),
        ("xftp://AQID@a.example", LinkProblem.SERVER),
        ("ntf://AQID@a.example", LinkProblem.SERVER),
        (" " * 10 + "x" * (MAX_PASTED_TEXT + 1), LinkProblem.TOO_LONG),
        (f"{CONTACT}&x={'x' * MAX_REQUEST_TEXT}", LinkProblem.TOO_LONG),
    ],
    ids=lambda value: value.name if isinstance(value, LinkProblem) else "",
)
def test_what_else_it_is(text: str, problem: LinkProblem) -> None:
    with pytest.raises(NotALink) as caught:
        parse_link(text)
    assert caught.value.problem is problem
    assert isinstance(caught.value, DecodeError)
    needs_newer = problem in (LinkProblem.FUTURE_KIND, LinkProblem.FUTURE_VERSION)
    said = "this link needs a newer agent" if needs_newer else "not a link to connect to"
    assert str(caught.value) == f"{said}: {problem.name}"


def test_a_link_whose_versions_overlap_with_ours_is_read() -> None:
    link = parse_link(str(INVITATION).replace("v=2-7", "v=7-12"))
    assert isinstance(link, InvitationURI)
    assert link.agent_versions == VersionRange(7, 12)
