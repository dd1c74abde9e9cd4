"""The fixtures for pytest, in projects of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

ECHO = """
import pytest
import trio
from simplex_trio.chat import Handlers

def echo():
    handlers = Handlers()

    @handlers.on_message()
    async def answer(message):
        await trio.sleep(60)
        await message.reply(f"you said {message.text}")

    return handlers
"""


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makeini("[pytest]")  # and not that of a folder above
    pytester.makepyfile(ECHO + source)
    return pytester.runpytest_subprocess(
        "-p", "pytest_simplex_trio", "-p", "no:cacheprovider", "-W", "error", *options
    )


def test_loading_it_imports_nothing_else() -> None:
    program = (
        "import sys, pytest_simplex_trio\n"
        "print({'trio', 'simplex_trio', 'attrs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_a_bot_and_a_person_in_virtual_time(pytester: pytest.Pytester) -> None:
    source = """
async def test_echo(simplex_world):
    bot = await simplex_world.bot(echo)
    alice = await simplex_world.person("Alice")
    await alice.connect(bot.address)
    began = trio.current_time()
    await alice.send("hello")
    assert (await alice.next_message()).text == "you said hello"
    assert trio.current_time() - began == 60

@pytest.mark.parametrize("simplex_seed", [1, 2])
async def test_fixtures_for_both(simplex_bot, simplex_person, simplex_seed, autojump_clock):
    bot = await simplex_bot(echo, welcome="hi")
    alice = await simplex_person("Alice")
    await alice.connect(bot.address)
    assert (await alice.next_message()).text == "hi"

def test_without_a_world():
    pass

async def test_that_fails(simplex_world):
    def failing():
        handlers = Handlers()

        @handlers.on_message()
        async def fail(message):
            raise LookupError("the reason")

        return handlers

    bot = await simplex_world.bot(failing)
    alice = await simplex_world.person("Alice")
    await alice.connect(bot.address)
    await alice.send("hello")
    await alice.next_message()
"""
    result = run(pytester, source, "--strict-markers", "-k", "")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*NothingHappened: no IncomingMessage for Alice in 600 seconds*"])
    result.stdout.fnmatch_lines(["*LookupError: the reason*"])
    result.stdout.no_fnmatch_line("*errors in async test and trio fixtures*")


def test_what_is_missing_is_said(pytester: pytest.Pytester) -> None:
    source = """
def test_sync(simplex_world):
    pass

async def test_echo(simplex_world):
    pass
"""
    result = run(pytester, source, "-p", "no:trio")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*the fixture simplex_world needs pytest-trio: pip install*"])
    result = run(pytester, source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the fixture simplex_world is for async tests*"])
