"""Pages with drawings, as Sphinx makes them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("sphinx") is None or find_spec("myst_parser") is None,
    reason="what makes pages is not installed",
)

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_ext"

CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(EXTENSIONS)!r})
extensions = ["drawings.directives", "myst_parser"]
"""

PAGE = """
# Drawings

```{boxes} One box.
a

narrow:
a

a: Alice
```

```{lanes} Two people.
Alice | Bob

Alice -> Bob: hello
```

```{bars} Two amounts.
amounts
one: 1
two: 2
```

| | here | there |
|---|---|---|
| `send` | 1 | 2 |

```{chart} A comparison.
here: 1
there: 2
seconds
```
"""


def built(folder: Path, page: str, builder: str) -> subprocess.CompletedProcess[str]:
    (folder / "conf.py").write_text(CONFIGURATION)
    (folder / "index.md").write_text(page)
    options = ["-q", "-W", "--keep-going", "-b", builder]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(folder), str(folder / "out")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_page_has_each_drawing_twice_and_the_rules_once(tmp_path: Path) -> None:
    done = built(tmp_path, PAGE, "html")
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "out" / "index.html").read_text()
    assert html.count("<svg") == 8
    for kind in ("wide", "narrow"):
        assert html.count(f'class="drawing d-{kind}"') == 4
    assert html.count("<style>") == 1
    for alt in ("One box.", "Two people.", "Two amounts.", "A comparison."):
        assert html.count(f'aria-label="{alt}"') == 2


def test_where_there_are_no_pictures_the_source_is_shown(tmp_path: Path) -> None:
    done = built(tmp_path, PAGE, "text")
    assert done.returncode == 0, done.stderr
    assert "Alice -> Bob: hello" in (tmp_path / "out" / "index.txt").read_text()


MISTAKES = """
# A

```{boxes} A box.
a

b: Bob
```

```{chart} A chart.
here: 1
there: 2
seconds
```
"""


def test_mistakes_are_told_with_their_place(tmp_path: Path) -> None:
    done = built(tmp_path, MISTAKES, "html")
    assert done.returncode != 0
    for line, words in ((4, "there is no box 'b'"), (10, "there is no table before it")):
        [told] = [each for each in done.stderr.splitlines() if words in each]
        assert f"index.md:{line}:" in told
