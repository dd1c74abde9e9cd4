"""`DatabaseURL`: which database of PostgreSQL, and which schema in it."""

from __future__ import annotations

import re
from typing import Final, Self

__all__ = ["DatabaseURL"]

_SCHEME: Final = re.compile(r"postgres(?:ql)?://")

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
"""Names that PostgreSQL takes as they are, in up to 63 bytes."""

_OWN_PARAMETER: Final = "schema"


class DatabaseURL:
    """The URL of a database, ``postgresql://user@host:port/database?parameters``.

    The parameters are those of libpq, and one of our own: ``schema`` names the schema in which the
    tables are, so that one database can hold several stores.  What the URL leaves out comes from
    the environment variables of libpq, the password from its password file.

    The text may have a password in it, so it is never shown; `str` gives the URL without user,
    password and parameters.
    """

    # For a configuration it is one value, as a path is, and no table with options.
    __slots__ = ("_libpq", "_schema")

    def __init__(self, libpq: str, schema: str | None = None) -> None:
        self._libpq = libpq
        self._schema = schema

    @property
    def libpq(self) -> str:
        """The URL as libpq takes it."""
        return self._libpq

    @property
    def schema(self) -> str | None:
        """The name of the schema; `None` for the usual one of the kind of store."""
        return self._schema

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a text is a URL of PostgreSQL, rather than a path."""
        return _SCHEME.match(text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The URL in a text; `ValueError`, which does not show the text, if it is not one."""
        if not cls.is_one(text):
            raise ValueError("a URL of a database begins with postgresql://")
        base, mark, query = text.partition("?")
        parameters = [part for part in query.split("&") if part]
        own = [each for each in parameters if each.partition("=")[0] == _OWN_PARAMETER]
        if not own:
            return cls(text)
        schema = own[-1].partition("=")[2]
        if not _NAME.fullmatch(schema) or schema.startswith("pg_"):
            raise ValueError(
                "the schema in the URL of a database must be a name of small letters, digits and _"
            )
        others = "&".join(each for each in parameters if each not in own)
        return cls(base + mark * bool(others) + others, schema)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatabaseURL):
            return NotImplemented
        return (self._libpq, self._schema) == (other._libpq, other._schema)

    def __hash__(self) -> int:
        return hash((self._libpq, self._schema))

    def __repr__(self) -> str:
        return f"<DatabaseURL {self}>"

    def __str__(self) -> str:
        scheme, _, rest = self._libpq.partition("://")
        base, _, query = rest.partition("?")
        _, at, place = base.rpartition("@")
        # A password that was not encoded may have any of these signs in it.
        if "@" in query and not at:
            place = ""
        return f"{scheme}://{place}"
