"""What can be run on this project: `nox` lints, type-checks and tests; `nox --list` shows the rest.

Every session makes its own virtual environment and needs nothing but Python and pip.
"""

from __future__ import annotations

import shutil
import subprocess

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "typing", "tests"]
nox.options.default_venv_backend = "virtualenv"

PYPROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """The requirements of one dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, name)


# The package with every extra, for what looks at all of it.
WHOLE = f".[{','.join(PYPROJECT['project']['optional-dependencies'])}]"


def works(python: str) -> bool:
    """Whether an interpreter is there and starts (a version manager's shim may only pretend)."""
    path = shutil.which(python)
    return (
        path is not None and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0
    )


# None is the Python that runs nox, for a machine where no other name leads to one.
PYTHONS = [f"python{v}" for v in ("3.11", "3.12", "3.13") if works(f"python{v}")] or None


@nox.session
def lint(session: nox.Session) -> None:
    """Style, async mistakes, and the floors of the architecture."""
    session.install(*group("lint"), ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("flake8", "simplex_trio")
    session.run("lint-imports", "--no-cache")


@nox.session
def typing(session: nox.Session) -> None:
    """Strict types inside, and a public API whose types are complete."""
    session.install(*group("typing"), *group("test"), WHOLE)
    session.run("mypy")
    session.run("basedpyright", "--verifytypes", "simplex_trio", "--ignoreexternal")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The ordinary tests, on every Python that is here; arguments go to pytest."""
    session.install(*group("test"), WHOLE)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, as pages under docs/_build/html; warnings are errors."""
    session.install(*group("docs"), WHOLE)
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measurements, beside a baseline from the same run; `nox -s bench -- --help` says more."""
    session.install(".[fast]")
    session.run("python", "-m", "simplex_trio.bench", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing of what reads untrusted bytes; `-- --seconds 600` for longer."""
    session.install(*group("test"), *group("fuzz"), WHOLE)
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Against real routers, named by SIMPLEX_TRIO_ROUTER and the like; see CONTRIBUTING.md."""
    session.install(*group("test"), WHOLE)
    session.run("python", "-m", "pytest", "tests/interop", *session.posargs)


@nox.session(name="trio-typing")
def trio_typing(session: nox.Session) -> None:
    """Programs that still type against trio-typing can use what we annotate with trio's types."""
    session.install(*group("test"), *group("trio-typing"), WHOLE)
    session.run("python", "-m", "pytest", "tests/trio_typing", *session.posargs)
