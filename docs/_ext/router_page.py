"""Draws the page that browsers get from a router: ``python docs/_ext/router_page.py``.

It is no screenshot, so it is small and sharp; words, address and QR code are those of the page that
`WebPage` makes, which a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from html import escape, unescape
from pathlib import Path

from drawings.text import Style, wrapped

from simplex_trio.serving.http import HttpRequest
from simplex_trio.serving.web import WebPage
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import DomainHost

TARGET = Path(__file__).parents[1] / "how-to" / "router-page.svg"
HOST = "smp.example.com"
ADDRESS = ServerAddress(
    ServerProtocol.SMP, (DomainHost(HOST),), None, sha256(HOST.encode()).digest()
)
ALT = "A browser with the page of a router: its address, and the same as a QR code"

WIDTH, HEIGHT, BAR = 620, 400, 40
_LEFT = 34
_CODE = 236
_QUIET = 22
"""Around the code, of which that much is its own margin."""
_FIXED = 7.9
"""The width of a character of the address, with a font of 13 pixels."""


def page() -> str:
    """The page, as the router sends it."""
    return WebPage(ADDRESS).answer(HttpRequest("/", wants_body=True)).body.decode()


def drawn() -> str:
    """The picture, as SVG."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {WIDTH + 2} {HEIGHT + 2}" '
        f'width="{WIDTH + 2}" font-family="system-ui, sans-serif" role="img">'
    )
    return "\n".join([head, f"<title>{escape(ALT)}</title>", *_window(), *_content(), "</svg>", ""])


def _window() -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff" stroke="#9aa0ad"/>'
    yield f'<path d="M0 {BAR}h{WIDTH}" stroke="#dcdfe5"/>'
    for number, color in enumerate(("#e5786d", "#e8bf6a", "#7cc492")):
        yield f'<circle cx="{22 + 20 * number}" cy="{BAR / 2:g}" r="6" fill="{color}"/>'
    yield f'<rect x="96" y="8" width="{WIDTH - 130}" height="24" rx="12" fill="#f0f1f4"/>'
    yield _text(112, 25, f"https://{HOST}", 13, "#525a6b")


def _content() -> Iterator[str]:
    html = page()
    [title] = re.findall(r"<h1>(.*?)</h1>", html)
    sentence, address = (unescape(each) for each in re.findall(r"<p>(?:<code>)?(.*?)<", html))
    yield _text(_LEFT, BAR + 50, unescape(title), 27, bold=True)
    y = BAR + 84
    for line in wrapped(sentence, Style.TITLE, WIDTH - 2 * _LEFT):
        yield _text(_LEFT, y, line, 15)
        y += 22
    most = int((WIDTH - 2 * _LEFT) / _FIXED)
    for start in range(0, len(address), most):
        yield _text(
            _LEFT, y + 6, address[start : start + most], 13, family="ui-monospace, monospace"
        )
        y += 20
    [code] = re.findall(r"<svg.*?</svg>", html, re.S)
    yield code.replace(
        "<svg ", f'<svg x="{_LEFT - _QUIET}" y="{y - 8}" width="{_CODE}" height="{_CODE}" '
    )


def _text(
    x: float, y: float, text: str, size: int, color: str = "#16181d", *,
    bold: bool = False, family: str = "",
) -> str:  # fmt: skip
    weight = ' font-weight="700"' if bold else ""
    font = f' font-family="{family}"' if family else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}"{weight}{font}>'
        f"{escape(text, quote=False)}</text>"
    )


if __name__ == "__main__":
    TARGET.write_text(drawn())
