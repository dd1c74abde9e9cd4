"""The command line as a whole: help, mistakes, and what they are called."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from cyclopts import App

from simplex_trio.cli import commands, version
from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.ratchet.kem import KEM
from simplex_trio.ratchet.sntrup761 import available_kems
from tests.cli.support import Result

Cli = Callable[..., Result]


def all_commands(app: App, *path: str) -> Iterator[tuple[str, ...]]:
    for name in app:
        if not name.startswith("-"):
            yield (*path, name)
            if app[name].default_command is None:
                yield from all_commands(app[name], *path, name)


EVERY = list(all_commands(commands.app))


def test_the_commands_are_all_there() -> None:
    names = {" ".join(path) for path in EVERY}
    assert names >= {
        "demo",
        "ping",
        "agent watch",
        *(f"connect {each}" for each in ("create", "join", "accept", "reject", "send", "watch")),
        *(f"connect {each}" for each in ("list", "status", "delete")),
        *(f"queue {each}" for each in ("create", "list", "send", "watch", "info", "delete")),
        *(f"router {each}" for each in ("init", "start", "try", "stats", "renew")),
        *(f"xftp {each}" for each in ("send", "receive", "delete", "info")),
        *(f"xftp router {each}" for each in ("init", "start", "try", "stats", "renew")),
    }


@pytest.mark.parametrize("path", [(), *EVERY], ids=" ".join)
def test_every_command_has_help(cli: Cli, path: tuple[str, ...]) -> None:
    result = cli(*path, "--help")
    assert result.code == 0
    assert result.err == ""
    assert "Examples" in result.out
    assert f"simplex-trio {' '.join(path[:1])}" in result.out


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_option_says_what_it_does(cli: Cli, path: tuple[str, ...]) -> None:
    for line in cli(*path, "--help").out.splitlines():
        if line.startswith("│ -"):
            option, _, about = line.strip("│ ").partition("  ")
            assert about.strip(), option


def test_no_arguments_show_the_help(cli: Cli) -> None:
    assert cli().code == 0
    assert "Commands" in cli().out


def test_version(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", lambda name: "1.2.3")
    assert cli("--version").out.splitlines()[0] == "1.2.3"
    monkeypatch.setattr(version, "version", missing)
    assert "not installed" in cli("--version").out


@pytest.mark.parametrize("kem", available_kems(), ids=lambda kem: kem.NAME)
def test_which_kem_is_used(cli: Cli, monkeypatch: pytest.MonkeyPatch, kem: KEM) -> None:
    monkeypatch.setattr(version, "load_kem", lambda: kem)
    where = "thread" if kem.RELEASES_GIL else "process"
    expected = f"sntrup761: {kem.NAME}, keys made in a {where}"
    assert cli("--version").out.splitlines()[1] == expected


def test_no_kem(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> KEM:
        raise KEMSupportMissing

    monkeypatch.setattr(version, "load_kem", missing)
    assert "extra duplex" in cli("--version").out.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (("queue", "creat"), "create"),
        (("ping",), 'The command "ping" needs SERVER.'),
        (("router", "block", "x"), 'The command "router block" needs a value for --reason.'),
        (("ping", "--nonsense"), "--nonsense"),
        (("ping", "x", "--count", "many"), '"many" for --count. Must be a whole number.'),
        (("queue", "watch", "--seconds", "soon"), '"soon" for --seconds. Must be a number.'),
        (("queue", "list", "one", "two"), "one two"),
        (("queue", "list", "one", "smp://x:secret@host"), "one smp://…."),
        (("ping", "x", "--count", "0"), "at least 1"),
        (("queue", "watch", "--count", "0"), "at least 1"),
        (("connect", "watch", "--count", "-1"), "at least 1"),
        *((("queue", "watch", "--seconds", each), "at least 0") for each in ("-1", "nan", "inf")),
        *((("agent", "watch", "--seconds", each), "at least 0") for each in ("-1", "nan")),
        *((("agent", "watch", "--every", each), "at least 0.1") for each in ("0", "nan", "-1")),
        *((("connect", "rotate", "x", "--seconds", each), "at least 0") for each in ("-1", "nan")),
        *((("notify", "x", "--wait", each), "at least 0") for each in ("-1", "nan")),
        (("xftp", "send", "x", "y", "--recipients", "0"), "1 to 1024"),
        (("queue", "create", "", "smp://x"), "empty"),
        (("queue", "info", " "), "empty"),
    ],
)
def test_mistakes_are_named_in_a_sentence(cli: Cli, arguments: tuple[str, ...], about: str) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("simplex-trio: ")
    assert about in result.err
    assert "secret" not in result.err
    assert result.err.endswith("--help.\n")


@pytest.mark.parametrize(
    "module", ["cyclopts", "rich.console", "simplex_trio.cli.commands", "simplex_trio.cli.ping"]
)
def test_an_interruption_while_modules_are_loaded_says_nothing(module: str) -> None:
    program = f"""
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv = ["simplex-trio", "ping", "smp://"]
from simplex_trio.cli.app import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_mistakes_are_json_too(cli: Cli) -> None:
    result = cli("queue", "creat", "--json")
    assert result.code == result.json()["exit_code"] == 2
    assert "create" in result.json()["error"]


def test_the_package_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simplex_trio", "-V"], capture_output=True, text=True, check=True
    )
    assert "sntrup761" in done.stdout


def test_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simplex_trio.cli.app import main

    monkeypatch.delitem(sys.modules, "simplex_trio.cli.commands")
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    with pytest.raises(SystemExit) as exited:
        main(["demo"])
    assert 'pip install "simplex-trio[cli]"' in str(exited.value.code)


# --- what is loaded -----------------------------------------------------------------------------


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    program = f"""
import json, sys
from simplex_trio.cli.app import main
try:
    main({list(arguments)})
except SystemExit as ended:
    assert not ended.code, ended
print()
print(json.dumps(sorted(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_the_help_loads_no_command() -> None:
    loaded = loaded_by("--help")
    assert loaded.isdisjoint({"trio", "cryptography", "nacl", "sqlite3", "asyncio"})
    ours = {name.split(".")[1] for name in loaded if name.startswith("simplex_trio.")}
    assert ours == {"cli", "errors", "lazy_exports"}


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    loaded = loaded_by("queue", "list", "--state", str(tmp_path / "queues.json"))
    assert loaded.isdisjoint({"trio", "simplex_trio.cli.queues", "simplex_trio.cli.explanations"})


@pytest.mark.parametrize("name", ["demo", "ping", "notify"])
def test_what_the_help_says_of_a_command_is_what_its_function_says(name: str) -> None:
    command = commands.app[name]
    said = inspect.getdoc(command.default_command)
    assert said is not None
    assert command.help.partition("\n\n")[0] == said.partition("\n\n")[0]


_LOOKS_AT_THE_COLLECTOR = """
import gc
from simplex_trio.cli import commands
from simplex_trio.cli.app import main

def command():
    print(gc.isenabled(), gc.get_freeze_count() > 0)

def find_command(given):
    print(gc.isenabled())
    return command

commands.find_command = find_command
main({arguments})
"""


@pytest.mark.parametrize(
    ("arguments", "said"), [("", "False\nTrue True\n"), ("[]", "True\nTrue False\n")]
)
def test_the_collector_waits_while_the_program_is_loaded(arguments: str, said: str) -> None:
    code = _LOOKS_AT_THE_COLLECTOR.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.returncode) == (said, 0)
