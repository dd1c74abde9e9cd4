"""NTF, the protocol between a client and a notification router, versions 1 to 3."""
