"""The end-to-end encryption of two agents: X3DH and a double ratchet, with a post-quantum KEM.

Everything here is pure.  State goes in and comes out as values that never change, and so do key
pairs and the time; a failed step raises a `RatchetError` and leaves its caller with the state that
it had.

* `simplex_trio.ratchet.x3dh` -- from the keys of both sides to the first secrets;
* `simplex_trio.ratchet.starting` -- from those to each side's first state;
* `simplex_trio.ratchet.state` -- a ratchet between two messages, and its bytes;
* `simplex_trio.ratchet.sending` and `simplex_trio.ratchet.receiving` -- one step for each message;
* `simplex_trio.ratchet.skipped` -- keys of messages that have not come yet;
* `simplex_trio.ratchet.kem` and `simplex_trio.ratchet.sntrup761` -- the KEM, and the libraries that
  compute it.
"""
