"""`WebPage`: the page that browsers get from a router, with its address as text and QR code."""

from __future__ import annotations

import io
from html import escape
from http import HTTPStatus
from typing import Final

from simplex_trio.serving.http import HttpRequest, HttpResponse
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol

__all__ = ["WebPage"]

_POLICY: Final = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)

_KINDS: Final = {
    ServerProtocol.SMP: "messaging router",
    ServerProtocol.XFTP: "router for files",
    ServerProtocol.NTF: "notification router",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
code {{ overflow-wrap: anywhere; }}
svg {{ width: 16rem; height: 16rem; }}
</style>
<h1>{title}</h1>
<p>This is a {kind} of the SimpleX network.  Apps take its address:</p>
<p><code>{address}</code></p>
{code}
</html>
"""


def _qr_code(text: str) -> str:
    """A QR code as SVG; empty where the package that draws it is not installed."""
    try:
        import segno
    except ImportError:
        return ""
    drawn = io.BytesIO()
    code = segno.make(text, micro=False)
    code.save(drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=4)
    return f"<figure>{drawn.getvalue().decode()}</figure>"


class WebPage:
    """Answers the requests of browsers."""

    def __init__(self, address: ServerAddress) -> None:
        text = str(address)
        page = _PAGE.format(
            title=f"{address.protocol.name} router",
            kind=_KINDS[address.protocol],
            address=escape(text),
            code=_qr_code(text),
        )
        self._page = HttpResponse(page.encode(), "text/html; charset=utf-8", headers=_POLICY)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The page itself at ``/``, and 404 for other paths."""
        if request.path == "/":
            return self._page
        return HttpResponse(b"404 Not Found\n", status=HTTPStatus.NOT_FOUND, headers=_POLICY)
