"""``python -m tests.newcomer [--whole] [--pictures FOLDER]``: do all that README says.

It is done in a folder with a space in its name, in which there is a copy of the source, with an
empty home and with nothing in the environment but where programs and package registries are.  Each
command is given to a shell as README has it.  The exception is the command that runs all tests,
which takes as long as they do: without ``--whole`` it only lists what it would run.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.newcomer.claims import Walk, check_claims
from tests.newcomer.readme import ROOT, blocks, from_source
from tests.newcomer.screens import THEMES, WIDTHS, picture, watch

LIMIT = 3600
"""Seconds after which a command hangs."""

_LEFT_OUT = (".*", "__pycache__", "build", "dist", "_build", "*.egg-info")

_KEPT = ("PIP_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE")
"""Beginnings of the names of variables that say how package registries are reached."""

_TESTS = ".venv/bin/python -m nox"


class Newcomer:
    """Where a newcomer is, and what was seen."""

    def __init__(self, place: Path) -> None:
        self.source = place / "simplex_trio"
        self.home = place / "home"
        self.programs = place / "my programs"
        self.walk = Walk()
        for folder in (self.home, self.programs):
            folder.mkdir(parents=True)
        shutil.copytree(ROOT, self.source, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        for file in (".flake8", ".pre-commit-config.yaml"):
            shutil.copy(ROOT / file, self.source)
        python = Path(sys.base_prefix, "bin")
        self.environment = {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{python}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            **{key: value for key, value in os.environ.items() if key.upper().startswith(_KEPT)},
        }

    def do(self, name: str, command: str | Sequence[str], folder: Path) -> str:
        """Run a command, of a shell if it is one text, and return what it has printed."""
        print(f"--- {name}: {command}", flush=True)
        began, used_before = time.monotonic(), _processor_seconds()
        done = subprocess.run(
            ["sh", "-c", command] if isinstance(command, str) else command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=LIMIT,
            check=False,
        )
        used = self.walk.processor_seconds[name] = _processor_seconds() - used_before
        self.walk.printed[name] = done.stdout
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\n{name} ended with {done.returncode}")
        print(f"    {time.monotonic() - began:.1f} s, {used:.1f} s of a processor")
        return done.stdout

    # --- what README says -----------------------------------------------------------------------

    def follow(self, *, whole: bool) -> None:
        """Every command and every program, in the order of README."""
        programs = []
        for block in blocks():
            if block.kind == "python":
                programs.append(block)
            elif block.text.startswith("python3 -m pip install"):
                self._install()
            elif "simplex-trio demo" in block.text:
                self.do("demo", block.text, self.source)
            elif block.text.rstrip().endswith(_TESTS):
                command = block.text.rstrip()
                self.do("tests", command if whole else f"{command} --list", self.source)
            else:
                sys.exit(f"README has a command that is new to this script: {block.text}")
        for number, program in enumerate(programs, 1):
            path = self.programs / f"program {number}.py"
            path.write_text(program.text, encoding="utf-8")
            if "__main__" in program.text:
                talk = [self.python, str(ROOT / "tests/newcomer/person.py"), str(path)]
                answers = self.do("weather bot", talk, self.programs).splitlines()
                assert answers[:2] == ["Where do you go?", "An umbrella for Bergen, please."]
            else:
                printed = self.do(f"program {number}", [self.python, str(path)], self.programs)
                assert printed == program.output, f"{printed!r} is not {program.output!r}"

    @property
    def python(self) -> str:
        return str(self.home / "env" / "bin" / "python")

    def _install(self) -> None:
        """In an environment of the newcomer's own, which is active from there on."""
        self.do("environment", ["python3", "-m", "venv", str(self.home / "env")], self.home)
        path = self.environment["PATH"]
        self.environment["PATH"] = f"{self.home / 'env' / 'bin'}{os.pathsep}{path}"
        self.do("install", from_source(), self.source)
        self.environment["PATH"] = path

    # --- pictures -------------------------------------------------------------------------------

    def take_pictures(self, folder: Path) -> None:
        """The demonstration and the help, at each width, dark and light; and the one of README."""
        folder.mkdir(parents=True, exist_ok=True)
        command = str(self.source / ".venv" / "bin" / "simplex-trio")
        for width in WIDTHS:
            for name, arguments in (("demo", ["demo"]), ("help", ["--help"])):
                print(f"--- a picture of {name} on {width} columns", flush=True)
                screens = watch(
                    [command, *arguments],
                    width=width,
                    folder=self.source,
                    environment=self.environment,
                    scene=_scene if name == "demo" else lambda _: "",
                )
                for theme in THEMES:
                    title = f"simplex-trio {' '.join(arguments)}"
                    svg = picture(screens, width=width, theme=theme, title=title)
                    (folder / f"{name}-{width}-{theme}.svg").write_text(svg, encoding="utf-8")
        draw = [str(self.source / ".venv/bin/python"), "docs/_ext/demo_picture.py"]
        self.do("picture of README", draw, self.source)
        shutil.copy(self.source / "docs" / "demo.svg", folder / "demo.svg")


def _processor_seconds() -> float:
    """Used by all commands so far, whose time on a clock says more about what else is running."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _scene(lines: list[str]) -> str:
    """The text in the panel of the demonstration, which says what is about to happen."""
    return " ".join(line.strip("│ ") for line in lines[1:4] if line.startswith("│")).strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.newcomer", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="run all tests, as README says")
    parser.add_argument("--pictures", type=Path, default=Path("build/newcomer"), metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        newcomer = Newcomer(Path(temporary) / "a new folder")
        newcomer.follow(whole=options.whole)
        newcomer.take_pictures(options.pictures)
        wrong = check_claims(newcomer.walk)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"all of README holds; its pictures are in {options.pictures}")


if __name__ == "__main__":
    main()
