"""Names that senders choose, and what is made of them."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.xftp.files.names import MAX_NAME_SIZE, candidates, safe_name, shortened


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("Übersicht, 2030 (final).pdf", "Übersicht, 2030 (final).pdf"),
        ("файл.txt", "файл.txt"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("...", "file"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe"),
        ("C:x.exe", "C_x.exe"),
        ("folder/", "file"),
        (".bashrc", "bashrc"),
        ("name. ", "name"),
        ("a\0b\nc\x7f.txt", "abc.txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("a\u200bb\ufeff", "ab"),
        ("half\ud800", "half"),
        ('<>:"|?*', "_______"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("COM1", "_COM1"),
        ("console", "console"),
        ("CON .txt", "_CON .txt"),
        ("CONOUT$", "_CONOUT$"),
        ("$(rm -rf ~)", "$(rm -rf ~)"),
        ("-rf", "_-rf"),
        ("~", "_~"),
        ("photo.jpg" + " " * 200 + ".exe", "photo.jpg .exe"),
        ("photo.jpg\u3000\u00a0\u2003.exe", "photo.jpg .exe"),
        ("\u00a0\u3164\u2800", "file"),
    ],
)
def test_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=400))
def test_any_name_is_one_component(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert safe == os.path.basename(safe)
    assert safe not in (".", "..")
    assert not safe.startswith((".", "-", "~", " "))
    assert "\\" not in safe
    assert (Path("/folder") / safe).parent == Path("/folder")
    assert all(len(each.encode()) <= MAX_NAME_SIZE for each in islice(candidates(safe), 3))
    assert safe_name(safe) == safe


def test_long_names_keep_their_suffix() -> None:
    assert safe_name("ж" * 300 + ".tar").endswith("ж.tar")
    assert len(safe_name("x" * 100 + "." + "y" * 300)) == MAX_NAME_SIZE - 8


def test_names_with_room_for_more() -> None:
    assert shortened("name.txt", 20) == "name.txt"
    assert shortened("x" * 255, 5) == "x" * 250
    assert len(os.fsencode(shortened(os.fsdecode(b"\xff" * 255), 20))) <= 235


def test_names_that_are_taken() -> None:
    assert list(islice(candidates("a.tar.gz"), 3)) == ["a.tar.gz", "a.tar_1.gz", "a.tar_2.gz"]
    assert list(islice(candidates("none"), 2)) == ["none", "none_1"]
    assert sum(1 for _ in candidates("x")) == 10_000
