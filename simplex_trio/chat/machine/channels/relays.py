"""The relays that channels have, and when their links are read again.

A relay is wanted from when the channel names it until its connection is lost, or the channel names
it no longer.
"""

from __future__ import annotations

import hashlib

from attrs import evolve

from simplex_trio.chat.machine.channels.records import MAX_RELAYS, ChannelRecord, WantedRelay
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.duplex.kept import KeptRecords

__all__ = [
    "channel_with",
    "drop_relay",
    "due_looks",
    "due_relays",
    "find_relay",
    "forget_channel",
    "keep_channel",
    "look_at",
    "put_off",
    "put_relay",
    "relay_of_member",
    "relays_of",
    "want_relay",
]

_RELAYS = ".chat.channel-relays"
_LOOKS = ".chat.channel-looks"
_IDS = ".chat.channels"

_FIRST_WAIT = 60
_LONGEST_WAIT = 6 * 3600
_MAX_ATTEMPTS = 20
"""That is three days or so; if the channel names the relay still, it is tried anew after that."""


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _relay_key(group_id: int, link: str) -> bytes:
    return _key(group_id) + hashlib.sha256(link.encode()).digest()


# --- channels -----------------------------------------------------------------------------------


def keep_channel(kept: KeptRecords, group_id: int, channel: ChannelRecord, look_next: int) -> None:
    """Keep which group a channel is, and read its link again then."""
    kept.put(_IDS, channel.public_id, _key(group_id))
    look_at(kept, group_id, look_next)


def channel_with(kept: KeptRecords, public_id: bytes) -> int | None:
    """The id of the group that this channel is, or was last."""
    found = kept.get(_IDS, public_id)
    return None if found is None else int.from_bytes(found, "big")


def look_at(kept: KeptRecords, group_id: int, at: int) -> None:
    """Read the link of a channel again, at that time."""
    kept.put(_LOOKS, _key(group_id), _key(at))


def due_looks(kept: KeptRecords, now: int) -> tuple[list[int], int | None]:
    """The channels whose links are to be read now, and when the next one is."""
    due: list[int] = []
    later: list[int] = []
    after = b""
    while found := kept.scan(_LOOKS, after=after):
        after = found[-1][0]
        for key, value in found:
            at = int.from_bytes(value, "big")
            if at <= now:
                due.append(int.from_bytes(key, "big"))
            else:
                later.append(at)
    return due, min(later, default=None)


def forget_channel(kept: KeptRecords, group_id: int, channel: ChannelRecord | None) -> None:
    """Forget a channel that the program is no longer in."""
    for relay in relays_of(kept, group_id):
        drop_relay(kept, relay)
    kept.delete(_LOOKS, _key(group_id))
    if channel is not None and channel_with(kept, channel.public_id) == group_id:
        kept.delete(_IDS, channel.public_id)


# --- relays -------------------------------------------------------------------------------------


def _decoded(value: bytes) -> WantedRelay:
    return WantedRelay.from_json(decode_json(value))


def relays_of(kept: KeptRecords, group_id: int) -> list[WantedRelay]:
    """The relays of a channel; at most `MAX_RELAYS`."""
    return [_decoded(value) for _, value in kept.scan(_RELAYS, _key(group_id))]


def find_relay(kept: KeptRecords, group_id: int, link: str) -> WantedRelay | None:
    """The relay with this link."""
    found = kept.get(_RELAYS, _relay_key(group_id, link))
    return None if found is None else _decoded(found)


def relay_of_member(kept: KeptRecords, group_id: int, member_id: bytes) -> WantedRelay | None:
    """The relay that is this member."""
    found = relays_of(kept, group_id)
    return next((each for each in found if each.member_id == member_id), None)


def want_relay(kept: KeptRecords, group_id: int, link: str, at: int) -> bool:
    """A channel has this relay, which is to be asked then; returns whether that is new."""
    key = _relay_key(group_id, link)
    is_full = kept.count(_RELAYS, _key(group_id)) >= MAX_RELAYS
    if is_full or kept.get(_RELAYS, key) is not None:
        return False
    put_relay(kept, WantedRelay(group_id, link, next_at=at))
    return True


def put_relay(kept: KeptRecords, relay: WantedRelay) -> None:
    """Store what is known of a relay."""
    key = _relay_key(relay.group_id, relay.link)
    kept.put(_RELAYS, key, encode_json(relay.to_json()))


def drop_relay(kept: KeptRecords, relay: WantedRelay) -> None:
    """The relay is wanted no longer."""
    kept.delete(_RELAYS, _relay_key(relay.group_id, relay.link))


def put_off(kept: KeptRecords, relay: WantedRelay, now: int) -> bool:
    """A relay could not be reached: later once more; returns whether it is still wanted."""
    if relay.attempts >= _MAX_ATTEMPTS:
        drop_relay(kept, relay)
        return False
    wait = min(_FIRST_WAIT << relay.attempts, _LONGEST_WAIT)
    put_relay(kept, evolve(relay, attempts=relay.attempts + 1, next_at=now + wait))
    return True


def due_relays(kept: KeptRecords, now: int) -> tuple[list[WantedRelay], int | None]:
    """The relays that are to be asked now, and when the next one is."""
    due: list[WantedRelay] = []
    later: list[int] = []
    after = b""
    while found := kept.scan(_RELAYS, after=after):
        after = found[-1][0]
        for _, value in found:
            relay = _decoded(value)
            if relay.member_id is not None:
                continue
            if relay.next_at <= now:
                due.append(relay)
            else:
                later.append(relay.next_at)
    return due, min(later, default=None)
