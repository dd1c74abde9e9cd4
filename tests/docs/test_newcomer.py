"""What can be said of README without an environment; the session `newcomer` does the rest."""

from __future__ import annotations

from tests.newcomer.claims import CLAIMS, lists_that_are_not_whole, unexplained_figures
from tests.newcomer.readme import blocks, from_source, prose


def test_each_figure_of_readme_is_checked_by_the_newcomer() -> None:
    assert unexplained_figures() == []


def test_what_the_newcomer_checks_is_said() -> None:
    text = prose()
    assert [claim for claim in CLAIMS if claim not in text] == []


def test_lists_of_readme_are_whole() -> None:
    assert lists_that_are_not_whole() == []


def test_readme_can_be_followed() -> None:
    assert from_source().startswith("python3 -m pip install ")
    kinds = [block.kind for block in blocks()]
    assert set(kinds) == {"python", "sh"}
    assert kinds.count("sh") == 3
