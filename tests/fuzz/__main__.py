"""``python -m tests.fuzz [--seconds N] [TARGET ...]``: fuzz every target for so long, one by one.

Each target runs in a process of its own, under atheris, which must be installed.  What is found is
written to files; ``--replay TARGET FILE`` shows one of them again, without atheris.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

# A decoder that is still busy after so many seconds, or holds so much memory, is a finding.
CALL_SECONDS = 5
MEMORY_MIB = 1024

# A hello carries certificates; nothing that is read is longer than a block.
MOST_BYTES = 20_000


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="only these; all if none is named")
    add("--seconds", type=int, default=30, help="for each target (30)")
    add("--corpus", type=Path, help="a folder that keeps inputs worth starting from next time")
    add("--findings", type=Path, default=Path("build/fuzz"), help="where findings are written")
    add("--list", action="store_true", help="say which targets there are")
    add("--replay", nargs=2, metavar=("TARGET", "FILE"), help="run one input once")
    add("--one", metavar="TARGET", help=argparse.SUPPRESS)  # how a target's process is started
    return parser.parse_args(arguments)


def fuzz_all(options: argparse.Namespace) -> int:
    """Fuzz the targets one after the other; 1 if something was found."""
    from tests.fuzz.targets import TARGETS

    names = options.targets or list(TARGETS)
    for unknown in set(names) - TARGETS.keys():
        sys.exit(f"there is no target of the name {unknown}; --list says which there are")
    options.findings.mkdir(parents=True, exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            corpus = (options.corpus or Path(temporary)) / name
            corpus.mkdir(parents=True, exist_ok=True)
            for seed in TARGETS[name].seeds():
                (corpus / sha256(seed).hexdigest()).write_bytes(seed)
            if fuzz_one(name, corpus, options):
                failed.append(name)
    print(
        f"{len(names)} targets, {options.seconds} s each; findings: {', '.join(failed) or 'none'}"
    )
    return 1 if failed else 0


def fuzz_one(name: str, corpus: Path, options: argparse.Namespace) -> bool:
    """Fuzz one target in a new process; whether something was found."""
    known = len(list(corpus.iterdir()))
    libfuzzer = [
        str(corpus),
        f"-max_total_time={options.seconds}",
        f"-timeout={CALL_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={MOST_BYTES}",
        f"-artifact_prefix={options.findings / name}-",
        "-print_final_stats=1",
    ]
    command = [sys.executable, "-m", "tests.fuzz", "--one", name, "--", *libfuzzer]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    log = done.stdout + done.stderr
    if done.returncode:
        print(log)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", log)
    new = len(list(corpus.iterdir())) - known
    print(
        f"{name:28}{int(runs[1]) if runs else 0:>12,} runs, {known:>4} seeds, {new:>5} inputs that"
        " led somewhere new",
        flush=True,
    )
    return done.returncode != 0


def run_one(name: str, libfuzzer: Sequence[str]) -> None:
    """In a target's own process: hand it to atheris, which does not return."""
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: `nox -s fuzz` has it")
    with atheris.instrument_imports(include=["simplex_trio"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *libfuzzer], TARGETS[name])
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    if options.one:
        run_one(options.one, options.targets)
        return 0
    from tests.fuzz.targets import TARGETS

    if options.list:
        print("\n".join(TARGETS))
        return 0
    if options.replay:
        name, file = options.replay
        TARGETS[name](Path(file).read_bytes())
        print("nothing but what is expected")
        return 0
    return fuzz_all(options)


if __name__ == "__main__":
    sys.exit(main())
