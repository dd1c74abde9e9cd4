"""``simplex-trio --version``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from simplex_trio.duplex.kem_stock import makes_pairs_in_process
from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.ratchet.sntrup761 import load_kem

__all__ = ["version_text"]


def version_text() -> str:
    """The version of the package, and which implementation of the KEM it uses."""
    try:
        package = version("simplex-trio")
    except PackageNotFoundError:
        package = "unknown, as the package is not installed"
    return f"{package}\n{_kem()}"


def _kem() -> str:
    """Which implementation of the KEM is used, and how its keys are made."""
    try:
        kem = load_kem()
    except KEMSupportMissing:
        return "sntrup761: none, as the extra duplex is not installed"
    where = "process" if makes_pairs_in_process(kem) else "thread"
    return f"sntrup761: {kem.NAME}, keys made in a {where}"
