"""The scenarios against real routers and agents; run by ``nox -s interop``."""
