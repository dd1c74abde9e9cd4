"""XFTP, by which files go through routers as packets of fixed sizes, versions 1 to 3."""
