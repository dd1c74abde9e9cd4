"""Well-known routers, of which addresses and links do not say everything.

The first queue addresses had room for one host, and many of them still circulate.  For the routers
that were in use then, the onion host belongs to the address all the same, so that clients that
accept onion hosts only can reach them.

A short link on a router that every app knows names only its first host, and the reader adds the
rest: the other hosts, the port, and the fingerprint without which it could not be connected to.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import attrs

from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import DomainHost, Host, OnionHost

__all__ = ["PRESET_SERVERS", "restore_server", "shorten_server", "with_known_onion_host"]

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
    """Add the onion host that is known for the only host of ``server``, if any."""
    onion = _ONION_HOSTS.get(server.hosts[0]) if len(server.hosts) == 1 else None
    return server if onion is None else attrs.evolve(server, hosts=(*server.hosts, onion))


def _presets(domain: str, *rows: tuple[str, str, str]) -> tuple[ServerAddress, ...]:
    return tuple(
        ServerAddress.parse(f"smp://{key_hash}@{name}.{domain},{onion}.onion")
        for name, key_hash, onion in rows
    )


PRESET_SERVERS: tuple[ServerAddress, ...] = (
    *_presets(
        "simplex.im",
        (
            "smp4",
            "u2dS9sG8nMNURyZwqASV4yROM28Er0luVTx5X1CsMrU=",
            "o5vmywmrnaxalvz6wi3zicyftgio6psuvyniis6gco6bp6ekl4cqj4id",
        ),
        (
            "smp5",
            "hpq7_4gGJiilmz5Rf-CswuU5kZGkm_zOIooSw6yALRg=",
            "jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid",
        ),
        (
            "smp6",
            "PQUV2eL0t7OStZOoAsPEV2QYWt4-xilbakvGUGOItUo=",
            "bylepyau3ty4czmn77q4fglvperknl4bi2eb2fdy2bh4jxtf32kf73yd",
        ),
        (
            "smp7",
            "8Af90NX2TTkKEJAF1RCg69P_Odg2Z-6_J6DOKUqK3rQ=",
            "dbxqutskmmbkbrs7ofi7pmopeyhgi5cxbjbh4ummgmep4r6bz4cbrcid",
        ),
        (
            "smp8",
            "0YuTwO05YJWS8rkjn9eLJDjQhFKvIYd8d4xG8X1blIU=",
            "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid",
        ),
        (
            "smp9",
            "SkIkI6EPd2D63F4xFKfHk7I1UGZVNn6k1QWZ5rcyr6w=",
            "jssqzccmrcws6bhmn77vgmhfjmhwlyr3u7puw4erkyoosywgl67slqqd",
        ),
        (
            "smp10",
            "6iIcWT_dF2zN_w5xzZEY7HI2Prbh3ldP07YTyDexPjE=",
            "rb2pbttocvnbrngnwziclp2f4ckjq65kebafws6g4hy22cdaiv5dwjqd",
        ),
        (
            "smp11",
            "1OwYGt-yqOfe2IyVHhxz3ohqo3aCCMjtB-8wn4X_aoY=",
            "6ioorbm6i3yxmuoezrhjk6f6qgkc4syabh7m3so74xunb5nzr4pwgfqd",
        ),
        (
            "smp12",
            "UkMFNAXLXeAAe0beCa4w6X_zp18PwxSaSjY17BKUGXQ=",
            "ie42b5weq7zdkghocs3mgxdjeuycheeqqmksntj57rmejagmg4eor5yd",
        ),
        (
            "smp14",
            "enEkec4hlR3UtKx2NMpOUK_K4ZuDxjWBO1d9Y4YXVaA=",
            "aspkyu2sopsnizbyfabtsicikr2s4r3ti35jogbcekhm3fsoeyjvgrid",
        ),
        (
            "smp15",
            "h--vW7ZSkXPeOUpfxlFGgauQmXNFOzGoizak7Ult7cw=",
            "oauu4bgijybyhczbnxtlggo6hiubahmeutaqineuyy23aojpih3dajad",
        ),
        (
            "smp16",
            "hejn2gVIqNU6xjtGM3OwQeuk8ZEbDXVJXAlnSBJBWUA=",
            "p3ktngodzi6qrf7w64mmde3syuzrv57y55hxabqcq3l5p6oi7yzze6qd",
        ),
        (
            "smp17",
            "ZKe4uxF4Z_aLJJOEsC-Y6hSkXgQS5-oc442JQGkyP8M=",
            "ogtwfxyi3h2h5weftjjpjmxclhb5ugufa5rcyrmg7j4xlch7qsr5nuqd",
        ),
        (
            "smp18",
            "PtsqghzQKU83kYTlQ1VKg996dW4Cw4x_bvpKmiv8uns=",
            "lyqpnwbs2zqfr45jqkncwpywpbtq7jrhxnib5qddtr6npjyezuwd3nqd",
        ),
        (
            "smp19",
            "N_McQS3F9TGoh4ER0QstUf55kGnNSd-wXfNPZ7HukcM=",
            "i53bbtoqhlc365k6kxzwdp5w3cdt433s7bwh3y32rcbml2vztiyyz5id",
        ),
    ),
    *_presets(
        "simplexonflux.com",
        (
            "smp1",
            "xQW_ufMkGE20UrTlBl8QqceG1tbuylXhr9VOLPyRJmw=",
            "qb4yoanyl4p7o33yrknv4rs6qo7ugeb2tu2zo66sbebezs4cpyosarid",
        ),
        (
            "smp2",
            "LDnWZVlAUInmjmdpQQoIo6FUinRXGe0q3zi5okXDE4s=",
            "yiqtuh3q4x7hgovkomafsod52wvfjucdljqbbipg5sdssnklgongxbqd",
        ),
        (
            "smp3",
            "1jne379u7IDJSxAvXbWb_JgoE7iabcslX0LBF22Rej0=",
            "a5lm4k7ufei66cdck6fy63r4lmkqy3dekmmb7jkfdm5ivi6kfaojshad",
        ),
        (
            "smp4",
            "xmAmqj75I9mWrUihLUlI0ZuNLXlIwFIlHRq5Pb6cHAU=",
            "qpcz2axyy66u26hfdd2e23uohcf3y6c36mn7dcuilcgnwjasnrvnxjqd",
        ),
        (
            "smp5",
            "rWvBYyTamuRCBYb_KAn-nsejg879ndhiTg5Sq3k0xWA=",
            "4ao347qwiuluyd45xunmii4skjigzuuox53hpdsgbwxqafd4yrticead",
        ),
        (
            "smp6",
            "PN7-uqLBToqlf1NxHEaiL35lV2vBpXq8Nj8BW11bU48=",
            "hury6ot3ymebbr2535mlp7gcxzrjpc6oujhtfxcfh2m4fal4xw5fq6qd",
        ),
    ),
)
"""The routers that apps come with, or came with; in short links their first hosts stand for them.

