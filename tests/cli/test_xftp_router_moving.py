"""``simplex-trio xftp router import``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.support import Result
from tests.xftp.test_importing import a_server

Cli = Callable[..., Result]


def test_import(cli: Cli, tmp_path: Path) -> None:
    log, folder = a_server(tmp_path / "server"), tmp_path / "router"
    assert cli("xftp", "router", "init", folder).code == 0
    made = cli("xftp", "router", "import", log.parent, folder, "--json").json()
    assert made == {
        "counts": {"packets": 1, "recipients": 2, "bodies": 1, "bytes": 80_000},
        "left_out": {},
    }
    assert cli("xftp", "router", "stats", folder, "--json").json()["now"]["packets"] == 1
    again = cli("xftp", "router", "import", log, folder / "xftp.toml")
    assert again.code == 2
    assert "is there already" in again.err
    log.write_text(log.read_text() + "nonsense\n")
    arguments = (log, tmp_path / "packets", "--files", log.parent)
    assert "line 4" in cli("xftp", "router", "import", *arguments).err
    taken = cli("xftp", "router", "import", *arguments, "--accept-loss")
    assert taken.code == 0
    assert "Left out: 1 lines or files that cannot be read." in taken.out
    assert "bytes                     80,000" in taken.out


def test_what_is_refused(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    assert cli("xftp", "router", "init", folder).code == 0
    strange = cli("xftp", "router", "import", folder, tmp_path / "packets")
    assert strange.code == 2
    assert "file-server-store.log" in strange.err
    log = a_server(tmp_path / "server")
    config = folder / "xftp.toml"
    before = config.read_text()
    config.write_text(f'records = "postgresql://localhost/nothing"\n{before}')
    database = cli("xftp", "router", "import", log, folder)
    assert database.code == 2
    assert "into a folder alone" in database.err
    config.write_text(before.replace("store =", "# store ="))
    assert "names none" in cli("xftp", "router", "import", log, folder).err
