"""What can be run on this project: `nox` lints, type-checks and tests; `nox --list` shows the rest.

Every session makes its own virtual environment and needs nothing but Python and pip.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

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
    """Strict types, the tests included, and a public API whose types are complete."""
    session.install(*group("typing"), *group("test"), WHOLE)
    session.run("mypy")
    session.run("basedpyright", "--verifytypes", "simplex_trio", "--ignoreexternal")


def run_tests(session: nox.Session, *command: str, folder: Path = Path()) -> None:
    """Run the ordinary tests on all processors; arguments of the session go to pytest."""
    # Tests rewrite their assertions, and start processes: what is compiled is kept for both.
    compiled = Path(session.create_tmp(), "compiled").resolve()
    with session.chdir(folder):
        session.run(
            *(command or ("python", "-m", "pytest")),
            *["--numprocesses=auto", "--dist=worksteal", *session.posargs],
            env={
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(compiled),
                # Not the session's own folder: paths of Unix sockets have some 100 bytes at most.
                "TMPDIR": gettempdir(),
            },
        )


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The ordinary tests, on every Python that is here; arguments go to pytest."""
    session.install(*group("test"), WHOLE)
    run_tests(session)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines and branches the ordinary tests run, in their own processes too; with a floor."""
    session.install(*group("test"), *group("coverage"), "--editable", WHOLE)
    session.run("coverage", "erase")
    run_tests(session, "coverage", "run", "-m", "pytest")
    session.run("coverage", "combine", "--quiet")
    # Some of the tests alone cannot reach the floor.
    floor = ["--fail-under=0"] if session.posargs else []
    session.run("coverage", "report", *floor)


@nox.session
def lowest(session: nox.Session) -> None:
    """The ordinary tests with the lowest version of each dependency that pyproject.toml admits."""
    session.install("uv")
    required = Path(session.create_tmp(), "lowest.txt").resolve()
    session.run(
        *["uv", "pip", "compile", "pyproject.toml", "--all-extras", "--group=test"],
        "--resolution=lowest-direct",
        *["--no-header", "--no-annotate", "--quiet", f"--output-file={required}"],
    )
    session.install("--requirement", str(required))
    session.install("--no-deps", ".")
    run_tests(session)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, as pages under docs/_build/html; warnings are errors."""
    session.install(*group("docs"), *group("test"), WHOLE)
    pages = Path("docs/_build/html").resolve()
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-b", "html", "docs", str(pages))
    session.run(
        *["python", "-m", "pytest", "tests/docs_built", *session.posargs],
        env={"SIMPLEX_TRIO_DOCS": str(pages)},
    )


@nox.session
def links(session: nox.Session) -> None:
    """Whether links of the documentation to other places still work; this needs the network."""
    session.install(*group("docs"), WHOLE)
    session.run("sphinx-build", "-b", "linkcheck", "docs", "docs/_build/links")


