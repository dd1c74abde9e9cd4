"""Classes of values are the same in debug mode and without it, except that only one refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, pickle
from attrs import evolve, field, fields
from simplex_trio.frozen import DEBUG, frozen

@frozen
class Point:
    x: int
    y: int = field(default=0, converter=int)

@frozen(eq=False, repr=False)
class Thing:
    parts: tuple[int, ...] = ()

@frozen(kw_only=True, cache_hash=True)
class Place(Point):
    name: str = ""

def refuses(value):
    try:
        value.x = "7"
    except AttributeError:
        return True
    assert value.x == "7"  # neither converted nor checked
    return False

a, b = Point(1, "2"), Place(x=1, y=2, name="b")
found = dict(
    repr=[repr(a), repr(b)],
    equal=[a == Point(1, 2), a == Point(2, 2), a == b, Thing() == Thing()],
    hashes=[hash(a) == hash(Point(1, 2)), hash(b) == hash(evolve(b)), len({Thing(), Thing()})],
    evolved=repr(evolve(b, x=5)),
    pickled=pickle.loads(pickle.dumps(a)) == a,
    slots=[hasattr(value, "__dict__") for value in (a, b, Thing())],
    names=[each.name for each in fields(Place)],
)
print(json.dumps([DEBUG, refuses(Point(1)), found]))
"""


@pytest.mark.parametrize("options", [[], ["-X", "dev"]])
@pytest.mark.parametrize("setting", [None, "", "0", "1"])
def test_values_are_alike_in_both_modes(options: list[str], setting: str | None) -> None:
    environment = {**os.environ, "SIMPLEX_TRIO_DEBUG": setting or ""}
    if setting is None:
        del environment["SIMPLEX_TRIO_DEBUG"]
    printed = subprocess.run(
        [sys.executable, *options, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    debug, refuses, found = json.loads(printed)
    assert debug == refuses == (bool(options) or setting == "1")
    assert found == {
        "repr": ["Point(x=1, y=2)", "Place(x=1, y=2, name='b')"],
        "equal": [True, False, False, False],
        "hashes": [True, True, 2],
        "evolved": "Place(x=5, y=2, name='b')",
        "pickled": True,
        "slots": [False, False, False],
        "names": ["x", "y", "name"],
    }


def test_the_tests_have_debug_mode_unless_they_are_told_otherwise() -> None:
    from simplex_trio.frozen import DEBUG

    assert (os.environ["SIMPLEX_TRIO_DEBUG"] not in {"", "0"} or sys.flags.dev_mode) == DEBUG
