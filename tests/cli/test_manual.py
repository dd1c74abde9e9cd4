"""The page of the manual, and completion in shells."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from simplex_trio.cli.manual import Shell, man_page
from tests.cli.support import Result
from tests.cli.test_app import EVERY

Cli = Callable[..., Result]


def test_the_page_has_all_commands(cli: Cli) -> None:
    page = cli("manual")
    assert page.code == 0
    assert page.out == man_page() + "\n"
    titles = [line for line in page.out.splitlines() if line.startswith((".SH ", ".SS "))]
    for path in EVERY:
        name = " ".join(("simplex-trio", *path)).replace("-", r"\-")
        assert any(title.endswith(f" {name}") for title in titles), name
    assert page.out.isascii()


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_the_page_is_valid() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z"], input=man_page().encode(), capture_output=True, check=True
    )
    assert done.stderr == b""


@pytest.mark.parametrize("shell", Shell)
def test_completion(cli: Cli, shell: Shell) -> None:
    script = cli("completion", shell)
    assert script.code == 0
    assert "receive-file" in script.out
    assert "--no-json" not in script.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [(("qu",), "queue"), (("router", "ren"), "renew"), (("ping", "--cou"), "--count")],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else each,
)
def test_bash_completes(cli: Cli, tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    script = tmp_path / "completion"
    script.write_text(cli("completion", "bash").out)
    program = (
        f"source {script}; COMP_WORDS=(simplex-trio {' '.join(words)}); "
        f"COMP_CWORD={len(words)}; _simplex_trio; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert expected in done.stdout.split()
