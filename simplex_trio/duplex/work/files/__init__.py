"""Transfers of files: the parts of `simplex_trio.xftp`, with rows in place of state files."""
