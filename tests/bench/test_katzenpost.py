"""The rows of measurements run, and say what they lack."""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.errors import SimplexError
from tests.bench import katzenpost
from tests.bench.rows import Conditions

OURS = [row for row in katzenpost.ROWS if row.baseline is not None]
PUBLISHED = [row for row in katzenpost.ROWS if row.baseline is None]


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.name)
async def test_rows_of_our_client(row: Any) -> None:
    figures = await row.measure(Conditions(scale=0.01))
    assert figures.rate > 0
    assert row.baseline in [each.name for each in PUBLISHED]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
async def test_rows_of_the_published_client_need_it(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(katzenpost.PUBLISHED_PYTHON, raising=False)
    with pytest.raises(SimplexError, match="katzenpost-thinclient"):
        await row.measure(Conditions(scale=0.01))
