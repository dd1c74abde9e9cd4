"""What the apps see in a text, and how to keep them from it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simplex_trio.chat.messages.escaping import JOINER, escape
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.spans import (
    Color,
    CommandText,
    ContactLink,
    Format,
    HyperLink,
    MentionText,
    NameText,
    Span,
    Style,
)
from simplex_trio.wire.duplex import ShortContactLink, parse_link
from tests.vectors import load

SHORT = "https://smp.example/a#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
FULL = next(case["text"] for case in load("agent_links.json") if case["name"] == "connreq-contact")


def spans(text: str) -> list[tuple[str, Format | None]]:
    return [(span.text, span.format) for span in parse_markdown(text)]


def formatted(text: str) -> list[tuple[str, Format | None]]:
    return [(part, style) for part, style in spans(text) if style is not None]


# --- signs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "style"),
    [
        ("*", Style.BOLD),
        ("_", Style.ITALIC),
        ("~", Style.STRIKE_THROUGH),
        ("`", Style.SNIPPET),
        ("#", Style.SECRET),
    ],
)
def test_signs_around_words(sign: str, style: Style) -> None:
    s = sign
    for inside in ("one", "two words", "(any *other* sign)".replace(s, "+")):
        assert spans(f"{s}{inside}{s}") == [(inside, style)]
        assert spans(f"so {s}{inside}{s}, yes") == [("so ", None), (inside, style), (", yes", None)]
    for plain in (f"{s} one{s}", f"a{s}one{s}", f"{s} one {s}", f"1{s}2{s}3"):
        assert formatted(plain) == []


def test_unfinished_signs_are_plain_to_the_end_of_their_line() -> None:
    assert spans("*one _two_ three") == [("*one _two_ three", None)]
    assert formatted("*one _two_\n_three_") == [("three", Style.ITALIC)]
    assert formatted("*a * _b_") == [("b", Style.ITALIC)]
    assert spans("**") == [("**", None)]


def test_secrets_may_have_signs_inside() -> None:
    assert formatted("##one###") == [("#one##", Style.SECRET)]
    assert formatted("# one #") == []
    assert formatted("## one ##") == []


@pytest.mark.parametrize(
    ("text", "color"),
    [
        *((f"!{number} x!", color) for number, color in enumerate(Color, start=1)),
        *((f"!{color.name.lower()} x!", color) for color in Color),
        *((f"!{color.name[0].lower()} x!", color) for color in Color),
    ],
)
def test_colors(text: str, color: Color) -> None:
    assert spans(text) == [("x", color)]


def test_small_text_and_what_is_no_color() -> None:
    assert spans("!- fine print!") == [("fine print", Style.SMALL)]
    for plain in ("!1 x", "!1  x!", "!1 x !", "!7 x!", "!re x!", "!!", "no!1 x!", "!1x!"):
        assert formatted(plain) == []


# --- names, mentions, commands ------------------------------------------------------------------


def test_mentions() -> None:
    assert formatted("hi @bob!") == [("@bob", MentionText("bob"))]
    assert formatted("@'Doc bot' ok") == [("@'Doc bot'", MentionText("Doc bot"))]
    assert formatted("@'a.'.") == [("@'a.'", MentionText("a."))]
    for plain in ("@ bob", "@'Doc bot", "@#a", "a@", "@"):
        assert formatted(plain) == []


def test_names_of_the_network() -> None:
    assert formatted("#news and @team.example.com.") == [
        ("#news", NameText("news")),
        ("@team.example.com", NameText("team.example.com")),
    ]
    assert formatted("#a.b.simplex!") == [("#a.b.simplex", NameText("a.b.simplex"))]
    for plain in ("#", "#a_b", "#é", "#-a", f"#{'a' * 64}"):
        assert formatted(plain) == []


def test_commands() -> None:
    assert formatted("try /help, or /'role 2'") == [
        ("/help", CommandText("help")),
        ("/'role 2'", CommandText("role 2")),
    ]
    for plain in ("a /b?c d", "and / or", "1/2", "see /'x"):
        assert formatted(plain) == []


def test_a_line_that_begins_with_a_slash_is_one_command() -> None:
    assert spans("/weather Oslo *now*") == [
        ("/weather Oslo *now*", CommandText("weather Oslo *now*"))
    ]
    assert spans("  /w\n") == [("  /w\n", CommandText("w"))]
    assert formatted("/w Oslo\nplease") == [("/w", CommandText("w"))]
    assert formatted("/") == formatted(" /") == []


# --- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com",
        "http://example.com/a?b=c#d",
        "https://example.com:8080/x_(y)",
        "https://user@example.com/",
        "https://example.com/a!",
        "example.com",
        "www.example.org",
    ],
)
def test_uris(text: str) -> None:
    assert spans(text) == [(text, Style.URI)]
    assert spans(f"see {text}, ok") == [("see ", None), (text, Style.URI), (", ok", None)]


@pytest.mark.parametrize(
    "text",
    [
        "https://",
        "https://localhost",
        "ftp://example.com",
        "example.c",
        "a1.com",
        "(https://a.b)",
        ".de",
    ],
)
def test_what_is_no_uri(text: str) -> None:
    assert formatted(text) == []


def test_links_of_the_network() -> None:
    short = parse_link(SHORT)
    assert formatted(f"at {SHORT} now") == [(SHORT, ContactLink(short))]
    assert formatted(FULL) == [(FULL, ContactLink(parse_link(FULL)))]
    named = f"[Write to me]({SHORT})"
    assert isinstance(short, ShortContactLink)
    assert formatted(named) == [(named, ContactLink(short, "Write to me"))]
    assert formatted(f"[Write to me]({FULL})") == []


def test_links_that_show_another_text() -> None:
    text = "[click here](https://example.com)"
    assert formatted(text) == [(text, HyperLink("click here", "https://example.com"))]
    same = "[example.com](https://example.com)"
    assert formatted(same) == [(same, HyperLink("example.com", "https://example.com"))]
    for plain in (
        "[bank.com](https://thief.com)",
        "[a](thief.com)",
        "[a](https://a.com )",
        "[](https://a.com)",
        "[a]()",
        "[a] (https://)",
        "[a](b",
        "[a",
        "[a]",
    ):
        assert formatted(plain) == []


def test_addresses_and_numbers() -> None:
    assert formatted("to a.b+c@example.com.") == [("a.b+c@example.com", Style.EMAIL)]
    for number in ("07777777777", "+44 (0) 7777.777-777", "1234567"):
        assert formatted(f"call {number} now") == [(number, Style.PHONE)]
    for plain in ("a@ b", "@", "123456", "07777  777", "1" * 23, "1 2 3", "+", "a@-b.c"):
        assert formatted(plain) == []


def test_lines_are_read_by_themselves_and_joined() -> None:
    assert spans("a\nb\n*c*\n*d*") == [
        ("a\nb\n", None),
        ("c", Style.BOLD),
        ("\n", None),
        ("d", Style.BOLD),
    ]
    assert spans("*a**b*") == [("ab", Style.BOLD)]
    assert parse_markdown("") == ()


# --- escaping -----------------------------------------------------------------------------------

LINKS = (Style.URI, Style.EMAIL, Style.PHONE)

signs = st.text("*_~`#!@/[]()' .a1r-+:\n\u2060é", max_size=25)
pieces = st.lists(
    st.sampled_from(
        [
            "*",
            "#",
            "!1 ",
            "!",
            "/",
            "@'",
            "[a](",
            "https://b.co",
            ")",
            " ",
            "1234567",
            "w.a.bc",
            "a",
            "\n",
        ]
    ),
    max_size=10,
).map("".join)


@given(signs | pieces | st.text(max_size=20), st.booleans())
@example("!1 a !2 b!", True)
@example("#a_b #c", True)
@example("1234567890 1234567890 1234567", False)
@example("*www.example.com*", False)
@example("/x.example.com", False)
@example("!1 !1 1", False)
@example("1 1 1 1 1 1 1 1 1", False)
def test_escaped_text_has_no_formatting(text: str, links: bool) -> None:
    escaped = escape(text, links=links)
    assert escaped.replace(JOINER, "") == text.replace(JOINER, "")
    for span in parse_markdown(escaped):
        is_link = span.format in LINKS or (
            isinstance(span.format, ContactLink) and span.format.shown is None
        )
        assert span.format is None or (links and is_link)
    assert "".join(span.text for span in parse_markdown(escaped)) == escaped


def test_only_what_has_to_be_is_escaped() -> None:
    plain = "3 * 4 = 12, a_b, 50% off!\n- [ ] one\n- (two) ~ 5 and/or # 6"
    assert escape(plain, links=False) == plain
    text = "see https://example.com or call 07777777777"
    assert escape(text) == text
    assert formatted(escape(text, links=False)) == []
    assert escape("*bold* /cmd @bob") == f"{JOINER}*bold* {JOINER}/cmd {JOINER}@bob"


PIECES = ("[a ", "[a](b ", "#a ", "*a ", "1 ", "@'a ", "!1 a ", "_", "#", ".", "a@", "1", "(")


@pytest.mark.parametrize("piece", PIECES)
def test_long_texts_of_signs_alone_are_read_in_one_go(piece: str) -> None:
    """A number of steps that grows with the square of the length would take minutes."""
    text = piece * (15_000 // len(piece))
    escaped = escape(text, links=False)
    again = "".join(span.text for span in parse_markdown(escaped))
    is_the_same = again.replace(JOINER, "") == text  # a difference is not shown: it takes minutes
    assert is_the_same


def test_spans_are_values() -> None:
    assert parse_markdown("*a*") == (Span("a", Style.BOLD),)
    assert repr(Span("secret", MentionText("bob"))) == (
        "Span(text=<6 characters>, format=MentionText(name=<3 characters>))"
    )
