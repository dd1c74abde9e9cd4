"""Coming from the reference's servers: what they have kept is all there, at the same address.

With SIMPLEX_TRIO_RECORDING, the path of a file such as tests/vectors/smp_server_7_0.json.gz or
xftp_server_7_0.json.gz, the server's files are written there, for tests that need no server.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from simplex_trio.router.config import RouterConfig
from simplex_trio.router.moving.copying import copy_everything
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.moving.server_folder import find_store_log, open_server_folder
from simplex_trio.router.server import open_router
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.importing import find_file_log, import_files
from simplex_trio.xftp.router.server import open_xftp_router
from tests.interop.conftest import named
from tests.interop.smp_server import SMPServer, XFTPServer
from tests.scenarios.moving import check, fill
from tests.scenarios.moving_files import check_files, fill_files


@pytest.mark.parametrize("messages", ["memory", "journal"])
@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
async def test_everything_is_there_at_the_same_address(
    tmp_path: Path, messages: str, restarted: bool
) -> None:
    program = named("SIMPLEX_TRIO_SMP_SERVER")
    server = await SMPServer.make(program, tmp_path / "server", messages=messages)
    async with server.running():
        known = await fill(server.address, server.block)
    if restarted:  # it writes its log anew when it starts
        async with server.running():
            pass
    now = int(time.time())
    if path := os.environ.get("SIMPLEX_TRIO_RECORDING"):
        case = {"name": f"{messages}{', restarted' * restarted}", "now": now, "known": known}
        _record(Path(path), {**case, "files": _files(server.logs)})
    store = tmp_path / "router.sqlite"
    log = find_store_log(server.logs)
    assert log is not None
    async with open_server_folder(log, now=now) as reading, new_sqlite_store(store) as new:
        assert reading.is_complete
        await copy_everything(reading, new)
        assert not reading.left_out
    config = RouterConfig(
        hosts=("127.0.0.1",),
        listen="127.0.0.1",
        ports=(server.port,),
        credentials=server.config,
        store=store,
    )
    async with open_router(config) as router:
        assert str(router.address) == server.address
        await check(server.address, known)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
async def test_files_are_there_at_the_same_address(tmp_path: Path, restarted: bool) -> None:
    program = named("SIMPLEX_TRIO_XFTP_SERVER")
    server = await XFTPServer.make_for_files(program, tmp_path / "server")
    async with server.running():
        known = await fill_files(server.address, server.block)
    if restarted:
        async with server.running():
            pass
    if path := os.environ.get("SIMPLEX_TRIO_RECORDING"):
        case = {"name": "restarted" if restarted else "first", "known": known}
        bodies = {each.name: each.read_bytes().hex() for each in server.files.iterdir()}
        _record(Path(path), {**case, "files": _files(server.logs), "bodies": bodies})
    store = tmp_path / "packets"
    log = find_file_log(server.logs)
    assert log is not None
    found = await import_files(log, store)
    assert not found.left_out
    config = XFTPRouterConfig(
        hosts=("127.0.0.1",),
        listen="127.0.0.1",
        ports=(server.port,),
        credentials=server.config,
        store=store,
    )
    async with open_xftp_router(config) as router:
        assert str(router.address) == server.address
        await check_files(server.address, known)


def _files(folder: Path) -> dict[str, str]:
    paths = [*folder.glob("*.log"), *folder.glob("messages/**/*.log")]
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(paths)}


def _record(path: Path, case: dict[str, Any]) -> None:
    recording: dict[str, Any] = {"about": "files of the reference's server", "cases": []}
    if path.exists():
        recording = json.loads(gzip.decompress(path.read_bytes()))
    others = [each for each in recording["cases"] if each["name"] != case["name"]]
    recording["cases"] = sorted([*others, case], key=lambda each: str(each["name"]))
    path.write_bytes(gzip.compress(json.dumps(recording).encode(), mtime=0))
