"""What a search finds first: the guides, and for the name of something, its entry."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.docs_built.pages import FOLDER

NODE = shutil.which("node")

FIRST = {
    "bot": "tutorial/bot",
    "alerts": "how-to/alerts",
    "send a file": "how-to/send-a-file",
    "router": "how-to/run-a-router",
    "group": "how-to/groups",
    "channel": "how-to/channels",
    "proxy": "how-to/send-through-a-proxy",
    "tor": "how-to/through-tor",
    "logging": "how-to/logging",
    "restart": "how-to/restarts",
    "asyncio": "how-to/asyncio",
    "katzenpost": "how-to/katzenpost",
    "threat model": "explanation/threat-model",
    "measurements": "explanation/measurements",
    "command line": "reference/command-line",
    "open_bot": "reference/chat#simplex_trio.chat.open_bot",
    "SMPClient": "reference/simplex_trio#simplex_trio.SMPClient",
    "QueueLost": "reference/duplex#simplex_trio.duplex.QueueLost",
}
TASKS = ["bot", "router", "file", "message", "group", "encrypt", "subscribe", "acknowledge"]
"""Words that are in hundreds of names as well."""

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


@cache
def answers() -> dict[str, list[str]]:
    """What the search of the built pages answers to all queries."""
    assert NODE is not None
    queries = [*FIRST, *TASKS]
    script = Path(__file__).with_name("ask.js")
    run = subprocess.run(
        [NODE, script, FOLDER],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(queries, json.loads(run.stdout), strict=True))


@pytest.mark.parametrize("query", FIRST)
def test_the_first_answer(query: str) -> None:
    assert answers()[query][0] == FIRST[query]


@pytest.mark.parametrize("query", TASKS)
def test_guides_come_before_the_reference(query: str) -> None:
    assert [page for page in answers()[query][:5] if page.startswith("reference/")] == []
