"""The folder with packets of files that are being received."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simplex_trio.duplex.work.files.local import LocalFiles
from simplex_trio.xftp.files.packet_file import PacketFile


def test_threads_share_one_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Slow(tempfile.TemporaryDirectory[str]):
        def __init__(self, **settings: Any) -> None:
            time.sleep(0.1)
            super().__init__(**settings)
            made.append(self.name)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", Slow)
    local = LocalFiles(None)

    def opened(file_id: str) -> PacketFile:
        return local.open(file_id, 100)[0]

    with ThreadPoolExecutor(2) as threads:
        for packets in threads.map(opened, ["first", "second"]):
            packets.close()
    assert len(made) == 1
    local.close()