@nox.session
def bench(session: nox.Session) -> None:
    """Measurements, beside a baseline from the same run; `nox -s bench -- --help` says more."""
    session.install(".[duplex,katzenpost,postgres,xftp]", "psycopg[binary]")
    # The published Katzenpost client is measured beside ours, in an environment of its own.
    published = Path(session.virtualenv.location, "katzenpost-published")
    session.run("python", "-m", "venv", str(published), silent=True)
    python = str(published / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    install = [python, "-m", "pip", "install", "--quiet", *group("katzenpost-published")]
    session.run(*install, external=True)
    session.run(
        *["python", "-m", "tests.bench", *session.posargs],
        env={"SIMPLEX_TRIO_KATZENPOST_PYTHON": python},
    )


@nox.session
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing of what reads untrusted bytes; `-- --seconds 600` for longer."""
    session.install(*group("test"), *group("fuzz"), WHOLE)
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def adversary(session: nox.Session) -> None:
    """The attacks of tests/adversary at their full size; prints a table of what they came to."""
    session.install(*group("test"), WHOLE)
    session.run(
        *["python", "-m", "pytest", "tests/adversary", *session.posargs],
        env={"SIMPLEX_TRIO_ADVERSARY": "long"},
    )


@nox.session
def audit(session: nox.Session) -> None:
    """Whether a known weakness is in what requirements-dev.txt names; this needs the network."""
    session.install(*group("audit"))
    # Without --strict a package whose records cannot be reached counts as one without any.
    session.run(
        *["pip-audit", "--strict", "--disable-pip", "--require-hashes"],
        *["--requirement=requirements-dev.txt", *session.posargs],
    )


@nox.session
def interop(session: nox.Session) -> None:
    """Against real routers and agents, named by environment variables; see CONTRIBUTING.md."""
    session.install(*group("test"), WHOLE)
    session.run("python", "-m", "pytest", "tests/interop", *session.posargs)


@nox.session(name="katzenpost-published")
def katzenpost_published(session: nox.Session) -> None:
    """The published Katzenpost client, unchanged, against our simulated daemon."""
    session.install(*group("test"), *group("katzenpost-published"), ".[katzenpost]")
    session.run("python", "-m", "pytest", "tests/katzenpost_published", *session.posargs)


@nox.session(name="trio-typing")
def trio_typing(session: nox.Session) -> None:
    """Programs that still type against trio-typing can use what we annotate with trio's types."""
    session.install(*group("test"), *group("trio-typing"), WHOLE)
    session.run("python", "-m", "pytest", "tests/trio_typing", *session.posargs)


@nox.session
def seeds(session: nox.Session) -> None:
    """Both agents in a network that fails, 10,000 times; `-- 137-137` replays one seed."""
    session.install(*group("test"), WHOLE)
    count = session.posargs[0] if session.posargs else "10000"
    files = ["tests/agent/test_simulation.py", "tests/duplex/test_simulation.py"]
    session.run(*["python", "-m", "pytest", "-q", *files], env={"SIMPLEX_TRIO_SEEDS": count})


@nox.session
def crowds(session: nox.Session) -> None:
    """Groups of 50, and 100 groups in which anything happens; `-- 37-37` replays one seed."""
    session.install(*group("test"), WHOLE)
    count = session.posargs[0] if session.posargs else "100"
    environment = {"SIMPLEX_TRIO_GROUP_SEEDS": count, "SIMPLEX_TRIO_CROWDS": "long"}
    files = ["tests/chat/groups/test_simulation.py", "tests/chat/groups/test_crowds.py"]
    session.run(*["python", "-m", "pytest", "-q", *files], env=environment)


@nox.session
def cancellations(session: nox.Session) -> None:
    """Calls of agent and files, cancelled at random for minutes; `-- 137-137` replays one."""
    session.install(*group("test"), WHOLE)
    count = session.posargs[0] if session.posargs else "1000"
    files = ["tests/agent/test_random_cancellation.py", "tests/xftp/test_random_cancellation.py"]
    session.run(
        *["python", "-m", "pytest", "-q", *files], env={"SIMPLEX_TRIO_CANCELLATIONS": count}
    )


@nox.session
def crashes(session: nox.Session) -> None:
    """Routers, stores and transfers, killed 100 times each; `-- 1000` for more."""
    session.install(*group("test"), WHOLE)
    files = [
        *["tests/agent/test_own_router.py", "tests/docs/test_store_queues.py"],
        "tests/router/test_crash.py",
        *["tests/router/store/test_crash.py"],
        *["tests/xftp/test_crash.py", "tests/xftp/test_router_crash.py"],
        "tests/xftp/test_standby.py",
    ]
    rounds = session.posargs[0] if session.posargs else "100"
    session.run(
        *["python", "-m", "pytest", "-q", *files], env={"SIMPLEX_TRIO_CRASH_ROUNDS": rounds}
    )


@nox.session
def newcomer(session: nox.Session) -> None:
    """All that README says, done in an empty environment; `-- --pictures DIR` for the pictures."""
    session.install(*group("newcomer"))
    session.run("python", "-m", "tests.newcomer", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """What a user would install: the built wheel, tested where the source is not; and its notes."""
    session.run("python", "changelog.d/assemble.py", PYPROJECT["project"]["version"])
    elsewhere = Path(session.create_tmp()).resolve()
    shutil.rmtree(elsewhere)
    tests = elsewhere / "tests"
    shutil.copytree("tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("changelog.d", "docs", "examples"):
        shutil.copytree(folder, elsewhere / folder, ignore=shutil.ignore_patterns("_build"))
    for file in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(file, elsewhere)

    session.install("build")
    session.run("python", "-m", "build", "--outdir", str(elsewhere / "dist"))
    [wheel] = (elsewhere / "dist").glob("*.whl")
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    session.install(*group("test"), f"{wheel}[{extras}]")
    run_tests(session, folder=elsewhere)


@nox.session
def lock(session: nox.Session) -> None:
    """Renew requirements-dev.txt: one version, with its hashes, of all that development needs."""
    session.install("uv")
    # trio-typing breaks mypy, the published client is old, atheris exists for few systems, and a
    # terminal is needed for pictures of it alone.
    separate = {"fuzz", "katzenpost-published", "newcomer", "trio-typing"}
    names = [name for name in PYPROJECT["dependency-groups"] if name not in separate]
    groups = [f"--group={name}" for name in names]
    session.run(
        *["uv", "pip", "compile", "pyproject.toml", "--all-extras", *groups],
        *["--universal", "--python-version=3.11", "--generate-hashes", "--upgrade"],
        *["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"],
        *["--quiet", "--output-file=requirements-dev.txt"],
    )
