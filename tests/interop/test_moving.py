"""Coming from the reference's server: what it has kept is all there, at the same address.

With SIMPLEX_TRIO_RECORDING, the path of a file such as tests/vectors/smp_server_7_0.json.gz, the
server's files are written there, for tests/router/moving/test_server_folder.py.
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
from tests.interop.conftest import named
from tests.interop.smp_server import SMPServer
from tests.scenarios.moving import check, fill


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
