"""Files for images of containers in the documentation: right by their syntax, and of what exists.

``SIMPLEX_TRIO_CONTAINERS`` names a program that builds images, such as ``docker``; then the image
of a router is built, and its help is shown in a container.  That takes minutes and the network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from simplex_trio.cli.commands import find_command

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```dockerfile\n(?P<text>.*?)^```", re.M | re.S)

_KNOWN = {
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "RUN",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
}


def files() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for number, found in enumerate(_BLOCK.finditer(path.read_text())):
            yield f"{path.stem}-{number}", found["text"]


FILES = dict(files())


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a file; long ones may go on behind a backslash."""
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in lines if line.strip())
        if not name.startswith("#")
    ]


def test_there_are_files() -> None:
    assert {name.rpartition("-")[0] for name in FILES} >= {"deploy-a-bot", "deploy-a-router"}


@pytest.mark.parametrize("name", FILES)
def test_the_syntax(name: str) -> None:
    found = instructions(FILES[name])
    names = [each for each, _ in found]
    assert names[0] == "FROM"
    assert set(names) <= _KNOWN
    assert all(rest for _, rest in found)
    for each in ("ENTRYPOINT", "CMD", "STOPSIGNAL", "HEALTHCHECK"):
        assert names.count(each) <= 1
    for each, rest in found:
        if each in ("ENTRYPOINT", "CMD"):
            # A list: with a text, a shell would be told to stop in place of the program.
            assert all(isinstance(word, str) for word in json.loads(rest))
    # The program runs as a user of its own, and what follows does not need another one.
    assert "root" not in dict(found)["USER"]


def words(name: str, of: str) -> list[str]:
    found: list[str] = json.loads(dict(instructions(FILES[name]))[of].rpartition("CMD ")[2])
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_extras_exist(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r"\[([a-z,]+)\]\"", FILES[name]):
        assert set(extras.split(",")) <= project["optional-dependencies"].keys()


def test_the_commands_of_a_router_exist() -> None:
    assert words("deploy-a-router-0", "ENTRYPOINT") == ["simplex-trio"]
    find_command(words("deploy-a-router-0", "CMD"))
    program, *arguments = words("deploy-a-router-0", "HEALTHCHECK")
    assert program == "simplex-trio"
    find_command(arguments)


@pytest.mark.skipif(
    "SIMPLEX_TRIO_CONTAINERS" not in os.environ,
    reason="SIMPLEX_TRIO_CONTAINERS names no program that builds images",
)
def test_the_image_of_a_router_is_built(tmp_path: Path) -> None:
    builder = os.environ["SIMPLEX_TRIO_CONTAINERS"]
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "docs", "tests"))
    (source / "Containerfile").write_text(FILES["deploy-a-router-0"])
    build = [builder, "build", "--quiet", "--file", "Containerfile", "."]
    image = subprocess.run(build, cwd=source, check=True, capture_output=True, text=True)
    run = [builder, "run", "--rm", image.stdout.strip(), "router", "--help"]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    assert "Run a router of your own" in done.stdout
