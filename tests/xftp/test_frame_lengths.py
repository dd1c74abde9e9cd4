"""Frames that are too long are found out as soon as they say so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.xftp.http2.frame_lengths import FrameLengths
from tests.xftp.support import cut


def frame(length: int) -> bytes:
    return length.to_bytes(3, "big") + b"\0\0" + bytes(4) + b"\xff" * length


@given(
    st.lists(st.integers(0, 40), max_size=8),
    st.lists(st.integers(0, 300), max_size=8),
    st.booleans(),
)
def test_however_it_is_cut(lengths: list[int], places: list[int], preface: bool) -> None:
    data = (b"\xff" * 24 if preface else b"") + b"".join(map(frame, lengths))
    check = FrameLengths(30, after_preface=preface)
    allowed = all(check.allow(piece) for piece in cut(data, places))
    assert allowed == all(length <= 30 for length in lengths)


def test_the_head_is_enough() -> None:
    check = FrameLengths(16384, after_preface=False)
    assert check.allow(bytearray(b"\0\x40\x01\0\0\0\0\0"))
    assert not check.allow(b"\1")
