"""Authorizing commands in a client, and verifying the authorization in a router.

The key of a queue either signs a transmission (Ed25519, Ed448) or, from version 7 on, agrees on a
secret with the router's session key to compute an *authenticator*, which only the router can verify
and which proves nothing to third parties.  In a service's session some commands carry a second
signature, by the service's session key.  The queue's key then also covers the service's
certificate, so that an attacker in the middle cannot substitute another service.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from simplex_trio.crypto.authenticator import (
    AUTHENTICATOR_SIZE,
    authenticate,
    verify_authenticator,
)
from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    VerifyKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.errors import CryptoError, EncodeError
from simplex_trio.wire.handshake import PeerService, Service
from simplex_trio.wire.signature_checks import (
    SignatureCheck,
    SignatureChecks,
    is_signed,
    signature_cost,
)
from simplex_trio.wire.transmissions import Transmission, UnsentTransmission

__all__ = [
    "AGREEMENT_COST",
    "Authorizer",
    "NoRouterKey",
    "Verifier",
    "authorization_is_well_formed",
    "is_signed_by_key",
    "verification_cost",
]

MAX_AGREED_KEYS = 1024
"""The number of keys whose agreed secrets are cached.  Beyond it the oldest is evicted, and
computed again when needed, in about 40 microseconds.  The table takes at most 300 KiB."""

AGREEMENT_COST: Final = 4
"""What agreeing one secret with X25519 costs, in the unit of `Verifier.spent`."""

_AGREED_COST: Final = 1

# Stand-ins for a missing or mismatched key, so that a failed check takes the same time whatever the
# reason: the base points of the curves, which are valid keys.  The result of the check is ignored.
_DUMMY_X25519 = X25519PublicKey((9).to_bytes(32, "little"))
_DUMMY_ED25519 = Ed25519PublicKey(b"\x58" + b"\x66" * 31)
_DUMMY_ED448 = Ed448PublicKey(
    (
        0x693F46716EB6BC248876203756C9C7624BEA73736CA3984087789C1E << 224
        | 0x05A0C2D73AD3FF1CE67C39C4FDBD132C4ED7C8AD9808795BF230FA14
    ).to_bytes(57, "little")
)

_DUMMY_BY_SIGNATURE_SIZE: dict[int, VerifyKey] = {64: _DUMMY_ED25519, 114: _DUMMY_ED448}

_ED25519_COST = signature_cost(_DUMMY_ED25519)

_COST_BY_SIZE: dict[int, int] = {
    0: 0,
    64: _ED25519_COST,
    114: signature_cost(_DUMMY_ED448),
    AUTHENTICATOR_SIZE: AGREEMENT_COST,
}


class NoRouterKey(EncodeError):
    """An X25519 key cannot authorize in this session: there is no router key to agree with."""


def authorization_is_well_formed(authorization: bytes) -> bool:
    """Whether the size is that of an absent authorization, a signature or an authenticator."""
    return len(authorization) in _COST_BY_SIZE


def is_signed_by_key(transmission: Transmission) -> bool:
    """Whether the authorization has the size of a signature."""
    return len(transmission.authorization) in _DUMMY_BY_SIGNATURE_SIZE


def verification_cost(transmission: Transmission) -> int:
    """The least that checking a transmission costs if it is not known already.

    It is the cost of one check with one key, and of the service's signature where there is one.
    """
    by_service = 0 if transmission.service_signature is None else _ED25519_COST
    return _COST_BY_SIZE.get(len(transmission.authorization), 0) + by_service


_NONE_EXPECTED: Final = SignatureChecks()


class _AgreedKeys:
    """A cache of agreed secrets, by the raw key of the other side; evicts the oldest."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, BoxKey] = OrderedDict()

    def get(self, raw: bytes) -> BoxKey | None:
        return self._keys.get(raw)

    def keep(self, raw: bytes, agreed: BoxKey) -> None:
        self._keys[raw] = agreed
        if len(self._keys) > MAX_AGREED_KEYS:
            self._keys.popitem(last=False)


