"""Groups: the conversations of many, in plain code over a `Transaction` of the agent.

A group is a conversation as a contact is one: it has an id among theirs, and what was sent to it,
its state and its files are kept by that id.  Each of its members that the program is connected with
has a connection of its own, and what one member says goes to all of them.

* `records` -- what is kept of groups and members, and `store` how it is found again;
* `rules` -- who may do what;
* `elements` -- what is in a message of a member;
* `arriving` -- what members say: what it changes at once, and what the program is told; `events`
  has the rules for each event, which are in `content`, `moderations`, `members`, `changes`,
  `contacts` and `forwarding`; `references`, `duplicates` and `happenings` belong to it;
* `outlet` -- the group as something is said in it, `saying` how that is queued, and `deliveries`
  how far it has come; `own_profile` and `profiles` are what members know of the program;
* `joining`, `links`, `mesh` and `leaving` -- the program as a member;
* `hosting`, `own_links`, `admissions`, `asking`, `applicants`, `introducing`, `relations`,
  `pending`, `history`, `governing` and `business` -- the program as a host; `customer` is the other
  side of `business`;
* `following` -- what follows from the agent's events that are no messages, and `noticing` how the
  program is told of it.
"""
