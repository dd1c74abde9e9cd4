"""Moving what a router keeps: from one store to another, to a file and back, from `smp-server`.

Everything in a store can be said as changes to an empty one.  So whatever is read gives `Change`
values in an order in which a store takes them, and whatever is written takes these.
"""
