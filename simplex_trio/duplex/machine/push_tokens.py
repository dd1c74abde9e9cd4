"""The registration of a device at a notification router: its states, and what leads to them."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.events import NotificationTokenChanged
from simplex_trio.duplex.machine.push_records import (
    NotificationMode,
    OldSubscription,
    PushToken,
    current_token,
)
from simplex_trio.duplex.machine.step import Moment, Step
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.ntf.statuses import InvalidReason, TokenState, TokenStatus
from simplex_trio.wire.ntf.tokens import DeviceToken

__all__ = [
    "check_refused",
    "check_token",
    "code_received",
    "code_refused",
    "delete_token",
    "device_replaced",
    "period_set",
    "register_device",
    "token_checked",
    "token_forgotten",
    "token_not_registered",
    "token_refused",
    "token_registered",
    "token_verified",
]

_NONCE_SIZE = 24


# --- what the program wants ---------------------------------------------------------------------


def register_device(
    step: Step,
    device: DeviceToken,
    server: ServerAddress,
    *,
    mode: NotificationMode,
    minutes: int,
) -> PushToken:
    """Register a device, or change what is known of it.

    A device that was registered and is not verified yet is registered again, so that the router
    sends another code.
    """
    step.notifications_changed = True
    token = current_token(step.rows)
    if token is not None and token.server != server:
        delete_token(step)
        token = None
    if token is None:
        return _add(step, _new_token(step.moment, device, server, mode=mode, minutes=minutes))
    changed = evolve(
        token,
        mode=mode,
        minutes=minutes,
        minutes_due=token.minutes_due or minutes != token.minutes,
    )
    if device != token.device_token:
        changed = evolve(
            changed,
            provider=device.provider,
            device=device.token,
            device_due=bool(token.token_id),
            code=None,
        )
    elif token.state is TokenState.ACTIVE:
        changed = evolve(changed, check_due=True)
    elif token.code is None:
        changed = evolve(changed, registration_due=True)
    return _change(step, token, changed)


def code_received(step: Step, token: PushToken, nonce: bytes, sealed: bytes) -> None:
    """A push has brought the code, which is to be returned to the router.

    Raises `CryptoError` or `DecodeError` if the push is not for this token.
    """
    if token.push_key is None:
        # The push was faster than the answer with the key.
        _change(step, token, evolve(token, sealed_code=nonce + sealed))
        return
    code = token.push_key.open_padded(nonce, sealed)
    if token.device_due:
        # The push was faster than the answer that the router has the new device.
        _change(step, token, evolve(token, code=code))
    elif token.state is not TokenState.ACTIVE:
        _reach(step, token, evolve(token, code=code), TokenState.CONFIRMED)


def check_token(step: Step, token: PushToken) -> None:
    """Ask the router for the state of the token."""
    _change(step, token, evolve(token, check_due=True))


def delete_token(step: Step) -> bool:
    """Delete the token with all subscriptions; returns whether there was one."""
    token = current_token(step.rows)
    if token is None:
        return False
    _forget_subscriptions(step, token)
    if token.token_id:
        _change(step, token, evolve(token, is_deleted=True))
    else:
        _remove(step, token)
    return True


# --- what the router has answered ---------------------------------------------------------------


# Each takes the token as it is now, and those that matter the one for which the router was asked.


def token_registered(
    step: Step, asked: PushToken, token: PushToken, token_id: bytes, push_key: BoxKey
) -> None:
    """The router knows the token, and sends a code to the device."""
    code = token.code
    if token.sealed_code is not None:
        nonce, sealed = token.sealed_code[:_NONCE_SIZE], token.sealed_code[_NONCE_SIZE:]
        # If it was sent for another registration, the router sends a new one.
        with suppress(CryptoError, DecodeError):
            code = push_key.open_padded(nonce, sealed)
    registered = evolve(
        token,
        token_id=token_id,
        push_key=push_key,
        registration_due=False,
        device_due=asked.device_token != token.device_token,
        sealed_code=None,
        code=code,
        minutes_due=bool(token.minutes),
    )
    _reach(step, token, registered, _state_before_verifying(registered))


def token_not_registered(step: Step, token: PushToken) -> None:
    """The router takes no such token; nothing more is done before the program registers it."""
    _reach(step, token, evolve(token, registration_due=False), TokenState.INVALID)


def token_verified(step: Step, token: PushToken) -> None:
    """The router has the code, so the device may have subscriptions."""
    _reach(step, token, evolve(token, code=None), TokenState.ACTIVE)


def device_replaced(step: Step, asked: PushToken, token: PushToken) -> None:
    """The router has the new device token, and sends a code to the device."""
    replaced = evolve(token, device_due=asked.device_token != token.device_token)
    _reach(step, token, replaced, _state_before_verifying(replaced))


def period_set(step: Step, asked: PushToken, token: PushToken) -> None:
    """The router wakes the device as often as was asked, or refuses to."""
    _change(step, token, evolve(token, minutes_due=asked.minutes != token.minutes))


def token_checked(step: Step, token: PushToken, status: TokenStatus) -> None:
    """The router has told the state of the token."""
    state = status.state
    if state in (TokenState.REGISTERED, TokenState.CONFIRMED) and token.code is not None:
        state = TokenState.CONFIRMED
    _reach(step, token, evolve(token, check_due=False), state, status.reason)


def code_refused(step: Step, token: PushToken) -> None:
    """The router does not take the code; the program may register again to get another one."""
    _reach(step, token, evolve(token, code=None), TokenState.REGISTERED)


def check_refused(step: Step, token: PushToken) -> None:
    """The router does not tell the state of the token."""
    _change(step, token, evolve(token, check_due=False))


def token_refused(step: Step, token: PushToken) -> None:
    """The router does not know the token any more: it is registered anew, with other keys."""
    _forget_subscriptions(step, token)
    _remove(step, token)
    fresh = _new_token(
        step.moment, token.device_token, token.server, mode=token.mode, minutes=token.minutes
    )
    _add(step, fresh)
    step.tell(NotificationTokenChanged(fresh.state, None))


def token_forgotten(step: Step, token: PushToken) -> None:
    """A deleted token is gone from the router, or the router refuses to delete it."""
    _remove(step, token)


def _state_before_verifying(token: PushToken) -> TokenState:
    """The push with the code may have been faster than the answer."""
    return TokenState.REGISTERED if token.code is None else TokenState.CONFIRMED


# --- details ------------------------------------------------------------------------------------


def _new_token(
    moment: Moment,
    device: DeviceToken,
    server: ServerAddress,
    *,
    mode: NotificationMode,
    minutes: int,
) -> PushToken:
    return PushToken(
        name=moment.new_id(),
        server=server,
        provider=device.provider,
        device=device.token,
        mode=mode,
        minutes=minutes,
        auth_key=moment.ed25519_key(),
        dh_key=moment.x25519_key(),
    )


def _add(step: Step, token: PushToken) -> PushToken:
    step.rows.insert(token)
    step.notifications_changed = True
    return token


def _change(step: Step, before: PushToken, after: PushToken) -> PushToken:
    step.rows.update(before, after)
    step.notifications_changed = True
    return after


def _remove(step: Step, token: PushToken) -> None:
    step.rows.delete(token)
    step.notifications_changed = True


def _reach(
    step: Step,
    before: PushToken,
    after: PushToken,
    state: TokenState,
    reason: InvalidReason | None = None,
) -> None:
    _change(step, before, evolve(after, state=state, reason=reason))
    if (before.state, before.reason) == (state, reason):
        return
    if state is TokenState.ACTIVE:
        # What was refused or put off because of the token is to be tried now.
        step.rows.make_notifications_due(forget=False)
    step.tell(NotificationTokenChanged(state, reason))


def _forget_subscriptions(step: Step, token: PushToken) -> None:
    """With its token the router forgets each subscription."""
    step.rows.make_notifications_due(forget=True)
    for old in step.rows.find(OldSubscription, token=token.name):
        step.rows.delete(old)
