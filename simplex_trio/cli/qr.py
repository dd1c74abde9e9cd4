"""QR codes on a terminal, to be scanned by a telephone."""

from __future__ import annotations

import io

import segno

__all__ = ["qr_code"]


def qr_code(text: str) -> str:
    """A text as lines of half blocks; quiet zone included."""
    out = io.StringIO()
    segno.make_qr(text, error="l").terminal(out, compact=True)
    return out.getvalue()
