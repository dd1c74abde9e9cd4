"""What a chat program does next, in plain code, over a `Transaction` of the agent.

* `records` -- what is kept in the agent's file, and `store` how it is found again;
* `settings` -- what the program says of itself;
* `following` -- what follows from the agent's events;
* `file_records`, `receiving_files`, `sending_files` -- files, in both directions;
* `incoming` -- what contacts say, and what follows from it;
* `outgoing` -- what is said to them;
* `requesting` and `connecting` -- how contacts come about, and end;
* `own` -- the profile and the address of the program.
"""
