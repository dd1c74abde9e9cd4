"""Hosts of well known routers that old addresses do not mention.

The first queue addresses had room for one host, and many of them still circulate.  For the routers
that were in use then, the onion host belongs to the address all the same, so that clients that
accept onion hosts only can reach them.
"""

from __future__ import annotations

from types import MappingProxyType

import attrs

from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import DomainHost, Host, OnionHost

__all__ = ["with_known_onion_host"]

_ONION_HOSTS: MappingProxyType[Host, Host] = MappingProxyType(
    {
        DomainHost(f"{name}.simplex.im"): OnionHost(f"{onion}.onion")
        for name, onion in (
            ("smp4", "o5vmywmrnaxalvz6wi3zicyftgio6psuvyniis6gco6bp6ekl4cqj4id"),
            ("smp5", "jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid"),
            ("smp6", "bylepyau3ty4czmn77q4fglvperknl4bi2eb2fdy2bh4jxtf32kf73yd"),
            ("smp8", "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid"),
            ("smp9", "jssqzccmrcws6bhmn77vgmhfjmhwlyr3u7puw4erkyoosywgl67slqqd"),
            ("smp10", "rb2pbttocvnbrngnwziclp2f4ckjq65kebafws6g4hy22cdaiv5dwjqd"),
        )
    }
)


def with_known_onion_host(server: ServerAddress) -> ServerAddress:
    """The address with the onion host that is known for its only host; otherwise unchanged."""
    onion = _ONION_HOSTS.get(server.hosts[0]) if len(server.hosts) == 1 else None
    return server if onion is None else attrs.evolve(server, hosts=(*server.hosts, onion))
