"""The files that documents name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_links_to_documentation_and_examples_lead_somewhere(document: str) -> None:
    text = re.sub(
        r"^```.*?^```$", "", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE
    )
    found = re.findall(r"(?:\]\(|<img src=\")((?:docs|examples)\b[^)#\"]*)", text)
    assert found != []
    assert [link for link in found if not (ROOT / link).exists()] == []
