"""Resolving names for clients: the interface of a resolver, and the answer to RSLV."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from simplex_trio.errors import SimplexError
from simplex_trio.wire.errors.values import Name, NameErrorKind, NameErrorValue, Resolver
from simplex_trio.wire.smp.messages import ERR, RNAME, Message
from simplex_trio.wire.smp.names import Domain, NameRecord

__all__ = ["NameNotFound", "NameResolver", "ResolverFailed", "resolve_name"]

NameResolver = Callable[[Domain], Awaitable[NameRecord]]
"""Looks up the record of a domain; raises `NameNotFound` or `ResolverFailed`."""


class NameNotFound(SimplexError):
    """A name is not registered."""


class ResolverFailed(SimplexError):
    """The resolver failed; the client gets the message, which must not contain secrets."""


async def resolve_name(resolver: NameResolver, domain: Domain) -> Message:
    """The answer to RSLV."""
    error: NameErrorValue
    try:
        return RNAME(await resolver(domain))
    except NameNotFound:
        error = NameErrorKind.NOT_FOUND
    except ResolverFailed as exc:
        error = Resolver(str(exc))
    return ERR(Name(error))
