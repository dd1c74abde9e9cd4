"""What other programs show of the commands: a page of the manual, and completion in shells."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import StrEnum

from simplex_trio.cli.output import say

__all__ = ["Shell", "completion", "man_page", "manual"]


class Shell(StrEnum):
    """The shells that there is completion for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(shell: Shell, /) -> None:
    """Print a script that completes commands and options in a shell.

    Nothing is installed: put the output where your shell looks for such scripts.

    Parameters
    ----------
    shell
        The shell.
    """
    from simplex_trio.cli.commands import app

    sys.stdout.write(app.generate_completion(shell=shell.value))


def manual() -> None:
    """Print the page of the manual about all commands, as `man` reads it."""
    say(man_page())


def man_page() -> str:
    """The page in the language of `man`, which is called roff."""
    from simplex_trio.cli.commands import app

    text = app.generate_docs(output_format="markdown")
    lines = [
        '.TH SIMPLEX-TRIO 1 "" "simplex-trio" "SimpleX messaging"',
        ".SH NAME",
        r"simplex\-trio \- the SimpleX messaging stack from the shell",
        ".SH SYNOPSIS",
        r"\fBsimplex\-trio\fR \fICOMMAND\fR [\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        "Each command has \\fB\\-\\-help\\fR, with examples.",
        *_roff(_commands(text)),
    ]
    return re.sub(r"(\.PP\n)+(?=\.)", "", "\n".join(lines))


def _commands(markdown: str) -> list[str]:
    """The lines about single commands, without the lists of commands before them."""
    lines = markdown.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("## simplex-trio "))
    return lines[first:]


_ENTRY = re.compile(r"\* `(?P<names>[^`]+)`: (?P<help>.*)")


def _roff(lines: list[str]) -> Iterator[str]:
    is_code = False
    for line in lines:
        if line.startswith("```"):
            is_code = not is_code
            yield ".PP\n.nf\n.RS" if is_code else ".RE\n.fi"
        elif is_code:
            yield _text(line)
        elif line.startswith("#"):
            title = line.lstrip("# ")
            depth = len(title.split())
            yield f".{'SH' if depth == 2 else 'SS'} {_text(title)}"
        elif entry := _ENTRY.match(line):
            yield f".TP\n\\fB{_text(entry['names'])}\\fR\n{_text(entry['help'])}"
        elif line.startswith(("**", "* [")):
            continue  # a heading within a command, or a list of commands, which follow anyway
        elif line.strip():
            yield _text(line.strip())
        else:
            yield ".PP"


def _text(line: str) -> str:
    """Text in which roff sees no requests of its own."""
    plain = re.sub(r"\*\*|`|\*(?=\[)|(?<=\])\*", "", line)
    escaped = plain.replace("\\", r"\e").replace("-", r"\-")
    ascii_only = re.sub(r"[^\0-\x7f]", lambda found: rf"\[u{ord(found[0]):04X}]", escaped)
    return re.sub(r"^(?=[.'])", r"\\&", ascii_only)
