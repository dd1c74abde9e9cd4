"""`frozen`: attrs classes that are values, and cost no more than they must.

A class of ``attrs.frozen`` assigns its fields through `object.__setattr__`, which doubles the time
that it takes to make one, and a router makes several for each command.  For type checkers this
decorator is that of attrs, so they refuse an assignment to a field.  At run time it makes the same
class, with the same comparison and hash, except that an assignment is not refused.

In debug mode, which the tests use, it is that of attrs: set ``SIMPLEX_TRIO_DEBUG=1`` in the
environment before the package is imported, or run ``python -X dev``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import attrs

__all__ = ["DEBUG", "frozen"]

DEBUG = sys.flags.dev_mode or os.environ.get("SIMPLEX_TRIO_DEBUG", "") not in {"", "0"}
"""Whether values refuse assignments at run time too."""

if TYPE_CHECKING or DEBUG:
    from attrs import frozen as frozen
else:

    def frozen(cls: type[Any] | None = None, /, *, eq: bool = True, **options: Any) -> Any:
        """Decorate a class of values; the arguments are those of ``attrs.frozen``."""
        return attrs.define(
            cls,
            eq=eq,
            # A class that compares by its fields needs a hash of them, as attrs gives frozen ones.
            unsafe_hash=True if eq else None,
            # Else attrs checks each assignment, and the constructor pays for that as well.
            on_setattr=attrs.setters.NO_OP,
            **options,
        )
