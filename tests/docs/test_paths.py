"""The files that documents name are there."""

from __future__ import annotations

import re
from pathlib import Path

import simplex_trio

ROOT = Path(__file__).parents[2]
INSTALLED = Path(simplex_trio.__file__).parents[1]


def test_where_does_it_go_names_files_that_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "where-does-it-go.md").read_text()
    paths = set(re.findall(r"``((?:simplex_trio|tests|docs)/[^`]*)``", page))
    assert len(paths) > 40
    missing = [
        path
        for path in sorted(paths)
        if not (INSTALLED if path.startswith("simplex_trio") else ROOT).joinpath(path).exists()
    ]
    assert missing == []
