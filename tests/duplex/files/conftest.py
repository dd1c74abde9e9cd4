"""A router, a file to send and a folder to receive in."""

from __future__ import annotations

from tests.xftp.conftest import folder, path, router

__all__ = ["folder", "path", "router"]
