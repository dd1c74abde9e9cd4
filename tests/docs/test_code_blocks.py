"""Every Python block of the documents is a program that runs and prints what is said under it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A fenced block of Python, and right after it, perhaps with a sentence between, what it prints.
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n+(?:[^`\n][^\n]*\n)?\n*^```output\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text()
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 2
            code = "\n" * (line - 1) + found["code"]  # so that tracebacks name the page's lines
            name = f"{page.relative_to(ROOT)}:{line}"
            yield pytest.param(page, code, found["output"], id=name)


@pytest.mark.parametrize(("page", "code", "output"), list(blocks()))
def test_block_runs(
    page: Path, code: str, output: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    # What a page guards by `__name__` needs a network, so it is defined, and not run.
    exec(compile(code, str(page), "exec"), {"__name__": "block"})
    if output is not None:
        assert capsys.readouterr().out == output


def test_no_block_is_overlooked() -> None:
    fences = sum(page.read_text().count("```python") for page in PAGES)
    assert len(list(blocks())) == fences
