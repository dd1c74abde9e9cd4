"""Frames are known by their heads, however what arrives is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.xftp.http2.frame_heads import FrameHead, FrameHeads, FrameKind
from tests.xftp.support import cut


def frame(kind: int, length: int) -> bytes:
    return length.to_bytes(3, "big") + bytes([kind]) + bytes(5) + b"\xff" * length


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 40)), max_size=8),
    st.lists(st.integers(0, 300), max_size=8),
    st.booleans(),
)
def test_however_it_is_cut(frames: list[tuple[int, int]], places: list[int], preface: bool) -> None:
    data = (b"\xff" * 24 if preface else b"") + b"".join(frame(*each) for each in frames)
    heads = FrameHeads(after_preface=preface)
    seen = [head for piece in cut(data, places) for head in heads.read(piece)]
    assert [(head.kind, head.length) for head in seen] == frames


def test_the_head_is_enough() -> None:
    heads = FrameHeads(after_preface=False)
    assert heads.read(bytearray(b"\xff\xff\xff\0\0\0\0\0")) == []
    assert heads.read(b"\1") == [FrameHead(FrameKind.DATA, 2**24 - 1, 2**24 - 1)]


def test_a_block_of_headers_is_kept_whole() -> None:
    data = b"".join(
        frame(kind, 10)
        for kind in (
            *(FrameKind.HEADERS, FrameKind.CONTINUATION, FrameKind.CONTINUATION, FrameKind.DATA),
            *(FrameKind.HEADERS, FrameKind.CONTINUATION),
        )
    )
    held = [head.held for head in FrameHeads(after_preface=False).read(data)]
    assert held == [10, 20, 30, 10, 10, 20]
