"""The scenarios against real routers, named by environment variables; run by ``nox -s interop``."""