class Authorizer:
    """Authorizes a client's transmissions in one session."""

    def __init__(self, router_key: X25519PublicKey | None, service: Service | None = None) -> None:
        self._router_key = router_key
        self._service = service
        self._agreed = _AgreedKeys()

    def finish(
        self,
        unsent: UnsentTransmission,
        key: AuthPrivateKey | None,
        nonce: bytes,
        *,
        with_service: bool = False,
    ) -> bytes:
        """Return the authorized transmission.

        Pass ``with_service`` for commands that a service also signs; it has no effect in a session
        without a service.  Raises `NoRouterKey` for an X25519 key in a session without a router
        key.
        """
        if key is None:
            return unsent.finish()
        service = self._service if with_service else None
        if service is None:
            return unsent.finish(self._authorize(key, nonce, unsent.authorized))
        covered = service.certificate_hash + unsent.authorized
        return unsent.finish(
            self._authorize(key, nonce, covered), service.session_key.sign(unsent.authorized)
        )

    def _authorize(self, key: AuthPrivateKey, nonce: bytes, covered: bytes) -> bytes:
        match key:
            case X25519PrivateKey():
                if self._router_key is None:
                    raise NoRouterKey("an X25519 key cannot authorize without a router key")
                agreed = self._agreed.get(key.raw)
                if agreed is None:
                    agreed = BoxKey.agree(key, self._router_key)
                    self._agreed.keep(key.raw, agreed)
                return authenticate(agreed, nonce, covered)
            case Ed25519PrivateKey() | Ed448PrivateKey():
                return key.sign(covered)


