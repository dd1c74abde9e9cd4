"""XFTP, the protocol that sends files through routers in fixed-size packets, versions 1 to 3."""
