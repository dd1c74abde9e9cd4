"""Signatures that other threads may verify ahead: each verdict counts once, and for what it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.wire.authorization import Authorizer, Verifier, verification_cost
from simplex_trio.wire.handshake import PeerService, Service, ServiceRole
from simplex_trio.wire.signature_checks import SignatureCheck, SignatureChecks
from simplex_trio.wire.smp.handshake import smp_session
from simplex_trio.wire.transmissions import (
    Transmission,
    parse_transmission,
    prepare_transmission,
)
from simplex_trio.wire.versions import SMP_VERSIONS

ROUTER = X25519PrivateKey(b"\x01" * 32)
SESSION = evolve(smp_session(SMP_VERSIONS.highest, b"\x02" * 32), has_service_signatures=True)
SERVICE_KEY = Ed25519PrivateKey(b"\x03" * 32)
SERVICE = Service(b"service", ServiceRole.MESSAGING, b"\x04" * 32, SERVICE_KEY)
PEER = PeerService(SERVICE.id, SERVICE.role, SERVICE.certificate_hash, SERVICE_KEY.public)

KEY, OTHER = Ed25519PrivateKey(b"\x05" * 32), Ed25519PrivateKey(b"\x06" * 32)
MOST_KEYS = 8


def authorized(
    key: AuthPrivateKey, number: int = 0, service: Service | None = None
) -> Transmission:
    """A transmission as a router reads it."""
    authorizer = Authorizer(ROUTER.public, service)
    nonce = number.to_bytes(24, "big")
    unsent = prepare_transmission(SESSION, nonce, b"entity", b"SUB")
    return parse_transmission(authorizer.finish(unsent, key, nonce, with_service=True), SESSION)


def checks_of(
    verifier: Verifier, *expected: tuple[Transmission, AuthPublicKey | None]
) -> SignatureChecks:
    return SignatureChecks(check for each in expected for check in verifier.checks(*each))


def expect_verdicts(
    verifier: Verifier, *expected: tuple[Transmission, AuthPublicKey | None]
) -> None:
    """Have another thread verify all that is expected."""
    checks = checks_of(verifier, *expected)
    checks.run_from_the_end()
    verifier.expect(checks)


@pytest.mark.parametrize("key", [KEY, Ed448PrivateKey(b"\x07" * 57)], ids=["Ed25519", "Ed448"])
def test_verdict_is_taken_once(key: AuthPrivateKey) -> None:
    verifier, transmission = Verifier(ROUTER), authorized(key)
    expect_verdicts(verifier, (transmission, key.public))
    assert verifier.has_accepted(transmission, key.public)
    assert verifier.accepts(transmission, (key.public,))
    assert verifier.spent == 0
    assert not verifier.has_accepted(transmission, key.public)
    assert verifier.accepts(transmission, (key.public,))
    assert verifier.spent == verification_cost(transmission)


def test_verdict_is_for_a_key_and_a_message() -> None:
    verifier, transmission = Verifier(ROUTER), authorized(KEY)
    expect_verdicts(verifier, (transmission, KEY.public))
    assert not verifier.has_accepted(transmission, OTHER.public)
    assert not verifier.accepts(transmission, (OTHER.public,))
    expect_verdicts(verifier, (transmission, OTHER.public))
    assert not verifier.has_accepted(transmission, OTHER.public)
    assert not verifier.has_accepted(transmission, KEY.public)
    assert verifier.accepts(transmission, (KEY.public,))
    expect_verdicts(verifier, (transmission, KEY.public))
    changed = evolve(transmission, authorized=transmission.authorized + b"!")
    assert not verifier.has_accepted(changed, KEY.public)
    assert not verifier.accepts(changed, (KEY.public,))


@pytest.mark.parametrize("key", [None, ROUTER.public, Ed448PrivateKey(b"\x07" * 57).public])
def test_dummy_accepts_nothing(key: AuthPublicKey | None) -> None:
    """Its private key is known to all."""
    verifier, transmission = Verifier(ROUTER), authorized(KEY)
    (check,) = verifier.checks(transmission, key)
    check.verdict = True
    verifier.expect(SignatureChecks([check]))
    assert key is None or not verifier.has_accepted(transmission, key)
    assert not verifier.accepts(transmission, () if key is None else (key,))


def test_second_owner() -> None:
    verifier, transmission = Verifier(ROUTER), authorized(OTHER)
    expect_verdicts(verifier, (transmission, KEY.public))
    keys = (KEY.public, OTHER.public)
    assert verifier.accepts(transmission, keys, most_keys=MOST_KEYS)


@pytest.mark.parametrize("ahead", [False, True], ids=["in turn", "ahead"])
def test_refusing_costs_the_same_whatever_the_keys(*, ahead: bool) -> None:
    transmission = authorized(KEY)
    kinds: tuple[Callable[[int], AuthPrivateKey], ...] = (
        lambda number: Ed25519PrivateKey(bytes([number]) * 32),
        lambda number: Ed448PrivateKey(bytes([number]) * 57),
        lambda number: X25519PrivateKey(bytes([number]) * 32),
    )
    costs = set()
    for kind in kinds:
        for count in range(MOST_KEYS + 1):
            keys = [kind(100 + number).public for number in range(count)]
            verifier = Verifier(ROUTER)
            if ahead:
                expect_verdicts(verifier, (transmission, keys[0] if keys else None))
            assert not verifier.accepts(transmission, keys, most_keys=MOST_KEYS)
            costs.add(verifier.spent)
    assert len(costs) == 1


def test_authenticators_are_not_verified_ahead() -> None:
    key = X25519PrivateKey(b"\x08" * 32)
    verifier, transmission = Verifier(ROUTER), authorized(key)
    assert list(verifier.checks(transmission, key.public)) == []
    expect_verdicts(verifier, (transmission, key.public))
    assert not verifier.has_accepted(transmission, key.public)
    assert verifier.accepts(transmission, (key.public,))


def test_signatures_of_a_service() -> None:
    verifier, transmission = Verifier(ROUTER, PEER), authorized(KEY, service=SERVICE)
    checks = checks_of(verifier, (transmission, KEY.public))
    verifier.expect(checks)
    assert checks.left == 2
    assert not verifier.has_accepted(transmission, KEY.public)
    checks.run_from_the_end()
    assert verifier.has_accepted(transmission, KEY.public)
    assert verifier.accepts_service(transmission, is_used=True)
    assert verifier.accepts(transmission, (KEY.public,))
    assert verifier.spent == 0


def test_verifier_comes_first_to_some() -> None:
    """It verifies several at once then, no more than it may in one turn, from the front."""
    transmissions = [authorized(KEY, number) for number in range(40)]
    verifier = Verifier(ROUTER)
    price = verification_cost(transmissions[0])
    checks = checks_of(verifier, *((each, KEY.public) for each in transmissions))
    verifier.expect(checks)
    assert verifier.accepts(transmissions[0], (KEY.public,))
    assert checks.left == 24
    assert verifier.spent == 16 * price
    for each in transmissions[1:16]:
        assert verifier.has_accepted(each, KEY.public)
        assert verifier.accepts(each, (KEY.public,))
    assert verifier.spent == 16 * price
    checks.run_from_the_end()  # another thread takes the rest
    assert all(verifier.accepts(each, (KEY.public,)) for each in transmissions[16:])
    assert verifier.spent == 16 * price


def test_verdict_that_does_not_come_in_time() -> None:
    """The verifier does not wait for a thread that has begun and not ended."""
    verifier, transmission = Verifier(ROUTER), authorized(KEY)
    checks = checks_of(verifier, (transmission, KEY.public))
    checks.give_up()  # as if a thread had taken it
    verifier.expect(checks)
    assert verifier.accepts(transmission, (KEY.public,))
    assert verifier.spent == verification_cost(transmission)


def test_nothing_is_expected_any_more() -> None:
    verifier, transmission = Verifier(ROUTER), authorized(KEY)
    expect_verdicts(verifier, (transmission, KEY.public))
    assert verifier.expects_any
    verifier.expect_none()
    assert not verifier.expects_any
    assert not verifier.has_accepted(transmission, KEY.public)


def test_same_transmission_twice() -> None:
    verifier, transmission = Verifier(ROUTER), authorized(KEY)
    expect_verdicts(verifier, (transmission, KEY.public), (transmission, KEY.public))
    assert verifier.accepts(transmission, (KEY.public,))
    assert verifier.accepts(transmission, (KEY.public,))


def test_checks_tell_nothing() -> None:
    check = SignatureCheck(KEY.public, KEY.sign(b"secret"), b"secret")
    assert "secret" not in repr(check)
