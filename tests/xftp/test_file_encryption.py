"""Files encrypted as the reference encrypts them, and what is done with those that are not."""

from __future__ import annotations

from hashlib import sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import BoxKey
from simplex_trio.errors import DecodeError, DecryptionFailed, EncodeError, SimplexError
from simplex_trio.wire.buffer import Reader, int64
from simplex_trio.wire.xftp.file_header import MAX_HEADER_SIZE, FileHeader
from simplex_trio.xftp.box_stream import BoxStream
from simplex_trio.xftp.errors import DigestMismatch, FileChanged
from simplex_trio.xftp.files.encryption import FileOpener, FileSealer, payload_size
from tests.vectors import Case, cases, filler, matches
from tests.xftp.support import cut

KEY = bytes(range(32))
NONCE = bytes(range(24))
HEADER = FileHeader("name.txt")


def sealed(
    content: bytes,
    encrypted_size: int,
    *,
    header: FileHeader = HEADER,
    key: bytes = KEY,
    nonce: bytes = NONCE,
    size: int | None = None,
) -> bytes:
    sealer = FileSealer(
        cut(content, [1, 1, 70_000]),
        len(content) if size is None else size,
        header,
        key=key,
        nonce=nonce,
        encrypted_size=encrypted_size,
    )
    encrypted = bytearray(encrypted_size)
    with memoryview(encrypted) as view:
        for piece in cut(view, [10, 10, 3000, encrypted_size - 5]):
            sealer.fill(piece)
    sealer.finish()
    return bytes(encrypted)


def opened(
    encrypted: bytes,
    places: list[int] | None = None,
    *,
    size: int | None = None,
    digest: bytes | None = None,
) -> tuple[FileHeader | None, bytes]:
    opener = FileOpener(
        key=KEY,
        nonce=NONCE,
        encrypted_size=len(encrypted) if size is None else size,
        digest=sha512(encrypted).digest() if digest is None else digest,
    )
    content = b"".join(
        bytes(opener.feed(memoryview(bytearray(piece)))) for piece in cut(encrypted, places or [])
    )
    opener.finish()
    return opener.header, content


@pytest.mark.parametrize("case", cases("xftp.json", "file_encryption"))
def test_recorded(case: Case) -> None:
    content = filler(case["content_filler_start"], case["content_len"])
    header = FileHeader.decode(Reader(bytes.fromhex(case["header"])))
    assert header == FileHeader(case["file_name"])
    assert header.encode().hex() == case["header"]
    assert len(header.encode()) + len(content) == case["size_field"]

    def seal() -> bytes:
        return sealed(
            content,
            case["encrypted_size"],
            header=header,
            key=bytes.fromhex(case["key"]),
            nonce=bytes.fromhex(case["nonce"]),
        )

    if case["error"] is not None:
        with pytest.raises(SimplexError):
            seal()
        return
    encrypted = seal()
    assert len(encrypted) == case["encrypted_len"]
    assert matches(encrypted, case["encrypted"])
    assert sha512(encrypted).hexdigest() == case["encrypted_sha512"]

    opener = FileOpener(
        key=bytes.fromhex(case["key"]),
        nonce=bytes.fromhex(case["nonce"]),
        encrypted_size=case["encrypted_len"],
        digest=bytes.fromhex(case["encrypted_sha512"]),
    )
    assert bytes(opener.feed(memoryview(bytearray(encrypted)))) == content
    opener.finish()
    assert opener.header == header


@given(st.binary(max_size=3000), st.integers(0, 2000), st.lists(st.integers(0, 5000), max_size=6))
def test_files_are_read_back(content: bytes, filling: int, places: list[int]) -> None:
    size = payload_size(HEADER, len(content)) + filling
    encrypted = sealed(content, size)
    assert len(encrypted) == size
    assert opened(encrypted, places) == (HEADER, content)


def test_byte_by_byte() -> None:
    content = filler(0, 1500)
    encrypted = sealed(content, 4000)
    assert opened(encrypted, list(range(4000))) == (HEADER, content)


def test_a_file_that_does_not_fit() -> None:
    size = payload_size(HEADER, 10)
    assert len(sealed(bytes(10), size)) == size
    with pytest.raises(EncodeError):
        sealed(bytes(10), size - 1)


@pytest.mark.parametrize("size", [9, 11])
def test_a_file_that_changes(size: int) -> None:
    with pytest.raises(FileChanged):
        sealed(bytes(10), 65536, size=size)


# --- files that are not right -------------------------------------------------------------------


def boxed(plain: bytes) -> bytes:
    stream = BoxStream(BoxKey.from_secret(KEY), NONCE)
    return stream.seal(plain) + stream.tag()


@pytest.mark.parametrize(
    "plain",
    [
        bytes(7),
        int64(-1) + HEADER.encode(),
        int64(2**62) + HEADER.encode(),
        int64(len(HEADER.encode()) + 1) + HEADER.encode(),
        int64(len(HEADER.encode()) - 1) + HEADER.encode(),
        int64(0) + b"\xff",
        int64(2) + b"\x011",
        int64(4) + b"\x01x12",
        int64(MAX_HEADER_SIZE) + b"\x01x1\xff",
    ],
    ids=range(9),
)
def test_plain_texts_that_are_no_files(plain: bytes) -> None:
    with pytest.raises(DecodeError):
        opened(boxed(plain))
    with pytest.raises(DecodeError):
        opened(boxed(plain), list(range(len(plain))))


@pytest.mark.parametrize("size", [-1, 0, 16, 23])
def test_too_short_to_be_a_file(size: int) -> None:
    with pytest.raises(DecodeError):
        FileOpener(key=KEY, nonce=NONCE, encrypted_size=size, digest=bytes(64))


def test_other_sizes_than_said() -> None:
    encrypted = sealed(b"content", 100)
    for size in (99, 101):
        with pytest.raises(DecodeError):
            opened(encrypted, size=size)


def test_another_file_than_described() -> None:
    encrypted = sealed(b"content", 100)
    with pytest.raises(DigestMismatch):
        opened(encrypted, digest=bytes(64))
    changed = encrypted[:-1] + bytes([encrypted[-1] ^ 1])
    with pytest.raises(DecryptionFailed):
        opened(changed)
    changed = encrypted[:60] + bytes([encrypted[60] ^ 1]) + encrypted[61:]
    with pytest.raises(DecryptionFailed):
        opened(changed)
