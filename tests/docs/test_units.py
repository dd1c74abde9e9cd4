"""Units of systemd in the documentation: systemd itself says whether they are right."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```(?:ini|text)\n(?P<unit>(?:#[^\n]*\n)?\[Unit\]\n.*?)^```", re.M | re.S)
_PROGRAM = re.compile(r"(?<=ExecStart=)\S+")


def units() -> Iterator[tuple[str, str]]:
    for path in sorted(DOCS.rglob("*.md")):
        for number, found in enumerate(_BLOCK.finditer(path.read_text())):
            yield f"{path.stem}-{number}", found["unit"]


UNITS = dict(units())


def test_there_are_units() -> None:
    assert {name.rpartition("-")[0] for name in UNITS} == {
        "alerts",
        "deploy-a-bot",
        "deploy-a-router",
    }


@pytest.mark.parametrize("name", [name for name in UNITS if name.startswith("deploy-a-router")])
def test_routers_tell_systemd_how_they_are(name: str) -> None:
    lines = UNITS[name].splitlines()
    assert "Type=notify" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert any(line.startswith("RestrictAddressFamilies=") and "AF_UNIX" in line for line in lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize("name", UNITS)
def test_units_are_valid(tmp_path: Path, name: str) -> None:
    unit = UNITS[name]
    if "[Service]" not in unit:
        unit += "[Service]\nType=oneshot\nExecStart=/bin/true\n"  # an addition to another unit
    path = tmp_path / f"{name}.service"
    path.write_text(_PROGRAM.sub("/bin/true", unit).replace("\nUser=", "\n# User="))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True
    )
    about = [line for line in done.stderr.splitlines() if path.name in line]
    assert about == []
