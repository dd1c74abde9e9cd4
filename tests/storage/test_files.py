"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from simplex_trio.storage.files import (
    create_file,
    lock,
    make_private,
    replace_file,
    sync_folder,
    write_all,
)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def fail(*_: object) -> None:
    raise OSError(errno.EIO, "no disk")


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_file(path, b"secret")
    assert (path.read_bytes(), mode_of(path)) == (b"secret", 0o600)
    with pytest.raises(FileExistsError):
        create_file(path, b"another")
    assert path.read_bytes() == b"secret"


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_new_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no disk"):
        create_file(tmp_path / "key", b"secret")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_the_old_content_stays_until_the_new_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "state"
    replace_file(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="no disk"):
            replace_file(path, b"new")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]
    replace_file(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_replaced_file_is_for_its_owner_alone_unless_access_is_kept(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "certificate"
    replace_file(path, b"first", keep_access=True)
    assert mode_of(path) == 0o600
    path.chmod(mode)
    replace_file(path, b"second", keep_access=True)
    assert (path.read_bytes(), mode_of(path)) == (b"second", mode)
    replace_file(path, b"third")
    assert mode_of(path) == 0o600


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file look as if it were another user's."""
    stat = Path.stat
    owned = os.stat_result((*path.stat()[:4], 4711, 4712, *path.stat()[6:]))
    monkeypatch.setattr(
        Path, "stat", lambda each, **given: owned if each == path else stat(each, **given)
    )


@pytest.mark.skipif(not hasattr(os, "fchown"), reason="files have no owners")
def test_the_owner_and_the_group_of_a_replaced_file_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.touch()
    path.chmod(0o640)
    give_away(path, monkeypatch)
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _, user, group: asked.append((user, group)))
    replace_file(path, b"new", keep_access=True)
    assert asked == [(-1, 4712), (4711, -1)]
    monkeypatch.undo()
    assert mode_of(path) == 0o640


@pytest.mark.skipif(not hasattr(os, "fchown"), reason="files have no owners")
def test_permissions_of_a_group_are_not_given_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.touch()
    path.chmod(0o640)
    give_away(path, monkeypatch)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not root")

    monkeypatch.setattr(os, "fchown", refuse)
    replace_file(path, b"new", keep_access=True)
    monkeypatch.undo()
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)


def test_a_disk_that_takes_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    with (tmp_path / "file").open("wb", buffering=0) as file:
        write_all(file.fileno(), b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_only_one_has_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert lock(first.fileno())
        assert not lock(second.fileno())
        first.close()
        assert lock(second.fileno(), wait=True)


def test_permissions_are_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for before, after in ((0o644, 0o600), (0o400, 0o400)):
        path.chmod(before)
        make_private(path)
        assert mode_of(path) == after


def test_folders_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems cannot; a disk that fails is another matter."""

    def unable(_: int) -> None:
        raise OSError(errno.EINVAL, "not for folders")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", unable)
        sync_folder(tmp_path)
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="no disk"):
            sync_folder(tmp_path)
