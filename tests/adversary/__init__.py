"""Attacks on routers and clients, by programs that share nothing with the package.

The attackers are `ssl` and a small TLS client of their own (`tls13`), their own SMP (`smp`), XFTP
(`xftp`), HTTP/2 frames and hostile routers (`hostile`), all written from the protocols' documents.
What they attack runs in a process of its own (`serve`, `victim`).

In the ordinary run attacks are short, and what is asserted are counts: answers that came, and
tasks, sockets and memory that were given back.  With ``SIMPLEX_TRIO_ADVERSARY=long`` they are as
large as an attacker with one machine would make them, honest requests beside them are timed, and a
table of attack, bound and figure is printed in the end.
"""
