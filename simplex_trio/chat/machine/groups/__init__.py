"""Groups: the conversations of many, in plain code over a `Transaction` of the agent.

A group is a conversation as a contact is one: it has an id among theirs, and what was sent to it,
its state and its files are kept by that id.  Each of its members that the program is connected with
has a connection of its own, and what one member says goes to all of them.

* `records` -- what is kept of groups and members, and `store` how it is found again;
* `rules` -- who may do what;
* `arriving` -- what members say: what it changes at once, and what the program is told;
* `content` -- messages, edits, deletions and reactions among that;
* `saying` -- what is said to members;
* `joining` -- how the program comes into groups;
* `following` -- what follows from the agent's events that are no messages.
"""
