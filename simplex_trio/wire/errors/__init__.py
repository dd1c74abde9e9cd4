"""Errors that routers answer with, shared by SMP, NTF and XFTP: codes, values, decoding."""
