"""What the apps say to each other inside a connection: values, and their bytes.

All of it is pure.  `bodies` is the way in and out: it makes messages of the body of an agent
message, and bodies of messages.  `message` has the envelope of one message, `events` and
`group_events` what a message can say, and the other modules the values in it: `content`,
`profiles`, `preferences`, `groups`, `files`, `calls`.  `addresses` has the data of short links, and
`formatting` what the apps make of asterisks in a text.

A class is its own schema (`records`): the names and types of its fields say how it is read and
written.  Reading keeps what it does not know, so that writing gives the same JSON values again.
"""
