"""Errors that routers answer, common to SMP, NTF and XFTP: codes, values, decoding."""
