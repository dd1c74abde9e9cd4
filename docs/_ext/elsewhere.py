"""Links to the documentation of Trio, attrs and Python, for names that the text mentions.

The addresses are made here, so that a build needs no network; the docs session fails for a name of
Trio that no page is known for.
"""

from __future__ import annotations

import sys

__all__ = ["address_of"]

_TRIO = "https://trio.readthedocs.io/en/stable"
_PYTHON = "https://docs.python.org/3/library"

_ATTRS = "https://www.attrs.org/en/stable/api.html"

_PAGES = {
    "reference-core.html": (
        "BrokenResourceError",
        "BusyResourceError",
        "CancelScope",
        "Cancelled",
        "ClosedResourceError",
        "EndOfChannel",
        "Nursery",
        "Nursery.start",
        "TaskStatus",
        "TooSlowError",
        "WouldBlock",
        "fail_after",
        "move_on_after",
        "open_nursery",
        "run",
        "sleep",
    ),
    "reference-io.html": (
        "MemoryReceiveChannel",
        "SSLStream",
        "SocketStream",
        "abc.AsyncResource",
        "abc.ReceiveChannel",
        "abc.Stream",
    ),
    "reference-testing.html": ("testing.MockClock",),
    "reference-lowlevel.html": ("lowlevel.start_guest_run",),
}

_OF_TRIO = {
    f"trio.{name}": f"{_TRIO}/{page}#trio.{name}"
    for page, names in _PAGES.items()
    for name in names
} | {"trio.to_thread": f"{_TRIO}/reference-core.html#trio.to_thread.run_sync"}

_CLASSES_OF_PYTHON = {
    "datetime": f"{_PYTHON}/datetime.html#datetime.datetime",
    "OSError": f"{_PYTHON}/exceptions.html#OSError",
    "ValueError": f"{_PYTHON}/exceptions.html#ValueError",
    "TypeError": f"{_PYTHON}/exceptions.html#TypeError",
    "KeyError": f"{_PYTHON}/exceptions.html#KeyError",
    "None": f"{_PYTHON}/constants.html#None",
    "False": f"{_PYTHON}/constants.html#False",
    "True": f"{_PYTHON}/constants.html#True",
    "Enum": f"{_PYTHON}/enum.html#enum.Enum",
} | {
    f"Abstract{name}": f"{_PYTHON}/contextlib.html#contextlib.Abstract{name}"
    for name in ("ContextManager", "AsyncContextManager")
}


def address_of(name: str) -> str | None:
    """Where a name of Trio or Python is described; `None` for all others."""
    if name.startswith("trio."):
        return _OF_TRIO.get(name)
    if name.startswith("attrs."):
        return f"{_ATTRS}#{name}"
    if found := _CLASSES_OF_PYTHON.get(name):
        return found
    module, _, rest = name.partition(".")
    if module not in sys.stdlib_module_names or module.startswith("_"):
        return None
    return f"{_PYTHON}/{module}.html" + (f"#{name}" if rest else f"#module-{module}")