None may ever be removed or changed: links that name it would not work any more.
"""

_PORTS_OF_A_PRESET = (443, 5223)


def _preset(server: ServerAddress, presets: Iterable[ServerAddress]) -> ServerAddress | None:
    return next((preset for preset in presets if preset.hosts[0] == server.hosts[0]), None)


def shorten_server(
    server: ServerAddress, presets: Iterable[ServerAddress] = PRESET_SERVERS
) -> ServerAddress:
    """The first host alone, if `restore_server` would add the rest; otherwise unchanged.

    Presets are reached on ports 443 and 5223 alike, so an address with one of these is shortened
    too.  ``presets`` are the routers that every reader knows, not those that a user has configured.
    """
    preset = _preset(server, presets)
    if preset is None or server.key_hash != preset.key_hash:
        return server
    if not set(server.hosts) <= set(preset.hosts):
        return server
    if server.port != preset.port and not (
        preset.port is None and server.port in _PORTS_OF_A_PRESET
    ):
        return server
    return ServerAddress(server.protocol, server.hosts[:1], None, b"")


def restore_server(
    server: ServerAddress, presets: Iterable[ServerAddress] = PRESET_SERVERS
) -> ServerAddress:
    """The preset that a host alone stands for; an address with more, or of no preset, unchanged."""
    if len(server.hosts) > 1 or server.port is not None or server.key_hash:
        return server
    return _preset(server, presets) or server