class Verifier:
    """Verifies the transmissions that a router receives in one session.

    A failed check costs about the same whatever the reason: if a key is missing, or its kind does
    not match the authorization, the check runs with a dummy key, and if a queue has fewer keys than
    it may have, it runs as often as if all were there.

    ``spent`` is the cost of the checks so far, but for those that other threads have made.  One
    unit is about ten microseconds on a machine of 2026; what matters is the ratio of X25519 (4),
    Ed25519 (9) and Ed448 (31).
    """

    def __init__(
        self, session_key: X25519PrivateKey | None, service: PeerService | None = None
    ) -> None:
        self.spent: int = 0
        self._session_key = session_key
        self._service = service
        self._agreed = _AgreedKeys()
        self._expected = _NONE_EXPECTED

    def checks(
        self, transmission: Transmission, key: AuthPublicKey | None
    ) -> Iterator[SignatureCheck]:
        """Yield the signatures that `accepts_service` and `accepts` verify first.

        ``key`` is the first of those that `accepts` is given; `None` if there is none.
        """
        signature = transmission.service_signature
        if signature is not None and self._service is not None:
            session_key = self._service.session_key
            yield SignatureCheck(session_key, signature, transmission.authorized)
        authorization = transmission.authorization
        dummy = _DUMMY_BY_SIGNATURE_SIZE.get(len(authorization))
        if dummy is not None:
            yield SignatureCheck(
                _signing_key(key, dummy) or dummy, authorization, self._covered(transmission)
            )

    def expect(self, checks: SignatureChecks) -> None:
        """Take verdicts from these checks, made of what `checks` gives, from now on.

        Where there is no verdict yet, several signatures are verified at once.
        """
        self._expected = checks

    def expect_none(self) -> None:
        """Verify each signature when it is its turn, as a new verifier does."""
        self._expected = _NONE_EXPECTED

    @property
    def expects_any(self) -> bool:
        """Whether there are checks whose verdicts were not taken."""
        return self._expected.are_any

    def has_accepted(self, transmission: Transmission, key: AuthPublicKey) -> bool:
        """Whether verdicts are there by which it is accepted without further checks, for now.

        ``key`` is the first of those that `accepts` is given.
        """
        checks = tuple(self.checks(transmission, key))
        # A dummy accepts nothing: anyone can sign for it.
        is_genuine = any(check.key is key for check in checks)
        return is_genuine and all(map(self._expected.has_accepted, checks))

    def accepts(
        self, transmission: Transmission, keys: Sequence[AuthPublicKey], *, most_keys: int = 1
    ) -> bool:
        """Whether one of ``keys`` authorized it; there may be up to ``most_keys``.

        The search ends with the first key that matches.  If none does, it makes ``most_keys``
        checks however many keys there are, so that the time does not tell.
        """
        if not transmission.authorization:
            return False
        covered = self._covered(transmission)
        is_authenticator = len(transmission.authorization) == AUTHENTICATOR_SIZE
        matches = self._authenticated if is_authenticator else self._signed_by
        for key in keys:
            if matches(transmission, covered, key):
                return True
        for _ in range(most_keys - len(keys)):
            matches(transmission, covered, None)
        return False

    def accepts_service(self, transmission: Transmission, *, is_used: bool) -> bool:
        """Whether the service signature is present and valid, or absent, as required.

        ``is_used`` says whether the command is one that a service also signs.
        """
        signature = transmission.service_signature
        if not is_used:
            return signature is None
        if self._service is None or signature is None:
            return self._service is None and signature is None
        return self._signed(self._service.session_key, signature, transmission.authorized)

    def accepts_as_service(self, transmission: Transmission) -> bool:
        """Whether the session's service authorized the transmission as its entity."""
        service = self._service
        if service is None or transmission.service_signature is not None:
            return False
        if transmission.entity_id != service.id:
            return False
        return self._signed(
            service.session_key, transmission.authorization, transmission.authorized
        )

    def _covered(self, transmission: Transmission) -> bytes:
        """What the key of a queue covers."""
        if transmission.service_signature is not None and self._service is not None:
            return self._service.certificate_hash + transmission.authorized
        return transmission.authorized

    def _signed_by(
        self, transmission: Transmission, covered: bytes, key: AuthPublicKey | None
    ) -> bool:
        authorization = transmission.authorization
        dummy = _DUMMY_BY_SIGNATURE_SIZE.get(len(authorization))
        if dummy is None:
            return False
        signing_key = _signing_key(key, dummy)
        if signing_key is not None:
            return self._signed(signing_key, authorization, covered)
        self._signed(dummy, authorization, covered)
        return False

    def _authenticated(
        self, transmission: Transmission, covered: bytes, key: AuthPublicKey | None
    ) -> bool:
        if self._session_key is None:
            return False
        genuine = isinstance(key, X25519PublicKey)
        peer = key if isinstance(key, X25519PublicKey) else _DUMMY_X25519
        known = self._agreed.get(peer.raw)
        self.spent += AGREEMENT_COST if known is None else _AGREED_COST
        try:
            agreed = known or BoxKey.agree(self._session_key, peer)
        except CryptoError:  # a degenerate key authorizes nothing
            return False
        nonce = nonce_from(transmission.correlation_id)
        accepted = genuine & verify_authenticator(
            agreed, nonce, covered, transmission.authorization
        )
        # Cached only once the key has been proven.  Otherwise a second guess at an existing queue
        # would be faster than one at a queue that does not exist.
        if accepted and known is None:
            self._agreed.keep(peer.raw, agreed)
        return accepted

    def _signed(self, key: VerifyKey, signature: bytes, message: bytes) -> bool:
        # Taken out, so that checking the signature again, with another key or a dummy, takes its
        # time whether or not the first check was made ahead.
        check = self._expected.take(signature)
        if check is not None and check.key == key and check.message == message:
            if check.verdict is None:
                self.spent += self._expected.run_some()
            if check.verdict is not None:
                return check.verdict
        self.spent += signature_cost(key)
        return is_signed(key, signature, message)


def _signing_key(key: AuthPublicKey | None, dummy: VerifyKey) -> VerifyKey | None:
    """The key, if it makes signatures of the kind that ``dummy`` verifies."""
    if isinstance(key, Ed25519PublicKey | Ed448PublicKey) and type(key) is type(dummy):
        return key
    return None
