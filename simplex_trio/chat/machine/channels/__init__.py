"""Channels: groups whose members know each other through relays alone, as a subscriber is in them.

A channel is a group (`GroupRecord.channel`), and its relays are members with `Role.RELAY`, the only
ones that there are connections with.  What is different from other groups is here: the links and
how the program comes in (`links`, `joining`), the relays that it wants (`relays`), what they pass
on and whether to believe it (`arriving`, `events`), and what the program says itself (`saying`).
"""
