from __future__ import annotations

import pytest

from simplex_trio.errors import NoSuitableHost
from simplex_trio.transport.config import (
    ConnectConfig,
    HostMode,
    KeepAlive,
    SocksMode,
    SocksProxy,
    WebPort,
)
from simplex_trio.transport.hosts import choose_hosts, plan_dial, uses_web_port
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import parse_hosts

KEY_HASH = "0YuTwO05YJWS8rkjn9eLJDjQhFKvIYd8d4xG8X1blIU="

PUBLIC, _ = parse_hosts("one.example,192.0.2.1,[2001:db8::1]")
ONION, _ = parse_hosts("aaaa.onion,bbbb.onion")
MIXED = (PUBLIC[0], ONION[0], PUBLIC[1], ONION[1], PUBLIC[2])

PROXY = SocksProxy()


def address(rest: str, protocol: str = "smp") -> ServerAddress:
    return ServerAddress.parse(f"{protocol}://{KEY_HASH}@{rest}")


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(
    ("mode", "has_proxy", "chosen"),
    [
        (HostMode.PUBLIC, False, PUBLIC),
        (HostMode.PUBLIC, True, PUBLIC),
        (HostMode.ONION, True, ONION),
        (HostMode.ONION_VIA_SOCKS, True, ONION),
        (HostMode.ONION_VIA_SOCKS, False, PUBLIC),
    ],
)
def test_of_both_kinds_the_wanted_one_is_taken(
    mode: HostMode, has_proxy: bool, chosen: tuple[object, ...], required: bool
) -> None:
    assert choose_hosts(MIXED, mode, required=required, has_proxy=has_proxy) == chosen


def test_a_preference_yields_to_what_there_is() -> None:
    for mode in (HostMode.ONION, HostMode.ONION_VIA_SOCKS):
        assert choose_hosts(PUBLIC, mode, required=False, has_proxy=True) == PUBLIC
    assert choose_hosts(ONION, HostMode.PUBLIC, required=False, has_proxy=True) == ONION


@pytest.mark.parametrize(
    ("hosts", "mode"),
    [(PUBLIC, HostMode.ONION), (PUBLIC, HostMode.ONION_VIA_SOCKS), (ONION, HostMode.PUBLIC)],
)
def test_a_requirement_does_not(hosts: tuple[object, ...], mode: HostMode) -> None:
    with pytest.raises(NoSuitableHost) as caught:
        choose_hosts(hosts, mode, required=True, has_proxy=True)  # type: ignore[arg-type]
    assert not caught.value.retryable


@pytest.mark.parametrize("mode", list(HostMode))
@pytest.mark.parametrize("required", [False, True])
def test_an_onion_host_is_never_dialled_without_a_proxy(mode: HostMode, required: bool) -> None:
    with pytest.raises(NoSuitableHost):
        choose_hosts(ONION, mode, required=required, has_proxy=False)
    with pytest.raises(NoSuitableHost):
        choose_hosts(MIXED, HostMode.ONION, required=required, has_proxy=False)


@pytest.mark.parametrize(
    ("rest", "protocol", "rule", "expected"),
    [
        ("smp1.preset.example", "smp", WebPort.PRESET, True),
        ("SMP1.Preset.Example.", "smp", WebPort.PRESET, True),
        ("preset.example", "smp", WebPort.PRESET, True),
        ("notpreset.example", "smp", WebPort.PRESET, False),
        ("example", "smp", WebPort.PRESET, False),
        ("other.example", "smp", WebPort.PRESET, False),
        ("192.0.2.1", "smp", WebPort.PRESET, False),
        ("smp1.preset.example:5223", "smp", WebPort.PRESET, False),
        ("smp1.preset.example", "smp", WebPort.OFF, False),
        ("smp1.preset.example", "ntf", WebPort.ALL, False),
        ("smp1.preset.example,aaaa.onion", "smp", WebPort.PRESET, True),
        ("other.example,smp1.preset.example", "smp", WebPort.PRESET, False),
        ("other.example", "smp", WebPort.ALL, True),
        ("192.0.2.1", "smp", WebPort.ALL, True),
        ("192.0.2.1:5223", "smp", WebPort.ALL, False),
    ],
)
def test_which_routers_are_reached_on_the_web_port(
    rest: str, protocol: str, rule: WebPort, expected: bool
) -> None:
    for domains in (["elsewhere.example", "preset.example"], [".preset.example"]):
        assert uses_web_port(address(rest, protocol), rule, domains) is expected


def plan(rest: str, protocol: str = "smp", **settings: object) -> tuple[object, ...]:
    config = ConnectConfig(**settings)  # type: ignore[arg-type]
    made = plan_dial(address(rest, protocol), [f"{protocol}/1"], config)
    return [str(host) for host in made.hosts], made.port, made.alpn, made.socks is not None


def test_plans() -> None:
    assert plan("one.example") == (["one.example"], 5223, ("smp/1",), False)
    assert plan("one.example:5224") == (["one.example"], 5224, ("smp/1",), False)
    assert plan("one.example", "ntf") == (["one.example"], 443, ("ntf/1",), False)
    assert plan("one.example", web_port=WebPort.ALL) == (["one.example"], 443, ("http/1.1",), False)
    assert plan("one.example:443", web_port=WebPort.ALL) == (
        ["one.example"],
        443,
        ("smp/1",),
        False,
    )


def test_what_goes_through_the_proxy() -> None:
    both = "one.example,aaaa.onion"
    onion_only = SocksMode.ONION_ONLY
    assert plan("one.example", socks=PROXY)[3]
    assert plan(both, socks=PROXY) == (["aaaa.onion"], 5223, ("smp/1",), True)
    assert plan(both, socks=PROXY, host_mode=HostMode.PUBLIC)[0] == ["one.example"]
    assert plan(both, socks=PROXY, host_mode=HostMode.PUBLIC)[3]
    assert plan("one.example", socks=PROXY, socks_mode=onion_only)[3] is False
    assert plan("aaaa.onion", socks=PROXY, socks_mode=onion_only)[3]
    # The first host decides about the port of all, as in the reference.
    assert plan(both, socks=PROXY, preset_domains=("example",)) == (
        ["aaaa.onion"],
        443,
        ("http/1.1",),
        True,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"port": 0},
        {"port": 65_536},
        {"username": "user", "password": "pass"},
        {"isolate": False, "username": "user"},
        {"isolate": False, "password": "pass"},
        {"isolate": False, "username": "user", "password": ""},
        {"isolate": False, "username": "u" * 256, "password": "pass"},
        {"isolate": False, "username": "\xfcser", "password": "pass"},
    ],
)
def test_proxies_that_make_no_sense(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"port|login"):
        SocksProxy(**settings)  # type: ignore[arg-type]


def test_configurations_show_no_secrets() -> None:
    proxy = SocksProxy("proxy.example", isolate=False, username="somebody", password="secret")
    config = ConnectConfig(socks=proxy, preset_domains=("preset.example",))
    made = plan_dial(address("one.example"), ["smp/1"], config)
    for text in (repr(proxy), repr(config), repr(made)):
        assert "example" not in text
        assert "secret" not in text
        assert "somebody" not in text


def test_keep_alive_has_the_numbers_of_the_reference() -> None:
    assert KeepAlive() == KeepAlive(idle=30, interval=15, count=4)
    for field in ("idle", "interval", "count"):
        with pytest.raises(ValueError, match=field):
            KeepAlive(**{field: 0})
