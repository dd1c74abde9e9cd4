"""Makes a section of CHANGELOG.md of the news fragments.

``python changelog.d/assemble.py VERSION`` prints it, and with ``--write`` puts it into CHANGELOG.md
and deletes the fragments.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent
CHANGELOG = FOLDER.parent / "CHANGELOG.md"

KINDS = ("added", "changed", "fixed", "removed")

AREAS = {
    "Bots": ("alerts", "bot", "business", "channel", "chat", "contact", "group"),
    "Two programs": (
        "one-server",
        *("duplex", "agent-client-data", "agent-create-with", "agent-deciding", "agent-files"),
        *("agent-look", "late-deliveries", "notification", "ratchet", "resynchronising"),
        "transactions",
    ),
    "Files": ("file", "second-packet", "transfer", "xftp"),
    "Routers": (
        *("collector", "control", "last-answers", "places", "postgres", "proxy", "relay", "reload"),
        *("connection-rates", "metrics", "moving", "router", "serving", "standby", "store"),
        *("supervisors", "taking-over", "turns", "two-routers"),
    ),
    "Clients and agents": (
        *("agent", "client", "deliveries", "dialer", "freeing", "key-updates", "logging"),
        *("million", "saved", "speed", "transport", "wire"),
    ),
    "Katzenpost": ("katzenpost",),
    "Command line": (
        *("cli", "command", "demo", "lazy-commands", "manual", "queue-file", "terminal"),
    ),
    "All of the package": ("bounds", "engine", "lazy-names", "names", "public-names", "values"),
    "Documentation, tests and development": ("",),
}
"""Beginnings of topics, for a section that is long; the longest that fits counts."""

MANY = 12
"""With more fragments of a kind than that they are grouped by area."""

WIDTH = 100


def fragments(kind: str) -> list[Path]:
    """The fragments of a kind, by topic."""
    return sorted(FOLDER.glob(f"*.{kind}.md"))


def area_of(fragment: Path) -> str:
    """The area that a fragment belongs to."""
    topic = fragment.name.partition(".")[0]
    fitting = {
        len(beginning): area
        for area, beginnings in AREAS.items()
        for beginning in beginnings
        if topic.startswith(beginning)
    }
    return fitting[max(fitting)]


def item(fragment: Path) -> str:
    """A fragment as an item of a list, with its lines filled."""
    paragraphs = re.split(r"\n\s*\n", fragment.read_text(encoding="utf-8").strip())
    filled = (
        textwrap.fill(
            " ".join(each.split()), WIDTH - 2, break_long_words=False, break_on_hyphens=False
        )
        for each in paragraphs
    )
    return "* " + textwrap.indent("\n\n".join(filled), "  ").lstrip()


def section(version: str, date: str) -> str:
    """The section of a version."""
    parts = [f"## {version}, {date}"]
    for kind in KINDS:
        found = fragments(kind)
        if not found:
            continue
        parts.append(f"### {kind.capitalize()}")
        if len(found) <= MANY:
            parts.append("\n".join(map(item, found)))
            continue
        for area in AREAS:
            items = [item(each) for each in found if area_of(each) == area]
            if items:
                parts += [f"#### {area}", "\n".join(items)]
    return "\n\n".join(parts) + "\n"


def write(text: str) -> None:
    """Put a section above the one of the version before, and delete what it was made of."""
    head, mark, tail = CHANGELOG.read_text(encoding="utf-8").partition("\n## ")
    CHANGELOG.write_text(f"{head.rstrip()}\n\n{text}{mark}{tail}", encoding="utf-8")
    for kind in KINDS:
        for each in fragments(kind):
            each.unlink()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--date", default=datetime.now(UTC).date().isoformat())
    parser.add_argument("--write", action="store_true", help="change CHANGELOG.md")
    options = parser.parse_args()
    text = section(options.version, options.date)
    if options.write:
        write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
