"""Bytes recorded from the reference implementation; README.md beside this file says where from.

`cases` turns one kind of case of one file into pytest parameters named as the file names them, so
that every case in a file is a test and a file with other cases of the same kinds runs unchanged.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).parent

Case = dict[str, Any]


@cache
def load(file: str) -> list[Case]:
    """All cases of a file, which may be stored compressed (``.gz`` is added when needed)."""
    path = _FOLDER / file
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    raw = path.read_bytes()
    if path.suffix == ".gz":
        raw = gzip.decompress(raw)
    loaded: list[Case] = json.loads(raw)["cases"]
    return [{"file": file, **case} for case in loaded]


def cases(file: str, *kinds: str) -> list[Any]:
    """The cases of the given kinds (all if none is named) as parameters for parametrize."""
    return [
        pytest.param(case, id=case["name"])
        for case in load(file)
        if not kinds or case.get("kind") in kinds
    ]


def unhex(value: str | None) -> bytes | None:
    """Hex of a vector as bytes, keeping null as `None`."""
    return None if value is None else bytes.fromhex(value)


def filler(start: int, size: int) -> bytes:
    """The rule by which the files describe long inputs: byte j is (start + j) mod 251."""
    return bytes((start + j) % 251 for j in range(size))


def matches(value: bytes, expected: str | dict[str, Any]) -> bool:
    """Whether bytes are what a vector says, in hex or as length, ends and digest of a big value."""
    from hashlib import sha256

    if isinstance(expected, str):
        return value.hex() == expected
    found = {
        "len": len(value),
        "first64": value[:64].hex(),
        "last16": value[-16:].hex(),
        "sha256": sha256(value).hexdigest(),
    }
    return found == {name: expected[name] for name in found}


def store_files(kind: str) -> dict[int, bytes]:
    """Files that earlier versions of this package have written, by the version of their tables.

    They are in the folder ``stores``, each made by the program of its time: when a version is
    added, the file of the one before it is added there.
    """
    return {
        int(path.name.removeprefix(f"{kind}_").removesuffix(".sqlite.gz")): gzip.decompress(
            path.read_bytes()
        )
        for path in sorted((_FOLDER / "stores").glob(f"{kind}_*.sqlite.gz"))
    }
