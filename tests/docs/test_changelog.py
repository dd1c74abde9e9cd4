"""News fragments, and the section of CHANGELOG.md that a release makes of them."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def loaded(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("assemble", folder / "assemble.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ASSEMBLE = loaded(ROOT / "changelog.d")


def test_fragments_are_named_as_their_readme_says() -> None:
    kinds = "|".join(ASSEMBLE.KINDS)
    names = {path.name for path in (ROOT / "changelog.d").iterdir() if path.is_file()}
    odd = [name for name in names if not re.fullmatch(rf"[a-z0-9-]+\.({kinds})\.md", name)]
    assert sorted(odd) == ["README.md", "assemble.py"]


def test_fragments_are_a_sentence_or_more() -> None:
    for kind in ASSEMBLE.KINDS:
        for fragment in ASSEMBLE.fragments(kind):
            text = fragment.read_text()
            assert text.strip().endswith("."), fragment.name
            assert not text.startswith(("*", "-", "#")), fragment.name


@pytest.fixture
def released(tmp_path: Path) -> ModuleType:
    """What assembles the fragments of a project of its own."""
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    shutil.copy(ROOT / "changelog.d" / "assemble.py", folder)
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\nAn introduction.\n\n## 0.1.0, then\n")
    (folder / "README.md").write_text("About fragments.\n")
    (folder / "tea.added.md").write_text("Bots make `tea`.  It is\nhot.\n\nMost of the time.\n")
    (folder / "bot-cups.fixed.md").write_text("Bots wash cups.\n")
    return loaded(folder)


def test_a_release_makes_a_section(released: ModuleType) -> None:
    released.write(released.section("0.2.0", "2027-01-02"))
    assert released.CHANGELOG.read_text() == (
        "# Changes\n\nAn introduction.\n\n"
        "## 0.2.0, 2027-01-02\n\n"
        "### Added\n\n"
        "* Bots make `tea`. It is hot.\n\n  Most of the time.\n\n"
        "### Fixed\n\n"
        "* Bots wash cups.\n\n"
        "## 0.1.0, then\n"
    )
    assert sorted(each.name for each in released.FOLDER.glob("*.md")) == ["README.md"]


def test_a_long_list_is_grouped_by_area(released: ModuleType) -> None:
    for number in range(released.MANY):
        (released.FOLDER / f"router-{number}.added.md").write_text(f"Router {number}.\n")
    (released.FOLDER / "bot-spoons.added.md").write_text("Spoons.\n")
    text = released.section("0.2.0", "2027-01-02")
    headings = re.findall("^#+ .*", text, re.MULTILINE)
    other = "#### Documentation, tests and development"
    expected = ["### Added", "#### Bots", "#### Routers", other, "### Fixed"]
    assert headings[1:] == expected


def test_every_fragment_is_in_the_section() -> None:
    text = ASSEMBLE.section("1.0", "2027-01-02")
    for kind in ASSEMBLE.KINDS:
        for fragment in ASSEMBLE.fragments(kind):
            assert ASSEMBLE.item(fragment) in text
